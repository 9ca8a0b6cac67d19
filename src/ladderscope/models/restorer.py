"""What a denoiser and a splitter have in common: training, prediction, and the model."""

import hashlib
import io
import json
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeAlias, cast

import numpy as np
import torch
from jaxtyping import Bool, Float32, Real
from matplotlib.image import imsave

from ladderscope.data import Field, MixedBatch, MixedPatches, PatchBatch, TrainingPatches
from ladderscope.data.fields import PatchShape, planes_of, side_for
from ladderscope.errors import LadderscopeError
from ladderscope.files import check_writable, expanded
from ladderscope.images import (
    Image,
    ImageError,
    Sources,
    Statistics,
    channel_statistics,
    find_images,
    is_zarr_folder,
    read_image,
)
from ladderscope.images.artefacts import Artefacts, outliers_of, with_padding
from ladderscope.images.read import named_sources
from ladderscope.inspection import about_correlation, first_look, look_before_restoring
from ladderscope.machine import (
    best_device,
    fast_type,
    keep_freed_memory,
    single_precision,
    usual_device,
)
from ladderscope.memory import enough_memory
from ladderscope.models.building import (
    budget_of,
    geometry_of,
    kl_weight_of,
    network_of,
    rate_of,
    unfilled_network_of,
)
from ladderscope.models.config import (
    DenoiserSettings,
    Settings,
    SplitterSettings,
    replaced,
    settings_for,
)
from ladderscope.models.file import Model, write_model
from ladderscope.models.findings import Findings
from ladderscope.models.matching import warn_of_other_sampling
from ladderscope.models.progress import PredictionProgress, say_how_long
from ladderscope.models.restoration import Restoration
from ladderscope.models.whole import whole_number
from ladderscope.names import MODEL
from ladderscope.network import LadderVAE
from ladderscope.noise import Gaussian, NoiseError, NoiseModel
from ladderscope.noise_estimation import NoiseFit, calibrate_poisson_gaussian
from ladderscope.noise_estimation.fit import MOST_PLANES
from ladderscope.prediction import Shown, decodings, draw, limits, restore, show
from ladderscope.training import UNTRAINED, Course, Outcome, RestorationModule, train
from ladderscope.training.optimizers import OPTIMIZERS
from ladderscope.training.seeding import seeded

logger = logging.getLogger("ladderscope")

Noise: TypeAlias = str | NoiseModel | Sequence[str | NoiseModel]
THUMBNAIL_SIZE = {"Z": 8, "Y": 192, "X": 192}
FAR_IN_DEVIATIONS = 3.0
_LESS_TO_RESTORE = (
    "restore a part of the image or fewer planes at a time, or with a smaller tile_core in the "
    "settings of a new model; device='cpu' may have more memory than a GPU"
)
_PLANES_CHECKED = 8


class Notices:
    """What the user is told while fitting; the model keeps it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warnings: list[str] = []

    def __call__(self, text: str, level: int = logging.INFO) -> None:
        """Say something, and keep it."""
        self.said.append(text)
        if level >= logging.WARNING:
            self.warnings.append(text)
        logger.log(level, "%s", text)


class Job(NamedTuple):
    """One run of the network over a field: which channel goes in, and which come out."""

    channel: int
    statistics: Statistics
    outputs: range


@dataclass(frozen=True, eq=False)
class Asked:
    """One field that a network is asked about: what was observed, and what it is shown of that."""

    number: int
    job: Job
    observed: Real[np.ndarray, "*space"]
    shown: Shown


@dataclass(frozen=True)
class Run:
    """How a training is run, beside its settings.

    Attributes
    ----------
    state_file : Path, optional
        Where the state of training is kept.
    resume : bool
        Whether to go on from there.
    compile_network : bool, optional
        Whether to use torch.compile; by default where it pays.
    progress : bool
        Whether to show a progress bar.
    """

    state_file: Path | None
    resume: bool
    compile_network: bool | None
    progress: bool


class Restorer(ABC, Generic[Settings]):
    """A network that can be trained, asked and saved; `Denoiser` and `Splitter` are the two kinds.

    Parameters
    ----------
    preset : str
        One of ``"small"``, ``"paper"`` and ``"tiny"``.
    noise : "auto", NoiseModel, or a sequence of these
        The camera's noise, for all channels or one per channel.
    seed : int
        Fixes training and samples.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"mps"``; the best there is by default.
    **settings
        Settings that differ from the preset's.
    """

    kind: ClassVar[str]
    settings_kind: ClassVar[type[Any]]
    handed_back: ClassVar[str]  # what becomes of what exceeds the limits
    instead: ClassVar[str]  # what stands in the result where restoring failed

    def __init__(
        self,
        preset: str = "small",
        noise: Noise = "auto",
        seed: int = 0,
        *,
        device: str | None = None,
        **settings: Any,
    ) -> None:
        if settings.get("steps") is not None:
            settings["steps"] = whole_number(settings["steps"], "steps", least=1)
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
        for entry in [noise] if (entries := listed(noise)) is None else entries:
            if entry != "auto" and not isinstance(entry, NoiseModel):
                raise LadderscopeError(
                    f"noise={entry!r}: give 'auto', a noise model such as "
                    "ladderscope.noise.Gaussian(sigma=3.0), or a list with one per channel"
                )

    @classmethod
    def from_model(cls, model: Model, *, device: str | None = None) -> Self:
        """Make a fitted restorer of what a model file holds."""
        restorer = cls(noise=list(model.noise_models) or "auto", seed=model.seed, device=device)
        restorer.settings = cast(Settings, model.settings)
        restorer._model = model
        restorer._network = unfilled_network_of(model.settings, model.careamics)
        try:
            restorer._network.load_state_dict(model.weights)
        except RuntimeError as error:
            raise LadderscopeError(
                "the model's weights do not fit its settings: it is damaged; train anew"
            ) from error
        return restorer

    @property
    def model(self) -> Model:
        """What fitting found: weights, statistics, noise, history.

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
        progress: bool = False,
    ) -> Restoration | list[Restoration]:
        """Restore images: the MMSE estimate, and the spread of posterior samples.

        Parameters
        ----------
        images : path, array, or several of them
            An image of any size. A list, pattern or folder gives a list of restorations.
        axes : str, optional
            As in `fit`.
        samples : int
            Posterior samples to average. 0 decodes the posterior means in one pass: the quickest,
            with no spread.
        seed : int, optional
            Fixes the samples; by default the restorer's own.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        Restoration, or list of Restoration
            See `Restoration`. That of a splitter has its channels along a leading C axis, each in
            the units of its own recordings, and a residual.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            The restorer is not trained, or was trained for another number of channels.
        """
        samples = whole_number(samples, "samples")
        seed = self.seed if seed is None else whole_number(seed, "seed")
        sources = list(named_sources(images, own_outputs=False))
        restored: list[Restoration] = []
        started = time.monotonic()
        for source, name in sources:
            image = with_padding(read_image(source, axes, name=name))
            self._check(image)
            with enough_memory(f"restoring {image.name}, {_size(image)} pixels,", _LESS_TO_RESTORE):
                restored.append(self._restore(image, samples, seed, progress))
            if len(restored) == 1 < len(sources):
                left = (time.monotonic() - started) * (len(sources) - 1)
                say_how_long(f"the other {len(sources) - 1} images", left)
        return restored if _several(images) else restored[0]

    @usual_device()
    @enough_memory("drawing samples", f"ask for fewer (n), or {_LESS_TO_RESTORE}")
    def sample(
        self,
        image: Sources,
        axes: str | None = None,
        *,
        n: int = 4,
        seed: int | None = None,
    ) -> Float32[np.ndarray, "n ..."]:
        """Draw posterior samples of one image: what it may have looked like without noise.

        Each sample is coherent over the whole image, whatever its tiles.

        Parameters
        ----------
        image : path or array
            One image.
        axes : str, optional
            As in `fit`.
        n : int
            How many samples.
        seed : int, optional
            Fixes them; by default the restorer's own.

        Returns
        -------
        array, shape (n, \\*axes of a restoration)
            In the intensity units of the images that the model was trained on.

        Raises
        ------
        ImageError
            The image cannot be used.
        LadderscopeError
            More than one image, less than one sample, or as in `predict`.
        """
        n = whole_number(n, "n", least=1)
        seed = self.seed if seed is None else whole_number(seed, "seed")
        sources = find_images(image).sources
        if len(sources) > 1:
            raise LadderscopeError(
                f"{len(sources)} images found: samples are drawn of one at a time"
            )
        observed = with_padding(read_image(sources[0], axes))
        self._check(observed)
        fields = self._fields(observed)
        draws = np.empty(
            (n, len(fields), len(self.model.statistics), *fields.shape[2:]), np.float32
        )
        with PredictionProgress(observed.name, self._decodings(fields, n), bar=False) as tick:
            findings = Findings(observed, draws.shape[1:])
            for asked in self._asked(observed, fields):
                number, job, shown = asked.number, asked.job, asked.shown
                findings.show(number, job.channel, shown)
                if shown.is_blank:
                    draws[:, number, list(job.outputs)] = asked.observed
                    continue
                drawn = draw(
                    self._ready_network(),
                    shown.normalised,
                    samples=n,
                    **self._how(seed, number, job, tick),
                )
                for index, channel in enumerate(job.outputs):
                    draws[:, number, channel] = self._denormalised(drawn[:, index], channel)
                    for of_sample in draws[:, number, channel]:
                        findings.fail(number, self._settle(asked, channel, of_sample, None))
                del drawn
            self._say(findings)
        return np.stack([self._in_order(observed, of_sample)[0] for of_sample in draws])

    @usual_device()
    def save(
        self, path: str | os.PathLike[str], *, thumbnail: bool = True, overwrite: bool = True
    ) -> Path:
        """Write the model as one ``.ladder`` file, whole or not at all.

        Parameters
        ----------
        path : path
            Where to, such as ``"nuclei.ladder"``.
        thumbnail : bool
            Whether a small picture of the training data goes with it.
        overwrite : bool
            Whether a file that exists may be replaced.

        Raises
        ------
        LadderscopeError
            The restorer is not trained, the name does not end in .ladder, or the file cannot be
            written.
        """
        path, model = MODEL.file(path), self.model
        if thumbnail and self._detail is not None:
            self._model = model = replace(model, thumbnail=self._thumbnail(self._detail))
            self._detail = None
        kept = model if thumbnail else replace(model, thumbnail=None)
        write_model(path, kept, overwrite=overwrite)
        if self._finished_state is not None:
            self._finished_state.unlink(missing_ok=True)
        return path

    @abstractmethod
    def _jobs(self) -> list[Job]:
        """List the runs of the network that a field takes."""

    @abstractmethod
    def _in_order(
        self, image: Image, restored: Float32[np.ndarray, "fields channels *space"]
    ) -> tuple[Float32[np.ndarray, "..."], str]:
        """Give restored fields the order of the image's axes, and name these."""

    @abstractmethod
    def _check_image(self, image: Image) -> None:
        """Refuse an image of other channels; warn of one unlike the training images."""

    def _fields(self, image: Image) -> Real[np.ndarray, "fields channels *space"]:
        """Give the fields of an image, with its channels in the order of the model's."""
        return image.planes(self._space)

    def _residual(
        self, image: Image, mean: Float32[np.ndarray, "fields channels *space"]
    ) -> Float32[np.ndarray, "..."] | None:
        """Give what the restored channels leave unexplained, where that can be said."""
        return None

    @property
    def _space(self) -> str:
        return "ZYX"[-self.settings.dimensions :]

    def _with_budget(
        self, minutes: float | None, steps: int | None, epochs: float | None
    ) -> Settings:
        whole = None if steps is None else whole_number(steps, "steps", least=1)
        budget = {"minutes": minutes, "steps": whole, "epochs": epochs}
        return replaced(
            self.settings, {name: value for name, value in budget.items() if value is not None}
        )

    def _check_depth(self, images: Sequence[Image], notice: Callable[[str], None]) -> None:
        """Refuse single planes where stacks are needed; say once where a 2-D model takes stacks."""
        depths = [
            image.pixels.shape[image.axes.index("Z")] if "Z" in image.axes else 1
            for image in images
        ]
        if self.settings.dimensions == 2:
            if max(depths) > 1:
                first = depths.index(max(depths))
                notice(
                    f"{images[first].name}: its {depths[first]} Z planes are restored one by one; "
                    "a 2-D model does not look across Z"
                )
        elif min(depths) < 2:
            image = images[depths.index(min(depths))]
            raise LadderscopeError(
                f"{image.name} has the axes {image.axes} and the shape {image.pixels.shape}: a "
                "model of three dimensions takes stacks of at least 2 Z planes; for single planes "
                "use dimensions=2"
            )

    def _fitting(
        self, settings: Settings, fields: Sequence[Field], notice: Callable[[str], None]
    ) -> Settings:
        """Make patches smaller where the smallest image has no room for them."""
        patch = side_for(fields, settings.patch, settings.patch_multiple)
        if patch < settings.patch:
            notice(
                f"patches are {patch}×{patch} pixels instead of {settings.patch}: the smallest "
                "image has no room for more"
            )
        widest = settings.widest_view(patch)
        shortest = min(min(field.pixels.shape[-2:]) for field in fields)
        if widest > 2 * shortest:
            raise LadderscopeError(
                f"context={settings.context} shows {widest}×{widest} pixels around every patch of "
                f"{patch}×{patch}, and the smallest image is {shortest} pixels on its shorter "
                "side: most of that would be reflections. Use less context, a smaller patch, or "
                "larger images"
            )
        if widest > shortest:
            notice(
                f"the widest view, {widest}×{widest} pixels, is larger than the smallest image "
                f"({shortest} pixels on its shorter side): the rest is filled by reflection"
            )
        if settings.dimensions == 2:
            return settings.model_copy(update={"patch": patch})
        depth = min(settings.depth, *(field.pixels.shape[0] for field in fields))
        if depth < settings.depth:
            notice(
                f"patches are {depth} planes deep instead of {settings.depth}: the smallest stack "
                "has no more"
            )
        return settings.model_copy(update={"patch": patch, "depth": depth})

    def _look(self, images: Sequence[Image], notice: Callable[[str, int], None]) -> list[Image]:
        """Say what a first look at training images finds; give them fit to be learned from."""
        looked, findings = first_look(images)
        for text, is_warning in findings:
            notice(text, logging.WARNING if is_warning else logging.INFO)
        return looked

    def _noise_models(
        self,
        fields: Sequence[Sequence[Field]],
        names: Sequence[str],
        notice: Callable[[str, int], None],
    ) -> tuple[list[NoiseModel], list[NoiseFit | None]]:
        """Take or measure the noise of each channel, whose fields and name are given."""
        entries = listed(self.noise) or [self.noise] * len(fields)
        if len(entries) != len(fields):
            raise LadderscopeError(
                f"{len(entries)} noise models for {len(fields)} channels: give one per channel, or "
                "one for all"
            )
        several = len(fields) > 1
        models: list[NoiseModel] = []
        fits: list[NoiseFit | None] = []
        for name, entry, of_channel in zip(names, entries, fields, strict=True):
            fit = None
            planes = planes_of(of_channel, MOST_PLANES)
            if several and all(np.ptp(plane) == 0 for plane in planes):
                notice(
                    f"{name} is blank, every pixel having one value: it is left as it is, and has "
                    "no noise",
                    logging.WARNING,
                )
                models.append(Gaussian(1.0))
                fits.append(None)
                continue
            if not self.settings.blind_levels:
                checked = planes[:: -(-len(planes) // _PLANES_CHECKED)]
                if finding := about_correlation(checked, name if several else ""):
                    notice(finding.text, logging.WARNING)
            if isinstance(entry, str):
                try:
                    fit = calibrate_poisson_gaussian(planes)
                except NoiseError as error:
                    raise NoiseError(f"{name}: {error}" if several else str(error)) from error
                entry = fit.model
                logger.info("noise%s: %s", f" of {name}" if several else "", fit.summary())
            models.append(entry)
            fits.append(fit)
        return models, fits

    def _new_network(self, settings: Settings) -> LadderVAE:
        with seeded(self.seed), single_precision():
            return network_of(settings)

    def _training_options(self, settings: Settings) -> dict[str, Any]:
        device = best_device(self.device)
        # On a CPU, the gradients of 3-D convolutions over two planes are wrong in bfloat16.
        thin = device.type == "cpu" and settings.dimensions == 3 and settings.depth < 3
        return {
            "kl_weight": kl_weight_of(settings),
            "optimizer": OPTIMIZERS[settings.optimizer],
            "gradient_clip": settings.gradient_clip,
            "autocast": None if thin else fast_type(device),
        }

    def _train(
        self,
        module: RestorationModule[Any],
        patches: TrainingPatches | MixedPatches,
        validation: PatchBatch | MixedBatch,
        model: Model,
        run: Run,
        described: Any,
        notices: Notices,
    ) -> None:
        """Train, and give the model its weights and the outcome."""
        settings = cast(Settings, model.settings)
        budget, validations = budget_of(settings, patches.batches_per_epoch)
        course = Course(
            budget,
            rate_of(settings),
            validation,
            validations=validations,
            state_file=run.state_file,
            fingerprint=_fingerprint(model, described),
        )
        side = f"{settings.patch}×{settings.patch}"
        with enough_memory(
            f"training on batches of {settings.batch} patches of {side} pixels",
            f"give a smaller batch (now {settings.batch}) or patch (now {settings.patch}), fewer "
            'filters, or preset="tiny"',
        ):
            outcome = train(
                module,
                patches,
                course,
                seed=self.seed,
                resume=run.resume,
                device=str(best_device(self.device)),
                compile_network=run.compile_network,
                progress=run.progress,
            )
        _say_what_went_wrong(outcome, notices)
        self.warnings = tuple(dict.fromkeys(notices.warnings))
        self._finished_state = None if outcome.interrupted else course.state_file
        self._network = module.network
        self._model = replace(
            model,
            weights=module.weights(),
            outcome=outcome,
            notices=tuple(dict.fromkeys(notices.said)),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _check(self, image: Image) -> None:
        settings = self.model.settings
        artefacts = Artefacts(image.padding, outliers_of(image))
        for text, is_warning in look_before_restoring(image, artefacts):
            logger.log(logging.WARNING if is_warning else logging.INFO, "%s", text)
        self._check_depth([image], logger.info)
        self._check_image(replace(image, padding=artefacts.mask))
        warn_of_other_sampling(image, self.model)
        widest = settings.widest_view(settings.patch)
        shorter = min(image.pixels.shape[image.axes.index(letter)] for letter in "YX")
        if settings.context > 1 and widest > 2 * shorter:
            logger.warning(
                "%s is %d pixels on its shorter side, and the model was trained on views of up to "
                "%d: most of the widest is filled by reflection here; give it larger images",
                image.name,
                shorter,
                widest,
            )

    def _restore(
        self, image: Image, samples: int, seed: int, progress: bool, *, says: bool = True
    ) -> Restoration:
        fields = self._fields(image)
        mean = np.empty((len(fields), len(self.model.statistics), *fields.shape[2:]), np.float32)
        std = np.empty_like(mean) if samples > 1 else None
        findings = Findings(image, mean.shape)
        total = self._decodings(fields, samples)
        with PredictionProgress(image.name, total, bar=progress) as tick:
            for asked in self._asked(image, fields):
                number, job, shown = asked.number, asked.job, asked.shown
                findings.show(number, job.channel, shown)
                if shown.is_blank:
                    mean[number, list(job.outputs)] = asked.observed
                    if std is not None:
                        std[number, list(job.outputs)] = 0
                    continue
                restored = restore(
                    self._ready_network(),
                    shown.normalised,
                    samples=samples,
                    **self._how(seed, number, job, tick),
                )
                for index, channel in enumerate(job.outputs):
                    mean[number, channel] = self._denormalised(restored.mean[index], channel)
                    spread = None
                    if std is not None and restored.std is not None:
                        spread = std[number, channel]
                        spread[:] = restored.std[index].numpy() * self.model.statistics[channel].std
                    failed = self._settle(asked, channel, mean[number, channel], spread)
                    findings.fail(number, failed)
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
        )

    def _channel_names(self, image: Image) -> tuple[str, ...] | None:
        return image.channel_names or self.model.channel_names

    def _how(self, seed: int, number: int, job: Job, tick: Callable[[], None]) -> dict[str, Any]:
        return {
            "seed": seed,
            "number": number * len(self._jobs()) + job.channel,
            "outputs": len(job.outputs),
            "geometry": geometry_of(self.settings),
            "autocast": fast_type(best_device(self.device)),
            "tick": tick,
        }

    def _asked(
        self, image: Image, fields: Real[np.ndarray, "fields channels *space"]
    ) -> Iterator[Asked]:
        padding = None
        if image.padding is not None:
            padding = self._fields(replace(image, pixels=image.padding))
        for number, channels in enumerate(fields):
            for job in self._jobs():
                observed = channels[job.channel]
                padded = None if padding is None else padding[number, job.channel]
                yield Asked(number, job, observed, show(observed, job.statistics, padded))

    def _settle(
        self,
        asked: Asked,
        channel: int,
        values: Float32[np.ndarray, "*space"],
        spread: Float32[np.ndarray, "*space"] | None,
    ) -> Bool[np.ndarray, "*space"] | None:
        """Put right what was not asked or not answered, and mark the latter."""
        failed = self._last_look(asked.shown, channel, values, spread)
        if (padding := asked.shown.padding) is not None:
            values[padding] = asked.observed[padding]
            if spread is not None:
                spread[padding] = 0
            failed = failed if failed is None else failed & ~padding
        return failed

    def _say(self, findings: Findings) -> None:
        low, high = limits(self._jobs()[0].statistics)
        findings.say(low, high, handed_back=self.handed_back, instead=self.instead)

    @abstractmethod
    def _last_look(
        self,
        shown: Shown,
        channel: int,
        values: Float32[np.ndarray, "*space"],
        spread: Float32[np.ndarray, "*space"] | None,
    ) -> Bool[np.ndarray, "*space"] | None:
        """Find and replace what cannot be a restoration, and add what was not restored."""

    def _denormalised(self, values: torch.Tensor, channel: int) -> Float32[np.ndarray, "..."]:
        of_training = self.model.statistics[channel]
        return (values * of_training.std + of_training.mean).numpy()

    def _thumbnail(self, detail: Image) -> bytes:
        """Draw a detail of a training image, before and after, as a PNG."""
        restored = self._restore(
            with_padding(detail), samples=0, seed=0, progress=False, says=False
        )
        before = _middle_planes(detail.pixels, detail.axes)[0]
        after = _middle_planes(restored.mean, restored.axes)
        png = io.BytesIO()
        shown = [_greys(before, after[0] if len(after) == 1 else before), *map(_greys, after)]
        imsave(png, np.hstack(shown), vmin=0, vmax=1, cmap="gray", format="png")
        return png.getvalue()

    def _decodings(self, fields: Real[np.ndarray, "..."], samples: int) -> int:
        one = decodings(
            self._ready_network(), fields.shape[2:], samples, geometry_of(self.settings)
        )
        return len(fields) * len(self._jobs()) * one

    def _ready_network(self) -> LadderVAE:
        keep_freed_memory()
        return cast(LadderVAE, self._network).to(best_device(self.device)).eval()


def empty_model(settings: Settings, *, seed: int, **known: Any) -> Model:
    """Make a model that has yet to be trained of what is known before."""
    return Model(
        settings=cast(DenoiserSettings | SplitterSettings, settings),
        weights={},
        outcome=UNTRAINED,
        seed=seed,
        notices=(),
        thumbnail=None,
        version=metadata.version("ladderscope"),
        created="",
        **known,
    )


def checked_run(
    state_file: str | os.PathLike[str] | None,
    resume: bool,
    compile_network: bool | None,
    progress: bool,
) -> Run:
    """Check how a training is to be run.

    Raises
    ------
    LadderscopeError
        It is to be resumed from nowhere, or its state cannot be kept there.
    """
    if resume and state_file is None:
        raise LadderscopeError("resume=True needs the state_file of the interrupted training")
    where = None if state_file is None else expanded(state_file)
    if where is not None:
        check_writable([where])
    return Run(where, resume, compile_network, progress)


def listed(noise: Noise) -> list[Any] | None:
    """List what was given for each channel, or None where one thing was given for all."""
    return None if isinstance(noise, str) or not isinstance(noise, Sequence) else list(noise)


def patch_shape(settings: Settings) -> PatchShape:
    """Say what a patch is, by the settings."""
    depth = settings.depth if settings.dimensions == 3 else None
    return PatchShape(settings.patch, depth, settings.context)


def training_statistics(images: Sequence[Image]) -> tuple[Statistics, ...]:
    """Measure the channels of training images; a blank one beside others is given a unit.

    Raises
    ------
    ImageError
        All of them are blank.
    """
    found = channel_statistics(images)
    if not any(channel.std > 0 for channel in found):
        raise ImageError(
            f"{images[0].name}: every plane is blank, all of its pixels having one value, so there "
            "is nothing to learn from. Leave such planes out."
        )
    return tuple(channel if channel.std > 0 else replace(channel, std=1.0) for channel in found)


def warn_if_far(
    found: Statistics,
    trained: Statistics,
    name: str,
    like: str,
    advice: str,
    *,
    flatter: float = 1.0,
) -> bool:
    """Warn where an image is far from what a model was trained on, and say by how much.

    Parameters
    ----------
    found, trained
        Of the image, and of the training images.
    name, like
        What to call them.
    advice
        What may be wrong then, and what to do.
    flatter
        The standard deviation of an image like those of training, as a share of theirs: patches
        with little background vary more than whole images do.

    Returns
    -------
    bool
        Whether it is far.
    """
    shift = abs(found.mean - trained.mean) / trained.std
    ratio = found.std / trained.std
    least = flatter / FAR_IN_DEVIATIONS
    if found.std == 0:  # blank: handed back as it is
        return False
    far = shift > FAR_IN_DEVIATIONS or not least < ratio < FAR_IN_DEVIATIONS
    if far:
        logger.warning(
            "%s: mean %.4g and standard deviation %.4g are far from those of %s (%.4g and %.4g): "
            "the mean is %.1f of their standard deviations away, and the standard deviation is "
            "%.2g times theirs. %s",
            name,
            found.mean,
            found.std,
            like,
            trained.mean,
            trained.std,
            shift,
            ratio,
            advice,
        )
    return far


def middle_of(image: Image) -> Image:
    """Cut a detail from the middle of an image: all its channels, at one time of one sample."""
    keep = []
    for letter, size in zip(image.axes, image.pixels.shape, strict=True):
        if letter in THUMBNAIL_SIZE:
            side = min(size, THUMBNAIL_SIZE[letter])
            keep.append(slice((size - side) // 2, (size - side) // 2 + side))
        else:
            keep.append(slice(None) if letter == "C" else slice(0, 1))
    return Image(np.array(image.pixels[tuple(keep)]), image.axes, "detail")


def _size(image: Image) -> str:
    return "×".join(map(str, image.pixels.shape))


def _middle_planes(pixels: Real[np.ndarray, "..."], axes: str) -> list[Float32[np.ndarray, "Y X"]]:
    """Give the middle plane of every channel."""
    planes = Image(pixels, axes, "detail").planes()
    return list(planes[len(planes) // 2].astype(np.float32))


def _greys(
    plane: Float32[np.ndarray, "Y X"], like: Float32[np.ndarray, "Y X"] | None = None
) -> Float32[np.ndarray, "Y X"]:
    low, high = np.percentile(plane if like is None else like, (0.5, 99.8))
    greys: Float32[np.ndarray, "Y X"] = (plane - low) / max(high - low, 1e-6)
    return greys


def _say_what_went_wrong(outcome: Outcome, notice: Callable[[str], None]) -> None:
    best = f"the best model so far, of step {outcome.best_step}, is used"
    if outcome.interrupted:
        notice(f"training was interrupted after {outcome.steps} steps; {best}")
    if outcome.diverged:
        notice(
            f"training stopped after {outcome.steps} steps, as its loss was no longer finite; "
            f"{best}"
        )
    if outcome.skipped:
        notice(
            f"{outcome.skipped} of {outcome.steps} batches were skipped: their loss or "
            "gradient was not finite"
        )


def _fingerprint(model: Model, described: Any) -> str:
    """Tell trainings apart by all that decides their course."""
    known = {
        "settings": model.settings.model_dump(),
        "seed": model.seed,
        "statistics": [asdict(channel) for channel in model.statistics],
        "noise": [noise.to_dict() for noise in model.noise_models],
        "mixture": None if model.mixture is None else asdict(model.mixture),
        "data": described,
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _several(images: Sources) -> bool:
    """Tell a list, pattern or folder, of however many images, from one image."""
    if isinstance(images, str | os.PathLike):
        path = expanded(images)
        return not (path.is_file() or is_zarr_folder(path))
    return not (isinstance(images, Image) or hasattr(images, "shape"))
