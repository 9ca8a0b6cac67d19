"""Noise of any shape as a sum of Gaussians whose parameters follow the signal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.losses.gaussian_likelihood import log_density
from ladderscope.losses.precision import at_least_float32
from ladderscope.noise.entries import NoiseError, Table, finite
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.normal import draw
from ladderscope.noise.words import Interval
from ladderscope.words import counted, rounded

_LARGEST = 1e30  # products and squares in float32 stay well below its limit


@dataclass(frozen=True)
class GaussianMixture(NoiseModel):
    r"""A mixture of K Gaussians: p(y | s) = Σ weight_k(s) · N(y; mean_k(s), variance_k(s)).

    The model and the format of PPN2V, which CAREamics and HDN share. With
    u = (s − min_signal) / (max_signal − min_signal), every parameter is a polynomial in u whose
    coefficients c_i are one row of `weight`:

    - mean_k = Σ c_i u^i, then shifted so that the mixture's mean is the signal itself:
      mean_k ← mean_k − Σ_j weight_j mean_j + s;
    - variance_k = max(Σ exp(c_i) u^i, min_sigma): each coefficient is exponentiated, and
      `min_sigma` is the least *variance*, despite its name;
    - weight_k = softmax_k(Σ c_i u^i).

    Signals outside the range are not clipped: the polynomials continue, and an odd power may
    lower a variance to its least value.

    Parameters
    ----------
    weight
        The coefficients, of shape (3K, n): K rows for the means, K for the variances, K for the
        weights, each in ascending powers. Any nested sequence or array; kept as tuples.
    min_signal, max_signal
        The range of signals that the mixture was fitted to, camera units.
    min_sigma
        Least variance of a component, camera units squared.

    Raises
    ------
    NoiseError
        If a number is not finite, the rows are not 3K, the range is empty, the least variance is
        not positive, or a coefficient is too large for single precision.

    References
    ----------
    Prakash, Lalit, Tomancak, Krull, Jug: Fully unsupervised probabilistic Noise2Void. IEEE
    International Symposium on Biomedical Imaging (2020): the section on the Gaussian mixture.

    Examples
    --------
    Two components of variances 1 and 4, one below and one above the signal:

    >>> import math
    >>> rows = [[-1.0], [1.0], [0.0], [math.log(4.0)], [0.0], [0.0]]
    >>> noise = GaussianMixture(rows, min_signal=0.0, max_signal=255.0, min_sigma=0.5)
    >>> noise.moments(torch.tensor([0.0, 20.0]))
    (tensor([ 0., 20.]), tensor([3.5000, 3.5000]))
    """

    weight: Table
    min_signal: float
    max_signal: float
    min_sigma: float
    _coefficients: Tensor = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "mixture"

    def __post_init__(self) -> None:
        weight = finite(self.weight, "weight")
        if weight.ndim != 2 or weight.size == 0 or len(weight) % 3:
            raise NoiseError(
                "the weight of a mixture must have 3·K rows (means, variances, weights of K "
                f"components) of one coefficient or more, but its shape is {weight.shape}"
            )
        if not -_LARGEST < self.min_signal < self.max_signal < _LARGEST:
            raise NoiseError(
                "the signals of a mixture must range from a finite min_signal to a larger "
                f"max_signal, not from {self.min_signal} to {self.max_signal}"
            )
        if not 1 / _LARGEST < self.min_sigma < _LARGEST:
            raise NoiseError(
                "min_sigma, the least variance of a component, must be positive and finite, "
                f"not {self.min_sigma}"
            )
        means, variances, weights = np.split(weight, 3)
        with np.errstate(over="ignore"):
            coefficients = np.concatenate([means, np.exp(variances), weights])
        if not (np.abs(coefficients) < _LARGEST).all():
            raise NoiseError(
                f"the coefficients of a mixture must stay below {_LARGEST:g}, those of the "
                f"variances after exp(); the largest is {np.abs(coefficients).max():g}"
            )
        object.__setattr__(self, "weight", tuple(map(tuple, weight.tolist())))
        object.__setattr__(self, "_coefficients", torch.from_numpy(coefficients.T.copy()))

    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log p(y | s) of every pixel, in nats, the constant ½ log 2π included.

        The sum over components is taken in log space, so that value and gradient stay finite
        however far an observation lies from its signal.

        Examples
        --------
        >>> rows = [[0.0], [0.0], [0.0]]  # one component of variance exp(0) = 1
        >>> noise = GaussianMixture(rows, min_signal=0.0, max_signal=1.0, min_sigma=0.5)
        >>> noise.log_likelihood(torch.tensor([5.0, 1005.0]), torch.tensor(5.0))
        tensor([-9.1894e-01, -5.0000e+05])
        """
        signal = at_least_float32(signal)
        residual = at_least_float32(observation) - signal
        log_weight, mean, variance = self._components(signal.expand_as(residual))
        squared = (residual - mean).square()
        density = log_density(squared / variance, variance.log())
        return torch.logsumexp(log_weight + density, dim=0)

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean s and variance of y, each of the signal's shape.

        The variance is Σ weight_k (variance_k + (mean_k − s)²).

        Examples
        --------
        >>> rows = [[-1.0], [1.0], [0.0], [0.0], [0.0], [0.0]]
        >>> GaussianMixture(rows, 0.0, 1.0, min_sigma=0.5).moments(torch.tensor(7.0))
        (tensor(7.), tensor(2.))
        """
        signal = at_least_float32(signal)
        log_weight, mean, variance = self._components(signal)
        return signal, (log_weight.exp() * (variance + mean.square())).sum(dim=0)

    def sample(
        self, signal: Real[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw an observation of the signal: first a component, then from its Gaussian.

        Examples
        --------
        >>> noise = GaussianMixture([[0.0], [0.0], [0.0]], 0.0, 1.0, min_sigma=0.5)
        >>> noise.sample(torch.zeros(2, 5), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 5])
        """
        signal = at_least_float32(signal)
        log_weight, mean, variance = self._components(signal)
        below = log_weight[:-1].exp().cumsum(dim=0)
        chance = torch.rand(
            signal.shape, generator=generator, dtype=signal.dtype, device=signal.device
        )
        component = (chance > below).sum(dim=0, keepdim=True)
        mean, variance = (part.gather(0, component).squeeze(0) for part in (mean, variance))
        return draw(signal + mean, variance, generator)

    def _components(
        self, signal: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, "K *shape"], Float[Tensor, "K *shape"], Float[Tensor, "K *shape"]]:
        """Log weights, means less the signal, and variances of the components."""
        coefficients = self._coefficients.to(signal.dtype).to(signal.device)
        u = (signal - self.min_signal) / (self.max_signal - self.min_signal)
        *lower, rows = coefficients.reshape(*coefficients.shape, *[1] * u.ndim).unbind()
        rows = rows.expand(-1, *u.shape)
        for coefficient in reversed(lower):  # Horner's rule
            rows = torch.addcmul(coefficient, rows, u)
        mean, variance, weight = rows.chunk(3)
        log_weight = weight.log_softmax(dim=0)
        # The signal itself is left out of the means: it would cost them its size in precision.
        mean = mean - (log_weight.exp() * mean).sum(dim=0)
        return log_weight, mean, variance.clamp(min=self.min_sigma)

    def summary(self) -> str:
        """Describe the model in a sentence."""
        low, high = map(rounded, self.signal_range())
        return (
            f"{self._name()} whose parameters are polynomials with "
            f"{counted(len(self.weight[0]), 'coefficient')}, for signals from {low} to {high} "
            "grey levels."
        )

    def fit_summary(self, signal_range: Interval, intervals: Mapping[str, Interval]) -> str:
        """Report a fit of this model."""
        return f"{self._name()}: {self.spread_summary(signal_range)}"

    def signal_range(self) -> Interval:
        """Return the range of signals that the mixture was fitted to."""
        return self.min_signal, self.max_signal

    def _name(self) -> str:
        return f"A Gaussian mixture of {counted(len(self.weight) // 3, 'component')}"
