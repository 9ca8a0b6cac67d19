"""Images in parts: put together of planes, cut into fields; masks in little memory."""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Shaped
from numpy.typing import NDArray

from ladderscope.images.arranged import arranged, by_field
from ladderscope.images.image import Image
from ladderscope.images.stored import Key, Pixels, StoredPixels, in_boxes, native
from ladderscope.mapped import part_of

ROWS = 64  # that are compressed together
# Reads some rows and columns of the plane at a position: along the other axes, then the channel.
ReadPlane: TypeAlias = Callable[[tuple[int, ...], tuple[slice, ...]], Shaped[np.ndarray, "Y X"]]


def packed(mask: Bool[np.ndarray, "Y X"]) -> StoredPixels:
    """Keep a mask compressed, in bands of rows; parts of it are unpacked where they are asked for.

    Examples
    --------
    >>> mask = packed(np.eye(100, dtype=bool))
    >>> mask[98:, 98:]
    array([[ True, False],
           [False,  True]])
    """
    bands = [
        zlib.compress(np.packbits(mask[top : top + ROWS], axis=1).tobytes(), 1)
        for top in range(0, len(mask), ROWS)
    ]
    width = mask.shape[1]

    def read(box: tuple[slice, ...]) -> Bool[np.ndarray, "Y X"]:
        rows, columns = box
        first = rows.start // ROWS
        unpacked = b"".join(map(zlib.decompress, bands[first : -(-rows.stop // ROWS)]))
        bits = np.frombuffer(unpacked, np.uint8).reshape(-1, -(-width // 8))
        inside = bits[rows.start - first * ROWS : rows.stop - first * ROWS]
        return np.unpackbits(inside, axis=1, count=width)[:, columns].view(bool)

    return StoredPixels(mask.shape, np.dtype(bool), in_boxes(read, mask.shape))


def of_planes(
    shape: tuple[int, ...], axes: str, dtype: np.dtype[Any], read_plane: ReadPlane
) -> StoredPixels:
    """Put an image together of its planes, which are read where they are asked for.

    Parameters
    ----------
    shape, axes, dtype
        Those of the image.
    read_plane
        Reads a part of a plane.

    Examples
    --------
    >>> stack = np.arange(24).reshape(2, 3, 4)
    >>> image = of_planes((3, 4, 2), "YXZ", stack.dtype, lambda at, of: stack[at[0]][of])
    >>> image[1, 2:, 0]
    array([6, 7])
    """
    sizes = dict(zip(axes, shape, strict=True))
    sides = sizes["Y"], sizes["X"]
    others = [sizes[letter] for letter in axes if letter not in "CYX"]

    def read(number: int, channel: int, region: Key) -> Shaped[np.ndarray, "Y X"]:
        at = (*map(int, np.unravel_index(number, others)), channel)
        plane: Shaped[np.ndarray, "Y X"] = in_boxes(partial(read_plane, at), sides)(region)
        return plane

    fields = StoredPixels((math.prod(others), sizes.get("C", 1), *sides), dtype, by_field(read))
    return arranged(fields, axes, shape)


def field_of(
    image: Image, of: Pixels, position: Mapping[str, int], channel: int, space: str
) -> Pixels:
    """Give one field of an image, or of its padding, as it is stored.

    Parameters
    ----------
    image
        Of these axes.
    of
        Its pixels, or a mask of their shape.
    position, channel, space
        As `Image.field` takes them.

    Returns
    -------
    Pixels of shape ([Z], Y, X)
        A view of an array in memory; else read from where `of` is stored when asked for.

    Examples
    --------
    >>> stack = Image(np.zeros((8, 9, 4)), "YXZ", "stack.tif")
    >>> field_of(stack, stack.pixels, {}, 0, "ZYX").shape
    (4, 8, 9)
    """
    kept = [letter for letter in image.axes if letter in space]
    order = [letter for letter in space if letter in kept]
    at: dict[str, Any] = {**position, "C": channel}

    def read(box: tuple[slice, ...]) -> Shaped[np.ndarray, "..."]:
        where = at | dict(zip(order, box, strict=True))
        part = np.asarray(part_of(of, tuple(where[letter] for letter in image.axes)))
        return native(part.transpose([kept.index(letter) for letter in order]))

    shape = image.field_shape(space)
    if isinstance(of, np.ndarray):
        return read((slice(None),) * len(shape))
    return StoredPixels(shape, of.dtype, in_boxes(read, shape))


def any_of(masks: Sequence[Pixels]) -> Pixels:
    """Give what any of some masks of one shape marks.

    Examples
    --------
    >>> any_of([np.array([True, False]), np.array([False, False])])
    array([ True, False])
    """
    if all(isinstance(mask, np.ndarray) for mask in masks):
        together: NDArray[np.bool_] = np.logical_or.reduce([np.asarray(mask) for mask in masks])
        return together

    def read(key: Key) -> Bool[np.ndarray, "..."]:
        part: NDArray[np.bool_] = np.logical_or.reduce([mask[key] for mask in masks])
        return part

    return StoredPixels(masks[0].shape, np.dtype(bool), read)


def mask_of_planes(
    shape: tuple[int, ...], axes: str, masks: Mapping[tuple[int, ...], Pixels]
) -> StoredPixels:
    """Put a mask together of those of its planes; it is False in all others.

    Parameters
    ----------
    shape, axes
        Those of the image.
    masks
        By position: along the other axes, then the channel.

    Examples
    --------
    >>> mask = mask_of_planes((2, 3, 3), "ZYX", {(1, 0): packed(np.eye(3, dtype=bool))})
    >>> mask[:, 0, 0]
    array([False,  True])
    """

    def read(at: tuple[int, ...], region: tuple[slice, ...]) -> Bool[np.ndarray, "Y X"]:
        marked: Bool[np.ndarray, "Y X"]
        marked = (
            masks[at][region] if at in masks else np.zeros([s.stop - s.start for s in region], bool)
        )
        return marked

    return of_planes(shape, axes, np.dtype(bool), read)
