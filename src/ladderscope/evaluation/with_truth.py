"""Calibrating error bars where the truth is known, or a second exposure."""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int, Real

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import (
    BINS,
    HELD_OUT,
    LEAST_RATIO,
    LEVELS,
    Calibration,
    Source,
    equal_counts,
    in_bins,
    mapped_by,
    students,
    usable,
)
from ladderscope.evaluation.reliability import interval_factor

_BRIGHTNESS_BINS = 10
_ROUNDS = 3  # of fitting the map of σ and the factor of brightness in turns
_UNLIKE = 0.5  # of the error is a wrong scale or offset: the truth is in other units


def calibrate(
    mean: Real[np.ndarray, "..."],
    std: Real[np.ndarray, "..."],
    truth: Real[np.ndarray, "..."],
    truth_variance: Real[np.ndarray, "..."] | float = 0.0,
    *,
    neighbours: Real[np.ndarray, "..."] | None = None,
    samples: int = 16,
    source: Source = "truth",
    match: bool = False,
) -> Calibration:
    """Calibrate the standard deviation of one channel on pixels whose true signal is known.

    In equal-count bins of the predicted standard deviation, the root mean square error is
    compared with it; a monotone map takes one to the other (isotonic regression), and a factor
    that depends on the restored intensity does the same in bins of that. The multiplier of a
    level is then the conformal quantile ⌈(n + 1) · level⌉ / n of ``|error| / σ``.

    Intervals so made contain, on average over images like these, the stated fraction of the
    pixels. That is guaranteed where new pixels are exchangeable with these. Neighbouring pixels
    have similar errors, so that n pixels tell less than n independent ones would: what varies
    from image to image is only averaged where several images are given.

    Sums of recordings that a splitter has held out are few and small, and structures of one cell
    may not overlap in them as in a specimen: errors on other images are often larger. If such sums
    ask for a smaller standard deviation in the mean, the geometric mean of what they ask for and
    what was predicted is taken.

    Parameters
    ----------
    mean, std
        The restoration and its predicted standard deviation, in grey levels.
    truth
        The true signal, of the same shape and in the same units; or a second observation of it,
        with noise that is independent of the first.
    truth_variance
        Variance of the noise of `truth`, for all pixels or each of them. It is subtracted; noise
        that is left out makes the error bars too wide, by √(1 + variance / squared error). Less
        twice its covariance with the restoration, and thus negative, if that contains it too.
    neighbours
        Each difference of restoration and truth times that of the neighbouring pixels. Where the
        noise of the truth is white, the mean of these products has none of it; it is a lower bound
        of the squared error, and protects from a variance that takes structure for noise.
    samples
        Number of posterior samples of the restoration.
    source
        What `truth` is.
    match
        Whether to fit scale and offset of the truth first, where it was recorded in other units.

    Raises
    ------
    LadderscopeError
        The shapes differ, fewer than 1,000 pixels have a standard deviation, or the truth is
        plainly in other units.

    References
    ----------
    Levi, Gispan, Giladi, Fetaya, "Evaluating and calibrating uncertainty prediction in regression
    tasks", Sensors 22 (2022): the comparison in bins. Papadopoulos, Vovk, Gammerman, "Regression
    conformal prediction with nearest neighbours", JAIR 40 (2011): normalised conformal intervals.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> std = rng.uniform(1.0, 3.0, 100_000)
    >>> calibration = calibrate(np.zeros(100_000), std, rng.normal(0.0, 1.5 * std))
    >>> calibration.std(np.array([2.0]), np.zeros(1)).round(1).tolist()
    [3.0]
    """
    held_out = source in HELD_OUT
    least = None if neighbours is None else neighbours[usable(mean, std, truth)].astype(np.float64)
    error, std, mean, variance, matching = _compared(
        mean, std, truth, truth_variance, match=match, sure=held_out
    )
    fitted = _fitted(mean, std, error**2 - variance, least)
    deviation = fitted.std(std, mean)
    # Where the noise of the truth is the larger part, it hides how the errors are distributed.
    hidden = float(np.mean(variance)) > float(np.mean(deviation**2))
    multipliers = np.maximum.accumulate(
        [
            interval_factor(level) if hidden else _conformal(error, deviation, variance, level)
            for level in LEVELS
        ]
    )
    if held_out and np.mean(deviation**2) < np.mean(std**2):
        fitted = _half_way(fitted)
        deviation = fitted.std(std, mean)
    before, after = (
        tuple(
            float(np.mean(_needed(error, sigma, variance, level) <= factor))
            for level, factor in zip(LEVELS, factors, strict=True)
        )
        for sigma, factors in (
            (std, [students(level, samples) for level in LEVELS]),
            (deviation, multipliers),
        )
    )
    return Calibration(
        fitted.predicted,
        fitted.calibrated,
        fitted.intensities,
        fitted.factors,
        tuple(map(float, multipliers)),
        source,
        error.size,
        samples,
        before,
        after,
        *matching,
    )


def _needed(
    error: Float64[np.ndarray, " pixels"],
    deviation: Float64[np.ndarray, " pixels"],
    variance: Float64[np.ndarray, " pixels"],
    level: float,
) -> Float64[np.ndarray, " pixels"]:
    """Give the multiplier with which the interval of each pixel just contains the truth.

    A truth with noise is within z·√(σ² + variance) of the restoration, where z is the normal
    distribution's multiplier of the level, and z·σ half the width of the interval of the signal.
    """
    squared = error**2 - interval_factor(level) ** 2 * variance
    return np.sqrt(np.maximum(squared, 0.0)) / deviation


def _conformal(
    error: Float64[np.ndarray, " pixels"],
    deviation: Float64[np.ndarray, " pixels"],
    variance: Float64[np.ndarray, " pixels"],
    level: float,
) -> float:
    rank = min(math.ceil((error.size + 1) * level), error.size)
    needed = float(np.partition(_needed(error, deviation, variance, level), rank - 1)[rank - 1])
    return max(needed, LEAST_RATIO * interval_factor(level))


def _compared(
    mean: Real[np.ndarray, "..."],
    std: Real[np.ndarray, "..."],
    truth: Real[np.ndarray, "..."],
    truth_variance: Real[np.ndarray, "..."] | float,
    *,
    match: bool,
    sure: bool,
) -> tuple[
    Float64[np.ndarray, " pixels"],
    Float64[np.ndarray, " pixels"],
    Float64[np.ndarray, " pixels"],
    Float64[np.ndarray, " pixels"],
    tuple[float, float],
]:
    """Give error, standard deviation, restoration and variance of the truth, checked and flat.

    Unless its units are sure, a truth in others is refused.
    """
    used = usable(mean, std, truth)
    variance = np.broadcast_to(np.asarray(truth_variance, np.float64), mean.shape)[used]
    restored, of_truth, deviation = (image[used].astype(np.float64) for image in (mean, truth, std))
    scale, offset = _affine(restored, of_truth)
    if match and scale <= 0:
        raise LadderscopeError(
            "the truth does not rise with the restoration: check that both show the same field"
        )
    if match:
        variance, of_truth = variance / scale**2, (of_truth - offset) / scale
        return of_truth - restored, deviation, restored, variance, (scale, offset)
    error = of_truth - restored
    unlike = np.mean((of_truth - scale * restored - offset) ** 2 - variance)
    if not sure and scale > 0 and unlike < _UNLIKE**2 * np.mean(error**2 - variance):
        raise LadderscopeError(
            f"the truth is about {scale:.3g} times the restoration "
            f"{'+' if offset >= 0 else '−'} {abs(offset):.3g}: it seems to be in other units. Give "
            "the truth in the grey levels of the images, or have its scale and offset fitted "
            "(match=True, or --match)"
        )
    return error, deviation, restored, variance, (1.0, 0.0)


def _affine(
    restored: Float64[np.ndarray, " pixels"], truth: Float64[np.ndarray, " pixels"]
) -> tuple[float, float]:
    """Fit truth = scale · restored + offset."""
    middle = float(restored.mean())
    centred = restored - middle
    norm = float(np.vdot(centred, centred))
    scale = float(np.vdot(centred, truth)) / norm if norm > 0 else 1.0
    return scale, float(truth.mean()) - scale * middle


def _fitted(
    mean: Float64[np.ndarray, " pixels"],
    std: Float64[np.ndarray, " pixels"],
    squared: Float64[np.ndarray, " pixels"],
    least: Float64[np.ndarray, " pixels"] | None,
) -> Calibration:
    """Fit the map of σ and the factor of brightness to squared errors, in turns."""
    by_std = equal_counts(std, squared, BINS)
    by_brightness = equal_counts(mean, squared, _BRIGHTNESS_BINS)
    fitted = Calibration((1.0,), (1.0,))
    factor = np.ones_like(std)
    for _ in range(_ROUNDS):
        predicted, calibrated = _monotone(std, _mean(squared, least, by_std, factor), by_std)
        mapped = mapped_by(std, predicted, calibrated)
        ratio = _mean(squared, least, by_brightness) / in_bins(mapped**2, by_brightness)
        brightness, factors = _factors(mean, ratio, by_brightness)
        fitted = Calibration(predicted, calibrated, brightness, factors)
        factor = np.interp(mean, brightness, factors)
    return fitted


def _half_way(fitted: Calibration) -> Calibration:
    """Give the geometric mean of the calibrated standard deviation and the predicted one."""
    calibrated = np.sqrt(np.multiply(fitted.predicted, fitted.calibrated))
    factors = np.sqrt(fitted.factors)
    return replace(fitted, calibrated=tuple(calibrated.tolist()), factors=tuple(factors.tolist()))


def _mean(
    squared: Float64[np.ndarray, " pixels"],
    least: Float64[np.ndarray, " pixels"] | None,
    number: Int[np.ndarray, " pixels"],
    factor: Float64[np.ndarray, " pixels"] | float = 1.0,
) -> Float64[np.ndarray, " bins"]:
    """Give the mean square error of each bin, divided by the squares of a factor."""
    found = in_bins(squared / factor**2, number)
    return found if least is None else np.maximum(found, in_bins(least / factor**2, number))


def _monotone(
    std: Float64[np.ndarray, " pixels"],
    wanted: Float64[np.ndarray, " bins"],
    number: Int[np.ndarray, " pixels"],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Find the knots of the map: root mean variance, and root mean square error made monotone."""
    from scipy.optimize import isotonic_regression

    predicted = np.sqrt(in_bins(std**2, number))
    found = isotonic_regression(wanted, weights=np.bincount(number)).x
    least = (LEAST_RATIO * predicted[0]) ** 2  # where the known noise of the truth exceeds errors
    calibrated = np.sqrt(np.maximum(found, least))
    return tuple(map(float, predicted)), tuple(map(float, calibrated))


def _factors(
    mean: Float64[np.ndarray, " pixels"],
    ratio: Float64[np.ndarray, " bins"],
    number: Int[np.ndarray, " pixels"],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Find the knots of the factor of brightness."""
    factors = np.sqrt(np.clip(ratio, LEAST_RATIO**2, 1 / LEAST_RATIO**2))
    return tuple(map(float, in_bins(mean, number))), tuple(map(float, factors))
