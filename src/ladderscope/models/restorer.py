"""What a denoiser and a splitter have in common: training, prediction, and the model."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, cast

import numpy as np
from jaxtyping import Float32

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.checks import Check
from ladderscope.images import Image, Sources, find_images, read_image
from ladderscope.images.artefacts import with_padding
from ladderscope.images.read import named_sources
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.machine import best_device, fast_type, keep_freed_memory, usual_device
from ladderscope.memory import enough_memory
from ladderscope.models.architecture import unfilled_network_of
from ladderscope.models.building import geometry_of
from ladderscope.models.channel_noise import Noise, check_noise
from ladderscope.models.checks import look_at, several
from ladderscope.models.config import Settings
from ladderscope.models.decodings import say_how_long
from ladderscope.models.file import Model, write_model
from ladderscope.models.findings import Findings
from ladderscope.models.fitting import Run
from ladderscope.models.notices import Notices
from ladderscope.models.presets import settings_for
from ladderscope.models.restoration import Restoration
from ladderscope.models.restoring import (
    UNWATCHED,
    Fields,
    Job,
    LastLook,
    Restoring,
    Watched,
    drawn_fields,
    restored_fields,
)
from ladderscope.models.thumbnail import thumbnail as thumbnail_of
from ladderscope.models.whole import whole_number
from ladderscope.names import MODEL
from ladderscope.network import LadderVAE
from ladderscope.prediction import Shown, limits
from ladderscope.progress import Listener, listener_of, part_of

_LESS_TO_RESTORE = (
    "restore part of the image or fewer planes at a time, or train a model with a smaller "
    "tile_core; device='cpu' may have more memory than a GPU"
)


class Restorer(ABC, Generic[Settings]):
    """A network that is trained, restores images and is saved: a `Denoiser` or a `Splitter`.

    Parameters
    ----------
    preset : str
        One of ``"small"``, ``"paper"`` and ``"tiny"``.
    noise : str, NoiseModel, or a sequence of these
        The camera's noise, for all channels or one per channel.
    seed : int
        Random seed of training and samples.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"mps"``; by default the best that is available.
    **settings
        Settings in place of the preset's.
    """

    kind: ClassVar[str]
    settings_kind: ClassVar[type[Any]]
    handed_back: ClassVar[str]  # what happens to intensities beyond the limits
    instead: ClassVar[str]  # what the result holds where restoring failed

    def __init__(
        self,
        preset: str = "small",
        noise: Noise = "auto",
        seed: int = 0,
        *,
        device: str | None = None,
        **settings: Any,
    ) -> None:
        self.settings: Settings = settings_for(self.settings_kind, preset, settings)
        self.noise = noise
        self.seed = whole_number(seed, "seed")
        self.device = device
        best_device(device)
        self._model: Model | None = None
        self._finished_state: Path | None = None
        self._network: LadderVAE | None = None
        self._detail: Image | None = None
        self.warnings: tuple[str, ...] = ()
        self.advice: tuple[str, ...] = ()
        check_noise(noise)

    @classmethod
    def from_model(cls, model: Model, *, device: str | None = None) -> Self:
        """Make a fitted restorer of what a model file holds."""
        restorer = cls(noise=list(model.noise_models) or "auto", seed=model.seed, device=device)
        restorer.settings = cast(Settings, model.settings)
        restorer._model = model
        restorer._network = unfilled_network_of(model.architecture)
        try:
            restorer._network.load_state_dict(model.weights)
        except RuntimeError as error:
            raise LadderscopeError(
                "the model file is damaged (weights do not match the settings); restore a copy or "
                "train again"
            ) from error
        return restorer

    @property
    def model(self) -> Model:
        """The trained model: weights, statistics, noise models, history.

        Raises
        ------
        LadderscopeError
            The restorer has not been fitted.
        """
        if self._model is None:
            raise LadderscopeError(
                f"this {self.kind} is not trained yet: call fit(images), or open a model with "
                "load()"
            )
        return self._model

    @usual_device()
    def predict(
        self,
        images: Sources,
        axes: str | None = None,
        *,
        samples: int = 16,
        seed: int | None = None,
        progress: bool | Listener = False,
        should_stop: ShouldStop | None = None,
    ) -> Restoration | list[Restoration]:
        """Restore images: the MMSE estimate, and the standard deviation of the signal.

        Parameters
        ----------
        images : path, array, or several of them
            Images of any size. A list, pattern or folder gives a list of restorations.
        axes : str, optional
            As in `fit`.
        samples : int
            Number of posterior samples to average, best an even one: they are drawn in antithetic
            pairs. 0 decodes the posterior means in one pass, the fastest, and predicts `std`.
        seed : int, optional
            Random seed of the samples; by default the restorer's own.
        progress : bool or callable
            Whether to show a progress bar. A callable is called in the worker thread with the
            completed fraction (0 to 1) and a message.
        should_stop : callable, optional
            Called repeatedly without arguments; return True to stop. Another thread may set it.

        Returns
        -------
        Restoration, or list of Restoration
            See `Restoration`. A splitter's has a leading C axis, each channel in the units of its
            recordings, and a residual.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            The restorer is not trained, or was trained on another number of channels.
        StopRequested
            `should_stop` returned True (a `LadderscopeError` of `ladderscope.interruption`).
        """
        samples = whole_number(samples, "samples")
        seed = self.seed if seed is None else whole_number(seed, "seed")
        sources = list(named_sources(images, own_outputs=False))
        restored: list[Restoration] = []
        started = time.monotonic()
        with listener_of(progress) as report:
            for number, (source, name) in enumerate(sources):
                stop_if(should_stop, "restoring")
                image = self._looked_at(read_image(source, axes, name=name))
                part = part_of(report, number, len(sources))
                size = "×".join(map(str, image.shape))
                with enough_memory(f"restoring {image.name}, {size} pixels,", _LESS_TO_RESTORE):
                    watched = Watched(part, should_stop)
                    restored.append(self._restore(image, samples, seed, watched))
                if part is not None:
                    part(1.0, f"{image.name} is restored")
                if number == 0 and len(sources) > 1:
                    left = (time.monotonic() - started) * (len(sources) - 1)
                    say_how_long(f"the other {len(sources) - 1} images", left)
        return restored if several(images) else restored[0]

    @usual_device()
    @enough_memory("drawing samples", f"ask for fewer (n), or {_LESS_TO_RESTORE}")
    def sample(
        self,
        image: Sources,
        axes: str | None = None,
        *,
        n: int = 4,
        seed: int | None = None,
        progress: bool | Listener = False,
        should_stop: ShouldStop | None = None,
    ) -> Float32[np.ndarray, "n ..."]:
        """Draw independent posterior samples of one image: plausible images without noise.

        Each is coherent over the whole image. Those of a splitter lack the decoder's variance.

        Parameters
        ----------
        image : path or array
            One image.
        axes : str, optional
            As in `fit`.
        n : int
            Number of samples.
        seed : int, optional
            Random seed of the samples; by default the restorer's own.
        progress, should_stop
            As for `predict`.

        Returns
        -------
        array, shape (n, \\*axes of a restoration)
            In the intensity units of the images that the model was trained on.

        Raises
        ------
        ImageError
            The image cannot be used.
        LadderscopeError
            There is more than one image, `n` is below 1, or as for `predict`.
        """
        n = whole_number(n, "n", least=1)
        seed = self.seed if seed is None else whole_number(seed, "seed")
        sources = find_images(image).sources
        if len(sources) > 1:
            raise LadderscopeError(
                f"{len(sources)} images found: give one image to draw samples of"
            )
        observed = self._looked_at(read_image(sources[0], axes))
        with listener_of(progress) as report:
            watched = Watched(report, should_stop)
            drawn, findings = drawn_fields(
                self._restoring(), self._fields(observed), samples=n, seed=seed, watched=watched
            )
            if report is not None:
                report(1.0, f"samples of {observed.name} are drawn")
        self._say(findings)
        return np.stack([self._in_order(observed, of_sample)[0] for of_sample in drawn])

    @usual_device()
    def save(
        self, path: str | os.PathLike[str], *, thumbnail: bool = True, overwrite: bool = True
    ) -> Path:
        """Write the model to one ``.ladder`` file, completely or not at all.

        Parameters
        ----------
        path : path
            The file to write, such as ``"nuclei.ladder"``.
        thumbnail : bool
            Whether to include a small picture of the training data.
        overwrite : bool
            Whether to replace an existing file.

        Raises
        ------
        LadderscopeError
            The restorer is not trained, the name does not end in .ladder, or the file cannot be
            written.
        """
        path, model = MODEL.file(path), self.model
        if thumbnail and self._detail is not None:
            picture = thumbnail_of(
                self._detail, lambda image: self._restore(image, samples=0, seed=0, says=False)
            )
            self._model, self._detail = replace(model, thumbnail=picture), None
            model = self.model
        kept = model if thumbnail else replace(model, thumbnail=None)
        write_model(path, kept, overwrite=overwrite)
        if self._finished_state is not None:
            self._finished_state.unlink(missing_ok=True)
        return path

    def observed(self, image: Image) -> Image:
        """Give what is restored of an image: the image itself, or an average of its frames."""
        return image

    @abstractmethod
    def _jobs(self) -> list[Job]:
        """List the runs of the network that a field takes."""

    @abstractmethod
    def _in_order(
        self, image: Image, restored: Float32[np.ndarray, "fields channels *space"]
    ) -> tuple[Float32[np.ndarray, "..."], str]:
        """Order restored fields by the axes of the image, and give these axes."""

    @abstractmethod
    def _check_image(self, image: Image) -> None:
        """Refuse an image with other channels; warn if it differs from the training images."""

    @abstractmethod
    def _last_look(self, shown: Shown, channel: int) -> LastLook:
        """Prepare to find and replace what cannot be a restoration of the network's input.

        A denoiser also adds back the intensities beyond the limits.
        """

    def _channels(self, image: Image) -> Sequence[int]:
        """Give the channel of an image for each channel of the model."""
        return range(image.channels)

    def _residual(
        self, image: Image, mean: Float32[np.ndarray, "fields channels *space"]
    ) -> Float32[np.ndarray, "..."] | None:
        """Give what the restored channels leave unexplained, for a split."""
        return None

    @abstractmethod
    def _checks(self, image: Image, mean: Float32[np.ndarray, "..."]) -> tuple[Check, ...]:
        """Check a restoration without a clean image."""

    def _channel_names(self, image: Image) -> tuple[str, ...] | None:
        return image.channel_names or self.model.channel_names

    @property
    def _space(self) -> str:
        return "ZYX"[-self.settings.dimensions :]

    def _become(
        self, model: Model, network: LadderVAE, run: Run, notice: Notices, detail: Image | None
    ) -> Self:
        """Take the result of training, and a detail of a training image for the thumbnail."""
        self._model, self._network, self._detail = model, network, detail
        self.warnings, self.advice = tuple(dict.fromkeys(notice.warnings)), tuple(notice.advice)
        self._finished_state = None if model.outcome.interrupted else run.state_file
        return self

    def _looked_at(self, image: Image) -> Image:
        """Find the padding of an image, and warn where it differs from the training images."""
        image = with_padding(self.observed(image))
        look_at(image, self.model, self._check_image)
        return image

    def _restore(
        self,
        image: Image,
        samples: int,
        seed: int,
        watched: Watched = UNWATCHED,
        *,
        says: bool = True,
    ) -> Restoration:
        mean, std, findings = restored_fields(
            self._restoring(), self._fields(image), samples=samples, seed=seed, watched=watched
        )
        if says:
            self._say(findings)
        ordered, axes = self._in_order(image, mean)
        return Restoration(
            ordered,
            None if std is None else self._in_order(image, std)[0],
            axes,
            image.name,
            image.pixel_size,
            self._channel_names(image),
            samples,
            self._residual(image, mean),
            image.acquisition.of_channels(mean.shape[1]),
            self._checks(image, mean) if says else (),
        )

    def _fields(self, image: Image) -> Fields:
        return Fields(image, self._space, self._channels(image))

    def _restoring(self) -> Restoring:
        return Restoring(
            self._ready_network(),
            geometry_of(self.settings),
            fast_type(best_device(self.device)),
            self._jobs(),
            self.model.statistics,
            self._last_look,
        )

    def _say(self, findings: Findings) -> None:
        reach = limits(self._jobs()[0].statistics)
        findings.say(*reach, handed_back=self.handed_back, instead=self.instead)

    def _ready_network(self) -> LadderVAE:
        keep_freed_memory()
        return cast(LadderVAE, self._network).to(best_device(self.device)).eval()
