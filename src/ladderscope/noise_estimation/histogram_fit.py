"""A histogram of the noise: density of the standardised residual at several signals."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.noise.histogram import Histogram
from ladderscope.noise_estimation.evidence import Pairs
from ladderscope.noise_estimation.joint_table import JointTable

_MOST_KNOTS = 64  # of the signal
_FEWEST_A_KNOT = 2000.0  # pairs, where there are enough
_REACH = 8.0  # standard deviations
_STEP = 0.1  # between two knots of the residual
_OUTLIERS, _WIDTH = 1e-3, 3.0  # the wide Gaussian that `Histogram` adds

_Array = NDArray[np.float64]


def fit_histogram(pairs: Pairs) -> Histogram:
    """Make a histogram of the residuals, at signals that each have enough pairs.

    Every pair counts at the two knots of the signal around it, by nearness. A density is smoothed
    by a Gaussian as wide as its pairs' number asks for (Silverman's rule), or as rounding of the
    camera's values does; the residuals are drawn together before, so that their variance stays.

    Parameters
    ----------
    pairs
        What to fit to.

    Examples
    --------
    >>> from ladderscope.noise_estimation.joint import JointHistogram
    >>> from ladderscope.noise_estimation.line import Line
    >>> generator = np.random.default_rng(0)
    >>> signal = generator.uniform(10.0, 100.0, 40_000)
    >>> joint = JointHistogram()
    >>> joint.add(signal + generator.normal(0.0, 3.0, signal.shape), signal)
    >>> import torch
    >>> level = Line(0.0, 9.0, (0.0, 0.0), (9.0, 9.0))
    >>> noise = fit_histogram(Pairs(level, np.array([9.0]), 10.0, joint.table()))
    >>> bool((noise.moments(torch.tensor([10.0, 100.0]))[1] - 9).abs().max() < 0.5)
    True
    """
    table = pairs.table
    total = float(table.counts.sum())
    span = float(table.places[-1]) / _MOST_KNOTS
    knots = table.joined(table.filled(min(_FEWEST_A_KNOT, max(total / 4, 1.0)), span))
    # Beyond the outermost knots nothing changes any more, so they lie at the ends of the signals.
    if not (np.diff(knots.signals.astype(np.float32)) > 0).all():
        knots = table.joined(np.zeros(len(table.sums), dtype=np.int64))
    signals = knots.signals
    signals[[0, -1]] = table.signals[[0, -1]]
    deviations = np.sqrt(_variances(knots, signals))
    lower, share = _between(signals, table.signals)

    rows, columns = np.nonzero(table.cells)
    cells = table.cells[rows, columns]
    means = np.interp(table.signals, signals, knots.residual_means)
    residuals = (table.residuals - means[:, None])[rows, columns]
    residuals /= np.interp(table.signals, signals, deviations)[rows]
    size = 2 * round(_REACH / _STEP) + 1
    densities = np.zeros((len(signals), size))
    counts = knots.counts
    width = np.maximum(0.9 * counts**-0.2, 0.5 * pairs.step / deviations)
    # What is added to the variance: by smoothing, by splitting between two knots, and by the
    # triangles of the linear interpolation. The wide Gaussian adds the rest.
    table_variance = (1 - _OUTLIERS * _WIDTH**2) / (1 - _OUTLIERS)
    shrunk = np.sqrt(np.maximum(table_variance - width**2 - _STEP**2 / 3, 0.05))
    for side in (0, 1):
        knot = np.minimum(lower + side, len(signals) - 1)[rows]
        weights = cells * (share if side else 1 - share)[rows]
        standardised = residuals * shrunk[knot]
        place = (standardised + _REACH) / _STEP
        left = np.clip(np.floor(place), 0, size - 2).astype(np.int64)
        inside = np.abs(standardised) < _REACH
        upper = np.where(inside, place - left, 0.0)
        for extra, part in ((0, (1 - upper) * inside), (1, upper)):
            densities += np.bincount(
                knot * size + left + extra, weights * part, minlength=densities.size
            ).reshape(densities.shape)
    for row, sigma in zip(densities, width, strict=True):
        row[:] = ndimage.gaussian_filter1d(row, sigma / _STEP, mode="constant")
    return Histogram(signals, deviations, densities, _REACH)


def _variances(knots: JointTable, signals: _Array) -> _Array:
    """Return variances at the signals, smoothed over neighbouring knots about their line."""
    counts = knots.counts
    variances: _Array = np.maximum(knots.residual_variances, 1e-6 * knots.residual_variances.max())
    if variances.size < 3:
        return variances
    weights = np.sqrt(counts) / variances
    gain, intercept = np.polyfit(knots.signals, variances, 1, w=weights)
    # Where the line does not suit the variances, only what it says of their ratio is lost.
    line = np.maximum(gain * knots.signals + intercept, 0.2 * variances)
    kernel = np.array([0.25, 0.5, 0.25])
    ratio = ndimage.correlate1d(variances / line * counts, kernel)
    ratio /= ndimage.correlate1d(counts, kernel)
    smoothed: _Array = ratio * np.maximum(gain * signals + intercept, 0.2 * variances)
    return smoothed


def _between(knots: _Array, signals: _Array) -> tuple[NDArray[np.int64], _Array]:
    """Return, for each signal, the knot below it, and how near it is to the next one."""
    lower = np.clip(np.searchsorted(knots, signals, side="right") - 1, 0, len(knots) - 1)
    upper = np.minimum(lower + 1, len(knots) - 1)
    gap = np.where(upper > lower, knots[upper] - knots[lower], 1.0)
    return lower, np.clip((signals - knots[lower]) / gap, 0.0, 1.0)
