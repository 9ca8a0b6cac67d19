"""Splitting one image of superimposed structures into its channels, and removing their noise."""

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Bool, Float32, Float64

from ladderscope.data import (
    Channels,
    Field,
    Intensities,
    MixedPatches,
    Mixing,
    fields_of,
    find_foreground,
    hold_out,
    measure_mixtures,
    planes_of,
    validation_mixtures,
)
from ladderscope.data.foreground import KEPT_BACKGROUND, smoothed
from ladderscope.errors import LadderscopeError
from ladderscope.images import (
    Image,
    ImageError,
    Sources,
    channel_statistics,
    read_images,
)
from ladderscope.images.axes import from_planes
from ladderscope.machine import usual_device
from ladderscope.models.config import SplitterSettings
from ladderscope.models.file import Mixture
from ladderscope.models.given import (
    check_channels,
    check_nothing_to_mix,
    check_number,
    check_pairs,
    checked_names,
    checked_offsets,
    say_what_has_no_effect,
)
from ladderscope.models.matching import common_sampling, say_which_channels_differ
from ladderscope.models.restorer import (
    Job,
    Noise,
    Notices,
    Restorer,
    checked_run,
    empty_model,
    middle_of,
    patch_shape,
    training_statistics,
    warn_if_far,
)
from ladderscope.noise import NoiseError, NoiseModel
from ladderscope.noise_estimation import NoiseFit
from ladderscope.noise_estimation.fit import MOST_PLANES
from ladderscope.prediction import Shown, limits
from ladderscope.prediction.last_look import out_of_range
from ladderscope.training import SplittingModule

logger = logging.getLogger("ladderscope")

_DARKEST = 0.1  # per cent of a plane's places, from which an offset is taken
_PIXELS_LOOKED_AT = 2**22
_MIXED = "the mixed images"
_IF_FAR = "The split may be wrong: record it as the training images were, or train on some like it"
_EXPLAINED = 0.5  # of recorded mixed images, by their channels: less is not a sum of them
_FEW = 0.01  # of the pixels may lie outside the intensities of training


class Splitter(Restorer[SplitterSettings]):
    """Splits an image of superimposed structures (µSplit, denoiSplit, MicroSplit).

    Parameters
    ----------
    method : str
        ``"musplit"`` for recordings with little noise, ``"denoisplit"`` to take the noise out as
        well, ``"microsplit"`` for the weighted mean of both objectives.
    preset : str
        As of `Denoiser`.
    noise : "auto", NoiseModel, or a sequence of these
        The camera's noise in the recordings of the channels. µSplit needs none.
    seed : int
        Fixes training and samples.
    context : int
        Lateral context: how many views the network has of a place, the patch included, each
        twice as wide as the one before.
    channels : int
        How many structures the image is split into.
    device : str, optional
        As of `Denoiser`.
    **settings
        Settings that differ from the preset's: see `SplitterSettings`.

    Raises
    ------
    LadderscopeError
        An unknown preset or setting, or a value out of range.

    References
    ----------
    Ashesh et al., "µSplit: image decomposition for fluorescence microscopy", ICCV 2023; Ashesh &
    Jug, "denoiSplit: a method for joint microscopy image splitting and unsupervised denoising",
    ECCV 2024; Ashesh et al., "MicroSplit: semantic unmixing of fluorescent microscopy data", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> rows, columns = np.mgrid[:96, :96]
    >>> stripes, waves = 20 + 10 * np.sin(rows / 3), 30 + 10 * np.sin(columns / 9)
    >>> splitter = Splitter("musplit", "tiny").fit([stripes, waves], steps=20, progress=False)
    >>> split = splitter.predict(stripes + waves, samples=4)
    >>> split.mean.shape, split.axes, split.residual.shape
    ((2, 96, 96), 'CYX', (96, 96))
    """

    kind = "splitter"
    settings_kind = SplitterSettings
    handed_back = "it is left in the residual"
    instead = "Each channel's mean over training stands there, and the rest in the residual"

    def __init__(
        self,
        method: Literal["musplit", "denoisplit", "microsplit"] = "microsplit",
        preset: str = "small",
        noise: Noise = "auto",
        seed: int = 0,
        *,
        context: int = 1,
        channels: int = 2,
        device: str | None = None,
        **settings: Any,
    ) -> None:
        settings |= {"method": method, "context": context, "channels": channels}
        super().__init__(preset, noise, seed, device=device, **settings)

    @usual_device()
    def fit(
        self,
        channels: Sequence[Sources],
        axes: str | None = None,
        *,
        mixed: Sources | None = None,
        paired: bool = False,
        offsets: Sequence[float] | None = None,
        names: Sequence[str] | None = None,
        minutes: float | None = None,
        steps: int | None = None,
        epochs: float | None = None,
        state_file: str | os.PathLike[str] | None = None,
        resume: bool = False,
        compile_network: bool | None = None,
        progress: bool = True,
    ) -> Self:
        """Train on recordings of the single structures.

        The mixed image is made of them while training, Σ r_c·(y_c − offset_c) + one offset,
        unless it was really recorded. Ctrl-C or SIGTERM ends training early and keeps the best
        model so far; a second one aborts. Trainings in several threads take turns, as torch has
        one random state for all of them.

        Parameters
        ----------
        channels : sequence of path, pattern, folder, array, or list of these
            For each structure its recordings, without a C axis.
        axes : str, optional
            One letter per dimension over ``STZYX``; needed where metadata does not tell.
        mixed : path, pattern, folder, array, or list of these, optional
            The superposition, if it was recorded: image k of it shows the same place as image k
            of every channel, pixel by pixel.
        paired : bool
            Whether image k of every channel shows the same place. Then mixtures are made of what
            really lies over one another; otherwise of places drawn independently.
        offsets : sequence of float, optional
            The black level of each channel; by default that of its darkest pixels.
        names : sequence of str, optional
            What to call the channels.
        minutes, steps, epochs, state_file, resume, compile_network, progress
            As of `Denoiser.fit`.

        Returns
        -------
        Splitter
            Itself.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            Another number of channels than the splitter's, names that repeat, paired channels of
            different number or size, offsets, ratios or a balance for mixed images that were
            recorded, or as `Denoiser.fit` raises it.
        """
        settings = self._with_budget(minutes, steps, epochs)
        run = checked_run(state_file, resume, compile_network, progress)
        notice = Notices()
        paired = paired or mixed is not None
        check_number(channels, settings.channels)
        names = checked_names(names, settings.channels)
        offsets = checked_offsets(offsets, settings.channels)
        if mixed is not None:
            check_nothing_to_mix(settings, offsets)
        stacks = [_read(sources, axes, name) for name, sources in zip(names, channels, strict=True)]
        recorded = None if mixed is None else _read(mixed, axes, _MIXED)
        everything = list(zip(names, stacks, strict=True))
        if recorded is not None:
            everything.append((_MIXED, recorded))
        check_channels(everything)
        if paired:
            check_pairs(everything, notice)
        say_what_has_no_effect(settings, notice)
        for stack in stacks:
            say_which_channels_differ(stack, notice)
        images = [image for _, stack in everything for image in stack]
        sampling = common_sampling(images, notice, settings.dimensions)
        self._check_depth([image for stack in stacks for image in stack], notice)
        unlooked = [fields_of(stack, self._space) for stack in stacks]
        looked = [self._look(stack, notice) for _, stack in everything]
        if paired:
            looked = _with_common_padding(looked)
        stacks, recorded = looked[: len(stacks)], None if recorded is None else looked[-1]
        fields = [fields_of(stack, self._space) for stack in stacks]
        mixed_fields = None if recorded is None else fields_of(recorded, self._space)
        settings = self._fitting(settings, [field for of in fields for field in of], notice)
        statistics = [training_statistics(stack)[0] for stack in stacks]
        noise_models: list[NoiseModel] = []
        fits: list[NoiseFit | None] = []
        if settings.weight_of_denoisplit > 0:
            try:
                noise_models, fits = self._noise_models(unlooked, names, notice)
            except NoiseError as error:
                raise NoiseError(
                    f"{error}; or split by method musplit, which needs no noise model"
                ) from error
        elif self.noise != "auto":
            notice("musplit asks for no noise model: the one that was given is not used")

        held_out = [hold_out(of_channel, settings.patch, self.seed) for of_channel in fields]
        told = [of_channel.notice for of_channel in held_out]
        if len(set(told)) > 1:
            told = [f"{name}, {text}" for name, text in zip(names, told, strict=True)]
        for text in dict.fromkeys(told):
            notice(text)
        shape = patch_shape(settings)
        training = Channels(
            [of_channel.training for of_channel in held_out],
            paired,
            _of_same_images(mixed_fields, held_out[0].training),
        )
        if settings.foreground:
            training = _with_foreground(training, names, notice)
        deviations = [channel.std for channel in statistics]
        mixing = (
            _recorded_mixing(fields, mixed_fields, names, notice)
            if mixed_fields is not None
            else _made_mixing(settings, fields, offsets, deviations)
        )
        notice(mixing.in_words(names))
        if mixed_fields is None and offsets is None:
            notice(
                "the black levels in that are those of the darkest places: where a channel has no "
                "background, give its own (offsets, or --offset)"
            )
        patches = MixedPatches(training, mixing, shape, settings.batch, self.seed)
        of_patches, intensities = measure_mixtures(patches)
        mixture = Mixture(
            of_patches if recorded is None else channel_statistics(recorded)[0],
            mixing,
            intensities,
            recorded is not None,
        )
        validation = Channels(
            [of_channel.validation for of_channel in held_out],
            paired,
            _of_same_images(mixed_fields, held_out[0].validation),
        )
        module = SplittingModule(
            self._new_network(settings),
            mixture.statistics,
            statistics,
            mixing.offsets,
            noise_models,
            denoisplit_weight=settings.weight_of_denoisplit,
            variance=settings.variance,
            free_bits=settings.free_bits,
            musplit_free_bits=settings.musplit_free_bits,
            **self._training_options(settings),
        )
        model = empty_model(
            settings,
            seed=self.seed,
            statistics=tuple(statistics),
            noise_models=tuple(noise_models),
            noise_fits=tuple(fits),
            axes=stacks[0][0].axes,
            channel_names=tuple(names),
            mixture=mixture,
            **sampling._asdict(),
        )
        self._train(
            module,
            patches,
            validation_mixtures(validation, mixing, shape, self.seed),
            model,
            run,
            [[field.pixels.shape for field in of_channel] for of_channel in fields],
            notice,
        )
        self._detail = _mixed_detail([stack[0] for stack in stacks], recorded, mixing)
        return self

    def _jobs(self) -> list[Job]:
        mixture = self._mixture()
        return [Job(0, mixture.statistics, range(len(self.model.statistics)))]

    def _mixture(self) -> Mixture:
        if self.model.mixture is None:
            raise LadderscopeError("the model says nothing of its mixed images: it is damaged")
        return self.model.mixture

    def _in_order(
        self, image: Image, restored: Float32[np.ndarray, "fields channels *space"]
    ) -> tuple[Float32[np.ndarray, "..."], str]:
        others = image.axes.replace("C", "")
        sizes = tuple(
            size
            for letter, size in zip(image.axes, image.pixels.shape, strict=True)
            if letter != "C"
        )
        axes, shape = f"C{others}", (restored.shape[1], *sizes)
        return from_planes(restored, axes, shape, self._space), axes

    def _check_image(self, image: Image) -> None:
        if image.channels != 1:
            raise LadderscopeError(
                f"{image.name} has {image.channels} channels: a splitter takes the one in which "
                "all structures were recorded together"
            )
        mixture = self._mixture()
        far = warn_if_far(
            channel_statistics([image])[0],
            mixture.statistics,
            image.name,
            "the mixed training images",
            _IF_FAR,
            flatter=_flattest(self.settings, mixture),
        )
        if not far and mixture.intensities is not None:
            _warn_if_beyond(image, mixture.intensities, mixture.statistics.std)

    def _channel_names(self, image: Image) -> tuple[str, ...] | None:
        return self.model.channel_names

    def _last_look(
        self,
        shown: Shown,
        channel: int,
        values: Float32[np.ndarray, "*space"],
        spread: Float32[np.ndarray, "*space"] | None,
    ) -> Bool[np.ndarray, "*space"] | None:
        of_training = self.model.statistics[channel]
        mask = out_of_range(values, *limits(of_training))
        if mask is not None:
            values[mask] = of_training.mean
            if spread is not None:
                spread[mask] = of_training.std
        return mask

    def _residual(
        self, image: Image, mean: Float32[np.ndarray, "fields channels *space"]
    ) -> Float32[np.ndarray, "..."] | None:
        residual = image.planes(self._space).astype(np.float32)
        residual[:, 0] -= self._mixture().mixing.mixed(mean.swapaxes(0, 1))
        if image.padding is not None:
            residual[replace(image, pixels=image.padding).planes(self._space)] = 0
        return image.from_planes(residual, self._space)


def _read(sources: Sources, axes: str | None, name: str) -> list[Image]:
    try:
        return read_images(sources, axes)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error


def _with_common_padding(stacks: Sequence[list[Image]]) -> list[list[Image]]:
    """Give images of one place the padding of each other."""
    together = []
    for images in zip(*stacks, strict=True):
        masks = [image.padding for image in images if image.padding is not None]
        padding = np.logical_or.reduce(masks) if masks else None
        together.append([replace(image, padding=padding) for image in images])
    return [list(stack) for stack in zip(*together, strict=True)]


def _flattest(settings: SplitterSettings, mixture: Mixture) -> float:
    """Say how flat an image may be beside mixtures that were made with little background."""
    return math.sqrt(KEPT_BACKGROUND) if settings.foreground and not mixture.recorded else 1.0


def _warn_if_beyond(image: Image, intensities: Intensities, deviation: float) -> None:
    """Warn where many pixels lie outside of nearly all that trained, and say by how much."""
    count, furthest = 0, 0.0
    for plane in image.planes()[:, 0]:
        pixels = plane.astype(np.float32)
        beyond = np.maximum(intensities.dark - pixels, pixels - intensities.bright) / deviation
        count += int(np.count_nonzero(beyond > 1))
        furthest = max(furthest, float(beyond.max()))
    share = count / image.pixels.size
    if share > _FEW:
        logger.warning(
            "%s: %.2g %% of its pixels lie more than a standard deviation (%.4g) outside the "
            "intensities of the mixed training images (%.4g to %.4g), by up to %.1f "
            "standard deviations. %s",
            image.name,
            100 * share,
            deviation,
            *intensities,
            furthest,
            _IF_FAR,
        )


def _of_same_images(mixed: Sequence[Field] | None, chosen: Sequence[Field]) -> list[Field] | None:
    """Choose the mixed fields of those images whose first channel was chosen."""
    images = {field.image for field in chosen}
    return None if mixed is None else [field for field in mixed if field.image in images]


def _with_foreground(channels: Channels, names: Sequence[str], notice: Notices) -> Channels:
    found = [find_foreground(of_channel) for of_channel in channels.fields]
    thresholds = ", ".join(
        f"{name} {foreground.threshold:.4g}" for name, foreground in zip(names, found, strict=True)
    )
    notice(
        "patches of background alone are drawn a fifth as often as others; structure is what is "
        f"brighter, once smoothed, than: {thresholds} (foreground=False draws all alike)"
    )
    return Channels(channels.fields, channels.paired, channels.mixed, found)


def _made_mixing(
    settings: SplitterSettings,
    fields: Sequence[Sequence[Field]],
    offsets: Sequence[float] | None,
    deviations: Sequence[float],
) -> Mixing:
    if offsets is None:
        offsets = [_darkest(of_channel) for of_channel in fields]
    weights = [1.0] * len(fields)
    if settings.balance == "std":
        weights = [max(deviations) / deviation for deviation in deviations]
    return Mixing(
        tuple(offsets),
        tuple(weights),
        float(np.mean(offsets)),
        settings.ratios,
    )


def _recorded_mixing(
    fields: Sequence[Sequence[Field]],
    mixed: Sequence[Field],
    names: Sequence[str],
    notice: Notices,
) -> Mixing:
    """Find by least squares how the channels add up to what was recorded.

    All are smoothed first, which changes nothing in how they add up: noise in the channels would
    make their weights too small.
    """
    parts = [_some_pixels(of_channel) for of_channel in fields]
    columns = np.stack([*parts, np.ones_like(parts[0])], axis=1)
    observed = _some_pixels(mixed)
    solution, *_ = np.linalg.lstsq(columns, observed, rcond=None)
    *weights, offset = (float(value) for value in solution)
    explained = 1 - float((observed - columns @ solution).var() / observed.var())
    told = f"the channels explain {100 * explained:.0f} % of what varies in the mixed images"
    absent = [name for name, weight in zip(names, weights, strict=True) if weight <= 0]
    if absent or explained < _EXPLAINED:
        also = f", {' and '.join(absent)} not at all or negatively" if absent else ""
        notice(
            f"{told}{also}: check that image k of every channel and of the mixed images shows the "
            "same place, pixel by pixel",
            logging.WARNING,
        )
    else:
        notice(told)
    return Mixing((0.0,) * len(weights), tuple(weights), offset)


def _darkest(fields: Sequence[Field]) -> float:
    """Give the grey level of the darkest places, once the noise is smoothed away."""
    planes = planes_of(fields, MOST_PLANES)
    return float(min(np.percentile(smoothed(plane), _DARKEST) for plane in planes))


def _some_pixels(fields: Sequence[Field]) -> Float64[np.ndarray, " pixels"]:
    planes = planes_of(fields, MOST_PLANES)
    step = 1 + sum(plane.size for plane in planes) // _PIXELS_LOOKED_AT
    return np.concatenate([smoothed(plane).ravel()[::step].astype(np.float64) for plane in planes])


def _mixed_detail(
    firsts: Sequence[Image], recorded: Sequence[Image] | None, mixing: Mixing
) -> Image | None:
    if recorded is not None:
        return middle_of(recorded[0])
    details = [middle_of(first) for first in firsts]
    if len({(detail.axes, detail.pixels.shape) for detail in details}) > 1:
        return None
    parts = np.stack([detail.pixels.astype(np.float32) for detail in details])
    return Image(mixing.mixed(parts), details[0].axes, "detail")
