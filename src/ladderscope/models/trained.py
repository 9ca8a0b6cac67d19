"""What a restorer is before it restores anything: its settings, and the model once trained."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, cast

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image
from ladderscope.images.artefacts import with_padding
from ladderscope.machine import best_device, keep_freed_memory, usual_device
from ladderscope.models.architecture import unfilled_network_of
from ladderscope.models.channel_noise import Noise, check_noise
from ladderscope.models.config import Settings
from ladderscope.models.file import Model, write_model
from ladderscope.models.held_out import Sums
from ladderscope.models.notices import Notices
from ladderscope.models.presets import settings_for
from ladderscope.models.restoration import Restoration
from ladderscope.models.restoring import UNWATCHED, Watched
from ladderscope.models.run import Run
from ladderscope.models.starting import Start, fine_tuning, start_of
from ladderscope.models.thumbnail import thumbnail as thumbnail_of
from ladderscope.models.watching import Snapshot, Watch
from ladderscope.models.whole import whole_number
from ladderscope.names import MODEL
from ladderscope.network import LadderVAE
from ladderscope.training import Course, Team


class Trained(ABC, Generic[Settings]):
    """Settings, and the model that comes of them.

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
    devices, nodes : int
        How many devices train together on each machine, and on how many machines.
    **settings
        Settings in place of the preset's.
    """

    kind: ClassVar[str]
    settings_kind: ClassVar[type[Any]]

    def __init__(
        self,
        preset: str = "small",
        noise: Noise = "auto",
        seed: int = 0,
        *,
        device: str | None = None,
        devices: int = 1,
        nodes: int = 1,
        **settings: Any,
    ) -> None:
        self.settings: Settings = settings_for(self.settings_kind, preset, settings)
        self.noise = noise
        self.seed = whole_number(seed, "seed")
        self.device = device
        self.team = Team(best_device(device).type, devices, nodes)
        self._model: Model | None = None
        self._finished_state: Path | None = None
        self._network: LadderVAE | None = None
        self._detail: Image | None = None
        self._held_out: Sums | None = None
        self._start: Start | None = None
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

    @classmethod
    def starting_from(
        cls,
        model: str | os.PathLike[str] | Self,
        noise: Noise = "auto",
        seed: int = 0,
        *,
        device: str | None = None,
        devices: int = 1,
        nodes: int = 1,
        **settings: Any,
    ) -> Self:
        """Make a restorer whose training starts from a model: `fit` it on the new images.

        The network is that of the model. The statistics of the images and their noise are measured
        anew. Without a budget, training takes a fifth of that of the model.

        Parameters
        ----------
        model : path or restorer
            A ``.ladder`` file, or a fitted restorer of the same kind.
        noise, seed, device, devices, nodes
            As for a new restorer.
        **settings
            Settings in place of the model's, except those of the network.

        Raises
        ------
        LadderscopeError
            The model cannot be opened, is of another kind or was imported, or a setting needs
            another network.

        Examples
        --------
        >>> import numpy as np
        >>> from ladderscope import Denoiser
        >>> before, now = np.random.default_rng(0).normal(50, 9, (2, 64, 64))
        >>> denoiser = Denoiser("tiny").fit(before, steps=10, progress=False)
        >>> again = Denoiser.starting_from(denoiser, steps=5).fit(now, progress=False)
        >>> again.model.outcome.steps
        5
        """
        source = model.model if isinstance(model, Trained) else model
        start, before = start_of(source, cls.settings_kind, cls.kind)
        restorer = cls(noise=noise, seed=seed, device=device, devices=devices, nodes=nodes)
        restorer.settings = cast(Settings, fine_tuning(before, settings, start.name))
        restorer._start = start
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

    @property
    def is_first_process(self) -> bool:
        """Whether this process is the one that reports and writes; with one device, it always is.

        Examples
        --------
        >>> from ladderscope import Denoiser
        >>> Denoiser().is_first_process
        True
        """
        return self.team.is_first

    @usual_device()
    def save(
        self, path: str | os.PathLike[str], *, thumbnail: bool = True, overwrite: bool = True
    ) -> Path:
        """Write the model to one ``.ladder`` file, completely or not at all.

        Of the processes of a training on several devices, the first one writes.

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
        if not self.is_first_process:
            return path
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

    def _say_start(self, notice: Notices) -> None:
        if self._start is not None:
            notice(self._start.sentence)

    def _become(
        self, model: Model, network: LadderVAE, run: Run, notice: Notices, detail: Image | None
    ) -> Self:
        """Take the result of training, and a detail of a training image for the thumbnail."""
        self._model, self._network, self._detail = model, network, detail
        self.warnings = tuple(dict.fromkeys(notice.warnings))
        self.advice = tuple(notice.advice)
        self._finished_state = None if model.outcome.interrupted else run.state_file
        return self

    def _watched(
        self, watch: Watch | None, untrained: Model, detail: Image | None
    ) -> Callable[[Course], None] | None:
        """Let a training be watched, if anyone does."""
        if watch is None or detail is None:
            return None

        def show(course: Course) -> None:
            if course.best_weights is not None:
                model = replace(untrained, weights=course.best_weights)
                restorer = self.from_model(model, device=self.device)
                restored = restorer._restore(with_padding(detail), samples=0, seed=0, says=False)
                watch(Snapshot(tuple(course.history), detail, restored))

        return show

    def _ready_network(self) -> LadderVAE:
        keep_freed_memory()
        return cast(LadderVAE, self._network).to(best_device(self.device)).eval()

    @abstractmethod
    def _restore(
        self,
        image: Image,
        samples: int,
        seed: int,
        watched: Watched = UNWATCHED,
        *,
        says: bool = True,
    ) -> Restoration:
        """Restore an image whose padding is known."""
