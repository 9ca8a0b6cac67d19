"""Whether error bars have the right size: coverage, reliability, calibration error, CRPS.

Everything here takes the spread and the error, prediction minus truth, of the same pixels. If the
truth is itself noisy, with a known variance, use the square root of spread² + that variance as the
spread: otherwise coverage is too low, and the spread looks smaller than it is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Real

from ladderscope.errors import LadderscopeError
from ladderscope.words import counted

LEVELS = (0.5, 0.9, 0.95)
DIAGRAM_LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))


def interval_factor(level: float, samples: int | None = None) -> float:
    """Return how many standard deviations an interval extends to each side of the mean.

    Parameters
    ----------
    level
        The probability that the interval should hold the signal, between 0 and 1.
    samples
        The number of posterior samples that mean and standard deviation were estimated from: the
        interval is then wider by what so few samples leave uncertain, √(1 + 1/samples) times the
        quantile of Student's t. None for a known normal distribution.

    Raises
    ------
    LadderscopeError
        The level is not between 0 and 1, or there are fewer than 2 samples.

    Examples
    --------
    >>> round(interval_factor(0.9), 3), round(interval_factor(0.9, samples=5), 3)
    (1.645, 2.335)
    """
    from scipy.special import ndtri, stdtrit

    if not 0 < level < 1:
        raise LadderscopeError(f"level is {level:g}, but must be between 0 and 1, such as 0.9")
    if samples is None:
        return float(ndtri(0.5 + 0.5 * level))
    if samples < 2:
        raise LadderscopeError(
            f"{counted(samples, 'sample')} cannot give an interval: draw at least 2, better 50"
        )
    return float(stdtrit(samples - 1, 0.5 + 0.5 * level) * np.sqrt(1 + 1 / samples))


def coverage(
    spread: Real[np.ndarray, "..."],
    error: Real[np.ndarray, "..."],
    level: float = 0.9,
    factor: float | None = None,
) -> float:
    """Return the fraction of pixels whose truth lies in the interval mean ± factor·spread.

    Parameters
    ----------
    spread
        Standard deviations.
    error
        Prediction minus truth, of the same shape.
    level
        The probability that the interval should hold the truth.
    factor
        The half-width of the interval in standard deviations; by default that of a normal
        distribution, `interval_factor(level)`.

    Raises
    ------
    LadderscopeError
        The shapes differ, there are no pixels, or a spread is negative or NaN.

    Examples
    --------
    >>> error = np.random.default_rng(0).normal(0, 3, 100_000)
    >>> round(coverage(np.full(100_000, 3.0), error, 0.9), 2)
    0.9
    """
    spread, error = checked(spread, error)
    half = spread * (interval_factor(level) if factor is None else factor)
    return float(np.mean(np.abs(error) <= half))


def reliability_curve(
    spread: Real[np.ndarray, "..."],
    error: Real[np.ndarray, "..."],
    levels: Sequence[float] = DIAGRAM_LEVELS,
) -> Float64[np.ndarray, "levels"]:
    """Return the coverage of the normal interval of every level: on the diagonal if calibrated.

    Parameters
    ----------
    spread, error
        As in `coverage`.
    levels
        Nominal coverages, in ascending order.

    References
    ----------
    Kuleshov, Fenner, Ermon, "Accurate uncertainties for deep learning using calibrated
    regression", ICML (2018).

    Examples
    --------
    >>> error = np.random.default_rng(0).normal(0, 3, 100_000)
    >>> reliability_curve(np.full(100_000, 6.0), error, [0.5, 0.9]).round(2)
    array([0.82, 1.  ])
    """
    spread, error = checked(spread, error)
    size = np.abs(error)
    return np.array([np.mean(size <= interval_factor(level) * spread) for level in levels])


def expected_calibration_error(nominal: Sequence[float], empirical: Sequence[float]) -> float:
    """Return the mean distance between the coverage that was promised and that which was found.

    Parameters
    ----------
    nominal, empirical
        The points of a reliability diagram, such as `DIAGRAM_LEVELS` and `reliability_curve`.

    Returns
    -------
    float
        0 if calibrated; at most 0.5 for evenly spaced levels.

    Raises
    ------
    LadderscopeError
        The lengths differ, or there are no points.

    Examples
    --------
    >>> expected_calibration_error([0.25, 0.5, 0.75], [0.3, 0.5, 0.6])
    0.06666666666666667
    """
    if len(nominal) != len(empirical) or len(nominal) == 0:
        raise LadderscopeError(
            f"there are {len(nominal)} nominal and {len(empirical)} empirical coverages: the "
            "calibration error needs the same number of both, and at least one"
        )
    return float(np.mean(np.abs(np.asarray(empirical, float) - np.asarray(nominal, float))))


class SpreadBins(NamedTuple):
    """Predicted and actual error in bins of about equally many pixels, by ascending spread.

    Attributes
    ----------
    pixels
        Pixels per bin.
    spread
        Root mean variance (RMV): √mean(spread²).
    error
        Root mean square error (RMSE); equal to the RMV if calibrated.
    """

    pixels: Int64[np.ndarray, "bins"]
    spread: Float64[np.ndarray, "bins"]
    error: Float64[np.ndarray, "bins"]


def spread_bins(
    spread: Real[np.ndarray, "..."], error: Real[np.ndarray, "..."], bins: int = 10
) -> SpreadBins:
    """Compare the spread with the error in equal-count bins of the spread.

    Parameters
    ----------
    spread, error
        As in `coverage`.
    bins
        How many. Equal spreads stay together, so that there are fewer bins where many are equal.

    References
    ----------
    Levi, Gispan, Giladi, Fetaya, "Evaluating and calibrating uncertainty prediction in regression
    tasks", Sensors 22 (2022).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spread = rng.uniform(1, 5, 100_000)
    >>> found = spread_bins(spread, rng.normal(0, 2 * spread), bins=4)
    >>> found.pixels, (found.error / found.spread).round(1)
    (array([25000, 25000, 25000, 25000]), array([2., 2., 2., 2.]))
    """
    spread, error = checked(spread, error)
    return binned(bin_sums(spread, error, bin_edges(spread, bins)))


def normalised_calibration_error(bins: SpreadBins) -> float:
    """Return the mean over bins of ``|RMSE − RMV| / RMV``, weighted by their pixels.

    Returns
    -------
    float
        0 if the spread is right in every bin, 0.1 if it is wrong by a tenth; infinite if a bin
        has errors and no spread.

    References
    ----------
    Levi, Gispan, Giladi, Fetaya, "Evaluating and calibrating uncertainty prediction in regression
    tasks", Sensors 22 (2022), equation 8.

    Examples
    --------
    >>> normalised_calibration_error(spread_bins(np.full(4, 2.0), np.array([1.0, -1.0, 1.0, 1.0])))
    0.5
    """
    gap = np.abs(bins.error - bins.spread)
    relative = np.divide(
        gap, bins.spread, out=np.where(gap > 0, np.inf, 0.0), where=bins.spread > 0
    )
    return float(np.average(relative, weights=bins.pixels))


def gaussian_crps(spread: Real[np.ndarray, "..."], error: Real[np.ndarray, "..."]) -> float:
    """Return the continuous ranked probability score of normal predictive distributions.

    It is the mean over pixels of ∫ (F(x) − [x ≥ truth])² dx, for F the cumulative distribution,
    here in closed form. It is smallest for the right distribution, and for a spread of 0 it is
    the mean absolute error.

    Parameters
    ----------
    spread, error
        As in `coverage`.

    Returns
    -------
    float
        In the units of the error.

    References
    ----------
    Gneiting, Raftery, "Strictly proper scoring rules, prediction, and estimation", Journal of the
    American Statistical Association 102 (2007), section 4.2.

    Examples
    --------
    >>> round(gaussian_crps(np.ones(3), np.zeros(3)), 4)
    0.2337
    >>> gaussian_crps(np.zeros(2), np.array([2.0, -4.0]))
    3.0
    """
    return float(np.mean(gaussian_crps_of_pixels(*checked(spread, error))))


def gaussian_crps_of_pixels(
    spread: Float64[np.ndarray, "*shape"], error: Float64[np.ndarray, "*shape"]
) -> Float64[np.ndarray, "*shape"]:
    """Return the score of every pixel; `gaussian_crps` is its mean.

    Examples
    --------
    >>> gaussian_crps_of_pixels(np.zeros(2), np.array([2.0, -4.0]))
    array([2., 4.])
    """
    from scipy.special import ndtr

    size = np.abs(error)
    z = np.divide(size, spread, out=np.full_like(size, np.inf), where=spread > 0)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    # |error|·(2Φ(z) − 1), and not σ·z·(2Φ(z) − 1), which has no value where σ is 0
    return size * (2 * ndtr(z) - 1) + spread * (2 * density - 1 / np.sqrt(np.pi))


def sample_crps(
    samples: Real[np.ndarray, "samples *shape"], truth: Real[np.ndarray, "*shape"]
) -> float:
    """Return the continuous ranked probability score of posterior samples, whatever their shape.

    This is the fair estimator: its expectation is the score of the distribution that the samples
    are drawn from, however few there are.

    Parameters
    ----------
    samples
        At least 2, such as ``denoiser.sample(image, n=50)`` gives them.
    truth
        The clean image.

    Returns
    -------
    float
        The mean over pixels, in grey levels.

    Raises
    ------
    LadderscopeError
        There are fewer than 2 samples, or the truth has another shape.

    References
    ----------
    Ferro, "Fair scores for ensemble forecasts", Quarterly Journal of the Royal Meteorological
    Society 140 (2014).

    Examples
    --------
    >>> sample_crps(np.array([[1.0], [3.0]]), np.array([2.0]))
    0.0
    """
    count = len(samples)
    if count < 2 or samples.shape[1:] != truth.shape or truth.size == 0:
        raise LadderscopeError(
            f"the samples have shape {samples.shape} and the truth {truth.shape}: give at least 2 "
            "samples of the shape of the truth"
        )
    ordered = np.sort(samples.astype(np.float64), axis=0)
    distance = np.abs(ordered - truth.astype(np.float64)).mean(0)
    # The mean over pairs of |x_i − x_j|, which are n(n − 1)/2, from the order of the samples alone.
    weights = 2 * np.arange(count) - (count - 1)
    between = np.tensordot(weights, ordered, 1) / (count * (count - 1) / 2)
    return float(np.mean(distance - 0.5 * between))


# -- the same in parts, for images larger than memory


def bin_edges(spread: Real[np.ndarray, "..."], bins: int) -> Float64[np.ndarray, "edges"]:
    """Return the values between equal-count bins, each of which belongs to the bin above it.

    Examples
    --------
    >>> bin_edges(np.arange(8), 4)
    array([2., 4., 6.])
    """
    ordered = np.sort(spread, axis=None)
    return np.unique(ordered[len(ordered) * np.arange(1, bins) // bins]).astype(np.float64)


def bin_sums(
    spread: Float64[np.ndarray, "..."],
    error: Float64[np.ndarray, "..."],
    edges: Float64[np.ndarray, "edges"],
) -> Float64[np.ndarray, "3 bins"]:
    """Return, per bin, the number of pixels and the sums of spread² and error².

    Examples
    --------
    >>> bin_sums(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0]), np.array([2.0]))
    array([[ 1.,  2.],
           [ 1., 13.],
           [ 0.,  5.]])
    """
    bins = np.searchsorted(edges, spread.reshape(-1), side="right")
    weights = (None, spread.reshape(-1) ** 2, error.reshape(-1) ** 2)
    return np.stack([np.bincount(bins, one, len(edges) + 1).astype(np.float64) for one in weights])


def binned(sums: Float64[np.ndarray, "3 bins"]) -> SpreadBins:
    """Turn the sums of `bin_sums` into means, without the bins that are empty.

    Examples
    --------
    >>> binned(np.array([[1.0, 0.0], [4.0, 0.0], [9.0, 0.0]])).error
    array([3.])
    """
    count, squares, errors = sums[:, sums[0] > 0]
    return SpreadBins(count.astype(np.int64), np.sqrt(squares / count), np.sqrt(errors / count))


def checked(
    spread: Real[np.ndarray, "..."], error: Real[np.ndarray, "..."]
) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
    """Return spread and error as float64, once they are known to belong together."""
    if spread.shape != error.shape or error.size == 0:
        raise LadderscopeError(
            f"the spread has shape {spread.shape} and the error {error.shape}: give the spread of "
            "the same pixels, at least one"
        )
    spread = spread.astype(np.float64)
    if not spread.min() >= 0:
        raise LadderscopeError(
            f"the spread has values such as {spread.min():g}: a standard deviation is not negative "
            "and not NaN; check that the right file is given as the spread"
        )
    return spread, error.astype(np.float64)
