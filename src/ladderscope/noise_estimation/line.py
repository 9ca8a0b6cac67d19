"""A straight line through the variances of the noise at several signals.

A weighted least-squares form of the line of Foi et al. 2008 (section III.C): a variance estimated
from n pixels has itself a variance proportional to variance²/n.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

_CERTAINTY = 1.25  # a gain counts as seen if it exceeds its 95 % half-width so far (99 % level)
_STEEP = 0.3  # fraction of the variance by which it must fall over the range to be called falling

_Array = NDArray[np.float64]
_Bins = Float64[np.ndarray, "*#rows bins"]


@dataclass(frozen=True, eq=False)
class Points:
    """Variances at signals; leading axes are bootstrapped repetitions.

    Parameters
    ----------
    signals, variances
        Of each bin, camera units and camera units squared.
    errors
        Squared relative standard error of each variance; infinite where a bin is empty.
    """

    signals: _Bins
    variances: _Bins
    errors: _Bins


@dataclass(frozen=True)
class Line:
    """variance = gain · signal + intercept, with 95 % intervals.

    Parameters
    ----------
    gain, intercept
        Zero gain where no growth could be seen; the line then is level.
    gain_interval, intercept_interval
        95 % intervals.
    held
        Whether the line, fitted freely, would be negative at the darkest signal, and was held
        at zero there.
    falls
        Whether the variance clearly falls where the signal grows. The line is level then.
    """

    gain: float
    intercept: float
    gain_interval: tuple[float, float]
    intercept_interval: tuple[float, float]
    held: bool = False
    falls: bool = False

    def intervals(self, constant: bool) -> dict[str, tuple[float, float]]:
        """Return both intervals by name; that of the gain unless the variance is constant."""
        of_gain = {} if constant else {"gain": self.gain_interval}
        return of_gain | {"intercept": self.intercept_interval}


def fit_line(points: Points, repeated: Points, widening: float, darkest: float) -> Line:
    """Fit a line that does not fall and is nowhere negative from the darkest signal on.

    Parameters
    ----------
    points
        One row of bins.
    repeated
        Many rows, each as the points might have come out.
    widening
        Half-width of a 95 % interval over the standard deviation of the repetitions.
    darkest
        The signal from which on the variance must not be negative.

    Returns
    -------
    Line
        Level where the gain cannot be distinguished from zero.

    Examples
    --------
    >>> signals = np.array([[10.0, 20.0, 30.0]])
    >>> points = Points(signals, 2 * signals + 9, np.full((1, 3), 1e-4))
    >>> line = fit_line(points, points, 1.96, darkest=10.0)
    >>> round(line.gain, 6), round(line.intercept, 6)
    (2.0, 9.0)
    """
    gain, intercept = (value.item() for value in _line(points))
    gains, intercepts = _line(repeated)
    spread = widening * float(gains.std())
    if gain == 0 or gain < _CERTAINTY * spread:
        level = fit_level(points, repeated, widening, gain + spread)
        return replace(level, falls=_falls(points, repeated, widening))
    wide = widening * float(intercepts.std())
    held = gain * darkest + intercept < 0
    if held:
        gain, intercept = (value.item() for value in _line(points, darkest))
    return Line(
        gain,
        intercept,
        (max(0.0, gain - spread), gain + spread),
        (intercept - wide, intercept + wide),
        held,
    )


def fit_level(points: Points, repeated: Points, widening: float, steepest: float = 0.0) -> Line:
    """Fit the one variance that suits all bins.

    Parameters
    ----------
    points, repeated, widening
        As `fit_line` takes them.
    steepest
        The largest gain that cannot be ruled out.

    Examples
    --------
    >>> points = Points(np.ones((1, 3)), np.full((1, 3), 4.0), np.full((1, 3), 1e-4))
    >>> round(fit_level(points, points, 1.96).intercept, 6)
    4.0
    """
    level, levels = _level(points), _level(repeated)
    wide = widening * float(levels.std())
    return Line(0.0, level.item(), (0.0, steepest), (level.item() - wide, level.item() + wide))


def scatter(points: Points, line: Line) -> Float64[np.ndarray, " bins"]:
    """Return how far each point lies from the line, in units of its standard error.

    Examples
    --------
    >>> points = Points(np.ones((1, 1)), np.full((1, 1), 4.4), np.full((1, 1), 1e-2))
    >>> scatter(points, Line(0.0, 4.0, (0.0, 0.0), (4.0, 4.0))).round(6)
    array([1.])
    """
    expected = line.gain * points.signals[0] + line.intercept
    expected = np.maximum(expected, 1e-3 * points.variances.max())
    away: _Array = np.abs(points.variances[0] - expected) / (np.sqrt(points.errors[0]) * expected)
    return away


def _falls(points: Points, repeated: Points, widening: float) -> bool:
    """Tell whether the line through the mirrored points rises, and more than by chance."""
    (fall, at_zero), (falls, _) = (
        _line(Points(-part.signals, part.variances, part.errors)) for part in (points, repeated)
    )
    drop = fall.item() * float(np.ptp(points.signals))
    dark = at_zero.item() - fall.item() * float(points.signals.min())
    return fall.item() > _CERTAINTY * widening * float(falls.std()) and drop > _STEEP * dark


def _line(points: Points, zero_at: float | None = None) -> tuple[_Array, _Array]:
    """Fit each row, gain not negative; through zero at one signal, if that is given.

    Weighted by 1/variance² of the line itself, not of the points (a point that came out low
    would otherwise pull the harder), and with Huber's weights on the residuals.
    """
    signals, variances, errors = points.signals, points.variances, points.errors
    scale = np.median(variances, axis=-1, keepdims=True) + 1e-6 * variances.max()
    line, trust = np.maximum(variances, 0.05 * scale), np.ones_like(variances)
    gain = intercept = np.zeros(variances.shape[:-1])
    for _ in range(30):
        weights = trust / (errors * line**2)
        gain, intercept = _weighted_line(weights, signals, variances, zero_at)
        line = np.maximum(gain[..., None] * signals + intercept[..., None], 0.05 * scale)
        residuals = np.abs(variances - line) / (np.sqrt(errors) * line)
        spread = np.maximum(1.0, np.median(residuals, axis=-1, keepdims=True) / 0.6745)
        trust = 1 / np.maximum(1.0, residuals / (1.5 * spread))
    return gain, intercept


def _weighted_line(
    weights: _Array, signals: _Array, variances: _Array, zero_at: float | None
) -> tuple[_Array, _Array]:
    """Weighted least squares, row by row; a falling line is made level."""
    weights = weights / weights.sum(axis=-1, keepdims=True)
    if zero_at is None:
        signal = (weights * signals).sum(axis=-1)
        variance = (weights * variances).sum(axis=-1)
    else:
        signal, variance = np.full(weights.shape[:-1], zero_at), np.zeros(weights.shape[:-1])
    deviation = signals - signal[..., None]
    leverage = (weights * deviation**2).sum(axis=-1)
    slope = (weights * deviation * variances).sum(axis=-1) / np.where(leverage > 0, leverage, 1)
    gain = np.where(leverage > 0, np.maximum(slope, 0.0), 0.0)
    return gain, variance - gain * signal


def _level(points: Points) -> _Array:
    """Fit a level line to each row."""
    return _line(Points(np.zeros_like(points.variances), points.variances, points.errors))[1]
