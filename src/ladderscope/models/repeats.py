"""Frames that show the same scene, averaged before they are trained on or restored."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image
from ladderscope.images.averaging import average
from ladderscope.inspection import compare_along
from ladderscope.noise import NoiseModel
from ladderscope.noise.averages import averaged
from ladderscope.noise_estimation.choice import NoiseChoice
from ladderscope.words import some

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


def noise_of_average(
    models: Sequence[NoiseModel], choices: Sequence[NoiseChoice | None], frames: int
) -> tuple[list[NoiseModel], list[NoiseChoice | None]]:
    """Turn the noise of single frames into that of their average, and say so in the reasons."""
    of_average = [averaged(model, frames) for model in models]
    reasons = [f"The average of {frames} frames has: {one.summary()}" for one in of_average]
    chosen = [
        None if choice is None else replace(choice, reasons=(*choice.reasons, reason))
        for choice, reason in zip(choices, reasons, strict=True)
    ]
    return of_average, chosen
