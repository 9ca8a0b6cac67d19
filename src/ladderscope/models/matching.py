"""Whether images are of the channels and the sampling that a model was trained on."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ladderscope.images import Image
from ladderscope.images.channels import channel_order, names_differ
from ladderscope.models.file import Model
from ladderscope.noise import NoiseModel

logger = logging.getLogger("ladderscope")

_SAME_TRAINING = 1.01  # up to this ratio, images of one training have one size
_SAME_PREDICTION = 1.1


class Sampling(NamedTuple):
    """How far apart the pixels and the slices of the training images are, in micrometres."""

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
        Takes what there is to say, and its level.
    dimensions
        2 or 3: the spacing of slices counts for three alone.

    Returns
    -------
    Sampling
        None for what no image tells, and for what differs.
    """
    size = _common("pixel size", [(image.name, image.pixel_size) for image in images], notice)
    spacings = [(image.name, _along_z(image.acquisition.slice_spacing)) for image in images]
    spacing = _common("slice spacing", spacings, notice) if dimensions == 3 else None
    return Sampling(
        None if size is None else (size[0], size[1]), None if spacing is None else spacing[0]
    )


def say_which_channels_differ(images: Sequence[Image], notice: Callable[[str, int], None]) -> None:
    """Warn where training images name other channels than the first of them.

    Parameters
    ----------
    images
        The training images.
    notice
        Takes what there is to say, and its level.
    """
    first = images[0]
    for image in images[1:]:
        if names_differ(image.channel_names, first.channel_names):
            notice(
                f"{first.name} names its channels {_listed(first.channel_names)}, and "
                f"{image.name} {_listed(image.channel_names)}; they are matched by their order. "
                "Check that they show the same structures",
                logging.WARNING,
            )
            return


def order_of_model(image: Image, model: Model) -> list[int] | None:
    """Say where in an image the model's channels are, where their order is another.

    Parameters
    ----------
    image
        An image with as many channels as the model.
    model
        What was trained.

    Returns
    -------
    list of int or None
        The image's channel for each of the model's; None where they are in the same order, or
        cannot be told by their names.
    """
    order = channel_order(image.channel_names, model.channel_names)
    return None if order is None or order == sorted(order) else order


def noise_of_channels(image: Image, model: Model) -> tuple[NoiseModel, ...]:
    """Give the model's noise models in the order of an image's channels.

    Parameters
    ----------
    image
        An image with as many channels as the model.
    model
        What was trained.

    Returns
    -------
    tuple of NoiseModel
        None where the model has none.
    """
    order = order_of_model(image, model)
    if order is None or not model.noise_models:
        return model.noise_models
    return tuple(model.noise_models[order.index(channel)] for channel in range(len(order)))


def warn_of_other_channels(image: Image, model: Model) -> None:
    """Warn where an image names other channels than the model, or the same in another order.

    Parameters
    ----------
    image
        An image with as many channels as the model.
    model
        What was trained.
    """
    names = _listed(image.channel_names), _listed(model.channel_names)
    if order_of_model(image, model) is not None:
        logger.warning(
            "%s: its channels are %s, and those of the model %s: they are matched by name, and "
            "restored in the order of the image",
            image.name,
            *names,
        )
    elif names_differ(image.channel_names, model.channel_names):
        logger.warning(
            "%s: its channels are %s, and those of the model %s: they are matched by their order. "
            "If they show other structures, train on images like this one",
            image.name,
            *names,
        )


def warn_of_other_sampling(image: Image, model: Model) -> None:
    """Warn where an image is sampled more finely or coarsely than what the model was trained on.

    Parameters
    ----------
    image
        The image that is to be restored.
    model
        What was trained; what it or the image does not know is not compared.
    """
    spacings = _along_z(image.acquisition.slice_spacing), _along_z(model.slice_spacing)
    for what, found, of_model in (
        ("pixel size", image.pixel_size, model.pixel_size),
        ("slice spacing", *spacings),
    ):
        if found and of_model and not _alike(found, of_model, _SAME_PREDICTION):
            logger.warning(
                "%s: its %s is %s, and that of the training images %s: structures look larger or "
                "smaller to the model. Rescale the image, or train on images like this one",
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
                f"the {what} of {first} is {_micrometres(of_first)}, and that of {name} "
                f"{_micrometres(size)}: a model learns structures of one size best. Rescale the "
                "images to one size, or train on each kind alone",
                logging.WARNING,
            )
            return None
    if len(having) < len(known):
        silent = next(name for name, size in known if size is None)
        notice(
            f"the {what} of {silent} is not known; that of {first} is {_micrometres(of_first)}, "
            "and is taken for that of all",
            logging.INFO,
        )
    return of_first


def _along_z(spacing: float | None) -> tuple[float] | None:
    return None if spacing is None else (spacing,)


def _alike(one: Iterable[float], other: Iterable[float], ratio: float) -> bool:
    return all(1 / ratio <= a / b <= ratio for a, b in zip(one, other, strict=True))


def _micrometres(size: Iterable[float]) -> str:
    return " × ".join(f"{length:.4g}" for length in size) + " µm"


def _listed(names: Sequence[str] | None) -> str:
    return ", ".join(names or ())
