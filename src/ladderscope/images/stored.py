"""Pixels that stay where they are stored until they are asked for, part by part."""

import operator
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
from jaxtyping import Shaped

Key: TypeAlias = tuple[int | slice, ...]
Read: TypeAlias = Callable[[Key], Shaped[np.ndarray, "..."]]


class Pixels(Protocol):
    """What has a shape and a type, and gives the values that are asked for: arrays, and more."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""

    def __getitem__(self, key: Any) -> Any: ...


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


def everything(shape: tuple[int, ...]) -> Key:
    """Give the key of all values: as `StoredPixels` pass it on when the whole is asked for.

    Examples
    --------
    >>> everything((3, 4))
    (slice(None, None, None), slice(None, None, None))
    """
    return (slice(None),) * len(shape)


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

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], read: Read) -> None:
        self.shape = shape
        self.dtype = dtype.newbyteorder("=")
        self._read = read

    def __getitem__(self, key: Any) -> Shaped[np.ndarray, "..."]:
        """Read a part: integers, slices and one ellipsis are understood, as by NumPy."""
        return native(np.asarray(self._read(_complete(key, self.shape))))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Shaped[np.ndarray, "..."]:
        """Read the whole."""
        return np.asarray(self[...], dtype=dtype)


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
