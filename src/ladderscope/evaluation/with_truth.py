"""Calibrating error bars where the truth is known, or a second exposure."""

import math

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
_MARGIN = 1.25  # errors on other images, relative to those on sums of a few held-out recordings


def calibrate(
    mean: Real[np.ndarray, "..."],
    std: Real[np.ndarray, "..."],
    truth: Real[np.ndarray, "..."],
    truth_variance: Real[np.ndarray, "..."] | float = 0.0,
    *,
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
    may not overlap in them as in a specimen. Errors on other images are larger. These sums
    therefore widen the standard deviation as far as they ask for it, but narrow it only as far as
    errors 1.25 times as large would, with the noise of the recordings included: a noise model that
    takes structure for noise cannot make error bars too narrow. Multipliers are at least those of
    the normal distribution.

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
    cautious = source in HELD_OUT
    error, std, mean, variance, matching = _compared(
        mean, std, truth, truth_variance, match=match, sure=cautious
    )
    squared = error**2 - variance
    followed = _fitted(mean, std, squared)
    fitted = _fitted(mean, std, squared, error**2) if cautious else followed
    wide = _apart(std, variance)
    before = tuple(
        float(np.mean(np.abs(error) <= students(level, samples) * wide)) for level in LEVELS
    )
    deviation = followed.std(std, mean)
    score = np.abs(error) / _apart(deviation, variance)
    # Where the noise of the truth is the larger part, the score tells of its shape alone.
    noisy = float(np.mean(variance)) > float(np.mean(deviation**2))
    multipliers = np.array(
        [interval_factor(level) if noisy else _conformal(score, level) for level in LEVELS]
    )
    if cautious:
        multipliers = np.maximum(multipliers, [interval_factor(level) for level in LEVELS])
        score = np.abs(error) / _apart(fitted.std(std, mean), variance)
    after = tuple(float(np.mean(score <= multiplier)) for multiplier in multipliers)
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


def _apart(
    deviation: Float64[np.ndarray, " pixels"], variance: Float64[np.ndarray, " pixels"]
) -> Float64[np.ndarray, " pixels"]:
    """Give the standard deviation of the difference between restoration and truth."""
    return np.sqrt(np.maximum(deviation**2 + variance, (LEAST_RATIO * deviation) ** 2))


def _conformal(score: Float64[np.ndarray, " pixels"], level: float) -> float:
    rank = min(math.ceil((score.size + 1) * level), score.size)
    return float(np.partition(score, rank - 1)[rank - 1])


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
    with_noise: Float64[np.ndarray, " pixels"] | None = None,
) -> Calibration:
    """Fit the map of σ and the factor of brightness to squared errors, in turns.

    Squared errors with the noise of the truth, if given, limit how far either may narrow.
    """
    by_std = equal_counts(std, squared, BINS)
    by_brightness = equal_counts(mean, squared, _BRIGHTNESS_BINS)
    factor = np.ones_like(std)
    fitted = Calibration((1.0,), (1.0,))
    for _ in range(_ROUNDS):
        wanted = _wanted(squared / factor**2, std**2, by_std, _over(with_noise, factor))
        predicted, calibrated = _monotone(std, wanted, by_std)
        mapped = mapped_by(std, predicted, calibrated)
        wanted = _wanted(squared, mapped**2, by_brightness, with_noise)
        brightness, factors = _factors(mean, mapped, wanted, by_brightness)
        fitted = Calibration(predicted, calibrated, brightness, factors)
        factor = np.interp(mean, brightness, factors)
    return fitted


def _over(
    squared: Float64[np.ndarray, " pixels"] | None, factor: Float64[np.ndarray, " pixels"]
) -> Float64[np.ndarray, " pixels"] | None:
    return None if squared is None else squared / factor**2


def _wanted(
    squared: Float64[np.ndarray, " pixels"],
    predicted: Float64[np.ndarray, " pixels"],
    number: Int[np.ndarray, " pixels"],
    with_noise: Float64[np.ndarray, " pixels"] | None,
) -> Float64[np.ndarray, " bins"]:
    """Give the mean square error of each bin, or the largest variance that needs no narrowing."""
    found = in_bins(squared, number)
    if with_noise is None:
        return found
    allowed = np.minimum(in_bins(predicted, number), _MARGIN**2 * in_bins(with_noise, number))
    return np.maximum(found, allowed)


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
    mapped: Float64[np.ndarray, " pixels"],
    wanted: Float64[np.ndarray, " bins"],
    number: Int[np.ndarray, " pixels"],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Find the knots of the factor of brightness."""
    ratio = wanted / in_bins(mapped**2, number)
    factors = np.sqrt(np.clip(ratio, LEAST_RATIO**2, 1 / LEAST_RATIO**2))
    return tuple(map(float, in_bins(mean, number))), tuple(map(float, factors))
