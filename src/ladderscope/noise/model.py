"""What every noise model can do, and the way back from its stored description."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.noise.entries import NoiseError

if TYPE_CHECKING:
    from typing import Self

    from ladderscope.noise_estimation.noise_check import NoiseCheck


@runtime_checkable
class NoiseModel(Protocol):
    """How a camera blurs the truth: p(y | s), pixel by pixel, in the camera's own units.

    A class that derives from this one only has to say what its noise is: `save`, `load` and
    `check` come with it.
    """

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file: see `ladderscope.noise.save_noise_model`.

        Parameters
        ----------
        path
            Its suffix says the format: ``.json``, or for a Gaussian mixture also ``.npz``. A file
            that exists is replaced.

        Raises
        ------
        NoiseError
            If the format is unknown, or cannot hold this kind of model.
        OutputError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from ladderscope.noise import Gaussian
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Gaussian(3.0).save(f"{folder}/noise.json")
        ...     Gaussian.load(f"{folder}/noise.json")
        Gaussian(sigma=3.0)
        """
        from ladderscope.noise.stored import save_noise_model

        save_noise_model(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Self":
        """Read a model of this kind from a file: see `ladderscope.noise.load_noise_model`.

        Parameters
        ----------
        path
            What `save` wrote; for a Gaussian mixture also the ``.npz`` of PPN2V, HDN and CAREamics.

        Raises
        ------
        NoiseError
            If the file is missing or damaged, or holds several models, or one of another kind.
        """
        from ladderscope.noise.stored import load_noise_model

        model = load_noise_model(path)
        if isinstance(model, list):
            raise NoiseError(
                f"{path}: holds a list of {len(model)} noise models, one per channel; read it with "
                "ladderscope.noise.load_noise_model"
            )
        if not isinstance(model, cls):
            raise NoiseError(
                f"{path}: holds a noise model of kind {model.kind!r}, not {cls.kind!r}; read it "
                f"with {type(model).__name__}.load or ladderscope.noise.load_noise_model"
            )
        return model

    def check(self, images: Any, axes: str | None = None) -> "NoiseCheck | list[NoiseCheck]":
        """Compare what this model says of the noise with the noise of images.

        Parameters
        ----------
        images, axes
            As `ladderscope.noise.check` takes them.

        Returns
        -------
        NoiseCheck, or a list of them
            What was found, in numbers and in words; a list, one per channel, if `axes` holds a C.
        """
        from ladderscope.noise_estimation.checking import check

        return check(images, self, axes=axes)


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
    # Only now, because the models derive from the class above.
    from ladderscope.noise.gaussian import Gaussian
    from ladderscope.noise.histogram import Histogram
    from ladderscope.noise.mixture import GaussianMixture
    from ladderscope.noise.poisson_gaussian import PoissonGaussian

    models: list[type[NoiseModel]] = [Gaussian, PoissonGaussian, GaussianMixture, Histogram]
    kinds = {model.kind: model for model in models}
    kind = entries.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise NoiseError(f"unknown kind of noise model {kind!r}; known are {sorted(kinds)}")
    return kinds[kind].from_dict(entries)
