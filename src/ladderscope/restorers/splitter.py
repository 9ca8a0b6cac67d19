"""Splitting one image of superimposed structures into its channels, and removing their noise."""

import os
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Float32, Float64

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image, Sources, channel_statistics, read_images
from ladderscope.images.axes import from_planes
from ladderscope.noise import NoiseFit, NoiseModel
from ladderscope.patches import (
    Channels,
    Field,
    HeldOut,
    MixedPatches,
    Mixing,
    fields_of,
    find_foreground,
    hold_out,
    mixture_statistics,
    validation_mixtures,
)
from ladderscope.restorers.config import SplitterSettings
from ladderscope.restorers.file import Mixture
from ladderscope.restorers.restorer import (
    Job,
    Noise,
    Notices,
    Restorer,
    checked_run,
    empty_model,
    middle_of,
    patch_shape,
    warn_if_far,
)
from ladderscope.training import SplittingModule

_DARKEST = 0.1  # per cent of the pixels, from which an offset is taken
_PIXELS_LOOKED_AT = 2**22


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
        unless it was really recorded. Ctrl-C ends training early and keeps the best model so far;
        a second one aborts.

        Parameters
        ----------
        channels : sequence of path, pattern, folder, array, or list of these
            For each structure its recordings, without a C axis.
        axes : str, optional
            One letter a dimension over ``STZYX``; needed where metadata does not tell.
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
            different number or size, one that is constant, or as `Denoiser.fit` raises it.
        """
        settings = self._with_budget(minutes, steps, epochs)
        run = checked_run(state_file, resume, compile_network, progress)
        notice = Notices()
        paired = paired or mixed is not None
        names = _checked_names(names, channels, settings.channels)
        stacks = [read_images(sources, axes) for sources in channels]
        recorded = None if mixed is None else read_images(mixed, axes)
        _check_stacks(stacks, recorded, names, paired)
        for image in [image for stack in stacks for image in stack]:
            self._mention_depth(image, notice)
        fields = [fields_of(stack, self._space) for stack in stacks]
        mixed_fields = None if recorded is None else fields_of(recorded, self._space)
        settings = self._fitting(settings, [field for of in fields for field in of], notice)
        statistics = [channel_statistics(stack)[0] for stack in stacks]
        noise_models: list[NoiseModel] = []
        fits: list[NoiseFit | None] = []
        if settings.weight_of_denoisplit > 0:
            noise_models, fits = self._noise_models(fields)

        held_out = [hold_out(of_channel, settings.patch, self.seed) for of_channel in fields]
        notice(held_out[0].notice)
        shape = patch_shape(settings)
        training = Channels(
            [of_channel.training for of_channel in held_out],
            paired,
            _same_as(held_out[0], mixed_fields, validation=False),
        )
        if settings.foreground:
            training = _with_foreground(training, names, notice)
        deviations = [channel.std for channel in statistics]
        mixing = (
            _recorded_mixing(fields, mixed_fields)
            if mixed_fields is not None
            else _made_mixing(settings, fields, offsets, deviations)
        )
        notice(_in_words(mixing, names, recorded=mixed_fields is not None))
        patches = MixedPatches(training, mixing, shape, settings.batch, self.seed)
        mixture = Mixture(
            mixture_statistics(patches) if recorded is None else channel_statistics(recorded)[0],
            mixing,
        )
        validation = Channels(
            [of_channel.validation for of_channel in held_out],
            paired,
            _same_as(held_out[0], mixed_fields, validation=True),
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
        found = channel_statistics([image])[0]
        warn_if_far(found, self._mixture().statistics, image.name, "the mixed training images")

    def _channel_names(self, image: Image) -> tuple[str, ...] | None:
        return self.model.channel_names

    def _residual(
        self, image: Image, mean: Float32[np.ndarray, "fields channels *space"]
    ) -> Float32[np.ndarray, "..."] | None:
        explained = self._mixture().mixing.mixed(mean.swapaxes(0, 1))[:, None]
        observed = image.planes(self._space).astype(np.float32)
        return image.from_planes(observed - explained, self._space)


def _checked_names(
    names: Sequence[str] | None, channels: Sequence[Sources], wanted: int
) -> Sequence[str]:
    if isinstance(channels, str | os.PathLike) or hasattr(channels, "shape"):
        raise LadderscopeError(
            'channels must be a list with the images of each structure, such as ["nuclei/*.tif", '
            f'"actin/*.tif"], not {type(channels).__name__}'
        )
    if len(channels) != wanted:
        raise LadderscopeError(
            f"{len(channels)} channels were given, and the splitter is made for {wanted}: give "
            f"{wanted}, or make it with channels={len(channels)}"
        )
    if names is None:
        return [f"channel {number}" for number in range(1, wanted + 1)]
    if len(names) != wanted or len(set(names)) < wanted:
        raise LadderscopeError(
            f"names {', '.join(map(repr, names))}: give {wanted} different ones, one a channel"
        )
    return names


def _check_stacks(
    stacks: Sequence[Sequence[Image]],
    recorded: Sequence[Image] | None,
    names: Sequence[str],
    paired: bool,
) -> None:
    everything = list(zip(names, stacks, strict=True))
    if recorded is not None:
        everything.append(("the mixed images", recorded))
    for name, stack in everything:
        if stack[0].channels > 1:
            raise LadderscopeError(
                f"{name}: {stack[0].name} has {stack[0].channels} channels; give each structure's "
                "images by themselves, as images without a C axis"
            )
        if channel_statistics(stack)[0].std == 0:
            raise LadderscopeError(
                f"{name}: all its pixels are {stack[0].pixels.flat[0]}, so there is nothing to "
                "learn from; leave this channel out, or give images that show the structure"
            )
    if not paired:
        return
    first_name, first = everything[0]
    for name, stack in everything[1:]:
        if len(stack) != len(first):
            raise LadderscopeError(
                f"paired channels need as many images each: {first_name} has {len(first)}, {name} "
                f"has {len(stack)}"
            )
        for one, other in zip(first, stack, strict=True):
            if (one.axes, one.pixels.shape) != (other.axes, other.pixels.shape):
                raise LadderscopeError(
                    f"paired images must have one shape: {one.name} ({first_name}) has "
                    f"{one.pixels.shape} ({one.axes}), {other.name} ({name}) "
                    f"{other.pixels.shape} ({other.axes})"
                )


def _same_as(
    held_out: HeldOut, mixed: Sequence[Field] | None, *, validation: bool
) -> list[Field] | None:
    """Choose those of the mixed fields that were chosen of the first channel's."""
    if mixed is None:
        return None
    chosen = held_out.validation if validation else held_out.training
    images = {field.image for field in chosen}
    return [field for field in mixed if field.image in images]


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
        offsets = [float(np.percentile(_some_pixels(of), _DARKEST)) for of in fields]
    elif len(offsets) != len(fields) or not np.isfinite(np.asarray(offsets, float)).all():
        raise LadderscopeError(
            f"offsets={list(offsets)!r}: give one number for each of {len(fields)} channels"
        )
    weights = [1.0] * len(fields)
    if settings.balance == "std":
        weights = [max(deviations) / deviation for deviation in deviations]
    return Mixing(
        tuple(float(offset) for offset in offsets),
        tuple(weights),
        float(np.mean(offsets)),
        settings.ratios,
    )


def _recorded_mixing(fields: Sequence[Sequence[Field]], mixed: Sequence[Field]) -> Mixing:
    """Find by least squares how the channels add up to what was recorded."""
    parts = [_some_pixels(of_channel) for of_channel in fields]
    columns = np.stack([*parts, np.ones_like(parts[0])], axis=1)
    solution, *_ = np.linalg.lstsq(columns, _some_pixels(mixed), rcond=None)
    *weights, offset = (float(value) for value in solution)
    return Mixing((0.0,) * len(weights), tuple(weights), offset)


def _some_pixels(fields: Sequence[Field]) -> Float64[np.ndarray, " pixels"]:
    step = 1 + sum(field.pixels.size for field in fields) // _PIXELS_LOOKED_AT
    return np.concatenate([field.pixels.ravel()[::step].astype(np.float64) for field in fields])


def _in_words(mixing: Mixing, names: Sequence[str], *, recorded: bool) -> str:
    terms = " + ".join(
        f"{weight:.4g} × ({name} − {offset:.4g})" if offset else f"{weight:.4g} × {name}"
        for name, weight, offset in zip(names, mixing.weights, mixing.offsets, strict=True)
    )
    low, high = mixing.ratios
    varied = f", each term times a number from {low:g} to {high:g}" if low < high else ""
    made = "the mixed images are about" if recorded else "mixed images are made as"
    return f"{made} {terms} + {mixing.offset:.4g}{varied}"


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
