"""Denoising with a ladder VAE trained on the noisy images themselves (HDN)."""

import hashlib
import io
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from jaxtyping import Float32
from matplotlib.image import imsave

from ladderscope.errors import LadderscopeError
from ladderscope.images import (
    Image,
    Sources,
    Statistics,
    channel_statistics,
    find_images,
    is_zarr_folder,
    read_image,
    read_images,
)
from ladderscope.machine import best_device, fast_type, keep_freed_memory
from ladderscope.network import LadderVAE
from ladderscope.noise import NoiseFit, NoiseModel, calibrate_poisson_gaussian
from ladderscope.noise.fit import MOST_PLANES
from ladderscope.patches import (
    Plane,
    TrainingPatches,
    hold_out,
    patch_size_for,
    validation_batch,
)
from ladderscope.prediction import Geometry, decodings, draw_plane, restore_plane
from ladderscope.restorers.building import budget_of, kl_weight_of, network_of, rate_of
from ladderscope.restorers.config import DenoiserSettings, replaced, settings_for
from ladderscope.restorers.file import Model, write_model
from ladderscope.restorers.progress import PredictionProgress, say_how_long
from ladderscope.restorers.restoration import Restoration
from ladderscope.training import DenoisingModule, Outcome, train
from ladderscope.training.callbacks import Course
from ladderscope.training.optimizers import OPTIMIZERS

logger = logging.getLogger("ladderscope")

Noise: TypeAlias = str | NoiseModel | Sequence[str | NoiseModel]
NOT_TRAINED = "this denoiser is not trained yet: call fit(images), or open a model with load()"
THUMBNAIL_SIDE = 192
FAR_IN_DEVIATIONS = 3.0


class Denoiser:
    """Removes noise from images, given nothing but noisy images (Hierarchical DivNoising).

    Parameters
    ----------
    preset : str
        ``"small"`` for minutes on a laptop, ``"paper"`` for HDN's published recipe, ``"tiny"``
        for trying things out.
    noise : "auto", NoiseModel, or a sequence of these
        The camera's noise: calibrated on the images, or given, for all channels or one a channel.
    seed : int
        Fixes training and samples. With a budget in steps or epochs, results repeat bit for bit
        on one machine's CPU.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"mps"``; the best there is by default.
    **settings
        Settings that differ from the preset's: see `DenoiserSettings`.

    Raises
    ------
    LadderscopeError
        An unknown preset or setting, or a value out of range.

    References
    ----------
    Prakash, Delbracio, Milanfar, Jug, "Interpretable unsupervised diversity denoising and
    artefact removal", ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noisy = rng.poisson(20 + 10 * np.sin(np.mgrid[:96, :96].sum(0) / 9)).astype("float32")
    >>> denoiser = Denoiser(preset="tiny").fit(noisy, steps=20, progress=False)
    >>> restored = denoiser.predict(noisy, samples=4)
    >>> restored.mean.shape, restored.std.shape, restored.axes
    ((96, 96), (96, 96), 'YX')
    """

    def __init__(
        self,
        preset: str = "small",
        noise: Noise = "auto",
        seed: int = 0,
        *,
        device: str | None = None,
        **settings: Any,
    ) -> None:
        self.settings = settings_for(preset, settings)
        self.noise = noise
        self.seed = _checked_seed(seed)
        self.device = device
        best_device(device)
        self._model: Model | None = None
        self._finished_state: Path | None = None
        self._network: LadderVAE | None = None
        self._detail: Float32[np.ndarray, "Y X"] | None = None
        for entry in _listed(noise) or [noise]:
            if entry != "auto" and not isinstance(entry, NoiseModel):
                raise LadderscopeError(
                    f"noise={entry!r}: give 'auto', a noise model such as "
                    "ladderscope.noise.Gaussian(sigma=3.0), or a list with one a channel"
                )

    @classmethod
    def from_model(cls, model: Model, *, device: str | None = None) -> Self:
        """Make a fitted denoiser of what a model file holds."""
        denoiser = cls(noise=list(model.noise_models), seed=model.seed, device=device)
        denoiser.settings = model.settings
        denoiser._model = model
        denoiser._network = network_of(model.settings)
        try:
            denoiser._network.load_state_dict(model.weights)
        except RuntimeError as error:
            raise LadderscopeError(
                "the model's weights do not fit its settings: it is damaged; train anew"
            ) from error
        return denoiser

    @property
    def model(self) -> Model:
        """What fitting found: weights, statistics, noise, history.

        Raises
        ------
        LadderscopeError
            The denoiser has not been fitted.
        """
        if self._model is None:
            raise LadderscopeError(NOT_TRAINED)
        return self._model

    def fit(
        self,
        images: Sources,
        axes: str | None = None,
        *,
        minutes: float | None = None,
        steps: int | None = None,
        epochs: float | None = None,
        state_file: str | os.PathLike[str] | None = None,
        resume: bool = False,
        compile_network: bool | None = None,
        progress: bool = True,
    ) -> Self:
        """Train on noisy images.

        Ctrl-C ends training early and keeps the best model so far; a second one aborts.

        Parameters
        ----------
        images : path, pattern, folder, array, or a list of these
            Noisy images with the same axes and channels.
        axes : str, optional
            One letter a dimension over ``STCZYX``; needed where metadata does not tell.
        minutes, steps, epochs : optional
            The budget, in place of the preset's. Minutes count compiling and validation. An
            epoch draws as many pixels as the images have.
        state_file : path, optional
            Where the state of training is kept, for `resume`. It goes once training is complete
            and the model is saved.
        resume : bool
            Go on from `state_file` until the budget is spent.
        compile_network : bool, optional
            Whether to use torch.compile; by default where it pays within the budget.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        Denoiser
            Itself.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            A bad budget, images smaller than what the levels need, noise models that do not
            match the channels, or a loss that stays non-finite.
        """
        budget = {"minutes": minutes, "steps": steps, "epochs": epochs}
        settings = replaced(
            self.settings, {name: value for name, value in budget.items() if value is not None}
        )
        if resume and state_file is None:
            raise LadderscopeError("resume=True needs the state_file of the interrupted training")
        notices: list[str] = []

        def notice(text: str) -> None:
            notices.append(text)
            logger.info(text)

        stack = read_images(images, axes)
        _mention_depth(stack[0], notice)
        statistics = channel_statistics(stack)
        planes = _planes_of(stack)
        settings = _fitting(settings, planes, notice)
        noise_models, fits = self._noise_models(planes, stack[0].channels)
        held_out = hold_out(planes, settings.patch, self.seed)
        notice(held_out.notice)
        patches = TrainingPatches(held_out.training, settings.patch, settings.batch, self.seed)
        budgeted, validations = budget_of(settings, patches.batches_per_epoch)

        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = network_of(settings)
        device = best_device(self.device)
        module = DenoisingModule(
            network,
            noise_models,
            statistics,
            free_bits=settings.free_bits,
            kl_weight=kl_weight_of(settings),
            optimizer=OPTIMIZERS[settings.optimizer],
            gradient_clip=settings.gradient_clip,
            autocast=fast_type(device),
        )
        course = Course(
            budgeted,
            rate_of(settings),
            validation_batch(held_out.validation, settings.patch, self.seed),
            validations=validations,
            state_file=None if state_file is None else Path(state_file),
            fingerprint=_fingerprint(settings, self.seed, statistics, noise_models, planes),
        )
        outcome = train(
            module,
            patches,
            course,
            seed=self.seed,
            resume=resume,
            device=str(device),
            compile_network=compile_network,
            progress=progress,
        )
        _say_what_went_wrong(outcome, notice)
        self._finished_state = None if outcome.interrupted else course.state_file
        self._network = network
        self._model = Model(
            settings=settings,
            weights=module.weights(),
            statistics=statistics,
            noise_models=tuple(noise_models),
            noise_fits=tuple(fits),
            outcome=outcome,
            axes=stack[0].axes,
            channel_names=stack[0].channel_names,
            seed=self.seed,
            notices=tuple(notices),
            thumbnail=None,
            version=metadata.version("ladderscope"),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._detail = _middle(stack[0])
        return self

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
            Fixes the samples; by default the denoiser's own.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        Restoration, or list of Restoration
            See `Restoration`.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            The denoiser is not trained, or was trained for another number of channels.
        """
        if samples < 0:
            raise LadderscopeError(f"samples={samples}: give 0 or more")
        seed = self.seed if seed is None else _checked_seed(seed)
        sources = find_images(images).sources
        restored: list[Restoration] = []
        started = time.monotonic()
        for source in sources:
            restored.append(self._restore(read_image(source, axes), samples, seed, progress))
            if len(restored) == 1 < len(sources):
                left = (time.monotonic() - started) * (len(sources) - 1)
                say_how_long(f"the other {len(sources) - 1} images", left)
        return restored if _several(images) else restored[0]

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
            Fixes them; by default the denoiser's own.

        Returns
        -------
        array, shape (n, \\*image axes)
            In the intensity units of the image.

        Raises
        ------
        ImageError
            The image cannot be used.
        LadderscopeError
            More than one image, less than one sample, or as in `predict`.
        """
        if n < 1:
            raise LadderscopeError(f"n={n}: give 1 or more samples")
        seed = self.seed if seed is None else _checked_seed(seed)
        sources = find_images(image).sources
        if len(sources) > 1:
            raise LadderscopeError(
                f"{len(sources)} images found: samples are drawn of one at a time"
            )
        observed = read_image(sources[0], axes)
        self._check_image(observed)
        planes, channels, height, width = observed.planes().shape
        draws = np.empty((n, planes, channels, height, width), np.float32)
        total = planes * channels * self._decodings(height, width, n)
        with PredictionProgress(observed.name, total, bar=False) as tick:
            for number, channel, plane in self._normalised(observed):
                drawn = draw_plane(
                    self._ready_network(),
                    plane,
                    samples=n,
                    seed=seed,
                    plane_number=number * channels + channel,
                    geometry=self._geometry(),
                    autocast=fast_type(best_device(self.device)),
                    tick=tick,
                )
                draws[:, number, channel] = self._denormalised(drawn[:, 0], channel)
        return np.stack([observed.from_planes(draw) for draw in draws])

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
            The denoiser is not trained, or the file cannot be written.
        """
        path, model = Path(path), self.model
        if thumbnail and self._detail is not None:
            self._model = model = replace(model, thumbnail=self._thumbnail(self._detail))
            self._detail = None
        kept = model if thumbnail else replace(model, thumbnail=None)
        write_model(path, kept, overwrite=overwrite)
        if self._finished_state is not None:
            self._finished_state.unlink(missing_ok=True)
        return path

    def _noise_models(
        self, planes: Sequence[Plane], channels: int
    ) -> tuple[list[NoiseModel], list[NoiseFit | None]]:
        entries = _listed(self.noise) or [self.noise] * channels
        if len(entries) != channels:
            raise LadderscopeError(
                f"{len(entries)} noise models for {channels} channels: give one a channel, or one "
                "for all"
            )
        models: list[NoiseModel] = []
        fits: list[NoiseFit | None] = []
        for channel, entry in enumerate(entries):
            fit = None
            if isinstance(entry, str):
                of_channel = [plane.pixels for plane in planes if plane.channel == channel]
                fit = calibrate_poisson_gaussian(of_channel[:: -(-len(of_channel) // MOST_PLANES)])
                entry = fit.model
                of = f" of channel {channel + 1}" if channels > 1 else ""
                logger.info("noise%s: %s", of, fit.summary())
            models.append(entry)
            fits.append(fit)
        return models, fits

    def _check_image(self, image: Image) -> None:
        trained = len(self.model.statistics)
        if image.channels != trained:
            raise LadderscopeError(
                f"{image.name} has {image.channels} channels, and the model was trained for "
                f"{trained}: give images with the same channels, or train on these"
            )
        _mention_depth(image, logger.info)
        for channel, (of_image, of_training) in enumerate(
            zip(channel_statistics([image]), self.model.statistics, strict=True), start=1
        ):
            shift = abs(of_image.mean - of_training.mean) / of_training.std
            ratio = of_image.std / of_training.std
            if shift > FAR_IN_DEVIATIONS or not 1 / FAR_IN_DEVIATIONS < ratio < FAR_IN_DEVIATIONS:
                logger.warning(
                    "%s, channel %d: mean %.4g and standard deviation %.4g are far from those of "
                    "the training images (%.4g and %.4g). The restoration may be wrong; train on "
                    "images like this one",
                    image.name,
                    channel,
                    of_image.mean,
                    of_image.std,
                    of_training.mean,
                    of_training.std,
                )

    def _restore(self, image: Image, samples: int, seed: int, progress: bool) -> Restoration:
        self._check_image(image)
        network, geometry = self._ready_network(), self._geometry()
        planes, channels, height, width = image.planes().shape
        mean = np.empty((planes, channels, height, width), np.float32)
        std = np.empty_like(mean) if samples > 1 else None
        total = planes * channels * self._decodings(height, width, samples)
        with PredictionProgress(image.name, total, bar=progress) as tick:
            for number, channel, plane in self._normalised(image):
                restored = restore_plane(
                    network,
                    plane,
                    samples=samples,
                    seed=seed,
                    plane_number=number * channels + channel,
                    geometry=geometry,
                    autocast=fast_type(best_device(self.device)),
                    tick=tick,
                )
                mean[number, channel] = self._denormalised(restored.mean[0], channel)
                if std is not None and restored.std is not None:
                    scale = self.model.statistics[channel].std
                    std[number, channel] = restored.std[0].numpy() * scale
        return Restoration(
            image.from_planes(mean),
            None if std is None else image.from_planes(std),
            image.axes,
            image.name,
            image.pixel_size,
            image.channel_names or self.model.channel_names,
            samples,
        )

    def _normalised(self, image: Image) -> Iterator[tuple[int, int, torch.Tensor]]:
        device = best_device(self.device)
        for number, channels in enumerate(image.planes()):
            for channel, pixels in enumerate(channels):
                of_training = self.model.statistics[channel]
                plane = torch.from_numpy(pixels.astype(np.float32))[None].to(device)
                yield number, channel, (plane - of_training.mean) / of_training.std

    def _denormalised(self, values: torch.Tensor, channel: int) -> Float32[np.ndarray, "..."]:
        of_training = self.model.statistics[channel]
        return (values * of_training.std + of_training.mean).numpy()

    def _thumbnail(self, before: Float32[np.ndarray, "Y X"]) -> bytes:
        """Draw a detail of a training image, before and after, as a PNG."""
        _, _, plane = next(self._normalised(Image(before, "YX", "detail")))
        restored = restore_plane(self._ready_network(), plane, samples=0, geometry=self._geometry())
        after = self._denormalised(restored.mean[0], 0)
        low, high = np.percentile(after, (0.5, 99.8))
        png = io.BytesIO()
        both = np.hstack([before, after])
        imsave(png, both, vmin=low, vmax=high, cmap="gray", format="png")
        return png.getvalue()

    def _decodings(self, height: int, width: int, samples: int) -> int:
        multiple = self._ready_network().multiple
        return decodings(height, width, samples, self._geometry(), multiple)

    def _geometry(self) -> Geometry:
        return Geometry(self.model.settings.tile_core, self.model.settings.tile_margin)

    def _ready_network(self) -> LadderVAE:
        if self._network is None:
            raise LadderscopeError(NOT_TRAINED)
        keep_freed_memory()
        return self._network.to(best_device(self.device)).eval()


def _planes_of(stack: Sequence[Image]) -> list[Plane]:
    return [
        Plane(pixels=plane, channel=channel, image=number)
        for number, image in enumerate(stack)
        for channels in image.planes()
        for channel, plane in enumerate(channels)
    ]


def _fitting(
    settings: DenoiserSettings, planes: Sequence[Plane], notice: Callable[[str], None]
) -> DenoiserSettings:
    """Make the patch smaller where the smallest image has no room for it."""
    patch = patch_size_for(planes, settings.patch, 2**settings.levels)
    if patch < settings.patch:
        notice(
            f"patches are {patch}×{patch} pixels instead of {settings.patch}: the smallest "
            "image has no room for more"
        )
    return settings.model_copy(update={"patch": patch})


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


def _middle(image: Image) -> Float32[np.ndarray, "Y X"]:
    """Cut a detail from the middle of an image's first plane."""
    plane = image.planes()[0, 0]
    rows, columns = (
        slice((side - min(side, THUMBNAIL_SIDE)) // 2, (side + THUMBNAIL_SIDE) // 2)
        for side in plane.shape
    )
    return np.array(plane[rows, columns], np.float32)


def _listed(noise: Noise) -> list[Any] | None:
    """List what was given for each channel, or None where one thing was given for all."""
    return None if isinstance(noise, str) or not isinstance(noise, Sequence) else list(noise)


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise LadderscopeError(f"seed={seed!r}: give a whole number from 0, below 2⁶³")
    return int(seed)


def _fingerprint(
    settings: DenoiserSettings,
    seed: int,
    statistics: Sequence[Statistics],
    noise_models: Sequence[NoiseModel],
    planes: Sequence[Plane],
) -> str:
    described = {
        "settings": settings.model_dump(),
        "seed": seed,
        "statistics": [asdict(channel) for channel in statistics],
        "noise": [model.to_dict() for model in noise_models],
        "planes": [plane.pixels.shape for plane in planes],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _mention_depth(image: Image, notice: Callable[[str], None]) -> None:
    if "Z" in image.axes and image.pixels.shape[image.axes.index("Z")] > 1:
        notice(
            f"{image.name}: its {image.pixels.shape[image.axes.index('Z')]} Z planes are restored "
            "one by one; a 2-D model does not look across Z"
        )


def _several(images: Sources) -> bool:
    """Tell a list, pattern or folder, of however many images, from one image."""
    if isinstance(images, str | os.PathLike):
        path = Path(images).expanduser()
        return not (path.is_file() or is_zarr_folder(path))
    return not (isinstance(images, Image) or hasattr(images, "shape"))
