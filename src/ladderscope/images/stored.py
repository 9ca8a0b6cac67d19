"""Pixels that stay where they are stored until they are asked for, part by part."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

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


@runtime_checkable
class Array(Protocol):
    """Whatever turns into a NumPy array when asked: NumPy's own, Zarr's, and their like."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""

    @property
    def dtype(self) -> Any:
        """The type of the values."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...


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
    unchecked
        The same values unchecked, where `read` refuses NaN and infinity; None if it does not.

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
        read: Read,
        unchecked: Pixels | None = None,
    ) -> None:
        self.shape = shape
        self.dtype = dtype.newbyteorder("=")
        self.unchecked = unchecked
        self._read = read

    def __getitem__(self, key: Any) -> Shaped[np.ndarray, "..."]:
        """Read a part: integers, slices and one ellipsis are understood, as by NumPy."""
        return native(np.asarray(self._read(_complete(key, self.shape))))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Shaped[np.ndarray, "..."]:
        """Read the whole."""
        return np.asarray(self[...], dtype=dtype)


def unchecked(pixels: Pixels) -> Pixels:
    """Give the same pixels without the checks of their reading; themselves if it has none.

    Examples
    --------
    >>> pixels = np.zeros((3, 4))
    >>> unchecked(pixels) is pixels
    True
    """
    plain = pixels.unchecked if isinstance(pixels, StoredPixels) else None
    return pixels if plain is None else plain


def made_of(
    parts: Sequence[Pixels],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    reader: Callable[[Sequence[Pixels]], Read],
) -> StoredPixels:
    """Make pixels that are read from others; they are checked only if all of those are.

    Parameters
    ----------
    parts
        What they are read from.
    shape, dtype
        Those of the whole.
    reader
        Gives, for pixels like the parts, what reads the whole.

    Examples
    --------
    >>> unit = np.eye(3)
    >>> row = made_of([unit], (3,), unit.dtype, lambda of: lambda key: of[0][0][key])
    >>> np.asarray(row)
    array([1., 0., 0.])
    """
    plain = [unchecked(part) for part in parts]
    are_checked = all(one is not part for one, part in zip(plain, parts, strict=True))
    of_plain = StoredPixels(shape, dtype, reader(plain)) if are_checked else None
    return StoredPixels(shape, dtype, reader(parts), of_plain)


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
