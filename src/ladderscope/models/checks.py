"""Whether images suit a model: their depth, their size, their intensities."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ladderscope.data import Intensities
from ladderscope.errors import LadderscopeError
from ladderscope.files import expanded
from ladderscope.images import Image, Sources, Statistics, is_one_image
from ladderscope.images.artefacts import Artefacts, outliers_of
from ladderscope.inspection import look_before_restoring
from ladderscope.models.config import RestorerSettings
from ladderscope.models.file import Model
from ladderscope.models.matching import warn_of_other_sampling
from ladderscope.words import percent

logger = logging.getLogger("ladderscope")

FAR_IN_DEVIATIONS = 3.0
_FEW = 0.01  # of the pixels may lie outside the intensities of training


def check_depth(images: Sequence[Image], dimensions: int, notice: Callable[[str], None]) -> None:
    """Refuse single planes where stacks are needed; report once if a 2-D model gets stacks.

    Raises
    ------
    LadderscopeError
        The model has three dimensions, and an image has no stack of planes.
    """
    depths = [image.sizes.get("Z", 1) for image in images]
    if dimensions == 2:
        if max(depths) > 1:
            first = depths.index(max(depths))
            notice(
                f"{images[first].name}: its {depths[first]} Z planes are restored one by one; "
                "a 2-D model does not use neighbouring planes"
            )
    elif min(depths) < 2:
        image = images[depths.index(min(depths))]
        raise LadderscopeError(
            f"{image.name} has the axes {image.axes} and the shape {image.shape}: a 3-D model "
            "needs stacks of at least 2 Z planes; for single planes use dimensions=2"
        )


def look_at(
    image: Image, model: Model, check: Callable[[Image], None], large: Image | None = None
) -> None:
    """Check an image before it is restored, and warn where it differs from the training images.

    Parameters
    ----------
    image
        Its padding is known.
    model
        The model that will restore it.
    check
        A further check for this kind of model; gets the image without hot and dead pixels, if it
        is not large.
    large
        All of a large image, of which `image` is a small view.
    """
    artefacts = Artefacts(image.padding, outliers_of(image) if large is None else None)
    for finding in look_before_restoring(image, artefacts, large):
        level = logging.WARNING if finding.is_warning else logging.INFO
        about = {"kind": finding.kind, "image": finding.image}
        logger.log(level, "%s", finding.text, extra=about)
    check_depth([image], model.settings.dimensions, logger.info)
    check(replace(image, padding=artefacts.mask))
    warn_of_other_sampling(image, model)
    _warn_if_mostly_reflected(image, model.settings)


def _warn_if_mostly_reflected(image: Image, settings: RestorerSettings) -> None:
    widest = settings.widest_view(settings.patch)
    shorter = min(image.field_shape())
    if settings.context > 1 and widest > 2 * shorter:
        logger.warning(
            "%s is %d pixels on its shorter side, and the model's widest view is %d pixels: "
            "most of that view is reflection here; give larger images",
            image.name,
            shorter,
            widest,
        )


def warn_if_far(
    found: Statistics,
    trained: Statistics,
    name: str,
    like: str,
    advice: str,
    *,
    flatter: float = 1.0,
) -> bool:
    """Warn if an image is far from what a model was trained on, and by how much.

    Parameters
    ----------
    found, trained
        Those of the image, and of the training images.
    name, like
        Names for both.
    advice
        What may be wrong, and what to do.
    flatter
        The standard deviation of an image like those of training, as a fraction of theirs: patches
        with little background vary more than whole images do.

    Returns
    -------
    bool
        Whether it is far.
    """
    shift = abs(found.mean - trained.mean) / trained.std
    ratio = found.std / trained.std
    least = flatter / FAR_IN_DEVIATIONS
    if found.std == 0:  # blank: returned as it is
        return False
    far = shift > FAR_IN_DEVIATIONS or not least < ratio < FAR_IN_DEVIATIONS
    if far:
        logger.warning(
            "%s: mean %.4g and standard deviation %.4g are far from those of %s (%.4g and %.4g): "
            "the mean differs by %.1f training standard deviations; the standard deviation is "
            "%.2g times the training value. %s",
            name,
            found.mean,
            found.std,
            like,
            trained.mean,
            trained.std,
            shift,
            ratio,
            advice,
        )
    return far


def warn_if_beyond(image: Image, intensities: Intensities, deviation: float, advice: str) -> None:
    """Warn where many pixels lie outside of nearly all that trained, and say by how much."""
    count, furthest = 0, 0.0
    for plane in image.planes():
        pixels = plane.astype(np.float32)
        beyond = np.maximum(intensities.dark - pixels, pixels - intensities.bright) / deviation
        count += int(np.count_nonzero(beyond > 1))
        furthest = max(furthest, float(beyond.max()))
    fraction = count / image.size
    if fraction > _FEW:
        logger.warning(
            "%s: %s of its pixels are more than one standard deviation (%.4g) outside the "
            "intensities of the mixed training images (%.4g to %.4g), by up to %.1f "
            "standard deviations. %s",
            image.name,
            percent(fraction),
            deviation,
            *intensities,
            furthest,
            advice,
        )


def several(images: Sources) -> bool:
    """Distinguish a list, pattern or folder, with any number of images, from one image."""
    if isinstance(images, str | os.PathLike):
        path = expanded(images)
        return not is_one_image(path)
    return not (isinstance(images, Image) or hasattr(images, "shape"))
