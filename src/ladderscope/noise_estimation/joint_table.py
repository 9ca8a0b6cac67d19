"""Pairs of signal and residual as counted: sums and cells of each signal bin, darkest first."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from ladderscope.noise_estimation.clipping import clipped_counts

CELL = 0.05  # in asinh of the standardised residual
FARTHEST = 300  # cells to either side: sinh(15) is 1.6 million standard deviations
_STANDARDISED = np.sinh(CELL * np.arange(-FARTHEST, FARTHEST + 1))
_TWO_THIRDS = 0.683  # fraction of Gaussian noise within one standard deviation

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
        either_side = self.cells[:, FARTHEST:] + self.cells[:, FARTHEST::-1]
        either_side[:, 0] /= 2
        below = np.cumsum(either_side, axis=1) >= _TWO_THIRDS * self.counts[:, None]
        usual: _Array = self.scale * _STANDARDISED[FARTHEST + below.argmax(axis=1)]
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
