"""Noise of any shape as a table: the density of the standardised residual at several signals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Real
from numpy.typing import NDArray
from torch import Tensor

from ladderscope.losses.precision import at_least_float32
from ladderscope.noise.entries import NoiseError, Numbers, Table, finite
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.words import Interval
from ladderscope.words import rounded

_OUTLIERS = 1e-3  # fraction of the wide Gaussian, so that no residual is impossible
_WIDTH = 3.0  # its standard deviation, in units of the noise's
_LONGEST_REACH = 30.0  # up to there, the wide Gaussian's density is a normal float32
_NORMALISED = 1e-12  # off by no more than rounding


class _Tables(NamedTuple):
    """The parameters as tensors. A row belongs to a knot of the signal."""

    signals: Tensor
    gaps: Tensor  # to the next knot
    deviations: Tensor
    densities: Tensor
    means: Tensor  # of the residual
    squares: Tensor  # of the residual, their mean


class _Between(NamedTuple):
    """The two knots that a signal lies between, and how near it is to the upper one."""

    lower: Int64[Tensor, "..."]
    upper: Int64[Tensor, "..."]
    fraction: Float[Tensor, "..."]


@dataclass(frozen=True)
class Histogram(NoiseModel):
    r"""A table of the density of the residual r = (y − s) / deviation(s), at several signals.

    PN2V stores counts. This model stores their density at knots and interpolates it linearly in s
    and r, so that the likelihood can be differentiated in both. The residual is standardised, so
    that one grid suits dark and bright signals. A thousandth of the density is a Gaussian three
    times as wide as the noise, which gives the table tails:

        p(y | s) = [0.999 · table(r; s) + 0.001 · N(r; 0, 3²)] / deviation(s).

    Between two knots of the signal, table and deviation are interpolated; beyond the first and
    the last knot they are constant. A table that is linear between its knots is a mixture of
    triangles, one around each knot, so its moments are exact.

    Parameters
    ----------
    signals
        The S knots of the signal, ascending, camera units.
    deviations
        Standard deviation of the noise at each, camera units: the unit of r, which the
        table may correct.
    densities
        Of shape (S, R): the density of r at R knots, evenly spaced from −reach to reach. The
        first and the last are set to zero, and every row is scaled to an integral of one.
    reach
        Largest ``|r|`` of the table, 30 at most.

    Raises
    ------
    NoiseError
        If shapes do not match, a number is not finite, the signals do not ascend (in single
        precision, as they are used), a deviation is not positive, a density is negative, or a
        row is zero everywhere.

    References
    ----------
    Krull, Vičar, Prakash, Lalit, Jug: Probabilistic Noise2Void: unsupervised content-aware
    denoising. Frontiers in Computer Science 2 (2020): the section on the noise model.

    Examples
    --------
    Triangular noise whose width doubles:

    >>> triangle = (0.0, 1.0, 0.0)
    >>> noise = Histogram((0.0, 100.0), (2.0, 4.0), (triangle, triangle), reach=2.0)
    >>> noise
    Histogram(2 signals from 0 to 100, 3 densities each over ±2 standard deviations)
    >>> noise.moments(torch.tensor([0.0, 100.0]))
    (tensor([  0., 100.]), tensor([ 2.7000, 10.8000]))
    """

    signals: Numbers
    deviations: Numbers
    densities: Table
    reach: float
    _tables: _Tables = field(init=False, repr=False, compare=False)
    _cumulative: Tensor = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "histogram"

    def __post_init__(self) -> None:
        signals, deviations = finite(self.signals, "signals"), finite(self.deviations, "deviations")
        densities = finite(self.densities, "densities")
        _check(signals, deviations, densities, self.reach)
        densities, chances = _normalise(densities, self._step(densities.shape[1]))
        residuals = np.linspace(-self.reach, self.reach, densities.shape[1])
        # A triangle from −step to step has the variance step²/6.
        squares = residuals**2 + self._step(len(residuals)) ** 2 / 6
        tables = (
            signals,
            np.diff(signals, append=signals[-1] + 1),
            deviations,
            densities,
            chances @ residuals,
            chances @ squares,
        )
        # Row i runs from i to i + 1, so that one ascending list holds all rows.
        cumulative = np.cumsum(chances, axis=1)
        cumulative = cumulative / cumulative[:, -1:] + np.arange(len(signals))[:, None]
        values = {
            "signals": tuple(signals.tolist()),
            "deviations": tuple(deviations.tolist()),
            "densities": tuple(map(tuple, densities.tolist())),
            "_tables": _Tables(*map(torch.from_numpy, tables)),
            "_cumulative": torch.from_numpy(cumulative.ravel()),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return (
            f"Histogram({len(self.signals)} signals from {self.signals[0]:g} to "
            f"{self.signals[-1]:g}, {len(self.densities[0])} densities each over "
            f"±{self.reach:g} standard deviations)"
        )

    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log p(y | s) of every pixel, in nats, all constants included.

        Finite, with a finite gradient, however far an observation lies from its signal: beyond
        the table only the wide Gaussian is left, which is computed in log space.

        Examples
        --------
        >>> noise = Histogram((0.0,), (1.0,), ((0.0, 1.0, 0.0),), reach=2.0)
        >>> noise.log_likelihood(torch.tensor([0.0, 1000.0]), torch.tensor(0.0))
        tensor([-6.9388e-01, -5.5564e+04])
        """
        residual = at_least_float32(observation) - at_least_float32(signal)
        tables = self._tables_for(residual)
        between = _between(at_least_float32(signal).to(residual.dtype), tables)
        deviation = _interpolate(tables.deviations, between)
        residual = residual / deviation
        density = self._density(residual, between, tables.densities)
        # Where the table ends, its density is zero; from there on the wide Gaussian goes down
        # from the value that it had, and no logarithm of a vanishing number is taken.
        near = residual.clamp(-self.reach, self.reach)
        outliers = torch.exp(-0.5 * (near / _WIDTH).square()) / (_WIDTH * math.sqrt(2 * math.pi))
        inside = torch.log((1 - _OUTLIERS) * density + _OUTLIERS * outliers)
        beyond = (near.square() - residual.square()) / (2 * _WIDTH**2)
        return inside + beyond - deviation.log()

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean and variance of y, each of the signal's shape; the mean is s only if the table's is.

        Examples
        --------
        >>> noise = Histogram((0.0,), (2.0,), ((0.0, 1.0, 0.0),), reach=2.0)
        >>> noise.moments(torch.tensor(5.0))
        (tensor(5.), tensor(2.7000))
        """
        signal = at_least_float32(signal)
        tables = self._tables_for(signal)
        between = _between(signal, tables)
        deviation = _interpolate(tables.deviations, between)
        mean = (1 - _OUTLIERS) * _interpolate(tables.means, between)
        square = (1 - _OUTLIERS) * _interpolate(tables.squares, between) + _OUTLIERS * _WIDTH**2
        return signal + deviation * mean, deviation.square() * (square - mean.square())

    def sample(
        self, signal: Real[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw an observation of the signal: a knot of the table, then from its triangle.

        Examples
        --------
        >>> noise = Histogram((0.0,), (2.0,), ((0.0, 1.0, 0.0),), reach=2.0)
        >>> noise.sample(torch.zeros(2, 5), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 5])
        """
        signal = at_least_float32(signal)
        tables = self._tables_for(signal)
        between = _between(signal, tables)
        kind: dict[str, Any] = {"dtype": signal.dtype, "device": signal.device}
        chance = torch.rand((5, *signal.shape), generator=generator, **kind)
        row = torch.where(chance[0] < between.fraction, between.upper, between.lower)
        # In float64, which not every device has: a row's number and a chance are one number here.
        position = row.cpu().double() + chance[1].cpu().double()
        knots = tables.densities.shape[1]
        knot = torch.searchsorted(self._cumulative, position, right=True).to(row.device) % knots
        triangle = (knot + chance[2] - chance[3]) * self._step(knots) - self.reach
        outlier = _WIDTH * torch.randn(signal.shape, generator=generator, **kind)
        residual = torch.where(chance[4] < _OUTLIERS, outlier, triangle)
        return signal + _interpolate(tables.deviations, between) * residual

    def _step(self, knots: int) -> float:
        return 2 * self.reach / (knots - 1)

    def _tables_for(self, values: Tensor) -> _Tables:
        return _Tables(*(table.to(values.dtype).to(values.device) for table in self._tables))

    def _density(
        self, residual: Float[Tensor, "..."], between: _Between, densities: Float[Tensor, "S R"]
    ) -> Float[Tensor, "..."]:
        knots = densities.shape[1]
        position = ((residual + self.reach) / self._step(knots)).clamp(0, knots - 1)
        left = position.detach().long().clamp(0, knots - 2)
        fraction = position - left
        lower, upper = (
            torch.lerp(densities[row, left], densities[row, left + 1], fraction)
            for row in (between.lower, between.upper)
        )
        return torch.lerp(lower, upper, between.fraction)

    def summary(self) -> str:
        """Describe the model in a sentence."""
        dark, bright = map(rounded, self.signal_range())
        return (
            f"A histogram: the distribution of the noise at {len(self.signals)} signals from "
            f"{dark} to {bright} grey levels."
        )

    def fit_summary(self, signal_range: Interval, intervals: Mapping[str, Interval]) -> str:
        """Report a fit of this model."""
        return f"A histogram of the noise: {self.spread_summary(signal_range)}"

    def signal_range(self) -> Interval:
        """Return the first and the last knot of the signal."""
        return self.signals[0], self.signals[-1]


def _between(signal: Float[Tensor, "..."], tables: _Tables) -> _Between:
    above = torch.searchsorted(tables.signals, signal.detach().contiguous(), right=True)
    lower = (above - 1).clamp(min=0)
    upper = (lower + 1).clamp(max=len(tables.signals) - 1)
    fraction = (signal - tables.signals[lower]) / tables.gaps[lower]
    return _Between(lower, upper, fraction.clamp(0, 1))


def _interpolate(column: Float[Tensor, " knots"], between: _Between) -> Float[Tensor, "..."]:
    return torch.lerp(column[between.lower], column[between.upper], between.fraction)


def _check(
    signals: NDArray[np.float64],
    deviations: NDArray[np.float64],
    densities: NDArray[np.float64],
    reach: float,
) -> None:
    shapes = signals.shape, deviations.shape, densities.shape
    if (
        signals.ndim != 1
        or densities.ndim != 2
        or not len(signals) == len(densities) >= 1
        or deviations.shape != signals.shape
        or densities.shape[1] < 3
    ):
        raise NoiseError(
            "a histogram needs S signals, S deviations and S rows of three densities or more; "
            "their shapes are {}, {} and {}".format(*shapes)
        )
    if not 0 < reach <= _LONGEST_REACH:
        raise NoiseError(
            f"the reach of a histogram must lie between 0 and {_LONGEST_REACH:g} standard "
            f"deviations, but is {reach}"
        )
    if not (np.diff(signals.astype(np.float32)) > 0).all():
        raise NoiseError("the signals of a histogram must ascend, in single precision too")
    if not ((deviations > 1e-15) & (deviations < 1e15)).all():
        raise NoiseError(
            "the deviations of a histogram must be positive and finite; the least is "
            f"{deviations.min():g}"
        )
    if (densities < 0).any():
        raise NoiseError(
            f"the densities of a histogram must not be negative; the least is {densities.min():g}"
        )


def _normalise(
    densities: NDArray[np.float64], step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the densities with an integral of one a row, and the chance of each triangle."""
    densities = densities.copy()
    densities[:, [0, -1]] = 0
    integrals = densities.sum(axis=1, keepdims=True) * step
    empty = np.flatnonzero(integrals <= 0)
    if empty.size:
        raise NoiseError(
            "every row of a histogram's densities needs a positive one between its ends; row "
            f"{empty[0]} has none"
        )
    # Rows that are normalised already stay to the bit what they are, or a model that was stored
    # would not equal itself.
    integrals[np.abs(integrals - 1) < _NORMALISED] = 1
    densities = densities / integrals
    return densities, densities * step
