"""What every noise model can do, and the way back from its stored description."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.noise.entries import NoiseError
from ladderscope.noise.gaussian import Gaussian
from ladderscope.noise.poisson_gaussian import PoissonGaussian


@runtime_checkable
class NoiseModel(Protocol):
    """How a camera blurs the truth: p(y | s), pixel by pixel, in the camera's own units."""

    kind: ClassVar[str]

    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log p(y | s) of every pixel, in nats, ½ log 2π included; the two arguments broadcast."""

    def sample(
        self, signal: Real[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw an observation of the signal."""

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean and variance of y given s."""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description, its kind under ``"kind"``."""

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "NoiseModel":
        """Return the model that `to_dict` described."""


_KINDS: dict[str, type[NoiseModel]] = {model.kind: model for model in (Gaussian, PoissonGaussian)}


def noise_model_from_dict(entries: Mapping[str, Any]) -> NoiseModel:
    """Return the noise model that some model's `to_dict` described.

    Parameters
    ----------
    entries
        The description; ``entries["kind"]`` says which model it is.

    Raises
    ------
    NoiseError
        If the kind is missing or unknown, or an entry is missing or is no finite number.

    Examples
    --------
    >>> noise_model_from_dict({"kind": "gaussian", "sigma": 3.0})
    Gaussian(sigma=3.0)
    """
    if not isinstance(entries, Mapping):
        raise NoiseError(f"a stored noise model must be a dictionary, not {entries!r}")
    kind = entries.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise NoiseError(f"unknown kind of noise model {kind!r}; known are {sorted(_KINDS)}")
    return _KINDS[kind].from_dict(entries)
