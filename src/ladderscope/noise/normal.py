"""Noise that is Gaussian at every signal, whatever its variance there."""

import torch
from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.losses.gaussian_likelihood import log_density
from ladderscope.losses.precision import at_least_float32
from ladderscope.noise.model import NoiseModel


class NormalNoise(NoiseModel):
    """Noise whose likelihood and draws follow from its `moments`."""

    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log p(y | s) of every pixel, in nats: the Gaussian of the model's moments."""
        mean, variance = self.moments(signal)
        squared = (at_least_float32(observation) - mean).square()
        return log_density(squared / variance, variance.log())

    def sample(
        self, signal: Real[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw an observation of the signal, from the Gaussian of the model's moments."""
        return draw(*self.moments(signal), generator)


def draw(mean: Tensor, variance: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw from a Gaussian of this mean and variance, element by element.

    Examples
    --------
    >>> draw(torch.ones(3), torch.zeros(3), None)
    tensor([1., 1., 1.])
    """
    standard = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + variance.sqrt() * standard
