"""Photon-counting noise, measured on flat pixels with the line through the variances beside them.

The peak of the pixels that saw no photon shows the offset and the read noise; the fraction of
such pixels, the height and the scatter of the pulses show gain and α. All are found together, by
maximum likelihood over regions of unknown rates (`photon_likelihood`).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ladderscope.noise.photon_counting import PhotonCounting
from ladderscope.noise.words import Interval
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.flat_pixels import FlatPixels
from ladderscope.noise_estimation.intensity_bins import GROUPS
from ladderscope.noise_estimation.photon_bins import (
    Lattice,
    PhotonBin,
    find_lattice,
    sorted_by_brightness,
)
from ladderscope.noise_estimation.photon_likelihood import (
    LEAST_INVERSE,
    Constraint,
    Estimate,
    Likelihood,
)
from ladderscope.noise_estimation.pulse_spectra import Counting, Line
from ladderscope.words import rounded

_STARTS = (0.01, 0.3, 1.0)  # 1/α
_PRACTICALLY_EQUAL = 0.05
_DISTRUST = 0.03  # of the line, whose variances hold some of the signal
_LEAST_READ_NOISE = 0.12  # of the lattice's step
_WIDENING = 2.04 * math.sqrt(GROUPS / (GROUPS - 1))
_CERTAIN = 3.0  # standard errors
_WORTHWHILE = 5e-4  # nats per pixel
_VAGUE = 0.5  # photons, of the offset; natural logarithm, of the gain
_VAGUE_SHAPE = 0.6  # of 1/α
_NEITHER_HELD = np.ones(4, dtype=bool)

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Advantage:
    """By how much one law explains the pixels better than another, nats per pixel.

    Parameters
    ----------
    value, error
        The mean, and its standard error from the scatter between groups.
    """

    value: float
    error: float

    @property
    def is_certain(self) -> bool:
        """Whether it is more than chance, and worth another law."""
        return self.value > max(_CERTAIN * self.error, _WORTHWHILE)


def fit_photon_counting(line: NoiseFit, pixels: FlatPixels) -> NoiseFit:
    """Measure photon-counting noise; keep the line where the pixels do not show it.

    Parameters
    ----------
    line
        A Poisson–Gaussian fit to the same images.
    pixels
        Their flat pixels.

    Returns
    -------
    NoiseFit
        With the advantage over Poisson–Gaussian noise, and a notice where that was kept.
    """
    values = pixels.values.astype(np.float64)
    if values.size == 0:
        return replace(line, notices=(*line.notices, _kept("there are too few flat regions")))
    lattice = find_lattice(values)
    slope = _slope(line, values)
    bins = sorted_by_brightness(pixels, lattice, slope)
    if not bins:
        return replace(line, notices=(*line.notices, _kept("there are too few flat regions")))
    constraint = _constraint(line, lattice, slope)
    counting = Likelihood(Counting(), bins, constraint)
    starts = [_start(bins, lattice, slope, inverse) for inverse in _STARTS]
    found = max(
        (counting.maximum(start, _NEITHER_HELD) for start in starts), key=lambda one: one.value
    )
    found = _simplest(found, counting)
    plain = Likelihood(Line(), bins, constraint).maximum(
        np.array([math.log(slope), found.parameters[1], found.parameters[2], LEAST_INVERSE]),
        np.array([True, False, True, False]),
    )
    advantage = _advantage(found, plain, bins)
    fit = replace(line, advantage=advantage.value, advantage_error=advantage.error)
    if reason := _doubt(found, advantage):
        return replace(fit, notices=(*fit.notices, _kept(reason)))
    return replace(
        fit,
        model=_model(found, constraint.rounding),
        intervals=_intervals(found, constraint.rounding),
        offset_guess=None,
    )


def _kept(reason: str) -> str:
    return f"Poisson–Gaussian noise is given instead of photon-counting noise: {reason}."


def _slope(line: NoiseFit, values: _Array) -> float:
    """Return the slope of the line, or a guess where it is level."""
    gain: float = getattr(line.model, "gain", 0.0)
    if gain > 0:
        return gain
    above = float(values.mean() - values.min()) or 1.0
    return float(values.var()) / above or 1.0


def _constraint(line: NoiseFit, lattice: Lattice, slope: float) -> Constraint:
    """Take the line at the signal where its variance is surest."""
    weights = line.bin_counts / np.maximum(line.bin_variances, 1e-12) ** 2
    pivot = float(np.average(line.bin_signals, weights=weights))
    variance = line.model.deviation_at(pivot) ** 2
    error = math.inf
    if line.gain_interval is not None and getattr(line.model, "gain", 0.0) > 0:
        low, high = line.gain_interval
        error = max((high - low) / (2 * _WIDENING), _DISTRUST * slope)
    return Constraint(
        pivot=pivot,
        slope=slope,
        variance=variance,
        slope_error=error,
        variance_error=_DISTRUST * variance,
        rounding=lattice.step**2 / 12,
        least_read_noise=_LEAST_READ_NOISE * lattice.step,
    )


def _start(bins: list[PhotonBin], lattice: Lattice, slope: float, inverse: float) -> _Array:
    """Start with the offset at the commonest value of the darkest bin."""
    gain = slope / (1 + inverse)
    darkest = bins[0]
    commonest = float(darkest.cells.centres()[np.argmax(darkest.counts.sum(axis=0))])
    offset = min(commonest, darkest.mean - 0.02 * gain)
    read_variance = darkest.variance - slope * max(darkest.mean - offset, 0.0)
    read_noise = max(math.sqrt(max(read_variance, 0.0)), 0.3 * lattice.step)
    return np.array([math.log(gain), offset, math.log(read_noise), inverse])


def _simplest(found: Estimate, counting: Likelihood) -> Estimate:
    """Make all pulses equal where nothing contradicts that."""
    inverse = float(found.parameters[3])
    error = _WIDENING * math.sqrt(found.covariance[3, 3])
    if inverse > _PRACTICALLY_EQUAL or inverse - error > 0.5 * _PRACTICALLY_EQUAL:
        return found
    start = found.parameters.copy()
    start[3] = LEAST_INVERSE
    return counting.maximum(start, np.array([True, True, True, False]))


def _advantage(found: Estimate, plain: Estimate, bins: list[PhotonBin]) -> Advantage:
    sizes = np.sum([one.counts.sum(axis=1) for one in bins], axis=0)
    gained = found.by_group - plain.by_group
    value = float(gained.sum() / sizes.sum())
    scatter = gained - value * sizes
    variance = float((scatter**2).sum()) * GROUPS / (GROUPS - 1)
    return Advantage(value, math.sqrt(variance) / float(sizes.sum()))


def _doubt(found: Estimate, advantage: Advantage) -> str:
    """Say why the pixels do not show photon-counting noise; nothing if they do."""
    if not advantage.is_certain:
        return (
            "the images do not distinguish the two (advantage "
            f"{rounded(advantage.value)} ± {rounded(advantage.error)} nats per pixel)"
        )
    wide = _WIDENING * np.sqrt(np.diag(found.covariance))
    if wide[0] > _VAGUE or wide[1] > _VAGUE * math.exp(found.parameters[0]):
        return "the images do not determine the gain and the offset"
    if wide[3] > _VAGUE_SHAPE:
        return "the images do not determine the shape α of the pulses"
    return ""


def _model(found: Estimate, rounding: float) -> PhotonCounting:
    log_gain, offset, log_read_noise, inverse = map(float, found.parameters)
    shape = None if inverse <= LEAST_INVERSE else 1 / inverse
    gain = math.exp(log_gain)
    read_noise = math.sqrt(math.exp(2 * log_read_noise) + rounding)
    return PhotonCounting(gain, offset, max(read_noise, 1.01e-3 * gain), shape)


def _intervals(found: Estimate, rounding: float) -> dict[str, Interval]:
    lows, highs = (
        found.parameters + sign * _WIDENING * np.sqrt(np.diag(found.covariance)) for sign in (-1, 1)
    )
    ends = [*zip(lows.tolist(), highs.tolist(), strict=True)]
    intervals = {
        "gain": (math.exp(ends[0][0]), math.exp(ends[0][1])),
        "offset": ends[1],
        "read_noise": (
            math.sqrt(math.exp(2 * ends[2][0]) + rounding),
            math.sqrt(math.exp(2 * ends[2][1]) + rounding),
        ),
    }
    if found.parameters[3] > LEAST_INVERSE:
        low, high = ends[3]
        intervals["shape"] = (1 / high, 1 / max(low, LEAST_INVERSE))
    return intervals
