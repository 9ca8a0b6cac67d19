"""Frames that show the same scene, averaged before they are trained on or restored."""

import logging
from collections.abc import Callable, Sequence

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image
from ladderscope.images.averaging import average
from ladderscope.inspection import compare_along
from ladderscope.words import counted, some

logger = logging.getLogger("ladderscope")

_NAMED = 3


def averaged_image(image: Image, letter: str, warn: Callable[[str], None]) -> Image:
    """Average the frames of an image that show the same scene; warn where they differ slightly.

    Raises
    ------
    LadderscopeError
        They show different scenes.
    """
    for found in compare_along(image, letter):
        text = f"{image.name}: the frames along {letter} differ: {found.difference}"
        if found.is_other:
            raise LadderscopeError(
                f"{text}. Leave out repeats (--repeats), so that each frame is restored by itself, "
                "or leave out the frames that differ"
            )
        if found.difference:
            warn(f"{text}. What changes from frame to frame is blurred in their average")
    return average(image, letter)


def frames_in(images: Sequence[Image], letter: str) -> int:
    """Return the number of frames along an axis, which all images have.

    Raises
    ------
    LadderscopeError
        An image lacks the axis, has one frame only, or has another number of frames.
    """
    first = images[0]
    frames = first.sizes.get(letter, 1)
    if frames < 2:
        raise LadderscopeError(
            f"{first.name} has the axes {first.axes} and the shape {first.shape}: repeats need an "
            f"axis {letter} with two or more frames"
        )
    if others := [one.name for one in images if one.sizes.get(letter, 1) != frames]:
        raise LadderscopeError(
            f"{first.name} has {frames} frames along {letter}, but {some(others, _NAMED)} another "
            "number: the averages would differ in their noise. Train one model for each number"
        )
    return frames


def check_axis(image: Image, letter: str, trained: int | None) -> None:
    """Refuse an image without the axis along which the frames lie.

    Raises
    ------
    LadderscopeError
        It lacks the axis, and is not an average of frames.
    """
    if letter not in image.axes and image.frames == 1:
        frames = "several frames" if trained is None else counted(trained, "frame")
        raise LadderscopeError(
            f"{image.name} has the axes {image.axes}, without {letter}, but the model was trained "
            f"on averages of {frames} along {letter}, which have less noise than one frame. Give "
            f"{frames} of the scene along {letter}, or train a model without repeats (--repeats). "
            "In Python, an average that you made is Image(pixels, axes, name, frames=...)"
        )


def warn_of_other_frames(image: Image, trained: int | None) -> None:
    """Warn if an image is the average of another number of frames than the training images."""
    if trained is None or image.frames == trained:
        return
    logger.warning(
        "%s: found %s, but the model was trained on averages of %s: the variance of the noise is "
        "%.3g times that of the training images. The restoration may be wrong; give %s, or train "
        "a model on images like this one",
        image.name,
        counted(image.frames, "frame"),
        counted(trained, "frame"),
        trained / image.frames,
        counted(trained, "frame"),
    )
