"""Pixels of one type as those of another."""

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from jaxtyping import Shaped
from numpy.typing import DTypeLike

from ladderscope.images.errors import ImageError
from ladderscope.images.stored import Pixels, Read, made_of


@overload
def cast_to(pixels: Shaped[np.ndarray, "..."], dtype: DTypeLike) -> Shaped[np.ndarray, "..."]: ...
@overload
def cast_to(pixels: Pixels, dtype: DTypeLike) -> Pixels: ...
def cast_to(pixels: Pixels, dtype: DTypeLike) -> Pixels:
    """Convert pixels to another type: clipped to its range, and rounded if it is one of integers.

    Parameters
    ----------
    pixels
        Real numbers of any type and shape. Stored pixels stay stored: they are converted part by
        part, when they are read.
    dtype
        The type wanted, for example that of the image that was restored.

    Returns
    -------
    array or stored pixels of the same shape
        Of type `dtype`. Halves are rounded to even numbers.

    Raises
    ------
    ImageError
        If NaN would have to become an integer, at once or when it is read, or `dtype` is not a
        type of real numbers.

    Examples
    --------
    >>> cast_to(np.array([-3.0, 1.6, 300.0]), np.uint8)
    array([  0,   2, 255], dtype=uint8)
    """
    target = np.dtype(dtype)
    if target.kind not in "fiu":
        raise ImageError(
            f"pixels cannot be converted to {target}; give a type of integers or floats."
        )
    if isinstance(pixels, np.ndarray):
        return _cast(pixels, target)

    def reader(of: Sequence[Pixels]) -> Read:
        return lambda key: _cast(np.asarray(of[0][key]), target)

    return made_of([pixels], pixels.shape, target, reader)


def _cast(pixels: Shaped[np.ndarray, "..."], target: np.dtype[Any]) -> Shaped[np.ndarray, "..."]:
    if target.kind == "f":
        limit = np.finfo(target).max
        fits = np.can_cast(pixels.dtype, target)
        return (pixels if fits else pixels.clip(-limit, limit)).astype(target, copy=False)
    info = np.iinfo(target)
    if pixels.dtype.kind in "iu":
        own = np.iinfo(pixels.dtype)
        clipped = pixels.clip(max(info.min, own.min), min(info.max, own.max))
        return clipped.astype(target, copy=False)
    if np.isnan(pixels).any():
        raise ImageError(f"pixels that are NaN cannot be converted to {target}.")
    # a float32 cannot hold the largest integer of 32 bits, nor a float64 that of 64
    working = pixels.astype(np.float64 if target.itemsize > 2 else np.result_type(pixels, "f4"))
    highest = float(info.max) if target.itemsize < 8 else math.nextafter(float(info.max), 0)
    np.rint(working, out=working)
    return working.clip(float(info.min), highest, out=working).astype(target)
