"""Arrays whose values lie in a memory-mapped file, read without keeping them in memory."""

import mmap
from typing import Any

import numpy as np

_FORGET = getattr(mmap, "MADV_DONTNEED", None)  # not on Windows


def part_of(array: Any, key: Any) -> Any:
    """Read a part of an array, in the memory of that part.

    What was touched of a mapped file counts as the process's memory as long as the mapping exists.
    So the part is copied, and the system told that the rest is not needed; it comes from the
    file again if it is. Copy-on-write mappings are left alone: their changes are in memory only.

    Parameters
    ----------
    array
        Anything that can be indexed: a `numpy.memmap`, a view of one, or whatever else.
    key
        The index.

    Returns
    -------
    Any
        ``array[key]``; a copy, if the array is mapped.

    Examples
    --------
    >>> part_of(np.arange(4), slice(1, 3))
    array([1, 2])
    """
    part = array[key]
    root = array
    while isinstance(root, np.ndarray) and isinstance(root.base, np.ndarray):
        root = root.base
    mapped = isinstance(root, np.memmap) and isinstance(root.base, mmap.mmap)
    if not mapped or root.mode == "c" or _FORGET is None:
        return part
    part = np.array(part)
    root.base.madvise(_FORGET)
    return part
