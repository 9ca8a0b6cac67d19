"""Arrays as images: of NumPy, of Zarr, and of whatever else converts to an array."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ladderscope.images.axes import check_axes
from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.memory import too_large
from ladderscope.images.remote import reason
from ladderscope.images.stored import Array, Key, Pixels, StoredPixels, everything
from ladderscope.words import listed

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


def array_axes(
    source: Any, axes: str | None, name: str, names: Sequence[str | None] | None = None
) -> str:
    """Find the axes of an array: those that the user gave, or the names of its dimensions.

    Parameters
    ----------
    source
        An array; xarray's have ``dims``, Zarr's ``dimension_names``.
    axes
        The user's axes, if given.
    name
        What to call the array.
    names
        What its dimensions are called, where that is known from elsewhere.

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
    names = _dimension_names(source, len(shape)) if names is None else names
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


def array_image(
    source: Any, axes: str | None, name: str, names: Sequence[str | None] | None = None
) -> Image:
    """Make an image of an array; its values stay where they are unless it is one of NumPy.

    Parameters
    ----------
    source, axes, name, names
        As `array_axes` takes them.

    Raises
    ------
    ImageError
        As `check_array` and `array_axes` do.

    Examples
    --------
    >>> array_image(np.zeros((5, 8, 9)), "TYX", "array 1").sizes
    {'T': 5, 'Y': 8, 'X': 9}
    """
    check_array(source, name)
    letters = array_axes(source, axes, name, names)
    if isinstance(source, np.ndarray) and not isinstance(source, np.ma.MaskedArray):
        return Image(source, letters, name)
    return Image(_values_of(source, name), letters, name)


def unreadable(name: str, error: Exception) -> ImageError:
    """Make the error for an array whose values cannot be had.

    Parameters
    ----------
    name
        What the array is called.
    error
        What its store raised.
    """
    return ImageError(f"{name}: its values cannot be read ({reason(error)}).")


def _values_of(source: Array, name: str) -> Pixels:
    """Give the values of what becomes an array when asked, with its errors in words."""
    if not isinstance(source.dtype, np.dtype) or isinstance(source, np.ma.MaskedArray):
        return np.asarray(source)  # a torch tensor, say
    shape, dtype = tuple(source.shape), source.dtype
    whole = everything(shape)

    def read(key: Key) -> Any:
        try:
            return np.asarray(source) if key == whole else source[key]  # type: ignore[index]
        except MemoryError as error:
            raise too_large(shape, dtype, name) from error
        except Exception as error:  # a remote or damaged store raises whatever its driver raises
            raise unreadable(name, error) from error

    return StoredPixels(shape, dtype, read)


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


def _examples(dimensions: int) -> str:
    if dimensions == 2:
        return '"YX"'
    return _AXES_EXAMPLES.get(dimensions, '"STCZYX" for all that there are')


def _quoted(names: Sequence[str | None]) -> str:
    return listed(["(no name)" if one is None else f'"{one}"' for one in names])
