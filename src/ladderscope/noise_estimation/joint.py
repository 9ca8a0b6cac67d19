r"""How often which residual came with which signal: pairs of any number, in bounded memory.

A signal has its place in bins that are even in the coordinate t(s) = ∫ ds / σ₀(s), in which the
noise has the same width everywhere; σ₀ is a rough standard deviation that the first pairs give.
A residual r = y − s has its place in cells that are even in asinh(r / σ₀(s)): 0.05 standard
deviations wide at the centre, 5 % of the residual far out, so that no range need be known. What
cells round away is 0.04 % of a variance; the variances themselves come from exact sums.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Real, UInt8
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.clipping import CEILING, clipped_counts

_BINS = 1024  # of the signal, over the first plane's range
_MOST_BINS = 2 * _BINS
_CELL = 0.05
_FARTHEST = 300  # cells to either side: sinh(15) is 1.6 million standard deviations
_CELLS = 2 * _FARTHEST + 1
_AT_ONCE = 1 << 19  # pixels; what is made of them is a few times as large as they are
_OUTERMOST = 0.0005  # share of the first signals that may lie outside of the bins' planned range
_FARTHEST_BIN = 1 << 18
_TWO_THIRDS = 0.683  # share of Gaussian noise within one standard deviation
_BY_CHANCE = 4.5  # standard deviations that a signal and its surroundings may differ by chance

_Array = NDArray[np.float64]
_PerBin = Float64[np.ndarray, " bins"]


@dataclass(frozen=True, eq=False)
class JointTable:
    """Counts and sums of pairs, signal bin by signal bin, darkest first.

    Parameters
    ----------
    sums
        Of each bin: number of pairs, sum of their signals, residuals and squared residuals.
    marks
        How many pairs of a bin have each mark of `ladderscope.noise_estimation.clipping.Clipping`.
    cells
        How many pairs of a bin have each residual.
    scale
        Camera units in a unit of standardised residual, at each bin's signal.
    """

    sums: Float64[np.ndarray, "bins 4"]
    marks: Float64[np.ndarray, "bins 5"]
    cells: Float64[np.ndarray, "bins cells"]
    scale: _PerBin

    @property
    def counts(self) -> _PerBin:
        """Number of pairs in each bin."""
        counts: _Array = self.sums[:, 0]
        return counts

    @property
    def signals(self) -> _PerBin:
        """Mean signal of each bin, camera units."""
        signals: _Array = self.sums[:, 1] / self.counts
        return signals

    @property
    def residual_means(self) -> _PerBin:
        """Mean residual y − s of each bin, camera units."""
        means: _Array = self.sums[:, 2] / self.counts
        return means

    @property
    def residual_variances(self) -> _PerBin:
        """Variance of the residual in each bin, camera units squared."""
        variances: _Array = self.sums[:, 3] / self.counts - self.residual_means**2
        return np.maximum(variances, 0.0)

    @property
    def clipped(self) -> _PerBin:
        """Number of pairs of each bin that are clipped; zeros of a photon counter are not."""
        return clipped_counts(self.marks)

    @property
    def residuals(self) -> Float64[np.ndarray, "bins cells"]:
        """Residual at the centre of each cell, camera units."""
        residuals: _Array = self.scale[:, None] * _STANDARDISED
        return residuals

    @property
    def usual(self) -> _PerBin:
        """The residual, camera units, that two thirds of a bin's pairs do not exceed."""
        either_side = self.cells[:, _FARTHEST:] + self.cells[:, _FARTHEST::-1]
        either_side[:, 0] /= 2
        below = np.cumsum(either_side, axis=1) >= _TWO_THIRDS * self.counts[:, None]
        usual: _Array = self.scale * _STANDARDISED[_FARTHEST + below.argmax(axis=1)]
        return usual

    def joined(self, groups: Int64[np.ndarray, " bins"]) -> "JointTable":
        """Return the table in which bins of one group are one.

        Parameters
        ----------
        groups
            Of each bin, from 0 on without a gap, ascending.
        """
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        sums, marks, cells = (
            np.add.reduceat(part, starts, axis=0) for part in (self.sums, self.marks, self.cells)
        )
        weighted = np.add.reduceat(self.scale * self.counts, starts)
        return JointTable(sums, marks, cells, weighted / sums[:, 0])

    def coarsened(self, most: int) -> "JointTable":
        """Return the table with so many bins at most, neighbours joined evenly."""
        bins = len(self.sums)
        return self if bins <= most else self.joined(np.arange(bins) * most // bins)

    def of(self, bins: NDArray[np.bool_]) -> "JointTable":
        """Return the table of these bins alone."""
        return JointTable(self.sums[bins], self.marks[bins], self.cells[bins], self.scale[bins])

    def without(self, cells: Bool[np.ndarray, "bins cells"]) -> "JointTable":
        """Return the table without some cells; what remains in their bins is summed up anew."""
        left = np.where(cells, 0.0, self.cells)
        counts, residuals = left.sum(axis=1), self.residuals
        summed = np.stack(
            [
                counts,
                counts * self.signals,
                (left * residuals).sum(axis=1),
                (left * residuals**2).sum(axis=1),
            ],
            axis=1,
        )
        touched = (np.where(cells, self.cells, 0.0).sum(axis=1) > 0)[:, None]
        table = JointTable(np.where(touched, summed, self.sums), self.marks, left, self.scale)
        return table.of(counts > 0)

    def filled(self, fewest: float, span: float = 0.0) -> Int64[np.ndarray, " bins"]:
        """Group neighbouring bins; give each bin's group.

        Parameters
        ----------
        fewest
            Pairs that each group holds at least, if all together do.
        span
            Range of signals that each group covers at least, in standard deviations.
        """
        groups = np.zeros(len(self.sums), dtype=np.int64)
        group, held, left, start = 0, 0.0, self.counts.sum(), 0.0
        places = self.places
        for at, count in enumerate(self.counts):
            if held >= fewest and left >= fewest and places[at] - start >= span:
                group, held, start = group + 1, 0.0, float(places[at])
            groups[at] = group
            held, left = held + count, left - count
        return groups

    @property
    def places(self) -> _PerBin:
        """Distance of each bin's signal from the first one's, in standard deviations."""
        steps = 2 * np.diff(self.signals) / (self.scale[1:] + self.scale[:-1])
        places: _Array = np.concatenate([[0.0], np.cumsum(steps)])
        return places


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
    >>> joint.counts.sum() == 64 * 64
    np.True_
    >>> bool(abs(np.average(joint.residual_variances, weights=joint.counts) - 9.0) < 3.0)
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
        for other in (observation, marks, around):
            if other is not None and other.shape != signal.shape:
                raise NoiseError(
                    f"shapes {other.shape} and {signal.shape} for what belongs to the same pixels"
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
        columns = np.rint(np.arcsinh(residual / rough.deviation(place)) / _CELL)
        columns = np.clip(columns, -_FARTHEST, _FARTHEST).astype(np.int64) + _FARTHEST
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

    @property
    def signals(self) -> _PerBin:
        """Mean signal of each occupied bin, camera units, ascending."""
        return self.table().signals

    @property
    def counts(self) -> _PerBin:
        """Number of pairs in each bin."""
        return self._sums[:, 0].copy()

    @property
    def residual_means(self) -> _PerBin:
        """Mean residual y − s of each bin, camera units."""
        return self.table().residual_means

    @property
    def residual_variances(self) -> _PerBin:
        """Variance of the residual in each bin, camera units squared."""
        return self.table().residual_variances

    @property
    def clipped(self) -> _PerBin:
        """Number of pairs of each bin that are clipped."""
        return clipped_counts(self._marks)

    def cells(
        self, most: int = 256
    ) -> tuple[
        Float64[np.ndarray, " cells"], Float64[np.ndarray, " cells"], Float64[np.ndarray, " cells"]
    ]:
        """Return signal, residual (camera units) and number of pairs of each occupied cell.

        Parameters
        ----------
        most
            Number of signal bins at most; neighbours are joined evenly.

        Examples
        --------
        >>> joint = JointHistogram()
        >>> joint.add(np.array([1.0, 3.0, 8.0]), np.array([2.0, 2.0, 8.0]))
        >>> [values.round(1).tolist() for values in joint.cells()]
        [[2.0, 2.0, 8.0], [-1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
        """
        table = self.table().coarsened(most)
        rows, columns = np.nonzero(table.cells)
        return table.signals[rows], table.residuals[rows, columns], table.cells[rows, columns]


_STANDARDISED = np.sinh(_CELL * np.arange(-_FARTHEST, _FARTHEST + 1))


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
