"""Images of one shape as one image."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.stored import Key, Pixels, Read, made_of
from ladderscope.mapped import part_of


def joined(images: Sequence[Image], letter: str) -> Image:
    """Stack images of one shape along a new first axis; nothing is read for that.

    Parameters
    ----------
    images
        At least one image; all with the same axes and the same shape.
    letter
        The new axis.

    Raises
    ------
    ImageError
        If one has another shape than the first, naming both.

    Examples
    --------
    >>> frames = [Image(np.full((8, 9), number), "YX", f"{number}.tif") for number in range(3)]
    >>> joined(frames, "T").plane({"T": 2}).max()
    np.int64(2)
    """
    first = images[0]
    for image in images:
        if (image.axes, image.shape) != (first.axes, first.shape):
            raise ImageError(
                f"{image.name} has the shape {image.shape} ({image.axes}) and {first.name} "
                f"{first.shape} ({first.axes}); give images of one shape."
            )

    def reader(of: Sequence[Pixels]) -> Read:
        def read(key: Key) -> Any:
            if isinstance(key[0], int):
                return part_of(of[key[0]], key[1:])
            return np.stack([part_of(pixels, key[1:]) for pixels in of[key[0]]])

        return read

    dtype = np.result_type(*(image.dtype for image in images))
    pixels = made_of([image.pixels for image in images], (len(images), *first.shape), dtype, reader)
    axes = letter + first.axes
    return replace(first, pixels=pixels, axes=axes, path=None, padding=None, checked=None)
