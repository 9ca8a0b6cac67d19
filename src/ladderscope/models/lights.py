"""The checks of a restoration, from the fields of an image and what the model knows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float32

from ladderscope.data import MixedBatch
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation import Borders, seams
from ladderscope.evaluation.checks import (
    Appearance,
    Check,
    Known,
    RestoredPlane,
    appearance,
    check_borders,
    restoration_checks,
    split_checks,
    without_padding,
)
from ladderscope.images import Image, numbered_channels
from ladderscope.images.large import blocks
from ladderscope.images.stored import Pixels
from ladderscope.models.building import tile_borders
from ladderscope.models.file import Mixture, Model
from ladderscope.noise_estimation.sources import evenly, planes_of

_MOST_PLANES = 64

_BORDERED, _BORDERED_PLANES = 2048, 4  # rows and columns, and planes, seen for borders of tiles
_FEWEST_BORDERS = 3  # fewer cannot differ from the lines nearby beyond chance


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
    count = image.field_count() * len(blocks(image.field_shape()))
    for number, channel in enumerate(channels):
        known = Known(
            model.statistics[number],
            model.noise_models[number] if model.noise_models else None,
            model.appearances[number] if model.appearances else None,
        )
        restored = partial(_restored_channel, mean, number)
        checks = (
            *restoration_checks(_planes(image, restored, channel, space), count, known),
            *_borders(mean, number, model),
        )
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

    count = image.field_count() * len(blocks(image.field_shape()))
    known = Known(mixture.statistics, None, model.appearances[0] if model.appearances else None)
    names = model.channel_names or numbered_channels(mean.shape[1])
    return (
        *split_checks(_planes(image, restored, 0, space), count, known),
        *(
            replace(check, reason=f"{name}: {check.reason}")
            for number, name in enumerate(names)
            for check in _borders(mean, number, model)
        ),
    )


def _borders(mean: Pixels, channel: int, model: Model) -> tuple[Check, ...]:
    """Look for the borders of tiles in a few planes, or in the middle of large ones."""
    sides = mean.shape[-2:]
    known = tile_borders(model, (sides[0], sides[1]))
    first = [max(0, (side - _BORDERED) // 2) for side in sides]
    rows, columns = (
        tuple(at - start for at in starts if 0 < at - start < side - 2 * start)
        for starts, start, side in zip((known.rows, known.columns), first, sides, strict=True)
    )
    if len(rows) + len(columns) < _FEWEST_BORDERS:
        return ()
    middle = [slice(start, side - start) for start, side in zip(first, sides, strict=True)]
    places = evenly(list(np.ndindex(mean.shape[0], *mean.shape[2:-2])), _BORDERED_PLANES)
    planes = np.stack([np.asarray(mean[number, channel, *at, *middle]) for number, *at in places])
    try:
        found = seams(planes, Borders(rows, columns, known.grid))
    except LadderscopeError:  # nothing to compare: all planes are flat there
        return ()
    contrast = float(np.sqrt(planes.var(axis=(-2, -1), dtype=np.float64).mean()))
    return (check_borders(found, contrast),)


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
            for block in blocks(size[-2:]):
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
