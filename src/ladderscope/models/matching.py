"""Checks of the channels and the sampling of images against those that a model was trained on."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from ladderscope.images import Image
from ladderscope.images.channels import channel_order, names_differ
from ladderscope.models.file import Model
from ladderscope.words import listed

logger = logging.getLogger("ladderscope")
T = TypeVar("T")

_SAME_TRAINING = 1.01  # up to this ratio, images of one training have one size
_SAME_PREDICTION = 1.1


class Sampling(NamedTuple):
    """Pixel size (Y, X) and slice spacing of the training images, in micrometres."""

    pixel_size: tuple[float, float] | None
    slice_spacing: float | None


def common_sampling(
    images: Sequence[Image], notice: Callable[[str, int], None], dimensions: int
) -> Sampling:
    """Find the pixel size and the slice spacing of training images; warn where they differ.

    Parameters
    ----------
    images
        The training images.
    notice
        Takes a message and its level.
    dimensions
        2 or 3; only 3 needs the slice spacing.

    Returns
    -------
    Sampling
        None if it is unknown, or differs between the images.
    """
    size = _common("pixel size", [(image.name, image.pixel_size) for image in images], notice)
    spacings = [(image.name, _along_z(image.acquisition.slice_spacing)) for image in images]
    spacing = _common("slice spacing", spacings, notice) if dimensions == 3 else None
    return Sampling(
        None if size is None else (size[0], size[1]), None if spacing is None else spacing[0]
    )


def say_which_channels_differ(images: Sequence[Image], notice: Callable[[str, int], None]) -> None:
    """Warn if the channel names of training images differ from those of the first image.

    Parameters
    ----------
    images
        The training images.
    notice
        Takes a message and its level.
    """
    first = images[0]
    for image in images[1:]:
        if names_differ(image.channel_names, first.channel_names):
            notice(
                f"{first.name} has the channels {listed(first.channel_names or ())}, but "
                f"{image.name} has {listed(image.channel_names or ())}; they are matched by order. "
                "Check that they show the same structures",
                logging.WARNING,
            )
            return


def order_of_model(image: Image, model: Model) -> list[int] | None:
    """Find the model's channels in an image that has them in another order.

    Parameters
    ----------
    image
        An image with as many channels as the model.
    model
        The trained model.

    Returns
    -------
    list of int or None
        The image's channel for each of the model's; None if they are in the same order, or their
        names do not identify them.
    """
    order = channel_order(image.channel_names, model.channel_names)
    return None if order is None or order == sorted(order) else order


def in_order_of_image(known: tuple[T, ...], image: Image, model: Model) -> tuple[T, ...]:
    """Put what a model knows of its channels into the order of an image's channels.

    Parameters
    ----------
    known
        One per channel of the model, such as its noise models; or empty.
    image
        An image with as many channels as the model.
    model
        The trained model.

    Returns
    -------
    tuple
        Empty if `known` is.
    """
    order = order_of_model(image, model)
    if order is None or not known:
        return known
    return tuple(known[order.index(channel)] for channel in range(len(order)))


def warn_of_other_channels(image: Image, model: Model) -> None:
    """Warn if the channels of an image differ from the model's, or are in another order.

    Parameters
    ----------
    image
        An image with as many channels as the model.
    model
        The trained model.
    """
    names = listed(image.channel_names or ()), listed(model.channel_names or ())
    if order_of_model(image, model) is not None:
        logger.warning(
            "%s: the image has the channels %s, but the model has %s: they are matched by name, "
            "and restored in the order of the image",
            image.name,
            *names,
        )
    elif names_differ(image.channel_names, model.channel_names):
        logger.warning(
            "%s: the image has the channels %s, but the model has %s: they are matched by order. "
            "If they show other structures, train on images like this one",
            image.name,
            *names,
        )


def warn_of_other_sampling(image: Image, model: Model) -> None:
    """Warn if an image is sampled more finely or coarsely than the training images.

    Parameters
    ----------
    image
        The image that is to be restored.
    model
        The trained model. A size that it or the image lacks is not compared.
    """
    spacings = _along_z(image.acquisition.slice_spacing), _along_z(model.slice_spacing)
    for what, found, of_model in (
        ("pixel size", image.pixel_size, model.pixel_size),
        ("slice spacing", *spacings),
    ):
        if found and of_model and not _alike(found, of_model, _SAME_PREDICTION):
            logger.warning(
                "%s: the image has the %s %s, but the training images have %s: structures appear "
                "larger or smaller to the model. Rescale the image, or train on images like this "
                "one",
                image.name,
                what,
                _micrometres(found),
                _micrometres(of_model),
            )


def _common(
    what: str,
    known: Sequence[tuple[str, tuple[float, ...] | None]],
    notice: Callable[[str, int], None],
) -> tuple[float, ...] | None:
    having = [(name, size) for name, size in known if size is not None]
    if not having:
        return None
    (first, of_first), *others = having
    for name, size in others:
        if not _alike(size, of_first, _SAME_TRAINING):
            notice(
                f"{first} has the {what} {_micrometres(of_first)}, but {name} has "
                f"{_micrometres(size)}: a model learns structures of one size best. Rescale the "
                "images to one size, or train one model per size",
                logging.WARNING,
            )
            return None
    if len(having) < len(known):
        silent = next(name for name, size in known if size is None)
        notice(
            f"the {what} of {silent} is unknown; {_micrometres(of_first)}, as in {first}, is "
            "assumed for all images",
            logging.INFO,
        )
    return of_first


def _along_z(spacing: float | None) -> tuple[float] | None:
    return None if spacing is None else (spacing,)


def _alike(one: Iterable[float], other: Iterable[float], ratio: float) -> bool:
    return all(1 / ratio <= a / b <= ratio for a, b in zip(one, other, strict=True))


def _micrometres(size: Iterable[float]) -> str:
    return " × ".join(f"{length:.4g}" for length in size) + " µm"
