"""Flat pixels sorted by brightness, and in each bin the histogram of their values."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from ladderscope.noise_estimation.clipping import CLIPPED_SHARE
from ladderscope.noise_estimation.flat_pixels import FlatPixels
from ladderscope.noise_estimation.intensity_bins import GROUPS
from ladderscope.noise_estimation.pulse_spectra import Cells

_BINS = 24
_PHOTONS = 20.0  # brighter regions show no single photons
_FEWEST = 400  # pixels of a bin
_FEWEST_DARK = 2000  # pixels: darkest ones that are used where fewer are dark enough
_OUTLYING = 30.0  # times what a pixel in 200 exceeds the median by, or a photon: a hot pixel
_RESOLVED = 24.0  # cells of a standard deviation, where the values are so fine
_MOST_CELLS = 2048
_FEWEST_LEVELS = 8
_NARROW = 0.05  # of the pixels of a peak, one step beside it
_ROUNDED = 0.75  # camera units that rounding to whole ones, and the fit, may move a value
_EMPTY = 0.15  # fraction of the cells on either side, where no value lies
_MOST_STRUCTURE = 0.2  # of the variance, in a bin that shows the noise
_LOST = 1.2  # neighbours share some five sixths of a pixel's structure
_OVERLAP = 2.0  # neighbours have neighbours in common: so many products are worth one
_DISTRUST = 0.15  # of the structure
_DISTRUST_OF_NOISE = 0.015  # of the variance: the noise of neighbours may be correlated a little

_Array = NDArray[np.float64]


class Lattice(NamedTuple):
    """Evenly spaced values that pixels can have.

    Attributes
    ----------
    origin, step
        One of the values, and their distance, camera units.
    """

    origin: float
    step: float


@dataclass(frozen=True, eq=False)
class PhotonBin:
    """Pixels of about one brightness.

    Parameters
    ----------
    cells
        How their values are sorted.
    counts
        Of each of the bootstrap's groups and each cell.
    mean, variance
        Of the values, camera units and camera units squared.
    structure, structure_error
        What the signal adds to their variance, by the covariance with their neighbours, and its
        standard error; camera units squared.
    """

    cells: Cells
    counts: Float64[np.ndarray, "groups cells"]
    mean: float
    variance: float
    structure: float
    structure_error: float


def find_lattice(values: Float64[np.ndarray, " n"]) -> Lattice:
    """Find the spacing of the values, even where rounding to whole numbers made it uneven.

    Parameters
    ----------
    values
        Of pixels.

    Examples
    --------
    Twelve bits that a program stretched, by 2.55 to each level:

    >>> stretched = np.rint(2.55 * np.random.default_rng(0).poisson(20.0, 10_000))
    >>> round(find_lattice(stretched).step, 1)
    2.5
    """
    levels = np.unique(values)
    if levels.size < 2:
        return Lattice(float(levels[0]), 1.0)
    gaps = np.diff(levels)
    least = float(gaps.min())
    # rounding of evenly spaced values makes gaps that differ by one; take the longest run of them
    breaks = np.flatnonzero(gaps > least + 1.0)
    ends = np.concatenate([[-1], breaks, [gaps.size]])
    longest = int(np.argmax(np.diff(ends)))
    run = levels[ends[longest] + 1 : ends[longest + 1] + 1]
    if run.size > _FEWEST_LEVELS and least >= 1.0:
        step, origin = np.polyfit(np.arange(run.size), run, 1)
        apart = np.abs(run - origin - step * np.arange(run.size)).max()
        if step > 1.01 * least and apart < _ROUNDED:
            return Lattice(float(origin), float(step))
    return Lattice(float(levels[0]), least)


def sorted_by_brightness(pixels: FlatPixels, lattice: Lattice, slope: float) -> list[PhotonBin]:
    """Sort pixels that see up to 20 photons by brightness, the darkest first.

    Parameters
    ----------
    pixels
        Flat ones.
    lattice
        Of their values.
    slope
        What the variance grows by with the signal: at least the grey levels of a photon.
    """
    order = np.argsort(pixels.brightness, kind="stable")
    brightness = pixels.brightness[order].astype(np.float64)
    dark = float(brightness[int(0.001 * brightness.size)])
    last = int(np.searchsorted(brightness, dark + _PHOTONS * slope))
    last = min(max(last, _FEWEST_DARK), brightness.size)
    # even in the standard deviation of the noise
    places = np.sqrt(np.maximum(brightness[:last] - dark, 0.0) + 0.02 * slope)
    edges = np.searchsorted(places, np.linspace(places[0], places[-1], _BINS + 1)[1:-1])
    black = _black(pixels, lattice)
    bins, waiting = [], np.zeros(0, np.int64)
    for part in np.split(order[:last], edges):
        waiting = np.concatenate([waiting, part])
        if waiting.size >= _FEWEST:
            found = _bin(pixels, waiting, lattice, slope, black)
            bins += [] if found is None else [found]
            waiting = waiting[:0]
    flat = [one for one in bins if one.structure <= _MOST_STRUCTURE * one.variance]
    enough = sum(float(one.counts.sum()) for one in flat) >= _FEWEST_DARK
    return flat if enough else bins


def _black(pixels: FlatPixels, lattice: Lattice) -> float | None:
    """Return where the values are clipped at black; None if nowhere.

    Where nothing lies beside the darkest value, it is the peak of the empty pixels, narrower than
    a step, unless files end there.
    """
    black = max(pixels.ends.blacks, default=None)
    if black is None or black == 0:
        return black
    at, beside = (
        np.count_nonzero(np.abs(pixels.values - value) < lattice.step / 2)
        for value in (black, black + lattice.step)
    )
    return black if beside > _NARROW * at else None


def _bin(
    pixels: FlatPixels,
    members: NDArray[np.int64],
    lattice: Lattice,
    slope: float,
    black: float | None,
) -> PhotonBin | None:
    """Count the values of some pixels; None where too many are at the ceiling."""
    values = pixels.values[members].astype(np.float64)
    middle, high = np.percentile(values, [50, 99.5])
    usual = values <= middle + _OUTLYING * max(high - middle, slope)
    members, values = members[usual], values[usual]
    ceiling = min(pixels.ends.ceilings, default=None)
    if ceiling is not None and (values >= ceiling).mean() > CLIPPED_SHARE:
        return None
    deviation = float(values.std())
    least = float(values.min()) if black is None else max(float(values.min()), black)
    span = float(values.max()) - least
    stride = max(1, math.floor(deviation / (_RESOLVED * lattice.step)))
    stride = max(stride, math.ceil(span / lattice.step / ((1 - 2 * _EMPTY) * _MOST_CELLS)))
    width = stride * lattice.step
    count = max(64, 2 ** math.ceil(math.log2(span / width / (1 - 2 * _EMPTY) + 16)))
    # cells hold as many values of the lattice each, and have them in their middle
    lowest = math.floor((count - span / width) / 2)
    start = round((least - lattice.origin) / lattice.step)
    first = lattice.origin + (start + (stride - 1) / 2) * lattice.step - lowest * width
    plain = Cells(first, width, count, 0, count - 1)
    cells = Cells(
        first,
        width,
        count,
        lowest if black is not None else 0,
        count - 1
        if ceiling is None
        else min(count - 1, int(plain.indices(np.array([ceiling]))[0])),
    )
    size = cells.highest - cells.lowest + 1
    flat = pixels.groups[members].astype(np.int64) * size + cells.indices(values)
    counts = np.bincount(flat, minlength=GROUPS * size).reshape(GROUPS, size)
    structure, error = _structure(values, pixels.neighbours[members].astype(np.float64))
    return PhotonBin(
        cells=cells,
        counts=counts.astype(np.float64),
        mean=float(values.mean()),
        variance=float(values.var()),
        structure=structure,
        structure_error=error,
    )


def _structure(values: _Array, neighbours: _Array) -> tuple[float, float]:
    """Return the variance of the signal, and its standard error: white noise has no part in it."""
    if not np.isfinite(neighbours).all():
        return 0.0, math.inf
    products = (values - values.mean()) * (neighbours - neighbours.mean())
    shared = max(float(products.mean()), 0.0) * _LOST
    chance = _LOST * math.sqrt(_OVERLAP * float(products.var()) / products.size)
    error = math.hypot(chance, _DISTRUST * shared, _DISTRUST_OF_NOISE * float(values.var()))
    return shared, error or math.inf
