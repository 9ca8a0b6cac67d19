"""How much memory an image takes, and whether the machine and the file have as much."""

import os
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ladderscope.images.errors import ImageError
from ladderscope.words import data_size

# deflate packs blank pixels a thousand times; nothing that is worth restoring comes near
BEST_COMPRESSION = 1100
SMALL = 64 * 2**20


def check_fits(shape: Sequence[int], dtype: np.dtype[Any], called: str) -> None:
    """Refuse an image that is larger than the memory of this machine.

    Parameters
    ----------
    shape, dtype
        Those of the image.
    called
        What to call it in an error.

    Raises
    ------
    ImageError
        With the memory that it takes.

    Examples
    --------
    >>> check_fits((64, 64), np.dtype(np.uint16), "a.tif")
    """
    memory = machine_memory()
    if memory is not None and prod(shape) * dtype.itemsize > memory:
        raise too_large(shape, dtype, called)


def too_large(shape: Sequence[int], dtype: np.dtype[Any], called: str) -> ImageError:
    """Make the error for an image that does not fit into memory.

    Parameters
    ----------
    shape, dtype, called
        As `check_fits` takes them.
    """
    memory = machine_memory()
    has = "" if memory is None else f", of which this machine has {data_size(memory)}"
    takes = data_size(prod(shape) * np.dtype(dtype).itemsize)
    return ImageError(
        f"{called}: its pixels, of shape {tuple(shape)} and type {dtype}, take {takes} of memory"
        f"{has}, and not enough is free; crop the image, or save it in parts with fewer planes."
    )


def check_allocates(shape: Sequence[int]) -> None:
    """Refuse an array of 32-bit floats that is larger than the memory of this machine.

    Systems that promise more memory than they have would end the process later.

    Raises
    ------
    MemoryError
        As NumPy raises it.

    Examples
    --------
    >>> check_allocates((64, 64))
    """
    memory, size = machine_memory(), prod(shape) * 4
    if memory is not None and size > memory:
        raise MemoryError(f"unable to allocate {size} bytes")


def machine_memory() -> int | None:
    """Give the bytes of memory that this machine has; None if it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows does not say
        return None
