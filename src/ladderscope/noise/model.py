"""What every noise model can do, and its ways from and to descriptions and files."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from jaxtyping import Float, Real
from torch import Tensor

import ladderscope.noise
from ladderscope.files import expanded
from ladderscope.losses.precision import at_least_float32
from ladderscope.noise import stored
from ladderscope.noise.entries import NoiseError, number, numbers
from ladderscope.noise.registry import KINDS
from ladderscope.noise.words import Interval
from ladderscope.untrusted import InputError, shortened, shown
from ladderscope.words import rounded

if TYPE_CHECKING:
    from typing import Self

    from ladderscope.noise import NoiseCheck


class NoiseModel(ABC):
    """The distribution p(y | s) of the recorded value y, given the signal s, of every pixel.

    Both are in the camera's own units.

    A noise model is a frozen dataclass that derives from this class. It states its law
    (`log_likelihood`, `sample`, `moments`) and describes itself in a sentence (`summary`); its
    fields are its parameters: numbers, or `Numbers` and `Table`, which it keeps as tuples.
    With that and an entry in `ladderscope.noise.registry` it is saved and loaded, written on the
    command line, drawn and reported. What else is here has a default that a model may replace.

    Attributes
    ----------
    kind
        The name under which files hold the model, as in the registry.
    """

    kind: ClassVar[str]

    @property
    def pixelwise(self) -> "NoiseModel":
        """The noise of a single pixel: this model itself, unless noise is correlated."""
        return self

    @abstractmethod
    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log p(y | s) of every pixel, in nats, all constants included.

        Finite, with a finite gradient, for every observation and every signal.

        Parameters
        ----------
        observation, signal
            y and s in camera units; the two broadcast.

        Returns
        -------
        Tensor
            One value per pixel, float32 at least.
        """

    @abstractmethod
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

        Returns
        -------
        Tensor
            y in camera units, of the signal's shape.
        """

    @abstractmethod
    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean and variance of y given s.

        Parameters
        ----------
        signal
            s in camera units.

        Returns
        -------
        (Tensor, Tensor)
            In camera units and in their square, each of the signal's shape.
        """

    @abstractmethod
    def summary(self) -> str:
        """Describe the model in a sentence, for the terminal and the report."""

    def fit_summary(self, signal_range: Interval, intervals: Mapping[str, Interval]) -> str:
        """Report a fit of this model in a sentence.

        Parameters
        ----------
        signal_range
            Darkest and brightest signal that it was fitted to, camera units.
        intervals
            95 % intervals of ``"gain"`` and ``"intercept"``, where the fit gives them.

        Examples
        --------
        >>> ladderscope.noise.PoissonGaussian(2.0, 9.0).fit_summary((0.0, 20.0), {})[:42]
        'Poisson–Gaussian noise: gain 2, intercept '
        """
        return f"{self.summary().rstrip('.')}; {self.spread_summary(signal_range)}"

    def survives(self, quarters: int, flipped: bool) -> bool:
        """Say whether images turned by `quarters`, then perhaps mirrored, have the same noise."""
        return True

    def whitened(self, residual: Real[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Make standardised noise, (y − E[y|s]) / sd(y|s), white: most is so already."""
        return at_least_float32(residual)

    def spread_summary(self, signal_range: Interval) -> str:
        """Say how strong the noise is at two signals: the end of a sentence.

        Examples
        --------
        >>> ladderscope.noise.Gaussian(3.0).spread_summary((10.0, 90.0))
        'its standard deviation is 3 where the image is dark (10) and 3 where it is bright (90).'
        """
        dark, bright = signal_range
        return (
            f"its standard deviation is {rounded(self.deviation_at(dark))} where the image is "
            f"dark ({rounded(dark)}) and {rounded(self.deviation_at(bright))} where it is bright "
            f"({rounded(bright)})."
        )

    def deviation_at(self, signal: float) -> float:
        """Return the standard deviation of the noise at one signal, camera units."""
        return float(self.moments(torch.tensor(signal, dtype=torch.float64))[1].sqrt())

    def extrapolated_variance(self, signal: float) -> float | None:
        """Return the variance that the model gives at a signal beyond those it was fitted to.

        None if it describes those signals alone. No floor raises it: where there can be no such
        signal, it may be negative.
        """
        return None

    def signal_range(self) -> Interval:
        """Return the darkest and brightest signal that figures show, camera units.

        By default from zero to ten standard deviations of the noise there.
        """
        return 0.0, 10 * self.deviation_at(0.0)

    def variance_formula(self) -> str:
        """Name the curve of the variance in a figure's legend."""
        return "the model"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description, from which `from_dict` makes the same model.

        Examples
        --------
        >>> ladderscope.noise.Gaussian(3.0).to_dict()
        {'kind': 'gaussian', 'sigma': 3.0}
        """
        return {"kind": self.kind} | {
            name: None if value is None else np.asarray(value, dtype=np.float64).tolist()
            for name, value in ((one.name, getattr(self, one.name)) for one in self._parameters())
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "Self":
        """Return the model that `to_dict` described; what has a default may be missing.

        Raises
        ------
        NoiseError
            If an entry is missing or is no finite number, or no such model can have it.

        Examples
        --------
        >>> ladderscope.noise.PoissonGaussian.from_dict({"gain": 2.0, "intercept": 9.0})
        PoissonGaussian(gain=2.0, intercept=9.0, floor=None)
        """
        return cls(**{one.name: _read(entries, one) for one in cls._parameters()})

    @classmethod
    def _parameters(cls) -> list[Field[Any]]:
        return [one for one in fields(cast(Any, cls)) if one.init]

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
        """Compare the noise that this model predicts with the noise of images.

        Parameters
        ----------
        images, axes
            As `ladderscope.noise.check` takes them.

        Returns
        -------
        NoiseCheck, or a list of them
            What was found, in numbers and in words; a list, one per channel, if `axes` holds a C.
        """
        # Measuring knows the models, and not the other way round: only the package forwards there.
        return ladderscope.noise.check(images, self, axes=axes)


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
        raise NoiseError(f"a stored noise model must be an object, not {shown(entries)}")
    kind = entries.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise NoiseError(f"unknown kind of noise model {shown(kind)}; known are {sorted(KINDS)}")
    model: NoiseModel = KINDS[kind].load().from_dict(entries)
    return model


def save_noise_model(
    models: NoiseModel | Sequence[NoiseModel],
    path: str | os.PathLike[str],
    overwrite: bool = True,
) -> None:
    """Write a noise model, or one per channel, to a file.

    Parameters
    ----------
    models
        One model, or a sequence with one per channel.
    path
        Where to. Its suffix says the format: ``.json`` holds any
        models, ``.npz`` one Gaussian mixture in the format of PPN2V, HDN and CAREamics.
    overwrite
        Whether a file that exists is replaced.

    Raises
    ------
    NoiseError
        If the suffix is another, there is no model, or an ``.npz`` is to hold anything but one
        mixture.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from ladderscope.noise import Gaussian
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_noise_model([Gaussian(3.0), Gaussian(5.0)], f"{folder}/noise.json")
    ...     load_noise_model(f"{folder}/noise.json")
    [Gaussian(sigma=3.0), Gaussian(sigma=5.0)]
    """
    several = [models] if isinstance(models, NoiseModel) else list(models)
    foreign = [model for model in several if not isinstance(model, NoiseModel)]
    if foreign or not several:
        raise NoiseError(
            "give one noise model, or one per channel; "
            + (f"{foreign[0]!r} is not a noise model" if foreign else "the list is empty")
        )
    described = [model.to_dict() for model in several]
    stored.write(described[0] if isinstance(models, NoiseModel) else described, path, overwrite)


def load_noise_model(path: str | os.PathLike[str]) -> NoiseModel | list[NoiseModel]:
    """Read what `save_noise_model` wrote, or the ``.npz`` of PPN2V, HDN and CAREamics.

    Nothing in such a file can be code: pickled content is refused.

    Parameters
    ----------
    path
        A ``.json`` or an ``.npz`` file.

    Returns
    -------
    NoiseModel or list of NoiseModel
        One model, or a list with one per channel if that is what was saved.

    Raises
    ------
    NoiseError
        If there is no such file, its suffix is another, or it is damaged or foreign: a missing
        entry is named, as is a value that no model can have.

    Examples
    --------
    >>> import tempfile
    >>> from ladderscope.noise import PoissonGaussian
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PoissonGaussian(gain=2.0, intercept=9.0).save(f"{folder}/camera.json")
    ...     load_noise_model(f"{folder}/camera.json")
    PoissonGaussian(gain=2.0, intercept=9.0, floor=None)
    """
    path = expanded(path)
    try:
        described = stored.read(path)
        if isinstance(described, list):
            return [noise_model_from_dict(entries) for entries in described]
        return noise_model_from_dict(described)
    except (InputError, NoiseError) as error:
        raise NoiseError(f"{path}: {shortened(str(error), 1000)}") from error


def _read(entries: Mapping[str, Any], parameter: Field[Any]) -> Any:
    if parameter.default is not MISSING and entries.get(parameter.name) is None:
        return parameter.default
    single = parameter.type in (float, float | None)
    return (number if single else numbers)(entries, parameter.name)
