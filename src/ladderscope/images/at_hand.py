"""Sets of images too large for memory: opened, checked, and left in their files."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ladderscope.images.check import check_worth
from ladderscope.images.image import Image
from ladderscope.images.memory import machine_memory
from ladderscope.images.read import read_image
from ladderscope.images.stored import StoredPixels, unchecked
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.mapped import part_of

MOST_IN_MEMORY = 2**30  # bytes
_SHARE = 8


def are_small(images: Sequence[Image]) -> bool:
    """Return whether all images together are small enough to be read into memory.

    Those that are still in files may take 1 GB, and at most an eighth of this machine's memory.

    Examples
    --------
    >>> are_small([Image(np.zeros((8, 8)), "YX", "a.tif")])
    True
    """
    taken = sum(image.size * image.dtype.itemsize for image in images if _is_in_a_file(image))
    return taken <= min(MOST_IN_MEMORY, (machine_memory() or math.inf) / _SHARE)


def at_hand(
    images: Sequence[Image], *, in_memory: bool, should_stop: ShouldStop | None = None
) -> list[Image]:
    """Read images into memory, or leave them in their files; those in memory stay there.

    Parameters
    ----------
    images
        As they were opened.
    in_memory
        Whether to read them.
    should_stop
        Called between two images; True ends the reading.

    Returns
    -------
    list of Image
        Worth restoring, as far as their first planes show. What is read later is checked then.

    Raises
    ------
    ImageError
        At the first image that cannot be used.
    StopRequested
        If `should_stop` returned True.

    Examples
    --------
    >>> [image] = at_hand([Image(np.eye(8), "YX", "a.tif")], in_memory=True)
    >>> image.shape
    (8, 8)
    """
    found: list[Image] = []
    for image in images:
        if found:
            stop_if(should_stop, "reading the images")
        stays = not in_memory and _is_in_a_file(image)
        found.append(_left(image) if stays else read_image(image))
    return found


def read_through(image: Image) -> Image:
    """Read all of an image once, plane by plane, to find damage before it matters.

    Raises
    ------
    ImageError
        It is damaged, holds NaN or infinity, or has nothing to restore.

    Examples
    --------
    >>> read_through(Image(np.eye(8), "YX", "a.tif")).name
    'a.tif'
    """
    for channel in range(image.channels):
        for _ in image.planes(channel):
            pass
    return _left(image)


def _is_in_a_file(image: Image) -> bool:
    pixels = unchecked(image.pixels)
    return isinstance(pixels, np.memmap) or not isinstance(pixels, np.ndarray)


def _left(image: Image) -> Image:
    """Check an image that stays in its file; what is mapped is read part by part."""
    check_worth(image)
    pixels = image.pixels
    if isinstance(pixels, np.memmap):
        stored = StoredPixels(pixels.shape, pixels.dtype, lambda key: part_of(pixels, key))
        return replace(image, pixels=stored)
    return image
