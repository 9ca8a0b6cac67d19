"""Measures of how similar a restoration is to the clean image."""

import math

import numpy as np
from jaxtyping import Float64, Real

from ladderscope.errors import LadderscopeError

_SSIM_SIGMA = 1.5
_SSIM_WINDOW = 11  # of a Gaussian of 1.5 pixels, cut off at 3.5 of them
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest first: the paper's, section 3.2
_COARSEST = 2 ** (len(_SCALE_WEIGHTS) - 1)
MS_SSIM_SIDE = _SSIM_WINDOW * _COARSEST


def psnr(
    prediction: Real[np.ndarray, "..."],
    truth: Real[np.ndarray, "..."],
    peak: float | int | None = None,
) -> float:
    """Peak signal-to-noise ratio, in decibels: 10·log₁₀(peak² / mean squared error).

    Parameters
    ----------
    prediction, truth
        Arrays of the same shape.
    peak
        The range of the signal; by default the maximum minus the minimum of the truth.

    Returns
    -------
    float
        Infinite if the two are equal.

    Raises
    ------
    LadderscopeError
        The shapes differ, there are no pixels, or the peak is not positive.

    Examples
    --------
    >>> truth = np.array([0.0, 10.0])
    >>> psnr(truth + 1, truth)
    20.0
    """
    prediction, truth = _pair(prediction, truth)
    peak = _peak(truth, peak)
    error = float(np.mean((prediction - truth) ** 2))
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def range_invariant_psnr(
    prediction: Real[np.ndarray, "..."], truth: Real[np.ndarray, "..."]
) -> float:
    """PSNR after the scale and offset that bring the prediction closest to the truth.

    Parameters
    ----------
    prediction, truth
        Arrays of the same shape.

    Returns
    -------
    float
        In decibels; the peak is the range of the truth.

    Raises
    ------
    LadderscopeError
        As for `psnr`.

    References
    ----------
    Weigert et al., "Content-aware image restoration: pushing the limits of fluorescence
    microscopy", Nature Methods 15 (2018), supplementary note 2.

    Examples
    --------
    >>> truth = np.array([0.0, 1.0, 5.0])
    >>> range_invariant_psnr(3 * truth + 7, truth) > 250
    True
    """
    prediction, truth = _pair(prediction, truth)
    centred = prediction - prediction.mean()
    energy = float(np.vdot(centred, centred))
    scale = float(np.vdot(centred, truth)) / energy if energy > 0 else 0.0
    return psnr(scale * centred + truth.mean(), truth)


def ssim(
    prediction: Real[np.ndarray, "*planes Y X"],
    truth: Real[np.ndarray, "*planes Y X"],
    peak: float | int | None = None,
) -> float:
    """Structural similarity with the Gaussian window and the constants of the paper.

    Parameters
    ----------
    prediction, truth
        Images of the same shape; for a stack, the mean over its planes.
    peak
        The range of the signal; by default that of the truth.

    Returns
    -------
    float
        1 if the two are equal.

    Raises
    ------
    LadderscopeError
        As for `psnr`, or a side is shorter than the window of 11 pixels.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE Trans. Image Processing 13 (2004).

    Examples
    --------
    >>> truth = np.mgrid[:16, :16][0]
    >>> ssim(truth, truth)
    1.0
    """
    from skimage.metrics import structural_similarity

    prediction, truth = _pair(prediction, truth)
    if truth.ndim < 2 or min(truth.shape[-2:]) < _SSIM_WINDOW:
        raise LadderscopeError(
            f"SSIM needs planes of at least {_SSIM_WINDOW}×{_SSIM_WINDOW} pixels, but the shape is "
            f"{truth.shape}"
        )
    peak = _peak(truth, peak)
    planes = (-1, *truth.shape[-2:])
    values = [
        structural_similarity(  # type: ignore[no-untyped-call]
            one,
            other,
            data_range=peak,
            gaussian_weights=True,
            sigma=_SSIM_SIGMA,
            use_sample_covariance=False,
        )
        for one, other in zip(prediction.reshape(planes), truth.reshape(planes), strict=True)
    ]
    return float(np.mean(values))


def ms_ssim(
    prediction: Real[np.ndarray, "*planes Y X"],
    truth: Real[np.ndarray, "*planes Y X"],
    peak: float | int | None = None,
) -> float:
    """Multi-scale structural similarity: at full size and at 1/2, 1/4, 1/8 and 1/16 of it.

    Computed by torchmetrics. Contrast and structure count at every scale, brightness only at the
    coarsest, each with the weight of the paper; an anticorrelated scale counts as 0.

    Parameters
    ----------
    prediction, truth
        Images of the same shape; for a stack, the mean over its planes.
    peak
        The range of the signal; by default that of the truth.

    Returns
    -------
    float
        From 0 to 1; 1 if the two are equal.

    Raises
    ------
    LadderscopeError
        As for `psnr`, or a side is shorter than 176 pixels, which are 11 at the coarsest scale.

    References
    ----------
    Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment",
    Asilomar Conference on Signals, Systems and Computers (2003), equation 7.

    Examples
    --------
    >>> truth = np.random.default_rng(0).normal(size=(176, 176))
    >>> round(ms_ssim(truth, truth), 6)
    1.0
    """
    prediction, truth = _pair(prediction, truth)
    if truth.ndim < 2 or min(truth.shape[-2:]) < MS_SSIM_SIDE:
        raise LadderscopeError(
            f"MS-SSIM needs planes of at least {MS_SSIM_SIDE}×{MS_SSIM_SIDE} pixels, but the shape "
            f"is {truth.shape}"
        )
    peak = _peak(truth, peak)
    centre = truth.mean()
    planes = (-1, *truth.shape[-2:])
    values = [
        _ms_ssim(one, other, peak, centre)
        for one, other in zip(prediction.reshape(planes), truth.reshape(planes), strict=True)
    ]
    return float(np.mean(values))


def _ms_ssim(
    prediction: Float64[np.ndarray, "Y X"],
    truth: Float64[np.ndarray, "Y X"],
    peak: float,
    centre: float,
) -> float:
    import torch
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        structural_similarity_index_measure,
    )

    # float64 would take 20 GB for 4 megapixels, and float32 cannot hold a small contrast on a large
    # offset. Contrast and structure do not depend on the offset, so they are computed without it;
    # the one factor that does, that of the coarsest scale, is small enough for float64.
    one, other = (torch.from_numpy(image)[None, None] for image in (prediction, truth))
    finer = multiscale_structural_similarity_index_measure(
        ((one - centre) / peak).float(),
        ((other - centre) / peak).float(),
        data_range=1.0,
        betas=(*_SCALE_WEIGHTS[:-1], 0.0),
    )
    coarsest = structural_similarity_index_measure(
        torch.nn.functional.avg_pool2d(one, _COARSEST),
        torch.nn.functional.avg_pool2d(other, _COARSEST),
        data_range=peak,
    )
    weighted = torch.relu(torch.as_tensor(coarsest)) ** _SCALE_WEIGHTS[-1]
    return float(finer * weighted)


def _pair(
    prediction: Real[np.ndarray, "..."], truth: Real[np.ndarray, "..."]
) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
    if prediction.shape != truth.shape:
        raise LadderscopeError(
            f"the prediction has shape {prediction.shape} and the truth {truth.shape}: only "
            "images of the same shape can be compared"
        )
    if truth.size == 0:
        raise LadderscopeError(f"there are no pixels to compare: the shape is {truth.shape}")
    return prediction.astype(np.float64), truth.astype(np.float64)


def _peak(truth: Float64[np.ndarray, "..."], peak: float | int | None) -> float:
    found = float(np.ptp(truth)) if peak is None else float(peak)
    if not found > 0:
        raise LadderscopeError(
            f"the peak is {found:g} but must be positive"
            + (" (the truth is constant)" if peak is None else "")
            + ": set peak to the range of the signal"
        )
    return found
