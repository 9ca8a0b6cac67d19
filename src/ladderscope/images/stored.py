"""Pixels that stay where they are stored until they are asked for, part by part."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Shaped

Key: TypeAlias = tuple[int | slice, ...]
Read: TypeAlias = Callable[[Key], Shaped[np.ndarray, "..."]]


@runtime_checkable
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


def transposed(pixels: Pixels, order: Sequence[int]) -> Pixels:
    """Put the dimensions of pixels into another order; nothing is read for that.

    Parameters
    ----------
    pixels
        An array, of which a view is given, or stored pixels.
    order
        For each new dimension, which of the old ones it is.

    Examples
    --------
    >>> stored = StoredPixels((2, 3, 4), np.dtype("f4"), np.zeros((2, 3, 4)).__getitem__)
    >>> transposed(stored, (2, 0, 1))[:, 0].shape
    (4, 3)
    """
    if isinstance(pixels, np.ndarray):
        return pixels.transpose(order)
    places = list(map(list(order).index, range(len(order))))

    def reader(of: Sequence[Pixels]) -> Read:
        def read(key: Key) -> Shaped[np.ndarray, "..."]:
            part = np.asarray(of[0][tuple(key[place] for place in places)])
            kept = [at for at, entry in zip(order, key, strict=True) if isinstance(entry, slice)]
            return part.transpose(list(map(sorted(kept).index, kept)))

        return read

    return made_of([pixels], tuple(pixels.shape[at] for at in order), pixels.dtype, reader)


def with_first_two_as_one(pixels: Pixels) -> Pixels:
    """Make one dimension of the first two, the second running faster; nothing is read for that.

    Parameters
    ----------
    pixels
        An array, of which a view is given if there is one, or stored pixels.

    Examples
    --------
    >>> stored = StoredPixels((2, 3, 4), np.dtype("f4"), np.zeros((2, 3, 4)).__getitem__)
    >>> with_first_two_as_one(stored).shape
    (6, 4)
    """
    first, second, *others = pixels.shape
    if isinstance(pixels, np.ndarray):
        return pixels.reshape(first * second, *others)

    def reader(of: Sequence[Pixels]) -> Read:
        def one(number: int, rest: Key) -> Shaped[np.ndarray, "..."]:
            return np.asarray(of[0][(*divmod(number, second), *rest)])

        def read(key: Key) -> Shaped[np.ndarray, "..."]:
            if isinstance(key[0], int):
                return one(key[0], key[1:])
            return np.stack([one(number, key[1:]) for number in range(first * second)[key[0]]])

        return read

    return made_of([pixels], (first * second, *others), pixels.dtype, reader)


def without_dimension(pixels: Pixels, at: int) -> Pixels:
    """Leave out a dimension of length 1; nothing is read for that.

    Parameters
    ----------
    pixels
        An array, of which a view is given, or stored pixels.
    at
        Which dimension.

    Examples
    --------
    >>> without_dimension(np.zeros((2, 1, 4)), 1).shape
    (2, 4)
    """
    if isinstance(pixels, np.ndarray):
        return pixels.squeeze(at)

    def reader(of: Sequence[Pixels]) -> Read:
        return lambda key: of[0][(*key[:at], 0, *key[at:])]

    shape = (*pixels.shape[:at], *pixels.shape[at + 1 :])
    return made_of([pixels], shape, pixels.dtype, reader)


def in_boxes(read: Callable[[tuple[slice, ...]], Any], shape: tuple[int, ...]) -> Read:
    """Let what reads boxes read at any key.

    Parameters
    ----------
    read
        Reads at one slice for each dimension, with a start, a stop and no step.
    shape
        That of the whole.

    Examples
    --------
    >>> squares = np.arange(12).reshape(3, 4) ** 2
    >>> read = in_boxes(squares.__getitem__, squares.shape)
    >>> read((1, slice(None, None, -2)))
    array([49, 25])
    """

    def read_any(key: Key) -> Any:
        sides = [
            range(size)[one] if isinstance(one, slice) else range(one, one + 1)
            for one, size in zip(key, shape, strict=True)
        ]
        box = tuple(slice(min(side, default=0), max(side, default=-1) + 1) for side in sides)
        inside = tuple(
            slice(None, None, side.step) if isinstance(one, slice) else 0
            for one, side in zip(key, sides, strict=True)
        )
        return read(box)[inside]

    return read_any


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
