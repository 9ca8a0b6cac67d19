"""Calibrating the error bars of a trained restorer on images, with or without their truth."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Float64

from ladderscope.data import Channels, Field, Mixing
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Calibration, Source
from ladderscope.evaluation.with_truth import calibrate
from ladderscope.evaluation.without_truth import calibrate_without_truth
from ladderscope.images import Image, Sources, channel_statistics, read_image
from ladderscope.images.read import named_sources
from ladderscope.images.stored import Pixels
from ladderscope.models.file import Model
from ladderscope.models.restoring import Fields
from ladderscope.noise.shares import share_of_noise
from ladderscope.words import counted

logger = logging.getLogger("ladderscope")

_MOST_PIXELS = 4_000_000  # per channel, of all images together
_MOST_LOOKED_AT = 2**18  # without truth: an image of 512×512 pixels,
_MOST_IMAGES = 4  # or parts of several
_GRIDS = {1: (2, 2), 2: (2, 1)}  # columns and rows of the parts of each image
_SHARE = 0.1  # of the exposure, whose noise disturbs an image
_DOUBT = 0.1  # of the noise variance, by which it may be wrong


class Compared(NamedTuple):
    """The restored fields of an image, with the channels of the model; not calibrated."""

    fields: Fields
    mean: Float32[np.ndarray, "fields channels *space"]
    std: Float32[np.ndarray, "fields channels *space"]


# Restores the fields of an image; gets the fraction of all work that is done before.
Restore: TypeAlias = Callable[[Image, float], Compared]


class _Pixels(NamedTuple):
    """Pixels of all fields that can be compared with their truth."""

    mean: Float32[np.ndarray, "channels pixels"]
    std: Float32[np.ndarray, "channels pixels"]
    truth: Float32[np.ndarray, "channels pixels"]
    variance: Float64[np.ndarray, "channels pixels"]


class Sums(NamedTuple):
    """Mixed images of held-out recordings of a splitter, and their channels.

    Attributes
    ----------
    mixed, channels : tuple of Image
        Image k is the sum of the channels k, or was recorded with them.
    source : str
        Whether the channels show the same field: ``"held-out pairs"`` or ``"held-out recordings"``.
    """

    mixed: tuple[Image, ...]
    channels: tuple[Image, ...]
    source: Source


def held_out_sums(held_out: Channels, mixing: Mixing) -> Sums:
    """Add up held-out recordings: what a splitter can be calibrated on without further images.

    Recordings that are not paired are added up in several combinations, each channel turned
    further than the one before: even if two happen to show the same field, they are not a pair.
    """
    groups = [*held_out.fields, *([held_out.mixed] if held_out.mixed else [])]
    chosen = _combinations([len(fields) for fields in groups], paired=held_out.paired)
    side = math.isqrt(_MOST_LOOKED_AT // len(chosen))
    mixed, channels = [], []
    for number, fields_chosen in enumerate(chosen):
        parts = [
            _held_out_part(fields[one]) for fields, one in zip(groups, fields_chosen, strict=True)
        ]
        common = tuple(min(sides) for sides in zip(*(part.shape for part in parts), strict=True))
        sides = np.minimum(common[-2:], side if held_out.paired else min(side, *common[-2:]))
        extent = tuple(slice(size) for size in (*common[:-2], *sides))
        stack = np.stack([part[extent] for part in parts]).astype(np.float32)
        if not held_out.paired:
            turned = [np.rot90(part, number, axes=(-2, -1)) for number, part in enumerate(stack)]
            stack = np.stack(turned)
        recordings = stack[: len(held_out.fields)]
        whole = stack[-1] if held_out.mixed else mixing.mixed(recordings)
        space, name = "ZYX"[-whole.ndim :], f"held-out field {number + 1}"
        mixed.append(Image(whole, space, name))
        channels.append(Image(recordings, f"C{space}", name))
    source: Source = "held-out pairs" if held_out.paired else "held-out recordings"
    return Sums(tuple(mixed), tuple(channels), source)


def _combinations(counts: Sequence[int], *, paired: bool) -> list[tuple[int, ...]]:
    """Choose a field of every channel, a few times."""
    longest, wanted = max(counts), math.prod(counts)
    found = dict.fromkeys(
        tuple(
            (number + (0 if paired else channel * (number // longest))) % count
            for channel, count in enumerate(counts)
        )
        for number in range(min(_MOST_IMAGES, longest if paired else wanted))
    )
    return list(found)


def nothing_held_out(kind: str) -> Sums:
    """Refuse to calibrate without images.

    Raises
    ------
    LadderscopeError
        Always: what to give.
    """
    if kind == "denoiser":
        raise LadderscopeError("give the noisy images to calibrate the error bars on")
    raise LadderscopeError(
        "the held-out recordings are known only right after fit: give mixed images and, as their "
        "truth, the channels of each, stacked along C"
    )


def _held_out_part(field: Field) -> Pixels:
    """Give the square of a field that was held out, or all of it."""
    if field.reserved is None:
        return field.pixels
    top, left, side = field.reserved
    part: Pixels = field.pixels[..., top : top + side, left : left + side]
    return part


def read_truths(truth: Sources, axes: str | None, images: Sequence[Image]) -> list[Image]:
    """Read the truth of each image.

    Raises
    ------
    LadderscopeError
        There are more or fewer than images.
    """
    named = list(named_sources(truth, own_outputs=True))
    if len(named) != len(images):
        raise LadderscopeError(
            f"there are {counted(len(images), 'image')} and {counted(len(named), 'truth')}: give "
            "one truth per image, in the same order (files are ordered by name)"
        )
    return [read_image(source, axes, name=name) for source, name in named]


def with_truth(
    model: Model,
    images: Sequence[Image],
    truths: Sequence[Image],
    restore: Restore,
    *,
    samples: int,
    source: Source,
    frames: int | None,
    match: bool,
) -> tuple[Calibration, ...]:
    """Calibrate on images whose true signal is known, or of which there are further exposures.

    Parameters
    ----------
    model
        The trained model.
    images, truths
        Image k and truth k show the same field.
    restore
        Restores an image.
    samples
        Number of posterior samples.
    source
        What the truths are.
    frames
        How many exposures a truth is the average of; None if it has no noise.
    match
        Whether to fit scale and offset of the truth.

    Raises
    ------
    LadderscopeError
        As `calibrate` does; a truth has another shape, or its noise is unknown.
    """
    if frames is not None and not model.noise_models:
        raise LadderscopeError(
            "the model has no noise model, so that the noise of the truth is unknown: omit "
            "truth_frames (--truth-frames), and the error bars include that noise"
        )
    _warn_if_trained_on(images, model)
    most = _MOST_PIXELS // len(images)
    parts = []
    for number, (image, truth) in enumerate(zip(images, truths, strict=True)):
        found = restore(image, number / len(images))
        parts.append(_drawn(_compared(model, found, truth, frames), most, number))
    together = _Pixels(*(np.concatenate(part, axis=1) for part in zip(*parts, strict=True)))
    return tuple(
        calibrate(*of_channel, samples=samples, source=source, match=match)
        for of_channel in zip(*together, strict=True)
    )


def without_truth(
    model: Model, images: Sequence[Image], restore: Restore, *, samples: int, seed: int
) -> tuple[Calibration, ...]:
    """Calibrate a denoiser on noisy images alone; parts of them are restored twice.

    Parameters
    ----------
    model, restore, samples
        As of `with_truth`.
    images
        Noisy images.
    seed
        Of the noise that disturbs the images.

    Raises
    ------
    LadderscopeError
        The noise is unknown, or there are too few pixels.
    """
    if model.kind != "denoiser":
        raise LadderscopeError(
            f"a {model.kind} cannot be calibrated without truth: give the true channels of each "
            "image, stacked along C"
        )
    if not model.noise_models:
        raise LadderscopeError(
            "the model has no noise model, so that it cannot be calibrated without truth: give "
            "the truth of each image"
        )
    if model.settings.blind_levels:
        raise LadderscopeError(
            "the model was trained against structured noise (blind_levels), which its noise model "
            "does not describe, so that it cannot be calibrated without truth: give the truth of "
            "each image"
        )
    generator = torch.Generator().manual_seed(seed)
    crops = _crops(images, "ZYX"[-model.settings.dimensions :])
    parts = []
    for number, crop in enumerate(crops):
        fields, restored, std = restore(crop, number / len(crops))
        space, order = fields.space, list(fields.channels)
        mean = restored.astype(np.float64)
        noise, variance = np.empty_like(mean), np.empty_like(mean)
        for channel, law in enumerate(model.noise_models):
            signal = torch.from_numpy(mean[:, channel])
            noise[:, channel] = share_of_noise(law, signal, _SHARE, generator).numpy()
            variance[:, channel] = law.moments(signal)[1].numpy()
        observed = crop.fields(space).astype(np.float32)
        disturbed = observed.copy()
        disturbed[:, order] += noise.astype(np.float32)
        other = replace(crop, pixels=crop.from_fields(disturbed, space), checked=None)
        again = restore(other, (number + 0.5) / len(crops)).mean
        follows = noise * (again - mean) / _SHARE
        surplus = (observed[:, order] - mean) ** 2 - variance + follows
        parts.append([_flat(part) for part in (std, follows, surplus, _DOUBT * variance)])
    together = [np.concatenate(part, axis=1) for part in zip(*parts, strict=True)]
    return tuple(
        calibrate_without_truth(*of_channel, samples=samples)
        for of_channel in zip(*together, strict=True)
    )


def _compared(model: Model, found: Compared, truth: Image, frames: int | None) -> _Pixels:
    fields, restored, std = found
    of_truth = truth.fields(fields.space)
    if of_truth.shape != restored.shape:
        channels = counted(restored.shape[1], "channel")
        raise LadderscopeError(
            f"{truth.called} has the axes {truth.axes} and the shape {truth.shape}, and cannot be "
            f"the truth of {fields.image.called} ({fields.image.axes}, {fields.image.shape}): the "
            f"model restores {channels}. Give a truth of the same size, with {channels}"
        )
    if model.kind == "denoiser":
        of_truth = of_truth[:, list(fields.channels)]
    mean = _flat(restored)
    variance = np.zeros(mean.shape)
    if frames is not None:
        for channel, law in enumerate(model.noise_models):
            signal = torch.from_numpy(mean[channel].astype(np.float64))
            variance[channel] = law.moments(signal)[1].numpy() / frames
    return _Pixels(mean, _flat(std), _flat(of_truth).astype(np.float32), variance)


def _flat(values: np.ndarray) -> np.ndarray:
    """Put the channels first, and all pixels of each in a row."""
    channels = np.moveaxis(values, 1, 0)
    return channels.reshape(len(channels), -1)


def _drawn(compared: _Pixels, most: int, seed: int) -> _Pixels:
    """Draw so many pixels, if there are more."""
    pixels = compared.mean.shape[1]
    if pixels <= most:
        return compared
    chosen = np.random.default_rng(seed).choice(pixels, most, replace=False, shuffle=False)
    return _Pixels(*(values[:, chosen] for values in compared))


def _crops(images: Sequence[Image], space: str) -> list[Image]:
    """Cut parts from all over some images, together as large as one of 512×512 pixels."""
    count = min(_MOST_IMAGES, len(images))
    chosen = [images[len(images) * (2 * number + 1) // (2 * count)] for number in range(count)]
    across, down = _GRIDS.get(count, (1, 1))
    crops = []
    for image in chosen:
        depth = image.sizes.get("Z", 1) if "Z" in space else 1
        pixels = _MOST_LOOKED_AT // (count * image.channels * depth)
        middle = {
            letter: _around(0.5, size, 1)
            for letter, size in image.others.items()
            if letter not in space
        }
        height, width = image.field_shape()
        if height * width <= pixels:
            crops.append(image.crop(middle))
            continue
        rows = min(height // down, math.isqrt(pixels // (across * down)))
        columns = min(width // across, pixels // (across * down * rows))
        crops += [
            image.crop(
                middle
                | {
                    "Y": _around((row + 0.5) / down, height, rows),
                    "X": _around((column + 0.5) / across, width, columns),
                }
            )
            for row in range(down)
            for column in range(across)
        ]
    return crops


def _around(centre: float, size: int, length: int) -> slice:
    """Give a slice of some length around a point, of which the fraction of the size is given."""
    start = min(max(0, round(centre * size - length / 2)), size - length)
    return slice(start, start + length)


def _warn_if_trained_on(images: Sequence[Image], model: Model) -> None:
    """Warn if the model was trained on these very images, as their statistics tell."""
    if model.kind == "denoiser" and channel_statistics(images) == model.statistics:
        logger.warning(
            "%s: the model was trained on these images. Errors on them may be smaller than on new "
            "images: calibrate on images that it was not trained on",
            images[0].name,
        )
