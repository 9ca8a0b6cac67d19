r"""Poisson–Gaussian noise measured on the noisy images alone: local variance against local mean.

Around every pixel, the window of 7×7 is split into a *core* (3×3) and a *ring* (the other 40).

- The core measures. Its second difference F = [1,−2,1] ⊗ [1,−2,1] is blind to every signal that is
  the sum of a part changing along x and one changing along y, so that for white noise

      E[(F∗y)² / 36] = Σ F²/36 · var(y)  +  (F∗s)² / 36,        Σ F² = 36,
                     = gain · E[(F²/36)∗y] + intercept  +  what F sees of the signal.

  The weights F²/36 = [1,4,1] ⊗ [1,4,1] / 36 are used for the mean too, and the line holds
  exactly, on a slope as well.
- The ring decides: its mean says which intensity bin the pixel belongs to, its variance how flat
  the place is, and the flattest third of each bin is kept. It shares no pixel with the core, so
  under white noise of any distribution neither choice can bias a core's variance; and the bin's
  mean, taken from cores too, is not drawn to the middle as it would be had the noise itself
  sorted it (the error in variables that flattens such lines).

The line is fitted to the bins (Foi et al. 2008, section III.C, in a weighted least-squares form):
a variance estimated from n pixels has a variance proportional to variance²/n.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images.artefacts import filled, find_artefacts
from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.clipping import (
    CEILING,
    CLIPPED_SHARE,
    Clipping,
    Ends,
    clipped_counts,
    find_clipping,
)
from ladderscope.noise_estimation.fitted import NoiseFit, line_model, line_notices
from ladderscope.noise_estimation.line import Points, fit_level, fit_line

__all__ = ["NoiseFit", "calibrate", "calibrate_poisson_gaussian"]

_RING = 7  # width of the window, pixels
_CORE = 3
_MARGIN = _RING // 2
_FLATTEST = 1 / 3  # share of each bin that is kept
_GROUPS = 32  # pixels are dealt to so many groups, block by block, for the bootstrap
_BLOCKS = 8  # an image is cut into 8×8 blocks
_BINS = 384  # over the first image's range; twice as many when later images are wider
_FINE = 8  # cells of a bin, for percentiles
_CROWD = 150  # pixels from which the flattest are chosen
_FEWEST_PIXELS = 150
_ENOUGH = 300  # pixels: where so many are not clipped, those that are can be left out
_REPLICATES = 200
# Student's t for the 31 degrees of freedom of 32 groups
_WIDENING = 2.04 * math.sqrt(_GROUPS / (_GROUPS - 1))
# Second differences overlap, so n neighbouring squares are worth n/3.78 independent ones: the sum
# of the squared autocorrelation of [1,−2,1] is 70/36 along each axis.
_OVERLAP = (70 / 36) ** 2
# What is left of the signal in a bin is some per cent of its variance: no bin is trusted beyond
# that, or a dark background of a million pixels would alone decide.
_DISTRUST = 0.03

_CLIPPED_EVERYWHERE = (
    "Beware: nearly all pixels look clipped, so that unless single photons are counted, this is "
    "what clipping left of the noise. Give images with a higher offset or a shorter exposure, as "
    "the camera gave them."
)

_Array = NDArray[np.float64]


def calibrate_poisson_gaussian(
    planes: Iterable[NDArray[Any]],
) -> NoiseFit:
    """Measure gain and intercept of the noise on the noisy images themselves.

    The noise must be independent from pixel to pixel; correlated noise is taken for signal and
    underestimated.

    Parameters
    ----------
    planes
        Noisy images of one channel, each of shape (y, x) and of any real type, read once and one
        at a time. Those with no variation at all (blank, or smaller than 7×7) are passed over, and
        so are padding, hot and dead pixels.

    Returns
    -------
    NoiseFit
        The model, 95 % intervals, and the points that the line was fitted to. Where the images
        span too little intensity to show a gain, the variance is constant, and `summary` says so.

    Raises
    ------
    NoiseError
        If there is no plane; a plane is not 2-D, not real, or holds NaN or infinity; or no noise
        can be measured (all planes constant, too small, saturated).

    References
    ----------
    Foi, Trimeche, Katkovnik, Egiazarian: Practical Poissonian-Gaussian noise modeling and
    fitting for single-image raw-data. IEEE Trans. Image Processing 17 (2008).

    Examples
    --------
    >>> signal = np.linspace(10, 200, 256) * np.ones((256, 1))
    >>> noisy = 2.0 * np.random.default_rng(0).poisson(signal / 2.0)
    >>> fit = calibrate_poisson_gaussian([noisy])
    >>> abs(fit.model.gain - 2.0) < 0.2
    True
    """
    return calibrate(planes, "poisson_gaussian")


def calibrate(
    planes: Iterable[NDArray[Any]], kind: Literal["poisson_gaussian", "gaussian"]
) -> NoiseFit:
    """Measure the noise on the noisy images themselves, as a line or as one number.

    Parameters
    ----------
    planes
        As `calibrate_poisson_gaussian` takes them.
    kind
        Whether the variance may grow with the signal.

    Raises
    ------
    NoiseError
        As `calibrate_poisson_gaussian` does.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
    >>> abs(calibrate([noisy], "gaussian").model.sigma - 3.0) < 0.2
    True
    """
    tally = _Tally()
    planes_seen = 0
    for plane in planes:
        tally.add(*inspect_measured(plane, f"plane {planes_seen}"), planes_seen)
        planes_seen += 1
    if planes_seen == 0:
        raise NoiseError("there is no image to calibrate the noise on")
    return _fit(tally, kind)


def inspect(plane: NDArray[Any], name: str) -> tuple[_Array, Clipping]:
    """Return the plane in float64 and where it is clipped, or refuse it.

    Parameters
    ----------
    plane
        One plane (y, x) of any real type.
    name
        What an error calls it.

    Raises
    ------
    NoiseError
        If it is not 2-D, not real, or holds NaN or infinity.

    Examples
    --------
    >>> inspect(np.full((2, 2), 255, dtype=np.uint8), "plane 0")[0].dtype
    dtype('float64')
    """
    plane = np.asarray(plane)
    if plane.ndim != 2:
        raise NoiseError(f"{name}: expected 2 axes, got shape {plane.shape}")
    if plane.dtype.kind not in "uif":
        raise NoiseError(f"{name}: expected real numbers, got {plane.dtype}")
    pixels = plane.astype(np.float64)
    if not np.isfinite(pixels).all():
        raise NoiseError(f"{name} holds NaN or infinity; replace or crop those pixels")
    return pixels, find_clipping(pixels, plane.dtype)


class Inspected(NamedTuple):
    """A plane whose artefacts were filled.

    Attributes
    ----------
    pixels
        In float64.
    clipping
        Where they are clipped.
    artefacts
        True at padding, hot and dead pixels; None if there are none.
    """

    pixels: _Array
    clipping: Clipping
    artefacts: NDArray[np.bool_] | None


def inspect_measured(plane: NDArray[Any], name: str) -> Inspected:
    """Return a plane as `inspect` does, and mark what in it was not measured.

    Parameters
    ----------
    plane, name
        As `inspect` takes them.

    Raises
    ------
    NoiseError
        As `inspect` does.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (64, 64))
    >>> plane[:16] = 0
    >>> inspect_measured(plane, "plane 0").artefacts.mean()
    np.float64(0.25)
    """
    pixels, clipping = inspect(plane, name)
    artefacts = find_artefacts(plane)
    if artefacts.mask is None or artefacts.is_blank:
        return Inspected(pixels, clipping, None)
    pixels = filled(pixels, artefacts)
    return Inspected(pixels, find_clipping(pixels, plane.dtype), artefacts.mask)


@dataclass
class _Bin:
    """Sums over the pixels of one intensity bin."""

    # per group: pixels kept, sum of their means, sum of their squared second differences / 36
    sums: _Array = field(default_factory=lambda: np.zeros((_GROUPS, 3)))
    cells: _Array = field(default_factory=lambda: np.zeros(_FINE))  # histogram of all its pixels
    marks: _Array = field(default_factory=lambda: np.zeros(CEILING + 1))  # see `Clipping`

    def joined(self, upper: "_Bin") -> "_Bin":
        """Return the bin twice as wide that this one and its upper neighbour make."""
        cells = np.concatenate([self.cells, upper.cells]).reshape(_FINE, 2).sum(axis=1)
        return _Bin(self.sums + upper.sums, cells, self.marks + upper.marks)


class _Tally:
    """What is kept of the planes: sums per intensity bin, whose number is bounded."""

    def __init__(self) -> None:
        self.width = 0.0  # of a bin; bin i spans [i·width, (i+1)·width)
        self.bins: dict[int, _Bin] = {}
        self.ends = Ends()

    def add(
        self,
        pixels: _Array,
        clipping: Clipping,
        artefacts: NDArray[np.bool_] | None,
        position: int,
    ) -> None:
        """Add the pixels of one plane."""
        if min(pixels.shape) < _RING:
            return
        neighbourhoods = _measure(pixels, np.array(clipping.values), artefacts)
        usable = neighbourhoods.usable
        if not usable.any():
            return
        marks = clipping.marks[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].ravel()
        groups = _groups(pixels.shape, position)
        if neighbourhoods.whole is not None:
            marks, groups = marks[neighbourhoods.whole], groups[neighbourhoods.whole]
        index = self._place(neighbourhoods.signals, marks)
        self.ends.add(clipping)
        groups = groups[usable]
        means, squares, roughness = (
            values[usable]
            for values in (
                neighbourhoods.means,
                neighbourhoods.squares,
                neighbourhoods.roughness,
            )
        )
        kept = []
        for members in _crowds(index[usable]):
            keep = max(1, round(_FLATTEST * members.size))
            flattest = members[np.argpartition(roughness[members], keep - 1)[:keep]]
            kept.append(flattest[_not_outlying(squares[flattest])])
        flat = np.concatenate(kept)
        for key, members in _by_value(index[usable][flat]):
            chosen = flat[members]
            sums = self.bins[key].sums
            sums[:, 0] += np.bincount(groups[chosen], minlength=_GROUPS)
            sums[:, 1] += np.bincount(groups[chosen], means[chosen], minlength=_GROUPS)
            sums[:, 2] += np.bincount(groups[chosen], squares[chosen], minlength=_GROUPS)

    def _place(self, signals: _Array, marks: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Bin all pixels by their surroundings; return each one's bin."""
        # A hot pixel must not stretch the scale: what lies outside joins the outermost bins.
        low, high = np.percentile(signals, [0.1, 99.9])
        if self.width == 0.0:
            self.width = float(high - low) / _BINS or 1.0
        while not self._fits(low, high):
            self._double()
        first, last = math.floor(low / self.width), math.floor(high / self.width)
        index = np.clip(np.floor(signals / self.width), first, last).astype(np.int64)
        cell = np.clip(np.floor((signals / self.width - index) * _FINE), 0, _FINE - 1)
        for key, members in _by_value(index):
            entry = self.bins.setdefault(key, _Bin())
            entry.cells += np.bincount(cell[members].astype(np.int64), minlength=_FINE)
            entry.marks += np.bincount(marks[members], minlength=CEILING + 1)
        return index

    def _fits(self, low: float, high: float) -> bool:
        """Whether bins of this width reach over all that was seen and over [low, high]."""
        first, last = math.floor(low / self.width), math.floor(high / self.width)
        first, last = min([first, *self.bins]), max([last, *self.bins])
        return last - first < 2 * _BINS

    def _double(self) -> None:
        """Make every bin twice as wide."""
        self.width *= 2
        self.bins = {
            key: self.bins.get(2 * key, _Bin()).joined(self.bins.get(2 * key + 1, _Bin()))
            for key in {key // 2 for key in self.bins}
        }

    def percentile(self, share: float) -> float:
        """Return the smoothed signal below which this share of all pixels lies."""
        keys = sorted(self.bins)
        cells = np.concatenate([self.bins[key].cells for key in keys])
        step = self.width / _FINE
        lower = np.concatenate([key * self.width + step * np.arange(_FINE) for key in keys])
        below = np.cumsum(cells)
        target = share * below[-1]
        at = int(np.searchsorted(below, target))
        inside = (target - (below[at] - cells[at])) / cells[at] if cells[at] else 0.0
        return float(lower[at] + step * inside)


@dataclass(frozen=True, eq=False)
class _Neighbourhoods:
    """What is known of every pixel that has a whole window around it, as flat arrays.

    Windows that reach into artefacts are left out.
    """

    signals: _Array  # mean of the ring
    roughness: _Array  # variance of the ring
    means: _Array  # mean of the core, under the weights F²/36
    squares: _Array  # (F∗y)²/36
    usable: NDArray[np.bool_]  # the window is not constant, the core is nowhere saturated
    whole: NDArray[np.bool_] | None  # which of all windows hold no artefact; None: all


def _measure(pixels: _Array, clips: _Array, artefacts: NDArray[np.bool_] | None) -> _Neighbourhoods:
    """Apply ring and core to every pixel."""
    centre = pixels.mean()
    centred = pixels - centre
    ring = _RING**2 - _CORE**2
    signals = (_box(centred, _RING) - _box(centred, _CORE)) / ring
    energy = centred**2
    roughness = (_box(energy, _RING) - _box(energy, _CORE)) / ring - signals**2
    means = _separable(pixels, np.array([1.0, 4.0, 1.0]) / 6)
    squares = _separable(centred, np.array([1.0, -2.0, 1.0])) ** 2 / 36
    greatest = pixels.max()
    saturated = ndimage.maximum_filter((pixels == greatest) & (greatest in clips), _CORE)
    constant = ndimage.maximum_filter(pixels, _RING) == ndimage.minimum_filter(pixels, _RING)
    inner = (slice(_MARGIN, -_MARGIN),) * 2
    whole = None
    if artefacts is not None:
        whole = ~ndimage.maximum_filter(artefacts, _RING)[inner].ravel()

    def flat(values: NDArray[Any]) -> NDArray[Any]:
        of_windows = values[inner].ravel()
        return of_windows if whole is None else of_windows[whole]

    return _Neighbourhoods(
        signals=flat(signals + centre),
        roughness=flat(roughness),
        means=flat(means),
        squares=flat(squares),
        usable=flat(~(saturated | constant)),
        whole=whole,
    )


def _box(values: _Array, width: int) -> _Array:
    """Sum over a square window."""
    smoothed: _Array = ndimage.uniform_filter(values, width)
    return smoothed * width**2


def _separable(values: _Array, kernel: _Array) -> _Array:
    """Correlate with kernel ⊗ kernel."""
    filtered: _Array = ndimage.correlate1d(ndimage.correlate1d(values, kernel, 0), kernel, 1)
    return filtered


def _groups(shape: tuple[int, ...], position: int) -> NDArray[np.int64]:
    """Deal the blocks of a plane to the bootstrap's groups, from another start in each plane."""
    rows, columns = (np.arange(_MARGIN, size - _MARGIN) * _BLOCKS // size for size in shape)
    blocks = rows[:, None] * _BLOCKS + columns[None, :]
    groups: NDArray[np.int64] = (blocks.ravel() + 13 * position) % _GROUPS
    return groups


def _by_value(values: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """List each value with the positions that hold it."""
    order = np.argsort(values, kind="stable")
    keys, starts = np.unique(values[order], return_index=True)
    return list(zip(keys.tolist(), np.split(order, starts[1:]), strict=True))


def _crowds(bins: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """List the pixels of each bin, those of thinly filled neighbours together."""
    crowds: list[list[NDArray[np.int64]]] = [[]]
    size = 0
    for _, members in _by_value(bins):
        if size >= _CROWD:
            crowds.append([])
            size = 0
        crowds[-1].append(members)
        size += members.size
    return [np.concatenate(crowd) for crowd in crowds]


def _not_outlying(squares: _Array) -> NDArray[np.bool_]:
    """Mark what is no hot pixel: at most six standard deviations from zero.

    The scale comes from the lower 99 %, so it is not made by the outliers themselves; a mean of
    squares below that limit stays unbiased for few photons too, which a median's would not.
    """
    if squares.size < 50:
        return np.ones(squares.size, dtype=bool)
    lower = np.partition(squares, int(0.99 * squares.size))[: int(0.99 * squares.size)]
    inside: NDArray[np.bool_] = squares <= 36 * lower.mean()
    return inside


def _fit(tally: _Tally, kind: Literal["poisson_gaussian", "gaussian"]) -> NoiseFit:
    """Fit the line to the bins, and again to bootstrapped ones."""
    sums, clipped_share, clipped_everywhere = _points(tally)  # (bins, groups, 3)
    counts, points = _averages(sums.sum(axis=1)[None])
    order = np.argsort(points.signals[0])  # thin bins may overtake each other
    sums, counts = sums[order], counts[0, order]
    points = Points(*(part[:, order] for part in (points.signals, points.variances, points.errors)))
    signals, variances = points.signals[0], points.variances[0]
    if counts.sum() < _FEWEST_PIXELS:
        raise NoiseError(
            f"the noise can be measured at {counts.sum():.0f} pixels only, and "
            f"{_FEWEST_PIXELS} are needed: the images are constant, too small or clipped. Give "
            "larger images, or the noise itself, such as Gaussian(sigma=3.0)"
        )
    if not variances.max() > 0:
        raise NoiseError(
            "the images show no noise at all: they are blank or synthetic. Give noisy images, or "
            "the noise itself, such as Gaussian(sigma=3.0)"
        )

    drawn = np.random.default_rng(0).multinomial(
        _GROUPS, np.full(_GROUPS, 1 / _GROUPS), size=_REPLICATES
    )
    chosen, resampled = _averages(np.einsum("rg,bgs->rbs", drawn, sums))
    seen = chosen.any(axis=1)  # few groups may hold all pixels
    resampled = Points(
        *(p[seen] for p in (resampled.signals, resampled.variances, resampled.errors))
    )
    dark, bright = tally.percentile(0.01), tally.percentile(0.99)
    line = fit_line(points, resampled, _WIDENING, darkest=dark)
    darkest_tenth = tally.percentile(0.001)
    notices = line_notices(line, kind, dark)
    if clipped_share > 0:
        notices += tally.ends.notices(np.stack([entry.marks for entry in tally.bins.values()]))
    if clipped_everywhere:
        notices += (_CLIPPED_EVERYWHERE,)
    if kind == "gaussian":
        line = fit_level(points, resampled, _WIDENING)
    guess = None
    if line.gain > 0:
        guess = max(darkest_tenth, -line.intercept / line.gain)
    return NoiseFit(
        model=line_model(line, kind, dark, variances),
        gain_interval=line.gain_interval if kind == "poisson_gaussian" else None,
        intercept_interval=line.intercept_interval,
        bin_signals=signals,
        bin_variances=variances,
        bin_counts=counts,
        signal_range=(dark, bright),
        offset_guess=guess,
        clipped_share=clipped_share,
        notices=notices,
    )


def _points(tally: _Tally) -> tuple[_Array, float, bool]:
    """Return the bins' sums, small neighbours merged, and the share left out as clipped.

    In a bin where many pixels are clipped, variance and mean are both wrong. If hardly anything
    would remain without them, all bins stay, and this is said by the last value.
    """
    bins = [tally.bins[key] for key in sorted(tally.bins)]
    if not bins:
        return np.zeros((1, _GROUPS, 3)), 0.0, False
    clipped = clipped_counts(np.stack([entry.marks for entry in bins]))
    whole = [
        entry
        for entry, lost in zip(bins, clipped, strict=True)
        if lost <= CLIPPED_SHARE * entry.cells.sum()
    ]
    everything = sum(entry.cells.sum() for entry in bins)
    remaining = sum(entry.cells.sum() for entry in whole)
    measured = sum(entry.sums[:, 0].sum() for entry in whole)
    all_stay = bool(remaining < 0.1 * everything and measured < _ENOUGH)
    if all_stay:
        whole, remaining = bins, everything
    kept = np.stack([entry.sums for entry in whole])
    fewest = np.clip(kept[..., 0].sum() / 12, 50, 400)
    merged = [np.zeros((_GROUPS, 3))]
    for sums in kept:
        if merged[-1][:, 0].sum() >= fewest:
            merged.append(np.zeros((_GROUPS, 3)))
        merged[-1] += sums
    if len(merged) > 1 and merged[-1][:, 0].sum() < fewest:
        remainder = merged.pop()
        merged[-1] += remainder
    return np.stack(merged), float(1 - remaining / everything), all_stay


def _averages(sums: _Array) -> tuple[_Array, Points]:
    """Return counts and points of sums (rows, bins, 3)."""
    counts = sums[..., 0]
    divisor = np.maximum(counts, 1)
    errors = np.where(counts > 0, 2 * _OVERLAP / divisor + _DISTRUST**2, np.inf)
    return counts, Points(sums[..., 1] / divisor, sums[..., 2] / divisor, errors)
