"""Levels of half the height and width, each the mean of the one above it."""

from typing import Any

import numpy as np
from jaxtyping import Shaped

from ladderscope.images.casting import cast_to
from ladderscope.images.output import part
from ladderscope.images.stored import Pixels

_SMALLEST = 256  # pixels; a plane that fits into a square of these needs no smaller level


def level_planes(plane: tuple[int, int]) -> list[tuple[int, int]]:
    """List the heights and widths of all levels, the finest first.

    Parameters
    ----------
    plane
        Those of the image.

    Examples
    --------
    >>> level_planes((1000, 501))
    [(1000, 501), (500, 251), (250, 126)]
    """
    planes = [plane]
    while max(planes[-1]) > _SMALLEST:
        height, width = planes[-1]
        planes.append((-(-height // 2), -(-width // 2)))
    return planes


def scale_of(level: int, length: int) -> int:
    """Say how many pixels of the image a pixel of a level is high or wide.

    Parameters
    ----------
    level
        Which level, from 0.
    length
        The height or the width of the image: a length of one pixel is not halved.

    Examples
    --------
    >>> scale_of(3, 1000), scale_of(3, 3), scale_of(3, 1)
    (8, 4, 1)
    """
    return int(min(2**level, 2 ** (length - 1).bit_length()))


def part_of_half(
    finer: Pixels, key: tuple[int | slice, ...], dtype: np.dtype[Any]
) -> Shaped[np.ndarray, "y x"]:
    """Compute a part of one plane of a level from the one above it, as means of 2×2 pixels.

    At an odd end, it is the mean of the pixels that there are.

    Parameters
    ----------
    finer
        The level above.
    key
        Which plane, as integers, and which of its rows and columns, as slices with ends.
    dtype
        Of the level. Integers are rounded, halves to even numbers.

    Examples
    --------
    >>> finer = np.arange(15.0).reshape(3, 5)
    >>> part_of_half(finer, (slice(0, 2), slice(0, 3)), finer.dtype)
    array([[ 3. ,  5. ,  6.5],
           [10.5, 12.5, 14. ]])
    """
    *plane, rows, columns = key
    wide = [
        slice(2 * one.start, min(2 * one.stop, length))
        for one, length in zip((rows, columns), finer.shape[-2:], strict=True)
        if isinstance(one, slice)
    ]
    values = part(finer, (*plane, *wide)).astype(np.float64)
    for axis in (0, 1):
        values = _halved(values.swapaxes(0, axis)).swapaxes(0, axis)
    return cast_to(values, dtype) if dtype.kind in "iu" else values.astype(dtype)


def _halved(values: Shaped[np.ndarray, "y x"]) -> Shaped[np.ndarray, "h x"]:
    halved = values[::2] / 2
    pairs = len(values) // 2
    halved[:pairs] += values[1::2] / 2
    halved[pairs:] = values[2 * pairs :]
    return halved
