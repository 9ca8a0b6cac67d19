"""A noise model fitted to pairs of signal and observation, counted in a joint histogram."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.clipping import CLIPPED_SHARE, Ends
from ladderscope.noise_estimation.evidence import Pairs
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.joint import JointHistogram
from ladderscope.noise_estimation.joint_table import JointTable
from ladderscope.noise_estimation.kinds import FITTABLE
from ladderscope.noise_estimation.line import Line, Points, fit_line, scatter
from ladderscope.noise_estimation.line_fit import line_notices
from ladderscope.words import listed, percent, rounded

_MOST_POINTS = 128  # of the line
_FEWEST_A_POINT = 400.0
_DISTRUST = 0.01  # no clean image is perfect: no variance is trusted beyond 1 %
_REPLICATES = 200
_WIDENING = 1.96
# A photon counter's noise reaches twelve standard deviations where there are some 0.1 photons a
# pixel, and then only in one pixel of 250,000.
_OUTLYING = 12.0
_NOTICEABLE = 1e-4  # fraction of outliers
_APART = 0.1  # a mean residual of so many standard deviations is reported,
_FAR_APART = 1.0  # and of so many it is an error

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Parameters
    ----------
    kind
        Of noise model, one of `FITTABLE`.
    components, coefficients
        Of a mixture: Gaussians, and coefficients of each polynomial.
    repeats
        Number of observations whose mean was taken for the signal; None if the signal was given.
    step
        Least difference between two values of the observation, camera units.
    ends
        Where the observation's values end.
    """

    kind: str
    components: int = 3
    coefficients: int = 2
    repeats: int | None = None
    step: float = 0.0
    ends: Ends = field(default_factory=Ends)


def fit_pairs(joint: JointHistogram, request: Request) -> NoiseFit:
    """Fit a noise model to pairs.

    Parameters
    ----------
    joint
        The pairs, counted.
    request
        What to fit.

    Raises
    ------
    NoiseError
        If all signals are equal but the kind of model needs a range; if there is no noise, or
        everything is clipped; or if the observations are not, on average, the signal.

    Examples
    --------
    >>> signal = np.random.default_rng(0).uniform(10.0, 100.0, (128, 128))
    >>> joint = JointHistogram()
    >>> joint.add(2.0 * np.random.default_rng(1).poisson(signal / 2), signal)
    >>> abs(fit_pairs(joint, Request("poisson_gaussian")).model.gain - 2.0) < 0.1
    True
    """
    how = FITTABLE[request.kind]
    everything = joint.table()
    least, greatest = joint.signal_ends
    if least == greatest and not how.constant:
        others = listed([f'"{name}"' for name, one in FITTABLE.items() if one.constant], "or")
        raise NoiseError(
            f"the signal is {rounded(least)} everywhere, and a {request.kind} model needs a range "
            f"of signals; give other images, or fit the kind {others}"
        )
    table = _unclipped(everything)
    clipped_share = float(1 - table.counts.sum() / everything.counts.sum())
    table, joined, line = _fit_line(table, request, _percentile(everything, 0.01))
    variances = _variances(joined, request)
    notices = _about_means(table) + _about_outliers(everything, table, clipped_share)
    if clipped_share > 0:
        notices += request.ends.notices(everything.joined(_crowds(everything)).marks)
    if request.repeats is not None:
        notices += _about_repeats(request)
    dark, bright = (_percentile(everything, fraction) for fraction in (0.01, 0.99))
    notices += line_notices(line, how.constant, dark)
    if how.constant:
        line = _pooled(table, request)
    guess = None
    if line.gain > 0:
        guess = max(_percentile(everything, 0.001), -line.intercept / line.gain)
    found = Pairs(
        line, variances, dark, table, request.step, request.components, request.coefficients
    )
    return NoiseFit(
        model=how.load()(found),
        intervals={} if how.of_shape else line.intervals(how.constant),
        bin_signals=joined.signals,
        bin_variances=variances,
        bin_counts=joined.counts,
        signal_range=(dark, bright),
        offset_guess=guess,
        clipped_share=clipped_share,
        notices=notices,
    )


def _percentile(table: JointTable, fraction: float) -> float:
    """Return the signal below which this fraction of all pairs lies."""
    below = np.cumsum(table.counts)
    signals = table.signals
    return float(signals[min(int(np.searchsorted(below, fraction * below[-1])), signals.size - 1)])


def _crowds(table: JointTable) -> NDArray[np.int64]:
    """Group bins so that each group is large enough to tell whether it is clipped."""
    return table.filled(min(_FEWEST_A_POINT, float(table.counts.sum()) / 12))


def _unclipped(table: JointTable) -> JointTable:
    """Return the bins in which hardly a pixel is clipped."""
    groups = _crowds(table)
    joined = table.joined(groups)
    kept = (joined.clipped <= CLIPPED_SHARE * joined.counts)[groups]
    if not kept.any():
        raise NoiseError(
            "the observation is clipped at all signals, so its noise cannot be measured; give "
            "images with a shorter exposure, or a higher offset"
        )
    return table.of(kept)


def _fit_line(
    table: JointTable, request: Request, dark: float
) -> tuple[JointTable, JointTable, Line]:
    """Fit the line again and again, each time without the pixels far beyond it.

    Returns the table without them, the same in the line's bins, and the line.
    """
    while True:
        joined, line = _line(table, request, dark)
        variance = np.maximum(line.gain * table.signals + line.intercept, 0.0)
        usual = np.interp(table.signals, joined.signals, joined.usual)  # if the line does not suit
        # A photon more or less is no outlier, however few there are.
        limit = _OUTLYING * np.sqrt(np.maximum(variance, usual**2) + line.gain**2)
        outlying = (np.abs(table.residuals) > limit[:, None]) & (table.cells > 0)
        if not outlying.any():
            return table, joined, line
        table = table.without(outlying)


def _line(table: JointTable, request: Request, dark: float) -> tuple[JointTable, Line]:
    """Fit a line to the variances of wider bins; intervals come from variances drawn around it."""
    fewest = float(np.clip(table.counts.sum() / 12, 50, _FEWEST_A_POINT))
    span = float(table.places[-1]) / _MOST_POINTS
    joined = table.joined(table.filled(fewest, span))
    variances = _variances(joined, request)
    if not variances.max() > 0:
        raise NoiseError(
            "observation and signal are the same, so there is no noise to measure; give the noisy "
            "images as the observation and the clean ones as the signal"
        )
    independent = joined.counts * _independent(request)
    points = Points(joined.signals[None], variances[None], (2 / independent + _DISTRUST**2)[None])
    errors = np.sqrt(np.maximum(_fourth_moments(joined) - variances**2, 0.0) / independent)
    first = fit_line(points, points, _WIDENING, dark)
    widened = max(1.0, float(np.median(scatter(points, first))) / 0.6745)
    drawn = np.random.default_rng(0).normal(size=(_REPLICATES, variances.size))
    repeated = Points(
        points.signals,
        np.maximum(variances + widened * errors * drawn, 0.0),
        points.errors,
    )
    return joined, fit_line(points, repeated, _WIDENING, dark)


def _variances(table: JointTable, request: Request) -> _Array:
    """Return variances about each bin's own mean, which took a degree of freedom from pairs."""
    if request.repeats is not None:
        return table.residual_variances
    variances: _Array = table.residual_variances * table.counts / np.maximum(table.counts - 1, 1)
    return variances


def _independent(request: Request) -> float:
    """Return how many independent residuals each one is worth: their sum over repeats is zero."""
    return 1.0 if request.repeats is None else (request.repeats - 1) / request.repeats


def _fourth_moments(table: JointTable) -> _Array:
    fourth: _Array = (table.cells * (table.residuals - table.residual_means[:, None]) ** 4).sum(
        axis=1
    ) / table.counts
    return fourth


def _pooled(table: JointTable, request: Request) -> Line:
    """Return the variance of all residuals together."""
    one = table.joined(np.zeros(len(table.sums), dtype=np.int64))
    variance = float(one.residual_variances[0])
    cells = table.cells * (table.residuals - one.residual_means[0]) ** 4
    fourth = float(cells.sum() / one.counts[0])
    error = math.sqrt(max(fourth - variance**2, 0.0) / (one.counts[0] * _independent(request)))
    wide = _WIDENING * error
    return Line(0.0, variance, (0.0, 0.0), (variance - wide, variance + wide))


def _about_means(table: JointTable) -> tuple[str, ...]:
    """Compare the mean of the observations with the signal."""
    joined = table.joined(table.filled(_FEWEST_A_POINT))
    variances = np.maximum(joined.residual_variances, 1e-12 * joined.residual_variances.max())
    chance = variances / joined.counts
    squares = np.maximum(joined.residual_means**2 - 9 * chance, 0.0) / variances
    apart = math.sqrt(float(np.average(squares, weights=joined.counts)))
    if apart < _APART:
        return ()
    mean = float(np.average(joined.residual_means, weights=joined.counts))
    found = (
        f"the observations lie {rounded(abs(mean))} {'above' if mean > 0 else 'below'} the signal "
        f"on average, up to {rounded(float(np.abs(joined.residual_means).max()))} at one "
        f"brightness, or {apart:.2f} standard deviations of the noise"
    )
    if apart > _FAR_APART:
        raise NoiseError(
            f"{found}: the signal is not their mean. Give both in the same units, of the same "
            "scene, with the same offset"
        )
    return (f"Warning: {found}; a noise model assumes that the signal is their mean.",)


def _about_outliers(
    everything: JointTable, table: JointTable, clipped_share: float
) -> tuple[str, ...]:
    left = (1 - clipped_share) * everything.counts.sum()
    fraction = float(1 - table.counts.sum() / left)
    if fraction < _NOTICEABLE:
        return ()
    return (
        f"{percent(fraction)} of the pixels lie more than {_OUTLYING:.0f} standard deviations "
        "from their signal (hot pixels, or pairs that do not match) and were left out.",
    )


def _about_repeats(request: Request) -> tuple[str, ...]:
    """Report how much of the noise's skewness is measured where few repeats make the signal."""
    n = request.repeats or 0
    if not FITTABLE[request.kind].of_shape or n >= 20:
        return ()
    kept = ((n - 1) ** 3 - (n - 1)) / n**3 * (n / (n - 1)) ** 1.5
    return (
        f"The signal is the mean of only {n} repeats: variances are corrected for that, but only "
        f"{percent(kept)} of the noise's skewness is measured. With twenty repeats it is 92 %.",
    )
