"""All scores of an error bar against the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Real

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.bounds import (
    Coverage,
    bounded_coverage,
    counted_by_square,
    squares_of,
)
from ladderscope.evaluation.planes import Planes, planes_of_array
from ladderscope.evaluation.ranking import drawn_pixels, rank_correlation
from ladderscope.evaluation.reliability import (
    DIAGRAM_LEVELS,
    LEVELS,
    bin_edges,
    bin_sums,
    binned,
    checked,
    expected_calibration_error,
    gaussian_crps_of_pixels,
    interval_factor,
    normalised_calibration_error,
)

BRIGHTNESS_LEVEL = 0.9
_BINS = 10
_FIFTHS = 5

Factor = Callable[[float], float]
Variance = Callable[[Float64[np.ndarray, "*shape"]], Float64[np.ndarray, "*shape"]]


class SpreadBin(NamedTuple):
    """Predicted and actual error of the pixels with a spread of about this size.

    Attributes
    ----------
    pixels
        Their number.
    spread
        Root mean variance (RMV): √mean(spread²).
    error
        Root mean square error (RMSE).
    """

    pixels: int
    spread: float
    error: float


@dataclass(frozen=True)
class SpreadScores:
    """How good the error bars of one channel are. docs/evaluation.md explains each score.

    Attributes
    ----------
    ranks_errors : float or None
        The rank correlation of spread and absolute error. None if either is constant.
    crps : float
        The continuous ranked probability score of normal distributions, in grey levels.
    coverage : tuple of Coverage
        The fraction of the pixels whose truth is in the 50, 90 and 95 % interval, with bounds.
    by_brightness : tuple of (float or None)
        The coverage of 90 % intervals for each fifth of the pixels, from those that are darkest in
        the prediction to the brightest. None where there are no pixels, since too many are equal.
    calibration_error : float
        Expected calibration error: the mean of ``|coverage − level|`` over `levels`.
    normalised_calibration_error : float
        The mean of ``|RMSE − RMV| / RMV`` over `bins`.
    levels, covered : tuple of float
        The reliability diagram: the levels of intervals, and the fraction that each covers.
    bins : tuple of SpreadBin
        Predicted and actual error in up to ten bins of equally many pixels, by ascending spread.
    """

    ranks_errors: float | None
    crps: float
    coverage: tuple[Coverage, ...]
    by_brightness: tuple[float | None, ...]
    calibration_error: float
    normalised_calibration_error: float
    levels: tuple[float, ...]
    covered: tuple[float, ...]
    bins: tuple[SpreadBin, ...]


def spread_scores(
    spread: Real[np.ndarray, "*planes Y X"],
    prediction: Real[np.ndarray, "*planes Y X"],
    truth: Real[np.ndarray, "*planes Y X"],
    *,
    factor: Factor = interval_factor,
    truth_variance: Variance | None = None,
) -> SpreadScores:
    """Compare error bars with the truth: coverage, reliability, calibration errors, CRPS, ranking.

    Parameters
    ----------
    spread
        The standard deviation of the signal.
    prediction, truth
        In the same units and of the same shape as the spread. All may be larger than memory
        (`numpy.memmap`): blocks are read. Ranking and the limits of the bins are from a random
        million of the pixels if there are more.
    factor
        Gives, for a level, the half-width of the interval in standard deviations; by default that
        of a normal distribution.
    truth_variance
        Gives the variance of the truth's own noise, for values of the truth. It is added to
        spread², since the distance between prediction and truth contains both.

    Raises
    ------
    LadderscopeError
        The shapes differ, there are fewer than 2 pixels, or a spread is negative or NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spread = rng.uniform(1, 3, (200, 200))
    >>> scores = spread_scores(spread, rng.normal(50, spread), np.full((200, 200), 50.0))
    >>> [(one.level, round(one.found, 2)) for one in scores.coverage]
    [(0.5, 0.5), (0.9, 0.9), (0.95, 0.95)]
    >>> half = spread_scores(spread / 2, rng.normal(50, spread), np.full((200, 200), 50.0))
    >>> round(half.coverage[1].found, 2), round(half.normalised_calibration_error, 1)
    (0.59, 1.0)
    """
    if not spread.shape == prediction.shape == truth.shape or truth.size < 2:
        raise LadderscopeError(
            f"the spread has shape {spread.shape}, the prediction {prediction.shape} and the truth "
            f"{truth.shape}: error bars need three of the same shape, of at least 2 pixels"
        )
    planes = (planes_of_array(image) for image in (spread, prediction, truth))
    return spread_scores_of_planes(*planes, factor=factor, truth_variance=truth_variance)


def spread_scores_of_planes(
    spread: Planes,
    prediction: Planes,
    truth: Planes,
    *,
    factor: Factor = interval_factor,
    truth_variance: Variance | None = None,
) -> SpreadScores:
    """Compute `spread_scores` block by block."""

    def compared(
        spread: Float64[np.ndarray, "..."],
        prediction: Float64[np.ndarray, "..."],
        truth: Float64[np.ndarray, "..."],
    ) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
        width, error = checked(spread, prediction - truth)
        if truth_variance is not None:
            width = np.sqrt(width**2 + truth_variance(truth))
        return width, error

    drawn = drawn_pixels([spread, prediction, truth])
    width, error = compared(*drawn)
    varies = np.ptp(width) > 0 and np.ptp(np.abs(error)) > 0
    ranks = rank_correlation(width, np.abs(error)) if varies else None
    edges = bin_edges(width, _BINS)
    fifths = np.quantile(drawn[1], np.arange(1, _FIFTHS) / _FIFTHS)

    squares = squares_of(truth.shape)
    factors = np.array([factor(level) for level in DIAGRAM_LEVELS])
    pixels = np.zeros(squares.number)
    covered = np.zeros((len(LEVELS), squares.number))
    within = np.zeros(len(DIAGRAM_LEVELS) + 1)
    by_brightness = np.zeros((2, _FIFTHS))
    sums = np.zeros((3, len(edges) + 1))
    crps = 0.0
    for block in truth.blocks():
        predicted = prediction.values(block)
        width, error = compared(spread.values(block), predicted, truth.values(block))
        crps += float(gaussian_crps_of_pixels(width, error).sum())
        sums += bin_sums(width, error, edges)
        size = np.abs(error)
        distance = np.divide(size, width, out=np.where(size > 0, np.inf, 0.0), where=width > 0)
        step = np.searchsorted(factors, distance.reshape(-1))
        within += np.bincount(step, minlength=len(within))
        origin = (block.rows.start, block.columns.start)
        pixels += counted_by_square(np.ones_like(size, bool), *origin, squares)
        for number, level in enumerate(LEVELS):
            inside = distance <= factor(level)
            covered[number] += counted_by_square(inside, *origin, squares)
        fifth = np.searchsorted(fifths, predicted, side="right").reshape(-1)
        inside = (distance <= factor(BRIGHTNESS_LEVEL)).reshape(-1)
        by_brightness += [np.bincount(one, minlength=_FIFTHS) for one in (fifth, fifth[inside])]

    diagram = np.cumsum(within)[:-1] / truth.size
    bins = binned(sums)
    return SpreadScores(
        ranks_errors=ranks,
        crps=crps / truth.size,
        coverage=tuple(
            bounded_coverage(level, one, pixels) for level, one in zip(LEVELS, covered, strict=True)
        ),
        by_brightness=tuple(
            float(found / count) if count else None for count, found in by_brightness.T
        ),
        calibration_error=expected_calibration_error(DIAGRAM_LEVELS, diagram.tolist()),
        normalised_calibration_error=normalised_calibration_error(bins),
        levels=DIAGRAM_LEVELS,
        covered=tuple(diagram.tolist()),
        bins=tuple(map(SpreadBin._make, zip(*(column.tolist() for column in bins), strict=True))),
    )
