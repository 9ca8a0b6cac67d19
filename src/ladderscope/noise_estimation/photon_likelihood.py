"""Likelihood of a law of noise over regions of unknown photon rates, and its maximum.

The rates of a bin of flat pixels spread, because their surroundings tell the brightness only
roughly and the sample is not flat: each bin has a mean rate, a relative variance and a skewness of
its own, which Fisher's scoring eliminates from the few parameters that all share. The skewness has
a prior, and what structure adds to the variance is known from neighbouring pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from ladderscope.noise_estimation.intensity_bins import GROUPS
from ladderscope.noise_estimation.photon_bins import PhotonBin
from ladderscope.noise_estimation.pulse_spectra import PARAMETERS, Law, probabilities

_OUTLYING = 1e-5  # of the pixels lie anywhere
# log μ, log q and w of a bin's rates; more spread would look like pulses that scatter
_OWN = 3
_LEAST_RATES = np.array([np.log(1e-3), np.log(1e-5), -1.0])
_MOST_RATES = np.array([np.inf, np.log(1.0), 4.0])
_USUAL_SKEW, _SKEW_INFORMATION = 0.5, 0.7**-2  # mean and inverse variance of w, in real images
LEAST_INVERSE, MOST_INVERSE = 1e-5, 2.0  # 1/α: all pulses are equal; they scatter the most
_LARGEST_STEPS = np.array([0.5, np.inf, 0.7, 0.3])
_ITERATIONS = 60
_PRECISION, _ROUGHLY = 1e-2, 1.0  # nats, of all pixels together
_HOPELESS = 1e5

_Array = NDArray[np.float64]
_Parameters = Float64[np.ndarray, " 4"]


@dataclass(frozen=True)
class Constraint:
    """What the line through the variances says of the law, at the signal where it is surest.

    Parameters
    ----------
    pivot
        That signal, camera units.
    slope, variance
        Of the line, there.
    slope_error, variance_error
        Their standard errors; infinite where nothing is known.
    rounding
        Variance that rounding to the lattice of the values adds, camera units squared.
    least_read_noise
        Below which the lattice shows none, camera units.
    """

    pivot: float
    slope: float
    variance: float
    slope_error: float
    variance_error: float
    rounding: float
    least_read_noise: float

    def terms(self, law: Law, parameters: _Parameters) -> "Terms":
        """Return the log density of the line's numbers under the law."""
        slope, by_slope = law.slope(parameters)
        read_variance = float(np.exp(2 * parameters[2]))
        above = self.pivot - float(parameters[1])
        apart = np.array(
            [
                slope - self.slope,
                slope * above + read_variance + self.rounding - self.variance,
            ]
        )
        jacobian = np.stack(
            [by_slope, above * by_slope + np.array([0.0, -slope, 2 * read_variance, 0.0])]
        )
        weights = np.array([self.slope_error, self.variance_error]) ** -2.0
        return _gaussian(apart, weights, jacobian)


class Terms(NamedTuple):
    """A log-likelihood, its gradient and Fisher's information."""

    value: float
    gradient: _Array
    information: _Array


@dataclass(frozen=True, eq=False)
class Estimate:
    """Parameters at the maximum of the likelihood.

    Parameters
    ----------
    parameters
        Log scale, offset, log read noise, 1/α.
    value
        Log-likelihood with the constraint, nats.
    by_group
        Log-likelihood of the pixels of each bin and each of the bootstrap's groups, nats.
    covariance
        Of the parameters; zero for those that were held.
    agreement
        Log density, at most 0, of what is known of each bin's rates but for its histogram.
    """

    parameters: _Parameters
    value: float
    by_group: Float64[np.ndarray, "bins groups"]
    covariance: Float64[np.ndarray, "4 4"]
    agreement: Float64[np.ndarray, " bins"]


@dataclass(frozen=True, eq=False)
class _Point:
    """Where the search stands: the common parameters and each bin's log μ, log q and w."""

    parameters: _Parameters
    rates: Float64[np.ndarray, "bins 3"]


class _Reached(NamedTuple):
    """Where a climb ended, the terms of each bin there, and the log-likelihood."""

    point: _Point
    terms: list[Terms]
    value: float


class Likelihood:
    """The likelihood of one law over the bins.

    Parameters
    ----------
    law
        Of the noise.
    bins
        Flat pixels sorted by brightness.
    constraint
        What the variances say.
    """

    def __init__(self, law: Law, bins: list[PhotonBin], constraint: Constraint) -> None:
        self.law, self.bins, self.constraint = law, bins, constraint

    def highest(self, starts: Sequence[_Parameters], free: Bool[np.ndarray, " 4"]) -> Estimate:
        """Climb from several starts, and to the top where that leads highest.

        Parameters
        ----------
        starts
            Where to start.
        free
            Which parameters may change.
        """
        reached = [self._climb(self._point(start), free, _ROUGHLY) for start in starts]
        return self._estimate(max(reached, key=lambda one: one.value), free)

    def maximum(self, start: _Parameters, free: Bool[np.ndarray, " 4"]) -> Estimate:
        """Climb to the maximum from one start.

        Parameters
        ----------
        start, free
            As `highest` takes them.
        """
        return self.highest([start], free)

    def _point(self, start: _Parameters) -> _Point:
        return _Point(start, np.array([self._guess(one, start) for one in self.bins]))

    def _climb(self, point: _Point, free: NDArray[np.bool_], precision: float) -> _Reached:
        """Climb with damping as of Levenberg and Marquardt."""
        terms = self._terms(point)
        value, damping = self._value(point, terms), 1e-3
        for _ in range(_ITERATIONS):
            candidate = self._step(point, terms, free, damping)
            found = self._terms(candidate)
            reached = self._value(candidate, found)
            if reached < value:
                damping *= 8
                if damping > _HOPELESS:
                    break
                continue
            gained, damping = reached - value, max(damping / 5, 1e-6)
            point, terms, value = candidate, found, reached
            if gained < precision:
                break
        return _Reached(point, terms, value)

    def _estimate(self, rough: _Reached, free: NDArray[np.bool_]) -> Estimate:
        point, terms, value = self._climb(rough.point, free, _PRECISION)
        by_group = np.stack([one[0] for one in self._of_groups(point)])
        known = [
            self._known(one, rates, point.parameters).value
            for one, rates in zip(self.bins, point.rates, strict=True)
        ]
        covariance = self._covariance(point, terms, free)
        return Estimate(point.parameters, value, by_group, covariance, np.array(known))

    def _guess(self, one: PhotonBin, parameters: _Parameters) -> tuple[float, float, float]:
        """Guess log μ, log q and w of a bin from its mean and the structure in it."""
        unit, _ = self.law.unit(parameters)
        rate = max((one.mean - float(parameters[1])) / unit, 0.02)
        spread = np.clip(one.structure / (unit * rate) ** 2, 1e-3, 1.0)
        return float(np.log(rate)), float(np.log(spread)), _USUAL_SKEW

    def _cells(
        self, one: PhotonBin, rates: _Array, parameters: _Parameters
    ) -> tuple[_Array, _Array]:
        """Return a bin's probabilities, and the derivatives of their logarithms."""
        found = probabilities(self.law, parameters, rates, one.cells)
        chance = np.maximum(found[0], 0.0) * (1 - _OUTLYING) + _OUTLYING / found.shape[1]
        return chance, found[1:] * (1 - _OUTLYING) / chance

    def _known(self, one: PhotonBin, rates: _Array, parameters: _Parameters) -> Terms:
        """Return the log density of what is known of a bin's rates but for its histogram."""
        unit, by_scale = self.law.unit(parameters)
        mean, spread = np.exp(rates[:2])
        structure = (unit * mean) ** 2 * spread
        apart = np.array([structure - one.structure, rates[2] - _USUAL_SKEW])
        weights = np.array([one.structure_error**-2, _SKEW_INFORMATION])
        jacobian = np.zeros((2, PARAMETERS + _OWN))
        jacobian[0, [0, -3, -2]] = structure * np.array([2 * by_scale, 2.0, 1.0])
        jacobian[1, -1] = 1.0
        return _gaussian(apart, weights, jacobian)

    def _terms(self, point: _Point) -> list[Terms]:
        """Return the terms of each bin, by the four parameters and the bin's own three."""
        terms = []
        for one, rates in zip(self.bins, point.rates, strict=True):
            chance, derivatives = self._cells(one, rates, point.parameters)
            counts = one.counts.sum(axis=0)
            value, gradient, information = self._known(one, rates, point.parameters)
            terms.append(
                Terms(
                    value + float(counts @ np.log(chance)),
                    gradient + derivatives @ counts,
                    information + (derivatives * (chance * counts.sum())) @ derivatives.T,
                )
            )
        return terms

    def _value(self, point: _Point, terms: list[Terms]) -> float:
        return sum(one.value for one in terms) + self._constrained(point).value

    def _constrained(self, point: _Point) -> Terms:
        return self.constraint.terms(self.law, point.parameters)

    def _step(
        self, point: _Point, terms: list[Terms], free: NDArray[np.bool_], damping: float
    ) -> _Point:
        """Return the next point: the bins' own parameters follow the common ones."""
        _, gradient, information = self._constrained(point)
        inverses = [_inverse(one, damping) for one in terms]
        for one, inverse in zip(terms, inverses, strict=True):
            gain = one.information[:PARAMETERS, PARAMETERS:] @ inverse
            gradient = gradient + one.gradient[:PARAMETERS] - gain @ one.gradient[PARAMETERS:]
            information = information + _reduced(one, gain)
        information = information + np.diag(damping * np.diag(information) + 1e-9)
        step = np.zeros(PARAMETERS)
        step[free] = np.linalg.solve(information[np.ix_(free, free)], gradient[free])
        step = np.clip(step, -_LARGEST_STEPS, _LARGEST_STEPS)
        scale = self.law.slope(point.parameters)[0]
        step[1] = np.clip(step[1], -scale, scale)
        rates = np.array(
            [
                inverse
                @ (one.gradient[PARAMETERS:] - one.information[PARAMETERS:, :PARAMETERS] @ step)
                for one, inverse in zip(terms, inverses, strict=True)
            ]
        )
        moved = np.clip(point.rates + np.clip(rates, -1, 1), _LEAST_RATES, _MOST_RATES)
        parameters = point.parameters + step
        parameters[2] = max(parameters[2], np.log(self.constraint.least_read_noise))
        parameters[3] = np.clip(parameters[3], LEAST_INVERSE, MOST_INVERSE)
        return _Point(parameters, moved)

    def _of_groups(self, point: _Point) -> list[tuple[_Array, _Array]]:
        """Return log-likelihood and gradient of each bin, group by group."""
        found = []
        for one, rates in zip(self.bins, point.rates, strict=True):
            chance, derivatives = self._cells(one, rates, point.parameters)
            found.append((one.counts @ np.log(chance), one.counts @ derivatives.T))
        return found

    def _covariance(self, point: _Point, terms: list[Terms], free: NDArray[np.bool_]) -> _Array:
        """Return the sandwich of scatter and information, or the inverse information if larger."""
        constrained = self._constrained(point).information
        information, scores = constrained.copy(), np.zeros((GROUPS, PARAMETERS))
        known = constrained.copy()
        for one, (_, gradients), a_bin, rates in zip(
            terms, self._of_groups(point), self.bins, point.rates, strict=True
        ):
            gain = one.information[:PARAMETERS, PARAMETERS:] @ _inverse(one, 0.0)
            scores += gradients[:, :PARAMETERS] - gradients[:, PARAMETERS:] @ gain.T
            information += _reduced(one, gain)
            without = np.concatenate([np.eye(PARAMETERS), -gain], axis=1)
            of_rates = self._known(a_bin, rates, point.parameters).information
            known += without @ of_rates @ without.T
        scores -= scores.mean(axis=0)
        scatter = known + scores.T @ scores * (GROUPS / (GROUPS - 1))
        bread = np.linalg.pinv(information[np.ix_(free, free)])
        covariance = np.zeros((PARAMETERS, PARAMETERS))
        sandwich = bread @ scatter[np.ix_(free, free)] @ bread
        # few groups may scatter less by chance than pixels that are independent
        np.fill_diagonal(sandwich, np.maximum(np.diag(sandwich), np.diag(bread)))
        covariance[np.ix_(free, free)] = sandwich
        return covariance


def _gaussian(apart: _Array, weights: _Array, jacobian: _Array) -> Terms:
    """Return the terms of numbers that lie apart from what was measured."""
    return Terms(
        -0.5 * float(weights @ apart**2),
        -jacobian.T @ (weights * apart),
        jacobian.T @ (weights[:, None] * jacobian),
    )


def _inverse(one: Terms, damping: float) -> _Array:
    own = one.information[PARAMETERS:, PARAMETERS:]
    return np.asarray(np.linalg.inv(own + np.diag(damping * np.diag(own) + 1e-6)), np.float64)


def _reduced(one: Terms, gain: _Array) -> _Array:
    """Return what a bin tells of the common parameters once its own are eliminated."""
    reduced: _Array = one.information[:PARAMETERS, :PARAMETERS] - (
        gain @ one.information[PARAMETERS:, :PARAMETERS]
    )
    return reduced
