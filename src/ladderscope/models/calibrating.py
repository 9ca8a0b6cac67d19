"""Calibrating the error bars of a trained restorer on images, with or without their truth."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Float64

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Calibration, Source
from ladderscope.evaluation.with_truth import calibrate
from ladderscope.evaluation.without_truth import calibrate_without_truth
from ladderscope.images import Image, Sources, channel_statistics, open_image
from ladderscope.images.at_hand import are_small, at_hand
from ladderscope.images.large import IN_MEMORY
from ladderscope.images.read import named_sources
from ladderscope.models.file import Model
from ladderscope.models.restoring import Fields
from ladderscope.noise.shares import share_of_noise
from ladderscope.noise_estimation.sources import evenly
from ladderscope.words import counted

logger = logging.getLogger("ladderscope")

_MOST_PIXELS = 4_000_000  # per channel, of all images together
MOST_LOOKED_AT = 2**18  # without truth: an image of 512×512 pixels,
MOST_IMAGES = 4  # or parts of several
_PARTS = 4  # rows and columns of parts of an image that is too large for memory
_GRIDS = {1: (2, 2), 2: (2, 1)}  # columns and rows of the parts of each image
SHARE = 0.1  # of the exposure, whose noise disturbs an image
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


def read_truths(truth: Sources, axes: str | None, images: Sequence[Image]) -> list[Image]:
    """Read the truth of each image; truths that are too large together stay in their files.

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
    opened = [open_image(source, axes, name=name) for source, name in named]
    return at_hand(opened, in_memory=are_small(opened))


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
        pairs = _in_parts(model, image, truth, most)
        for part, of_truth in pairs:
            found = restore(part, number / len(images))
            compared = _compared(model, found, of_truth, frames)
            parts.append(_drawn(compared, most // len(pairs), number))
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
            noise[:, channel] = share_of_noise(law, signal, SHARE, generator).numpy()
            variance[:, channel] = law.moments(signal)[1].numpy()
        observed = crop.fields(space).astype(np.float32)
        disturbed = observed.copy()
        disturbed[:, order] += noise.astype(np.float32)
        other = replace(crop, pixels=crop.from_fields(disturbed, space), checked=None)
        again = restore(other, (number + 0.5) / len(crops)).mean
        follows = noise * (again - mean) / SHARE
        surplus = (observed[:, order] - mean) ** 2 - variance + follows
        parts.append([flat(part) for part in (std, follows, surplus, _DOUBT * variance)])
    together = [np.concatenate(part, axis=1) for part in zip(*parts, strict=True)]
    return tuple(
        calibrate_without_truth(*of_channel, samples=samples)
        for of_channel in zip(*together, strict=True)
    )


def _compared(model: Model, found: Compared, truth: Image, frames: int | None) -> _Pixels:
    fields, restored, std = found
    of_truth = truth.fields(fields.space)
    if of_truth.shape != restored.shape:
        raise _no_truth(truth, fields.image, restored.shape[1])
    if model.kind == "denoiser":
        of_truth = of_truth[:, list(fields.channels)]
    mean = flat(restored)
    variance = np.zeros(mean.shape)
    if frames is not None:
        for channel, law in enumerate(model.noise_models):
            signal = torch.from_numpy(mean[channel].astype(np.float64))
            variance[channel] = law.moments(signal)[1].numpy() / frames
    return _Pixels(mean, flat(std), flat(of_truth).astype(np.float32), variance)


def _in_parts(model: Model, image: Image, truth: Image, most: int) -> Sequence[tuple[Image, Image]]:
    """Cut an image that is too large for memory and its truth into parts of so many pixels."""
    if image.size <= IN_MEMORY:
        return [(image, truth)]
    sizes, of_truth = ({**one.sizes, "C": 1} for one in (image, truth))
    if sizes != of_truth:
        raise _no_truth(truth, image, len(model.statistics))
    space, (height, width) = "ZYX"[-model.settings.dimensions :], image.field_shape()
    pixels = most // (sizes.get("Z", 1) if "Z" in space else 1)
    positions = evenly(list(image.positions(space)), max(1, pixels // (height * width)))
    return [
        (image.crop(place), truth.crop(place))
        for position in positions
        for cut in _cuts(height, width, _PARTS, _PARTS, pixels // len(positions))
        for place in [{letter: slice(at, at + 1) for letter, at in position.items()} | cut]
    ]


def _no_truth(truth: Image, image: Image, channels: int) -> LadderscopeError:
    restored = counted(channels, "channel")
    return LadderscopeError(
        f"{truth.called} has the axes {truth.axes} and the shape {truth.shape}, and cannot be the "
        f"truth of {image.called} ({image.axes}, {image.shape}): the model restores {restored}. "
        f"Give a truth of the same size, with {restored}"
    )


def flat(values: np.ndarray) -> np.ndarray:
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
    count = min(MOST_IMAGES, len(images))
    chosen = [images[len(images) * (2 * number + 1) // (2 * count)] for number in range(count)]
    across, down = _GRIDS.get(count, (1, 1))
    crops = []
    for image in chosen:
        depth = image.sizes.get("Z", 1) if "Z" in space else 1
        pixels = MOST_LOOKED_AT // (count * image.channels * depth)
        middle = {
            letter: _around(0.5, size, 1)
            for letter, size in image.others.items()
            if letter not in space
        }
        height, width = image.field_shape()
        cuts = _cuts(height, width, across, down, pixels)
        crops += [image.crop(middle | cut) for cut in cuts]
    return crops


def _cuts(height: int, width: int, across: int, down: int, pixels: int) -> list[dict[str, slice]]:
    """Cut parts from all over a plane, together of so many pixels; none is cut from a small one."""
    if height * width <= pixels:
        return [{}]
    rows = min(height // down, math.isqrt(pixels // (across * down)))
    columns = min(width // across, pixels // (across * down * rows))
    return [
        {
            "Y": _around((row + 0.5) / down, height, rows),
            "X": _around((column + 0.5) / across, width, columns),
        }
        for row in range(down)
        for column in range(across)
    ]


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
