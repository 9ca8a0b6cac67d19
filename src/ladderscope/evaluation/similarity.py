"""Structural similarity, at one scale and at five, of images of any size."""

import math

import numpy as np
from jaxtyping import Float32, Float64, Real

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.planes import (
    Block,
    Planes,
    grown,
    pair_of_planes,
    peak_of,
    value_range,
)

_SSIM_SIGMA = 1.5
SSIM_SIDE = 11  # of a Gaussian of 1.5 pixels, cut off at 3.5 of them
_REACH = SSIM_SIDE // 2
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest first: the paper's, section 3.2
_FINER = len(_SCALE_WEIGHTS) - 1
_COARSEST = 2**_FINER
MS_SSIM_SIDE = SSIM_SIDE * _COARSEST


def ssim(
    prediction: Real[np.ndarray, "*planes Y X"],
    truth: Real[np.ndarray, "*planes Y X"],
    peak: float | int | None = None,
) -> float:
    """Structural similarity with the Gaussian window and the constants of the paper.

    Parameters
    ----------
    prediction, truth
        Images of the same shape; for a stack, the mean over its planes. They may be larger than
        memory (`numpy.memmap`): blocks are read, and the result is that of the whole image.
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
    one, other = pair_of_planes(prediction, truth)
    check_side(truth.shape, SSIM_SIDE, "SSIM")
    return ssim_of_planes(one, other, peak_of(other, peak))


def ms_ssim(
    prediction: Real[np.ndarray, "*planes Y X"],
    truth: Real[np.ndarray, "*planes Y X"],
    peak: float | int | None = None,
) -> float:
    """Multi-scale structural similarity: at full size and at 1/2, 1/4, 1/8 and 1/16 of it.

    Computed by torchmetrics and scikit-image. Contrast and structure count at every scale,
    brightness only at the coarsest, each with the weight of the paper; an anticorrelated scale
    counts as 0.

    Parameters
    ----------
    prediction, truth
        Images of the same shape; for a stack, the mean over its planes. As for `ssim`, they may be
        larger than memory.
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
    one, other = pair_of_planes(prediction, truth)
    check_side(truth.shape, MS_SSIM_SIDE, "MS-SSIM")
    return ms_ssim_of_planes(one, other, peak_of(other, peak), value_range(other).mean)


def check_side(shape: tuple[int, ...], side: int, score: str = "SSIM") -> None:
    """Refuse planes that are smaller than the window of a score."""
    if len(shape) < 2 or min(shape[-2:]) < side:
        raise LadderscopeError(
            f"{score} needs planes of at least {side}×{side} pixels, but the shape is {shape}"
        )


def ssim_of_planes(prediction: Planes, truth: Planes, peak: float) -> float:
    """Compute `ssim` block by block: only windows that lie inside the plane count.

    A block is read with the margin that the windows of its pixels need, so that every window is
    complete, and none is counted twice.
    """
    scores = []
    for plane in range(truth.count):
        total, weight = 0.0, 0
        for block in truth.blocks_of(plane, trim=_REACH):
            wider = _wider(block, _REACH, truth)
            value = _mean_similarity(prediction.values(wider), truth.values(wider), peak)
            pixels = _length(block.rows) * _length(block.columns)
            total += value * pixels
            weight += pixels
        scores.append(total / weight)
    return float(np.mean(scores))


def ms_ssim_of_planes(prediction: Planes, truth: Planes, peak: float, centre: float) -> float:
    """Compute `ms_ssim` block by block.

    Parameters
    ----------
    prediction, truth
        Planes of at least 176×176 pixels.
    peak
        The range of the signal.
    centre
        A typical value, such as the mean of the truth: it is subtracted where only contrast counts.
    """
    planes = range(truth.count)
    return float(np.mean([_ms_ssim(prediction, truth, plane, peak, centre) for plane in planes]))


def _ms_ssim(prediction: Planes, truth: Planes, plane: int, peak: float, centre: float) -> float:
    coarse = np.empty((2, *(size // _COARSEST for size in truth.shape[-2:])))
    totals, weights = np.zeros(_FINER), np.zeros(_FINER)
    for block in truth.blocks_of(plane):
        # at 1/8, five pixels are 40; and the wider block must begin at a multiple of 16
        wider = _wider(block, 3 * _COARSEST, truth)
        pieces = [image.values(wider) for image in (prediction, truth)]
        pairs = list(zip(block[1:], wider[1:], strict=True))
        inside = tuple(slice(own.start - read.start, own.stop - read.start) for own, read in pairs)
        place = tuple(slice(own.start // _COARSEST, own.stop // _COARSEST) for own, _ in pairs)
        for image, piece in zip(coarse, pieces, strict=True):
            image[place] = _pooled(piece[inside], _COARSEST)
        # float64 would take twice the time, and float32 cannot hold a small contrast on a large
        # offset. Contrast and structure do not depend on the offset: they are computed without it.
        finer = [((piece - centre) / peak).astype(np.float32) for piece in pieces]
        for scale in range(_FINER):
            cut, pixels = _complete_windows(block, wider, scale, truth.shape[-2:])
            if pixels:
                one, other = (piece[cut] for piece in finer)
                totals[scale] += _contrast(one, other) * pixels
                weights[scale] += pixels
            finer = [_pooled(piece, 2) for piece in finer]
    # at the coarsest scale, the windows at the border count too: what they lack is mirrored
    mirrored = [np.pad(image, _REACH, mode="reflect") for image in coarse]
    coarsest = _mean_similarity(mirrored[0], mirrored[1], peak)
    values = (*(totals / weights), coarsest)
    return math.prod(
        max(0.0, float(value)) ** weight
        for value, weight in zip(values, _SCALE_WEIGHTS, strict=True)
    )


def _complete_windows(
    block: Block, wider: Block, scale: int, size: tuple[int, ...]
) -> tuple[tuple[slice, ...], int]:
    """Find the windows of a block, at a scale, that lie inside the plane: where, and how many."""
    cut, pixels = [], 1
    for own, read, length in zip(block[1:], wider[1:], size, strict=True):
        start = max(_REACH, own.start >> scale)
        stop = min((length >> scale) - _REACH, own.stop >> scale)
        first = read.start >> scale
        cut.append(slice(start - _REACH - first, stop + _REACH - first))
        pixels *= max(0, stop - start)
    return tuple(cut), pixels


def _mean_similarity(
    prediction: Float64[np.ndarray, "y x"], truth: Float64[np.ndarray, "y x"], peak: float
) -> float:
    """Return the mean over the windows that lie inside."""
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            prediction,
            truth,
            data_range=peak,
            gaussian_weights=True,
            sigma=_SSIM_SIGMA,
            use_sample_covariance=False,
        )
    )


def _contrast(prediction: Float32[np.ndarray, "y x"], truth: Float32[np.ndarray, "y x"]) -> float:
    """Return the mean factor for contrast and structure over the windows that lie inside."""
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    one, other = (
        torch.from_numpy(np.ascontiguousarray(image))[None, None] for image in (prediction, truth)
    )
    _, contrast = structural_similarity_index_measure(
        one, other, data_range=1.0, return_contrast_sensitivity=True
    )
    return float(contrast)


def _pooled(piece: Real[np.ndarray, "y x"], factor: int) -> Real[np.ndarray, "less less"]:
    """Average squares of pixels; what does not fill one at the end is left out."""
    rows, columns = (size // factor for size in piece.shape)
    squares = piece[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return squares.mean((1, 3))


def _wider(block: Block, margin: int, planes: Planes) -> Block:
    rows, columns = (
        grown(extent, margin, size)
        for extent, size in zip(block[1:], planes.shape[-2:], strict=True)
    )
    return Block(block.plane, rows, columns)


def _length(extent: slice) -> int:
    return extent.stop - extent.start
