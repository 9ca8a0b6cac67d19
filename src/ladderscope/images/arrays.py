"""Arrays as images: of NumPy, of Zarr, and of whatever else converts to an array."""

import os
import re
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ladderscope.images.axes import check_axes
from ladderscope.images.errors import ImageError
from ladderscope.images.find import Array
from ladderscope.images.memory import BEST_COMPRESSION, SMALL
from ladderscope.words import data_size, listed

_AXES_EXAMPLES = {
    3: '"TYX" for a time series, "ZYX" for slices in depth, "CYX" for channels or "SYX" for '
    "unrelated images",
    4: '"TCYX" for a time series with channels or "TZYX" for one with slices in depth',
    5: '"TCZYX" for time, channels and depth',
}
_NAMES = {
    "S": {"s", "sample", "samples"},
    "T": {"t", "time", "times", "frame", "frames", "timepoint", "timepoints"},
    "C": {"c", "ch", "channel", "channels"},
    "Z": {"z", "depth", "slice", "slices"},
    "Y": {"y", "row", "rows", "height"},
    "X": {"x", "col", "cols", "column", "columns", "width"},
}
_LETTERS = {name: letter for letter, names in _NAMES.items() for name in names}
_UNNAMED = re.compile(r"dim_\d+")  # what xarray calls dimensions that nobody has named
_MOST_CHUNKS = 1_000_000
_MOST_ZARR_TEXT = 2**24
_ZARR_TEXTS = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")


def check_array(source: Any, name: str) -> None:
    """Refuse what is no array, and an array of which some values are masked.

    Parameters
    ----------
    source
        What was given as an image.
    name
        What to call it.

    Raises
    ------
    ImageError
        If it has no shape, no type, or cannot become a NumPy array; or if a mask hides pixels.

    Examples
    --------
    >>> check_array(np.zeros((8, 8)), "array 1")
    """
    if not isinstance(source, Array):
        raise ImageError(
            f"{name}: cannot read an image from {type(source).__name__}; "
            "give a path, or a NumPy or Zarr array."
        )
    if isinstance(source, np.ma.MaskedArray) and (masked := int(np.count_nonzero(source.mask))):
        raise ImageError(
            f"{name}: {masked} of its {source.size} pixels are masked, and masked arrays are not "
            "supported; crop these pixels away. If whole regions are masked, fill them with one "
            "value that no other pixel has, such as array.filled(0): constant regions are left out "
            "as padding."
        )


def array_axes(source: Any, axes: str | None, name: str) -> str:
    """Find the axes of an array: those that the user gave, or the names of its dimensions.

    Parameters
    ----------
    source
        An array; xarray's have ``dims``, Zarr's ``dimension_names``.
    axes
        The user's axes, if given.
    name
        What to call the array.

    Raises
    ------
    ImageError
        If the user's axes contradict the names, or if there are neither axes nor names that say
        enough.

    Examples
    --------
    >>> array_axes(np.zeros((8, 8)), None, "array 1")
    'YX'
    """
    shape = tuple(source.shape)
    names = _dimension_names(source, len(shape))
    found = [_LETTERS.get((one or "").strip().lower()) for one in names]
    if axes:
        letters = check_axes(axes, shape, name)
        if any(one not in (None, letter) for one, letter in zip(found, letters, strict=False)):
            raise ImageError(
                f'{name}: axes="{axes}" was given, but its dimensions are named '
                f"{_quoted(names)}; leave out axes, give others, or transpose the array."
            )
        return letters
    if not any(names):
        return default_axes(shape, name)
    letters = "".join(filter(None, found))
    if len(letters) < len(shape) or len(set(letters)) < len(shape):
        raise ImageError(
            f"{name}: the meaning of its dimensions {_quoted(names)} is unknown; give axes (--axes "
            f"on the command line), one letter per dimension, such as {_examples(len(shape))}."
        )
    return letters


def default_axes(shape: tuple[int, ...], called: str) -> str:
    """Give the axes of an image that states none: rows and columns, if it has two dimensions.

    Parameters
    ----------
    shape
        Its shape.
    called
        What to call it in an error.

    Raises
    ------
    ImageError
        If it has another number of dimensions than two.

    Examples
    --------
    >>> default_axes((64, 64), "a.tif")
    'YX'
    """
    if len(shape) == 2:
        return "YX"
    if len(shape) < 2:
        raise ImageError(
            f"{called}: an image has two dimensions or more; this one has {len(shape)} (shape "
            f"{shape})."
        )
    raise ImageError(
        f"{called}: the meaning of the {len(shape)} dimensions of its shape {shape} is unknown; "
        "give axes (--axes on the command line), one letter per dimension: "
        f"{_examples(len(shape))}."
    )


def opened_zarr(path: Path) -> Array:
    """Open the Zarr array in a folder.

    Parameters
    ----------
    path
        The array's folder.

    Raises
    ------
    ImageError
        If it cannot be opened, is a group of arrays, or announces more than its folder can hold.
    """
    import zarr

    if (odd := _special_file(path)) is not None:
        raise ImageError(
            f"{path}: contains {odd}, which is a pipe, a socket or a device, not a regular file; "
            "copy or export it again."
        )
    for text in _ZARR_TEXTS:
        if (path / text).is_file() and (path / text).stat().st_size > _MOST_ZARR_TEXT:
            raise ImageError(f"{path}: its {text} is too large to describe an array.")
    try:
        array: Any = zarr.open(path, mode="r")
        is_array = isinstance(array, zarr.Array)
        inside = [] if is_array else [str(path / name) for name, _ in array.arrays()]
    except Exception as error:  # each store and codec raises its own
        raise ImageError(f"{path}: cannot be opened as a Zarr array ({error}).") from error
    if not is_array:
        raise ImageError(
            f"{path}: is a Zarr group, but an array is expected; give one of its arrays "
            f"({', '.join(inside) or 'none at its top'})."
        )
    _check_chunks(array, path)
    return array  # type: ignore[no-any-return]


def unreadable(name: str, error: Exception) -> ImageError:
    """Make the error for an array whose values cannot be had.

    Parameters
    ----------
    name
        What the array is called.
    error
        What its store raised.
    """
    return ImageError(f"{name}: its values cannot be read ({error}).")


def _dimension_names(source: Any, count: int) -> Sequence[str | None]:
    """List what the dimensions of an array are called; nothing if they have no names."""
    stored = getattr(source, "metadata", None)  # Zarr's
    attributes = getattr(stored, "attributes", None)
    of_xarray = attributes.get("_ARRAY_DIMENSIONS") if isinstance(attributes, dict) else None
    for names in (
        getattr(source, "dims", None),
        getattr(stored, "dimension_names", None),
        of_xarray,
    ):
        if isinstance(names, tuple | list) and len(names) == count:
            known = [one if isinstance(one, str) else None for one in names]
            return [None if one is None or _UNNAMED.fullmatch(one) else one for one in known]
    return []


def _check_chunks(array: Any, path: Path) -> None:
    """Refuse an array that its folder cannot hold, however well it is compressed."""
    shape, chunk, size = tuple(array.shape), tuple(array.chunks), array.dtype.itemsize
    if 0 in shape:
        return
    if 0 in chunk:
        raise ImageError(f"{path}: its chunks have the shape {chunk}; it seems to be damaged.")
    count = prod(-(-length // part) for length, part in zip(shape, chunk, strict=True))
    if count > _MOST_CHUNKS:
        raise ImageError(
            f"{path}: its shape {shape} consists of {count:,} chunks of shape {chunk}, but at most "
            f"{_MOST_CHUNKS:,} are read; save it with larger chunks."
        )
    announced = max(prod(shape), prod(chunk)) * size
    if announced > SMALL and not _holds(path, announced / BEST_COMPRESSION):
        raise ImageError(
            f"{path}: announces {data_size(announced)} of pixels (shape {shape}, chunks {chunk}), "
            "but the files in its folder cannot hold them; it seems to be damaged. Copy or export "
            "it again."
        )


def _special_file(folder: Path) -> str | None:
    """Find what would keep its reader waiting for ever."""
    folders = [os.fspath(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_dir() and not entry.is_file() and Path(entry).exists():
                    return entry.name
    return None


def _holds(folder: Path, needed: float) -> bool:
    total = 0
    for inside, _, files in os.walk(folder):
        for file in files:
            total += Path(inside, file).stat().st_size
            if total >= needed:
                return True
    return False


def _examples(dimensions: int) -> str:
    if dimensions == 2:
        return '"YX"'
    return _AXES_EXAMPLES.get(dimensions, '"STCZYX" for all that there are')


def _quoted(names: Sequence[str | None]) -> str:
    return listed(["(no name)" if one is None else f'"{one}"' for one in names])
