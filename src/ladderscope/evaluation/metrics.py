"""Measures of the error of a restoration, compared with the clean image."""

import math

import numpy as np
from jaxtyping import Real

from ladderscope.evaluation.planes import Planes, pair_of_planes, peak_of


def psnr(
    prediction: Real[np.ndarray, "..."],
    truth: Real[np.ndarray, "..."],
    peak: float | int | None = None,
) -> float:
    """Peak signal-to-noise ratio, in decibels: 10·log₁₀(peak² / mean squared error).

    Parameters
    ----------
    prediction, truth
        Arrays of the same shape. They may be larger than memory (`numpy.memmap`): blocks are read.
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
    one, other = pair_of_planes(prediction, truth)
    return psnr_of_planes(one, other, peak_of(other, peak))


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
    one, other = pair_of_planes(prediction, truth)
    return range_invariant_psnr_of_planes(one, other, peak_of(other, None))


def psnr_of_planes(prediction: Planes, truth: Planes, peak: float) -> float:
    """Compute `psnr` block by block."""
    errors = (prediction.values(block) - truth.values(block) for block in truth.blocks())
    return _decibels(sum(float(np.vdot(error, error)) for error in errors) / truth.size, peak)


def range_invariant_psnr_of_planes(prediction: Planes, truth: Planes, peak: float) -> float:
    """Compute `range_invariant_psnr` block by block."""
    seen, energy, covariance = 0, 0.0, 0.0
    mean, mean_truth = 0.0, 0.0
    for block in truth.blocks():
        one, other = prediction.values(block), truth.values(block)
        # sums about the means so far, merged as by Chan, Golub, LeVeque (1983)
        step, step_truth = float(one.mean()) - mean, float(other.mean()) - mean_truth
        centred = one - one.mean()
        weight = seen * one.size / (seen + one.size)
        energy += float(np.vdot(centred, centred)) + step * step * weight
        covariance += float(np.vdot(centred, other)) + step * step_truth * weight
        seen += one.size
        mean += step * one.size / seen
        mean_truth += step_truth * one.size / seen
    scale = covariance / energy if energy > 0 else 0.0
    total = 0.0
    for block in truth.blocks():
        error = scale * (prediction.values(block) - mean) - (truth.values(block) - mean_truth)
        total += float(np.vdot(error, error))
    return _decibels(total / truth.size, peak)


def _decibels(squared_error: float, peak: float) -> float:
    return math.inf if squared_error == 0 else 10 * math.log10(peak**2 / squared_error)
