"""Noise of one standard deviation everywhere."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.losses.precision import at_least_float32
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.normal import NormalNoise
from ladderscope.noise.words import Interval, with_interval


@dataclass(frozen=True)
class Gaussian(NormalNoise):
    """Additive white Gaussian noise: y = s + N(0, σ²).

    Parameters
    ----------
    sigma
        Standard deviation of the noise, in camera units; positive.

    Raises
    ------
    NoiseError
        If σ is not a positive finite number.

    Examples
    --------
    >>> noise = Gaussian(sigma=2.0)
    >>> round(float(noise.log_likelihood(torch.tensor(3.0), torch.tensor(1.0))), 4)
    -2.1121
    >>> noise.summary()
    'Gaussian noise of standard deviation 2.'
    """

    sigma: float

    kind: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        # What is squared must stay a normal float32, since the likelihood is computed in it.
        if not 1e-15 < self.sigma < 1e15:
            raise NoiseError(
                f"sigma must be a number from 1e-15 to 1e15 grey levels, not {self.sigma}"
            )

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean and variance of y given s, each of the signal's shape.

        Examples
        --------
        >>> Gaussian(3.0).moments(torch.tensor([0.0, 7.0]))
        (tensor([0., 7.]), tensor([9., 9.]))
        """
        signal = at_least_float32(signal)
        return signal, torch.full_like(signal, self.sigma**2)

    def summary(self) -> str:
        """Describe the model in a sentence."""
        return f"Gaussian noise of standard deviation {self.sigma:.4g}."

    def fit_summary(self, signal_range: Interval, intervals: Mapping[str, Interval]) -> str:
        """Report a fit of this model; its variance has the interval of the intercept."""
        ends = None
        if "intercept" in intervals:
            low, high = intervals["intercept"]
            ends = math.sqrt(max(low, 0.0)), math.sqrt(max(high, 0.0))
        deviation = with_interval(self.sigma, ends)
        return f"Gaussian noise: standard deviation {deviation}, at any signal."
