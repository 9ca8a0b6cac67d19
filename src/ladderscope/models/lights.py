"""The checks of a restoration, from the fields of an image and what the model knows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float32

from ladderscope.data import MixedBatch
from ladderscope.evaluation.checks import (
    Appearance,
    Check,
    Known,
    RestoredPlane,
    appearance,
    restoration_checks,
    split_checks,
    without_padding,
)
from ladderscope.images import Image, numbered_channels
from ladderscope.images.stored import Pixels
from ladderscope.models.file import Mixture, Model
from ladderscope.noise_estimation.sources import evenly, planes_of

_MOST_PLANES = 64

_LARGE = 2**22  # pixels of a plane that is looked at in blocks,
_BLOCK = 1024  # of so many rows and columns


def appearances(images: Sequence[Image]) -> tuple[Appearance, ...]:
    """Describe the training images of every channel, by at most 64 of their planes.

    Parameters
    ----------
    images
        As they are trained on; all have the same channels.
    """
    places = evenly(planes_of(images), _MOST_PLANES)
    return tuple(
        appearance(
            without_padding(image.plane(position, channel), image.padding_of(position, channel))
            for image, position in places
        )
        for channel in range(images[0].channels)
    )


def appearance_of_mixed(images: Sequence[Image] | None, patches: MixedBatch) -> Appearance:
    """Describe mixed training images, or patches of them where they are sums."""
    if images is not None:
        return appearances(images)[0]
    observation = patches.observation[:, 0].cpu().numpy()
    return appearance(observation.reshape(-1, *observation.shape[-2:]))


def denoised_checks(
    image: Image,
    mean: Pixels,
    model: Model,
    channels: Sequence[int],
    space: str,
) -> tuple[Check, ...]:
    """Check the restoration of every channel.

    Parameters
    ----------
    image
        What was restored; its padding is marked.
    mean
        Its restored fields, of shape (fields, channels, [Z], Y, X), with the channels of the model.
    model
        The model.
    channels
        The channel of the image for each channel of the model.
    space
        What a field extends over.
    """
    names = model.channel_names or numbered_channels(len(channels))
    found: list[Check] = []
    count = image.field_count() * len(_blocks(image.field_shape()))
    for number, channel in enumerate(channels):
        known = Known(
            model.statistics[number],
            model.noise_models[number] if model.noise_models else None,
            model.appearances[number] if model.appearances else None,
        )
        restored = partial(_restored_channel, mean, number)
        checks = restoration_checks(_planes(image, restored, channel, space), count, known)
        if len(channels) > 1:
            checks = tuple(replace(one, reason=f"{names[number]}: {one.reason}") for one in checks)
        found += checks
    return tuple(found)


def mixed_checks(
    image: Image, mean: Pixels, model: Model, mixture: Mixture, space: str
) -> tuple[Check, ...]:
    """Check the sum of the channels of a split, and the likeness of the mixed image."""

    def restored(number: int, region: tuple[int | slice, ...]) -> Float32[np.ndarray, "Y X"]:
        return mixture.mixing.mixed(np.asarray(mean[number, :, *region]))

    count = image.field_count() * len(_blocks(image.field_shape()))
    known = Known(mixture.statistics, None, model.appearances[0] if model.appearances else None)
    return split_checks(_planes(image, restored, 0, space), count, known)


def _restored_channel(
    mean: Pixels, channel: int, number: int, region: tuple[int | slice, ...]
) -> Float32[np.ndarray, "Y X"]:
    return np.asarray(mean[number, channel, *region])


def _planes(
    image: Image,
    restored: Callable[[int, tuple[int | slice, ...]], Float32[np.ndarray, "Y X"]],
    channel: int,
    space: str,
) -> Iterator[RestoredPlane]:
    """Read planes one after the other, with what they became; large ones block by block."""
    size, plane = image.field_shape(space), -1
    for number, position in enumerate(image.positions(space)):
        for at in np.ndindex(size[:-2]):
            plane += 1
            for block in _blocks(size[-2:]):
                within = (*(slice(one, one + 1) for one in at), *block)
                observed = image.field(position, channel, space, within)
                padding = image.padding_of(position, channel, space, within)
                flat = (0,) * len(at)
                yield RestoredPlane(
                    observed[flat],
                    restored(number, (*at, *block)),
                    None if padding is None else padding[flat],
                    (plane, block[0].start, block[1].start),
                )


def _blocks(size: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Cut a plane into blocks: one, unless the plane is large."""
    height, width = size
    if height * width <= _LARGE:
        return [(slice(0, height), slice(0, width))]
    rows, columns = (
        [slice(first, min(first + _BLOCK, side)) for first in range(0, side, _BLOCK)]
        for side in (height, width)
    )
    return [(row, column) for row in rows for column in columns]
