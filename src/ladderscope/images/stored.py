"""The values of a file, read from it part by part as they are asked for."""

import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tifffile
from jaxtyping import Shaped

from ladderscope.images.chain import damaged
from ladderscope.images.tiff import tiff_errors_in_words

Key: TypeAlias = tuple[int | slice, ...]


def native(pixels: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """Give pixels the machine's own byte order: ImageJ's are big-endian, which torch cannot take.

    Parameters
    ----------
    pixels
        Values of any type; they are copied only if they have to be.

    Examples
    --------
    >>> native(np.zeros(3, ">u2")).dtype.isnative
    True
    """
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


class StoredPixels:
    """The values of a file, read from it where they are asked for and never kept.

    Parameters
    ----------
    shape, dtype
        Those of the whole.
    read
        Gives the values at one integer or slice for each dimension.

    Examples
    --------
    >>> squares = np.arange(12).reshape(3, 4) ** 2
    >>> stored = StoredPixels(squares.shape, squares.dtype, squares.__getitem__)
    >>> stored[-1, 1:3]
    array([ 81, 100])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        read: Callable[[Key], Shaped[np.ndarray, "..."]],
    ) -> None:
        self.shape = shape
        self.dtype = dtype.newbyteorder("=")
        self._read = read

    def __getitem__(self, key: Any) -> Shaped[np.ndarray, "..."]:
        """Read a part: integers, slices and one ellipsis are understood, as by NumPy."""
        return native(np.asarray(self._read(_complete(key, self.shape))))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Shaped[np.ndarray, "..."]:
        """Read the whole."""
        return np.asarray(self[...], dtype=dtype)


def part_reader(
    series: tifffile.TiffPageSeries, path: Path
) -> Callable[[Key], Shaped[np.ndarray, "..."]]:
    """Choose how parts of a series are read: from where they lie, or page by page.

    Parameters
    ----------
    series, path
        The image in an open TIFF, and the file.

    Returns
    -------
    callable
        For `StoredPixels`. It opens the file for as long as it reads.

    Raises
    ------
    ImageError
        If the pages do not fill the shape; when called, if a page cannot be decoded.
    """
    offset = series.dataoffset
    if offset is None or series.is_multifile or not series.keyframe.is_memmappable:
        read = _page_reader(series, path)
    else:
        read = _mapped_reader(series, path, offset)

    def read_part(key: Key) -> Shaped[np.ndarray, "..."]:
        with tiff_errors_in_words(path):
            return read(key)

    return read_part


def _mapped_reader(
    series: tifffile.TiffPageSeries, path: Path, offset: int
) -> Callable[[Key], Shaped[np.ndarray, "..."]]:
    dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
    shape = tuple(series.shape)

    def read(key: Key) -> Shaped[np.ndarray, "..."]:
        # mapped anew each time: a mapping that stays counts all it ever showed as memory in use
        return np.array(np.memmap(path, dtype, "r", offset, shape)[key])

    return read


def _page_reader(
    series: tifffile.TiffPageSeries, path: Path
) -> Callable[[Key], Shaped[np.ndarray, "..."]]:
    pages, shape, size = list(series), tuple(series.shape), math.prod(series.keyframe.shape)
    split = next((at for at in range(len(shape)) if math.prod(shape[at:]) == size), len(shape))
    outer, inner = shape[:split], shape[split:]
    if math.prod(outer) != len(pages):
        raise damaged(path, f"shape {shape} announced, {len(pages)} planes of {inner} found")

    def read(key: Key) -> Shaped[np.ndarray, "..."]:
        numbers = np.arange(len(pages)).reshape(outer)[key[:split]]
        within = np.broadcast_to(np.empty((), series.dtype), inner)[key[split:]].shape
        values = np.empty((numbers.size, *within), series.dtype)
        for place, number in enumerate(numbers.flat):
            values[place] = _page(pages[number]).reshape(inner)[key[split:]]
        return values.reshape((*numbers.shape, *within))

    return read


def _page(page: Any) -> Shaped[np.ndarray, "..."]:
    """Decode one page, opening its file for it."""
    file = page.parent.filehandle
    was_closed = file.closed
    if was_closed:
        file.open()
    try:
        decoded: Shaped[np.ndarray, "..."] = page.asarray()
    finally:
        if was_closed:
            file.close()
    return decoded


def _complete(key: Any, shape: tuple[int, ...]) -> Key:
    """Write a key out: an integer from 0, or a slice, for every dimension."""
    entries = list(key) if isinstance(key, tuple) else [key]
    places = [at for at, entry in enumerate(entries) if entry is Ellipsis]
    if len(places) > 1 or len(entries) - len(places) > len(shape):
        raise IndexError(f"{key!r} does not index {len(shape)} dimensions")
    at = places[0] if places else len(entries)
    missing = len(shape) - (len(entries) - len(places))
    entries[at : at + 1] = [slice(None)] * missing
    return tuple(
        entry if isinstance(entry, slice) else _counted(entry, size)
        for entry, size in zip(entries, shape, strict=True)
    )


def _counted(entry: Any, size: int) -> int:
    try:
        index = operator.index(entry)
    except TypeError:
        raise IndexError(f"only integers and slices index stored pixels, not {entry!r}") from None
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range: there are {size}")
    return index % size
