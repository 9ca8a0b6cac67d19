"""The checks of a restoration, from the fields of an image and what the model knows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

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
from ladderscope.models.file import Mixture, Model
from ladderscope.noise_estimation.sources import evenly, planes_of

_MOST_PLANES = 64


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
    mean: Float32[np.ndarray, "fields channels *space"],
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
        Its restored fields, with the channels of the model.
    model
        The model.
    channels
        The channel of the image for each channel of the model.
    space
        What a field extends over.
    """
    names = model.channel_names or numbered_channels(len(channels))
    found: list[Check] = []
    for number, channel in enumerate(channels):
        known = Known(
            model.statistics[number],
            model.noise_models[number] if model.noise_models else None,
            model.appearances[number] if model.appearances else None,
        )
        planes = _planes(image, mean[:, number], channel, space)
        checks = restoration_checks(planes, image.field_count(), known)
        if len(channels) > 1:
            checks = tuple(replace(one, reason=f"{names[number]}: {one.reason}") for one in checks)
        found += checks
    return tuple(found)


def mixed_checks(
    image: Image,
    mean: Float32[np.ndarray, "fields channels *space"],
    model: Model,
    mixture: Mixture,
    space: str,
) -> tuple[Check, ...]:
    """Check the sum of the channels of a split, and the likeness of the mixed image."""
    sums = np.stack([mixture.mixing.mixed(field) for field in mean])
    known = Known(mixture.statistics, None, model.appearances[0] if model.appearances else None)
    return split_checks(_planes(image, sums, 0, space), image.field_count(), known)


def _planes(
    image: Image, restored: Float32[np.ndarray, "fields *space"], channel: int, space: str
) -> Iterator[RestoredPlane]:
    """Read planes one after the other, with what they became."""
    for number, position in enumerate(image.positions(space)):
        observed = image.field(position, channel, space)
        padding = image.padding_of(position, channel, space)
        for at in np.ndindex(observed.shape[:-2]):
            yield RestoredPlane(
                observed[at], restored[number][at], None if padding is None else padding[at]
            )
