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
from ladderscope.noise_estimation.clipping import Ends
from ladderscope.noise_estimation.dark import Darkness
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

_STARTS = (0.01, 0.3, 1.0)  # 1/α
_PRACTICALLY_EQUAL = 0.05
_DISTRUST = 0.03  # of the line, whose variances hold some of the signal
_DISTRUST_OF_FEW = 2.0  # of it where there is less than a photon: many look like hot pixels
_MOST_HOPS = 12
_HALF_TO_DEVIATION = 0.74  # the shortest half of Gaussian values is 1.35 standard deviations long
_LEAST_READ_NOISE = 0.12  # of the lattice's step
_WIDENING = 2.04 * math.sqrt(GROUPS / (GROUPS - 1))
_CERTAIN = 3.0  # standard errors
_WORTHWHILE = 2e-3  # nats per pixel: photon noise of a camera, a little skewed, leaves half of that
# Regions that are not quite flat bias log gain, offset (in photons) and 1/α, beyond chance.
_SYSTEMATIC_GAIN, _SYSTEMATIC_OFFSET, _SYSTEMATIC_INVERSE = 0.02, 0.02, 0.07
_SYSTEMATIC_OF_READ_NOISE = 2.0  # that bias weighs the more, the more pulses drown in read noise
_ROUNDING = 12**-0.5  # of a step: more read noise than that makes no whole numbers of photons
_ABOUT_ONE = 2.0  # step of the lattice, or its inverse, that the variance grows by per step
_EQUIVALENT = 1e-3  # nats per pixel, by which counts of photons may explain them worse
_HARDLY = 5e-3  # nats per pixel, which make no difference to a restoration
_NOTHING = 1e-4  # nats per pixel: smaller numbers are not written out
_CROWDS = 32  # of flat pixels, in which those at the ceiling are counted
_TOO_FEW = "there are too few flat regions"
_COUNTED = "The values are whole numbers of photons, so the gain is known exactly."
_AT_ODDS = -3.0  # nats: the neighbours in a region show another structure than its histogram
_VAGUE = 0.5  # photons, of the offset
_VAGUE_GAIN = 0.35  # natural logarithm
_VAGUE_SHAPE = 0.6  # of 1/α

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
        return self.is_no_chance and self.value > _WORTHWHILE

    @property
    def is_no_chance(self) -> bool:
        """Whether the law explains the pixels better than the other one, and not by chance."""
        return self.value > _CERTAIN * self.error

    @property
    def words(self) -> str:
        """Whether the pixels are more likely under the one law or under the other.

        Examples
        --------
        >>> Advantage(0.021, 0.001).words
        'more likely, by 0.0210 ± 0.0010 nats per pixel'
        >>> Advantage(-0.0002, 0.0001).words
        'less likely, by 0.0002 ± 0.0001 nats per pixel, no more than chance'
        """
        hardly = "hardly " if self.value < _HARDLY or not self.is_certain else ""
        if max(abs(self.value), self.error) < _NOTHING:
            return f"no more likely, within {_NOTHING} nats per pixel"
        how = "less" if self.value < 0 else f"{hardly}more"
        chance = "" if abs(self.value) > _CERTAIN * self.error else ", no more than chance"
        size = f"{abs(self.value):.4f} ± {self.error:.4f}"
        return f"{how} likely, by {size} nats per pixel{chance}"


def fit_photon_counting(
    line: NoiseFit, pixels: FlatPixels, darkness: Darkness | None = None
) -> NoiseFit:
    """Measure photon-counting noise; keep the line where the pixels do not show it.

    Parameters
    ----------
    line
        A Poisson–Gaussian fit to the same images.
    pixels
        Their flat pixels.
    darkness
        What is known without light: the offset, and the read noise if dark frames showed it.

    Returns
    -------
    NoiseFit
        With the advantage over Poisson–Gaussian noise, and a notice where that was kept.
    """
    values = pixels.values.astype(np.float64)
    if values.size == 0:
        return _kept(line, _TOO_FEW)
    lattice = find_lattice(values)
    slope = _slope(line, values)
    bins = sorted_by_brightness(pixels, lattice, slope)
    if not bins:
        return _kept(line, _TOO_FEW)
    constraint = _constraint(line, lattice, slope)
    counting = Likelihood(Counting(), bins, constraint)
    starts = [_start(bins, lattice, slope, inverse) for inverse in _STARTS]
    free = np.ones(4, dtype=bool)
    if darkness is not None:
        free[1:3] = False, darkness.read_noise is None
        starts = [_known(start, darkness, constraint) for start in starts]
    found = counting.highest(starts, free)
    agreeing = [
        one for one, agreement in zip(bins, found.agreement, strict=True) if agreement > _AT_ODDS
    ]
    if 2 * len(agreeing) > len(bins) > len(agreeing):
        bins, counting = agreeing, Likelihood(Counting(), agreeing, constraint)
        found = counting.highest([found.parameters], free)
    found = _simplest(found, counting, free)
    plain = Likelihood(Line(), bins, constraint).maximum(
        np.array([math.log(slope), found.parameters[1], found.parameters[2], LEAST_INVERSE]),
        np.array([True, False, bool(free[2]), False]),
    )
    counts = _exact_counts(found, counting, lattice, darkness)
    if counts is not None and _advantage(counts, plain, bins).is_no_chance:
        found = counts
    else:
        counts = None
    advantage = _advantage(found, plain, bins)
    fit = replace(
        line,
        advantage=advantage.value,
        advantage_error=advantage.error,
        compared_share=sum(float(one.counts.sum()) for one in bins) / values.size,
    )
    if counts is None and (doubt := _doubt(found, advantage)):
        return _kept(fit, doubt)
    at_ceiling = values >= min(pixels.ends.ceilings, default=math.inf)
    fit = replace(
        fit,
        offset_guess=None,
        clipped_share=float(at_ceiling.mean()),
        notices=_pile_up(pixels, at_ceiling),
    )
    if counts is not None:
        read_noise = _LEAST_READ_NOISE * lattice.step
        if darkness is not None:
            read_noise = max(read_noise, darkness.read_noise or 0.0)
        model = PhotonCounting(lattice.step, float(counts.parameters[1]), read_noise)
        return replace(fit, model=model, intervals={}, notices=(*fit.notices, _COUNTED))
    return replace(
        fit,
        model=_model(found, constraint.rounding),
        intervals=_intervals(found, constraint.rounding, bins[0].mean),
    )


def _kept(line: NoiseFit, doubt: str) -> NoiseFit:
    """Keep the line, and say why."""
    notice = f"Poisson–Gaussian noise is given instead of photon-counting noise: {doubt}."
    return replace(line, notices=(*line.notices, notice), doubt=doubt)


def _pile_up(pixels: FlatPixels, at_ceiling: NDArray[np.bool_]) -> tuple[str, ...]:
    """Report pixels at the ceiling; those at black are part of the likelihood."""
    marks = np.zeros((_CROWDS, 5))
    ordered = at_ceiling[np.argsort(pixels.brightness)]
    for row, crowd in zip(marks, np.array_split(ordered, _CROWDS), strict=True):
        row[[0, -1]] = np.count_nonzero(~crowd), np.count_nonzero(crowd)
    return Ends(ceilings=pixels.ends.ceilings).notices(marks)


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
    photons = (line.signal_range[1] - line.signal_range[0]) / slope
    distrust = _DISTRUST + _DISTRUST_OF_FEW * math.exp(-1.5 * photons)
    error = math.inf
    if line.gain_interval is not None and getattr(line.model, "gain", 0.0) > 0:
        low, high = line.gain_interval
        error = max((high - low) / (2 * _WIDENING), distrust * slope)
    return Constraint(
        pivot=pivot,
        slope=slope,
        variance=variance,
        slope_error=error,
        variance_error=distrust * variance,
        rounding=lattice.step**2 / 12,
        least_read_noise=_LEAST_READ_NOISE * lattice.step,
    )


def _start(bins: list[PhotonBin], lattice: Lattice, slope: float, inverse: float) -> _Array:
    """Start with the offset at the shortest half of the darkest bin's values."""
    gain = slope / (1 + inverse)
    darkest = bins[0]
    counts = np.cumsum(np.concatenate([[0.0], darkest.counts.sum(axis=0)]))
    # for each first cell, the cell that completes a half
    until = np.searchsorted(counts, counts[:-1] + counts[-1] / 2)
    lengths = np.where(until < counts.size, until - np.arange(until.size), counts.size)
    first = int(np.argmin(lengths))
    centres, width = darkest.cells.centres(), darkest.cells.width
    middle = float(centres[first]) + (int(lengths[first]) - 1) * width / 2
    read_noise = max(int(lengths[first]) * width * _HALF_TO_DEVIATION, 0.3 * lattice.step)
    offset = min(middle, darkest.mean - 0.02 * gain)
    return np.array([math.log(gain), offset, math.log(read_noise), inverse])


def _known(start: _Array, darkness: Darkness, constraint: Constraint) -> _Array:
    """Start with what dark frames show."""
    known = start.copy()
    known[1] = darkness.offset
    if darkness.read_noise is not None:
        least = constraint.least_read_noise**2
        known[2] = math.log(max(darkness.read_noise**2 - constraint.rounding, least)) / 2
    return known


def _simplest(found: Estimate, counting: Likelihood, free: NDArray[np.bool_]) -> Estimate:
    """Make all pulses equal where nothing contradicts that.

    Equal pulses make a comb, and a climb does not leave its tooth: others are tried for the offset.
    """
    inverse = float(found.parameters[3])
    error = _WIDENING * math.sqrt(found.covariance[3, 3])
    if inverse > _PRACTICALLY_EQUAL or inverse - error > 0.5 * _PRACTICALLY_EQUAL:
        return found
    held = free & np.array([True, True, True, False])
    start = found.parameters.copy()
    start[3] = LEAST_INVERSE
    best = counting.maximum(start, held)
    for direction in (-1, 1) if free[1] else ():
        for _ in range(_MOST_HOPS):
            start = best.parameters.copy()
            start[1] += direction * math.exp(start[0])
            hopped = counting.maximum(start, held)
            if hopped.value <= best.value:
                break
            best = hopped
    return best


def _advantage(found: Estimate, plain: Estimate, bins: list[PhotonBin]) -> Advantage:
    """Compare two laws; that bright regions gain less than dark ones is no chance."""
    sizes = np.stack([one.counts.sum(axis=1) for one in bins])
    gained = found.by_group - plain.by_group
    scatter = gained - gained.sum(axis=1, keepdims=True) / sizes.sum(axis=1, keepdims=True) * sizes
    variance = float((scatter.sum(axis=0) ** 2).sum()) * GROUPS / (GROUPS - 1)
    return Advantage(float(gained.sum() / sizes.sum()), math.sqrt(variance) / float(sizes.sum()))


def _doubt(found: Estimate, advantage: Advantage) -> str:
    """Say why the pixels do not show photon-counting noise; nothing if they do."""
    if not advantage.is_certain:
        return f"photon counting would make flat regions {advantage.words}"
    wide = _WIDENING * np.sqrt(np.diag(found.covariance))
    if wide[0] > _VAGUE_GAIN or wide[1] > _VAGUE * math.exp(found.parameters[0]):
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


def _exact_counts(
    found: Estimate, counting: Likelihood, lattice: Lattice, darkness: Darkness | None
) -> Estimate | None:
    """Return the law of a file whose values are whole numbers of photons, if it is one."""
    slope, _ = counting.law.slope(found.parameters)
    if not 1 / _ABOUT_ONE < slope / lattice.step < _ABOUT_ONE:
        return None
    number = round((found.parameters[1] - lattice.origin) / lattice.step)
    offset = lattice.origin + number * lattice.step
    read_noise = _LEAST_READ_NOISE * lattice.step
    if darkness is not None:
        known = darkness.read_noise or 0.0
        if abs(darkness.offset - offset) > read_noise or known > _ROUNDING * lattice.step:
            return None
        offset = darkness.offset
    exact = np.array([math.log(lattice.step), offset, math.log(read_noise), LEAST_INVERSE])
    reached = counting.maximum(exact, np.zeros(4, dtype=bool))
    pixels = sum(float(one.counts.sum()) for one in counting.bins)
    lost = float(found.by_group.sum() - reached.by_group.sum())
    return None if lost > _EQUIVALENT * pixels else reached


def _intervals(found: Estimate, rounding: float, dark: float) -> dict[str, Interval]:
    """Return the intervals of what was not known before; from a dark signal, the offset is far."""
    inverse = float(found.parameters[3])
    gain, read_noise = (math.exp(log) for log in found.parameters[[0, 2]])
    hidden = 1 + _SYSTEMATIC_OF_READ_NOISE * (read_noise / gain) ** 2
    of_gain = _SYSTEMATIC_GAIN * hidden
    of_offset = _SYSTEMATIC_OFFSET * gain + of_gain * max(0.0, dark - float(found.parameters[1]))
    if read_noise**2 < rounding:  # then a step hides where the peak is
        of_offset = math.hypot(of_offset, math.sqrt(rounding))
    of_inverse = math.hypot(
        _SYSTEMATIC_INVERSE * inverse, (1 + inverse) * (of_gain - _SYSTEMATIC_GAIN)
    )
    systematic = np.array([of_gain, of_offset, 0.0, of_inverse])
    wide = _WIDENING * np.sqrt(np.diag(found.covariance) + systematic**2)
    low, high = found.parameters - wide, found.parameters + wide
    of_read_noise = np.sqrt(np.exp(2 * np.array([low[2], high[2]])) + rounding)
    intervals = {
        "gain": (math.exp(low[0]), math.exp(high[0])),
        "offset": (float(low[1]), float(high[1])),
        "read_noise": (float(of_read_noise[0]), float(of_read_noise[1])),
        "shape": (1 / float(high[3]), 1 / max(float(low[3]), LEAST_INVERSE)),
    }
    if inverse <= LEAST_INVERSE:
        del intervals["shape"]
    return intervals
