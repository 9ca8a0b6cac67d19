"""Noise of one standard deviation everywhere."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.noise.entries import NoiseError, number
from ladderscope.noise.model import NoiseModel

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def wide(values: Tensor) -> Tensor:
    """Return the values in float32, or in float64 if they came so.

    Camera units reach 65,535, where bfloat16 steps by 256: no likelihood is computed in less
    than float32, whatever autocast made of the network's output.

    Examples
    --------
    >>> wide(torch.ones(2, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def gaussian_log_density(observation: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Log density of a Gaussian, element by element, in nats: −½(r²/v + log v + log 2π).

    Examples
    --------
    >>> density = gaussian_log_density(torch.tensor(2.0), torch.tensor(0.0), torch.tensor(4.0))
    >>> round(float(density), 4)
    -2.1121
    """
    return -0.5 * ((observation - mean).square() / variance + variance.log()) - _HALF_LOG_2PI


@dataclass(frozen=True)
class Gaussian(NoiseModel):
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
    """

    sigma: float

    kind: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        # What is squared must stay a normal float32, since the likelihood is computed in it.
        if not 1e-15 < self.sigma < 1e15:
            raise NoiseError(
                f"sigma must be a number from 1e-15 to 1e15 grey levels, not {self.sigma}"
            )

    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log p(y | s) of every pixel, in nats, the constant ½ log 2π included.

        Parameters
        ----------
        observation, signal
            y and s in camera units; the two broadcast.

        Returns
        -------
        Tensor
            One value per pixel, float32 at least.

        Examples
        --------
        >>> Gaussian(1.0).log_likelihood(torch.zeros(4, 1), torch.zeros(3)).shape
        torch.Size([4, 3])
        """
        mean, variance = self.moments(signal)
        return gaussian_log_density(wide(observation), mean, variance)

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean and variance of y given s, each of the signal's shape.

        Examples
        --------
        >>> Gaussian(3.0).moments(torch.tensor([0.0, 7.0]))
        (tensor([0., 7.]), tensor([9., 9.]))
        """
        signal = wide(signal)
        return signal, torch.full_like(signal, self.sigma**2)

    def sample(
        self, signal: Real[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw an observation of the signal.

        Parameters
        ----------
        signal
            s in camera units.
        generator
            Source of the randomness, on the signal's device; torch's global one if None.

        Examples
        --------
        >>> Gaussian(3.0).sample(torch.zeros(2, 5), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 5])
        """
        return draw(*self.moments(signal), generator)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description, from which `from_dict` makes the same model.

        Examples
        --------
        >>> Gaussian(3.0).to_dict()
        {'kind': 'gaussian', 'sigma': 3.0}
        """
        return {"kind": self.kind, "sigma": float(self.sigma)}

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "Gaussian":
        """Return the model that `to_dict` described.

        Raises
        ------
        NoiseError
            If an entry is missing or is no finite number.

        Examples
        --------
        >>> Gaussian.from_dict({"kind": "gaussian", "sigma": 3.0})
        Gaussian(sigma=3.0)
        """
        return cls(sigma=number(entries, "sigma"))


def draw(mean: Tensor, variance: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw from a Gaussian of this mean and variance, element by element.

    Examples
    --------
    >>> draw(torch.ones(3), torch.zeros(3), None)
    tensor([1., 1., 1.])
    """
    standard = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + variance.sqrt() * standard
