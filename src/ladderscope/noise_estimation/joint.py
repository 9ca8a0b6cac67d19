r"""How often which residual came with which signal: pairs of any number, in bounded memory.

A signal is counted in bins that are even in the coordinate t(s) = ∫ ds / σ₀(s), in which the
noise has the same width everywhere; σ₀ is a rough standard deviation that the first pairs give.
A residual r = y − s is counted in cells that are even in asinh(r / σ₀(s)): 0.05 standard
deviations wide at the centre, 5 % of the residual far out, so that no range need be known. What
cells round away is 0.04 % of a variance; the variances themselves come from exact sums.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Real, UInt8
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.clipping import CEILING
from ladderscope.noise_estimation.joint_table import CELL, FARTHEST, JointTable

_BINS = 1024  # of the signal, over the first plane's range
_MOST_BINS = 2 * _BINS
_CELLS = 2 * FARTHEST + 1
_AT_ONCE = 1 << 19  # pixels; what is made of them is a few times as large as they are
_OUTERMOST = 0.0005  # fraction of the first signals that may lie outside of the bins' planned range
_FARTHEST_BIN = 1 << 18
_BY_CHANCE = 4.5  # standard deviations that a signal and its surroundings may differ by chance

_Array = NDArray[np.float64]


class JointHistogram:
    """A joint histogram of signal and residual that pairs are added to, plane by plane.

    Memory is bounded by some 10 MB, and some 50 MB more while pixels are added, however
    many; no range need be known beforehand. Beyond 2,048 occupied bins of the signal,
    neighbours are joined two by two.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> signal = generator.uniform(10.0, 100.0, (64, 64))
    >>> joint = JointHistogram()
    >>> joint.add(signal + 3.0 * generator.normal(size=signal.shape), signal)
    >>> table = joint.table()
    >>> table.counts.sum() == 64 * 64
    np.True_
    >>> bool(abs(np.average(table.residual_variances, weights=table.counts) - 9.0) < 3.0)
    True
    """

    def __init__(self) -> None:
        self._rough: _Rough | None = None
        self._width = 0.0  # of a bin, in t
        self._keys = np.zeros(0, dtype=np.int64)  # of the occupied bins: floor(t / width)
        self._sums = np.zeros((0, 4))
        self._marks = np.zeros((0, CEILING + 1))
        self._cells = np.zeros((0, _CELLS))
        self.signal_ends = (math.inf, -math.inf)  # least and greatest signal so far

    def add(
        self,
        observation: Real[np.ndarray, "..."],
        signal: Real[np.ndarray, "..."],
        marks: UInt8[np.ndarray, "..."] | None = None,
        around: Real[np.ndarray, "..."] | None = None,
        repeats: int = 1,
    ) -> None:
        """Add pairs.

        Parameters
        ----------
        observation, signal
            y and s, finite, of one shape, camera units. The first ones should be typical: their
            range and noise lay out the bins.
        marks
            Which pixels are at an end of the observation's values, as `find_clipping` says.
        around
            Another estimate of the signal, with noise of its own, from the pixel's surroundings: a
            signal with noise must not choose its own bin, or variances of the dark end up at
            brighter signals and a line through them becomes too flat. It is not used where the two
            differ by more than noise.
        repeats
            Number of observations whose mean the signal is, where `around` is given.

        Raises
        ------
        NoiseError
            If the shapes differ.
        """
        for name, other in (("observation", observation), ("marks", marks), ("around", around)):
            if other is not None and other.shape != signal.shape:
                raise NoiseError(
                    f"{name} and signal have different shapes, {other.shape} and {signal.shape}"
                )
        if signal.size == 0:
            return
        # before any arithmetic: differences of unsigned numbers would overflow
        observation, signal = (
            part.astype(np.float64, copy=False) for part in (observation, signal)
        )
        least, greatest = float(signal.min()), float(signal.max())
        self.signal_ends = min(least, self.signal_ends[0]), max(greatest, self.signal_ends[1])
        flat = observation.ravel(), signal.ravel()
        close_by = flat[1] if around is None else around.ravel()
        of_marks = np.zeros(signal.size, dtype=np.uint8) if marks is None else marks.ravel()
        if self._rough is None:
            self._rough = _rough_deviation(*flat)
            ends = np.quantile(self._rough.coordinate(flat[1]), [_OUTERMOST, 1 - _OUTERMOST])
            # at most a quarter of the noise: pixels of one signal may come first
            self._width = float(ends[1] - ends[0]) / _BINS or 0.25
        for start in range(0, signal.size, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            place = close_by[part]
            if around is not None:
                noise = self._rough.deviation(place) / math.sqrt(repeats)
                place = np.where(
                    np.abs(flat[1][part] - place) > _BY_CHANCE * noise, flat[1][part], place
                )
            self._add(flat[0][part], flat[1][part], of_marks[part], place)

    def _add(
        self, observation: _Array, signal: _Array, marks: NDArray[np.uint8], place: _Array
    ) -> None:
        rough = self._rough
        if rough is None:
            return
        keys = np.floor(rough.coordinate(place) / self._width)
        keys = np.clip(keys, -_FARTHEST_BIN, _FARTHEST_BIN).astype(np.int64)
        rows = self._rows(keys)
        residual = observation - signal
        columns = np.rint(np.arcsinh(residual / rough.deviation(place)) / CELL)
        columns = np.clip(columns, -FARTHEST, FARTHEST).astype(np.int64) + FARTHEST
        bins = len(self._keys)
        for column, weights in enumerate((None, signal, residual, residual**2)):
            self._sums[:, column] += np.bincount(rows, weights, minlength=bins)
        marked = np.bincount(rows * (CEILING + 1) + marks, minlength=self._marks.size)
        self._marks += marked.reshape(self._marks.shape)
        cells = np.bincount(rows * _CELLS + columns, minlength=self._cells.size)
        self._cells += cells.reshape(self._cells.shape)

    def _rows(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each key; make rows for new ones."""
        while True:
            first = int(keys.min())
            present = np.bincount(keys - first) > 0
            occupied = np.union1d(self._keys, np.flatnonzero(present) + first)
            if occupied.size <= _MOST_BINS:
                break
            self._double()
            keys = keys >> 1
        if occupied.size > self._keys.size:
            self._reorder(np.searchsorted(occupied, self._keys), occupied)
        rows = np.cumsum(present) - 1
        rows = np.searchsorted(occupied, np.flatnonzero(present) + first)[rows]
        found: NDArray[np.int64] = rows[keys - first]
        return found

    def _double(self) -> None:
        """Make every bin twice as wide."""
        self._width *= 2
        occupied, rows = np.unique(self._keys >> 1, return_inverse=True)
        self._reorder(rows, occupied)

    def _reorder(self, rows: NDArray[np.int64], keys: NDArray[np.int64]) -> None:
        """Move every row to a new one; those that meet there are added up."""
        self._keys = keys
        for name in ("_sums", "_marks", "_cells"):
            old = getattr(self, name)
            new = np.zeros((keys.size, old.shape[1]))
            np.add.at(new, rows, old)
            setattr(self, name, new)

    def table(self) -> JointTable:
        """Return what has been counted so far.

        Examples
        --------
        >>> joint = JointHistogram()
        >>> joint.add(np.array([1.0, 3.0, 9.0]), np.array([2.0, 2.0, 8.0]))
        >>> joint.table().residual_variances
        array([1., 0.])
        """
        if self._rough is None:
            return JointTable(self._sums, self._marks, self._cells, np.zeros(0))
        signals = self._sums[:, 1] / self._sums[:, 0]
        scale = self._rough.deviation(signals)
        return JointTable(self._sums.copy(), self._marks.copy(), self._cells.copy(), scale)


@dataclass(frozen=True)
class _Rough:
    """A rough standard deviation of the noise: √max(gain·s + intercept, least²)."""

    gain: float
    intercept: float
    least: float

    def deviation(self, signal: _Array) -> _Array:
        return np.sqrt(np.maximum(self.gain * signal + self.intercept, self.least**2))

    def coordinate(self, signal: _Array) -> _Array:
        """Return t(s), whose derivative is 1 / deviation(s)."""
        if self.gain == 0:
            return signal / self.least
        knee = (self.least**2 - self.intercept) / self.gain
        above = 2 / self.gain * (self.deviation(signal) - self.least)
        place: _Array = above + np.minimum(signal - knee, 0.0) / self.least
        return place


def _rough_deviation(observation: _Array, signal: _Array) -> _Rough:
    """Take a line through the variances at a few signals; it only lays out bins and cells."""
    step = -(-signal.size // _AT_ONCE)
    signal, residual = signal[::step], (observation - signal)[::step]
    groups = np.array_split(np.argsort(signal, kind="stable"), min(16, signal.size))
    squares = [residual[group] ** 2 for group in groups]
    # without the largest hundredth, which may be hot pixels
    variances = np.array([np.sort(part)[: math.ceil(0.99 * part.size)].mean() for part in squares])
    means = np.array([signal[group].mean() for group in groups])
    typical = variances.mean() or np.mean(residual**2)
    if not typical > 0:
        return _Rough(0.0, 0.0, 1e-3 * max(float(np.ptp(signal)), abs(float(means[0])), 1e-3))
    variances = np.maximum(variances, 1e-3 * typical)
    weights = 1 / variances
    slope = 0.0
    if np.ptp(means) > 0:
        slope = float(np.polyfit(means - means[0], variances, 1, w=weights)[0])
    darkest = float(variances[: max(1, len(groups) // 4)].min())
    if not slope * np.ptp(means) > 1e-2 * darkest:
        return _Rough(0.0, 0.0, math.sqrt(typical))
    centre, variance = (float(np.average(part, weights=weights**2)) for part in (means, variances))
    return _Rough(slope, variance - slope * centre, math.sqrt(darkest / 4))
