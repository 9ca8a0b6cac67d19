"""The noise of many planes, summed up by intensity: the flattest third of each bin's pixels."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from ladderscope.noise_estimation.checked import CleanPlane
from ladderscope.noise_estimation.clipping import CEILING, CLIPPED_SHARE, Ends, clipped_counts
from ladderscope.noise_estimation.neighbourhoods import (
    FLATTEST,
    MARGIN,
    WINDOW,
    by_value,
    neighbourhoods,
    not_outlying,
)

GROUPS = 32  # pixels are dealt to so many groups, block by block, for the bootstrap
_BLOCKS = 8  # a plane is cut into 8×8 blocks
_BINS = 384  # over the first plane's range; twice as many when later planes are wider
_FINE = 8  # cells of a bin, for percentiles
_CROWD = 150  # pixels from which the flattest are chosen
_ENOUGH = 300  # pixels: where so many are not clipped, those that are can be left out

_Array = NDArray[np.float64]


class Unclipped(NamedTuple):
    """The bins in which hardly a pixel is clipped, small neighbours joined.

    Attributes
    ----------
    sums
        Of each bin and group: number of pixels, sums of their means and squared differences.
    clipped
        Fraction of all pixels in the bins left out.
    all_clipped
        Whether hardly anything would have remained, so that no bin was left out.
    """

    sums: Float64[np.ndarray, "bins groups 3"]
    clipped: float
    all_clipped: bool


@dataclass
class _Bin:
    """Sums over the pixels of one intensity bin."""

    # per group: pixels kept, sum of their means, sum of their squared second differences / 36
    sums: _Array = field(default_factory=lambda: np.zeros((GROUPS, 3)))
    cells: _Array = field(default_factory=lambda: np.zeros(_FINE))  # histogram of all its pixels
    marks: _Array = field(default_factory=lambda: np.zeros(CEILING + 1))  # see `Clipping`

    def joined(self, upper: "_Bin") -> "_Bin":
        """Return the bin twice as wide that this one and its upper neighbour make."""
        cells = np.concatenate([self.cells, upper.cells]).reshape(_FINE, 2).sum(axis=1)
        return _Bin(self.sums + upper.sums, cells, self.marks + upper.marks)


class IntensityBins:
    """Sums per intensity bin over any number of planes, in bounded memory.

    Examples
    --------
    >>> from ladderscope.noise_estimation.checked import clean_plane
    >>> bins = IntensityBins()
    >>> bins.add(clean_plane(np.random.default_rng(0).normal(100.0, 3.0, (64, 64))), 0)
    >>> round(bins.percentile(0.5))
    100
    """

    def __init__(self) -> None:
        self.ends = Ends()
        self._width = 0.0  # of a bin; bin i spans [i·width, (i+1)·width)
        self._bins: dict[int, _Bin] = {}

    def add(self, plane: CleanPlane, number: int) -> None:
        """Add the pixels of a plane.

        Parameters
        ----------
        plane
            One without any variation, or smaller than the window, adds nothing.
        number
            Of the plane: from there the bootstrap's groups are dealt.
        """
        if min(plane.pixels.shape) < WINDOW:
            return
        around = neighbourhoods(plane.pixels, plane.clips, plane.artefacts)
        usable = around.usable
        if not usable.any():
            return
        marks = around.inner(plane.clipping.marks)
        groups = dealt_groups(plane.pixels.shape, number)
        if around.whole is not None:
            groups = groups[around.whole]
        index = self._sorted_in(around.signals, marks)
        self.ends.add(plane.clipping)
        index, groups = index[usable], groups[usable]
        means, squares, roughness = (
            values[usable] for values in (around.means, around.squares, around.roughness)
        )
        kept = []
        for members in _crowds(index):
            keep = max(1, round(FLATTEST * members.size))
            flattest = members[np.argpartition(roughness[members], keep - 1)[:keep]]
            kept.append(flattest[not_outlying(squares[flattest])])
        flat = np.concatenate(kept)
        for key, members in by_value(index[flat]):
            chosen = flat[members]
            sums = self._bins[key].sums
            for column, weights in enumerate((None, means[chosen], squares[chosen])):
                sums[:, column] += np.bincount(groups[chosen], weights, minlength=GROUPS)

    def _sorted_in(self, signals: _Array, marks: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Count all pixels by their surroundings; return each one's bin."""
        # A hot pixel must not stretch the scale: what lies outside joins the outermost bins.
        low, high = np.percentile(signals, [0.1, 99.9])
        if self._width == 0.0:
            self._width = float(high - low) / _BINS or 1.0
        while not self._reach_over(low, high):
            self._double()
        first, last = math.floor(low / self._width), math.floor(high / self._width)
        index = np.clip(np.floor(signals / self._width), first, last).astype(np.int64)
        cell = np.clip(np.floor((signals / self._width - index) * _FINE), 0, _FINE - 1)
        for key, members in by_value(index):
            entry = self._bins.setdefault(key, _Bin())
            entry.cells += np.bincount(cell[members].astype(np.int64), minlength=_FINE)
            entry.marks += np.bincount(marks[members], minlength=CEILING + 1)
        return index

    def _reach_over(self, low: float, high: float) -> bool:
        """Tell whether bins of this width reach over all that was seen and over [low, high]."""
        first, last = math.floor(low / self._width), math.floor(high / self._width)
        first, last = min([first, *self._bins]), max([last, *self._bins])
        return last - first < 2 * _BINS

    def _double(self) -> None:
        """Make every bin twice as wide."""
        self._width *= 2
        self._bins = {
            key: self._bins.get(2 * key, _Bin()).joined(self._bins.get(2 * key + 1, _Bin()))
            for key in {key // 2 for key in self._bins}
        }

    @property
    def marks(self) -> Float64[np.ndarray, "bins 5"]:
        """How many pixels of each bin have each mark of `Clipping`."""
        return np.stack([entry.marks for entry in self._bins.values()])

    def percentile(self, fraction: float) -> float:
        """Return the smoothed signal below which this fraction of all pixels lies."""
        keys = sorted(self._bins)
        cells = np.concatenate([self._bins[key].cells for key in keys])
        step = self._width / _FINE
        lower = np.concatenate([key * self._width + step * np.arange(_FINE) for key in keys])
        below = np.cumsum(cells)
        target = fraction * below[-1]
        at = int(np.searchsorted(below, target))
        inside = (target - (below[at] - cells[at])) / cells[at] if cells[at] else 0.0
        return float(lower[at] + step * inside)

    def unclipped(self) -> Unclipped:
        """Return the bins' sums, darkest first.

        Where many pixels of a bin are clipped, its variance and mean are both wrong.
        """
        bins = [self._bins[key] for key in sorted(self._bins)]
        if not bins:
            return Unclipped(np.zeros((1, GROUPS, 3)), 0.0, False)
        clipped = clipped_counts(np.stack([entry.marks for entry in bins]))
        whole = [
            entry
            for entry, lost in zip(bins, clipped, strict=True)
            if lost <= CLIPPED_SHARE * entry.cells.sum()
        ]
        everything = sum(entry.cells.sum() for entry in bins)
        remaining = sum(entry.cells.sum() for entry in whole)
        measured = sum(entry.sums[:, 0].sum() for entry in whole)
        all_clipped = bool(remaining < 0.1 * everything and measured < _ENOUGH)
        if all_clipped:
            whole, remaining = bins, everything
        sums = _merged(np.stack([entry.sums for entry in whole]))
        return Unclipped(sums, float(1 - remaining / everything), all_clipped)


def _merged(bins: _Array) -> _Array:
    """Join neighbouring bins until each holds enough pixels."""
    fewest = np.clip(bins[..., 0].sum() / 12, 50, 400)
    merged = [np.zeros((GROUPS, 3))]
    for sums in bins:
        if merged[-1][:, 0].sum() >= fewest:
            merged.append(np.zeros((GROUPS, 3)))
        merged[-1] += sums
    if len(merged) > 1 and merged[-1][:, 0].sum() < fewest:
        remainder = merged.pop()
        merged[-1] += remainder
    return np.stack(merged)


def dealt_groups(shape: tuple[int, ...], number: int) -> Int64[np.ndarray, " windows"]:
    """Deal the blocks of a plane to the bootstrap's groups, from another start in each plane.

    Parameters
    ----------
    shape
        Of the plane.
    number
        Of the plane.

    Examples
    --------
    >>> np.bincount(dealt_groups((70, 70), 0)).size == GROUPS
    True
    """
    rows, columns = (np.arange(MARGIN, size - MARGIN) * _BLOCKS // size for size in shape)
    blocks = rows[:, None] * _BLOCKS + columns[None, :]
    groups: NDArray[np.int64] = (blocks.ravel() + 13 * number) % GROUPS
    return groups


def _crowds(bins: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """List the pixels of each bin, those of thinly filled neighbours together."""
    crowds: list[list[NDArray[np.int64]]] = [[]]
    size = 0
    for _, members in by_value(bins):
        if size >= _CROWD:
            crowds.append([])
            size = 0
        crowds[-1].append(members)
        size += members.size
    return [np.concatenate(crowd) for crowd in crowds]
