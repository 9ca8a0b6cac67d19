"""The letters that name an image's dimensions, and the two orders the library works in.

Inside, an image is a stack of planes, ``(planes, channels, Y, X)``. In files it is ``TCZYX``, the
order of OME-TIFF. Everything here is a permutation and a reshape between those and the user's own.
"""

import math

import numpy as np
from jaxtyping import Shaped

from ladderscope.images.errors import ImageError
from ladderscope.images.stored import Pixels, transposed, with_first_two_as_one

AXES = {
    "S": "samples (unrelated images)",
    "T": "time",
    "C": "channels",
    "Z": "slices in depth",
    "Y": "rows",
    "X": "columns",
}
_OME_ORDER = "TCZYX"


def check_axes(axes: str, shape: tuple[int, ...], name: str) -> str:
    """Return `axes` in upper case, once it is known to describe an image of this shape.

    Parameters
    ----------
    axes
        One letter per dimension, any of ``STCZYX``, in any order and in either case.
    shape
        The shape that they are to describe.
    name
        What to call the image in an error.

    Returns
    -------
    str
        The same letters in upper case.

    Raises
    ------
    ImageError
        If a letter is unknown or repeated, Y or X is missing, or the number of letters is not the
        number of dimensions.

    Examples
    --------
    >>> check_axes("tyx", (5, 64, 64), "movie.tif")
    'TYX'
    """
    if not isinstance(axes, str):
        raise ImageError(
            f'{name}: axes must be a string such as "TYX", not {type(axes).__name__} ({axes!r}).'
        )
    letters = axes.strip().upper()
    unknown = sorted(set(letters) - set(AXES))
    repeated = sorted({letter for letter in letters if letters.count(letter) > 1})
    missing = [letter for letter in "YX" if letter not in letters]
    if unknown:
        known = ", ".join(f"{letter} ({meaning})" for letter, meaning in AXES.items())
        raise ImageError(
            f'{name}: axes "{axes}" has the unknown letter {", ".join(map(repr, unknown))}; '
            f"the known letters are {known}."
        )
    if repeated:
        raise ImageError(
            f'{name}: axes "{axes}" repeats {", ".join(repeated)}; '
            "every letter names one dimension."
        )
    if missing:
        raise ImageError(
            f'{name}: axes "{axes}" lacks {" and ".join(missing)}; '
            "the rows Y and the columns X are always needed."
        )
    if len(letters) != len(shape):
        raise ImageError(
            f'{name}: axes "{axes}" names {len(letters)} dimensions, but the image has '
            f"{len(shape)} (shape {shape}); give one letter per dimension."
        )
    return letters


def planes_last(
    pixels: Shaped[np.ndarray, "..."], axes: str, space: str = "YX"
) -> Shaped[np.ndarray, "*others_channels_space"]:
    """Move C, Y and X to the end, the other dimensions before them in their order.

    Parameters
    ----------
    pixels
        An image with one dimension for each letter of `axes`.
    axes
        Upper-case letters, those of `space` among them.
    space
        What a plane extends over: ``"YX"``, or ``"ZYX"`` for whole stacks.

    Returns
    -------
    array of shape (..., channels, [Z], Y, X)
        Always a view; one channel where there is no C.

    Examples
    --------
    >>> planes_last(np.zeros((8, 9, 4, 5)), "YXZT").shape
    (4, 5, 1, 8, 9)
    """
    inner = f"C{space}"
    order = [letter for letter in axes if letter not in inner] + [
        letter for letter in inner if letter in axes
    ]
    ordered = pixels.transpose([axes.index(letter) for letter in order])
    return ordered if "C" in axes else np.expand_dims(ordered, -len(inner))


def from_planes(
    planes: Shaped[np.ndarray, "planes channels *space"],
    axes: str,
    shape: tuple[int, ...],
    space: str = "YX",
) -> Shaped[np.ndarray, "..."]:
    """Give planes, restored ones say, the axes and the shape of the image that they are of.

    Parameters
    ----------
    planes
        An array of shape (planes, channels, [Z], Y, X), the order of `planes_last`.
    axes, shape
        Those of the image.
    space
        What a plane extends over.

    Returns
    -------
    array of shape `shape`
        The type of `planes` is kept.

    Raises
    ------
    ImageError
        If `planes` has another shape than those of such an image.

    Examples
    --------
    >>> from_planes(np.zeros((15, 2, 8, 9)), "TCZYX", (5, 2, 3, 8, 9)).shape
    (5, 2, 3, 8, 9)
    """
    inner = f"C{space}" if "C" in axes else space
    order = [letter for letter in axes if letter not in inner] + list(inner)
    sizes = [shape[axes.index(letter)] for letter in order]
    count = math.prod(sizes[: -len(inner)])
    expected = (count, *((1,) if inner == space else ()), *sizes[-len(inner) :])
    if planes.shape != expected:
        raise ImageError(
            f"planes of shape {planes.shape} do not fill an image with axes {axes} and shape "
            f"{tuple(shape)}; planes of shape {expected} do."
        )
    return planes.reshape(sizes).transpose([order.index(letter) for letter in axes])


def to_ome_order(pixels: Pixels, axes: str) -> tuple[Pixels, str]:
    """Order an image's dimensions as OME-TIFF does, ``TCZYX``, leaving out those it lacks.

    OME knows no samples: S becomes T, or Z where there is a T already, or runs along T, outside
    of it, where there are both.

    Parameters
    ----------
    pixels
        An image with one dimension for each letter of `axes`: an array, or stored pixels, which
        are not read for that.
    axes
        Upper-case letters, Y and X among them.

    Returns
    -------
    (pixels, str)
        The reordered image, an array if it was one, and its axes.

    Examples
    --------
    >>> image, axes = to_ome_order(np.zeros((4, 8, 9, 2)), "SYXC")
    >>> image.shape, axes
    ((4, 2, 8, 9), 'TCYX')
    """
    if "S" in axes and "T" not in axes:
        axes = axes.replace("S", "T")
    elif "S" in axes and "Z" not in axes:
        axes = axes.replace("S", "Z")
    order = [letter for letter in "S" + _OME_ORDER if letter in axes]
    ordered = transposed(pixels, [axes.index(letter) for letter in order])
    if order[0] == "S":
        ordered = with_first_two_as_one(ordered)
        order = order[1:]
    return ordered, "".join(order)
