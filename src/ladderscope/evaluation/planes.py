"""The planes of one channel, read block by block: what images larger than memory are scored by."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Real, Shaped

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image
from ladderscope.images.axes import to_ome_order
from ladderscope.mapped import part_of

SIDE = 1024  # of a block, in pixels; a multiple of 16, by which the coarsest scale is pooled
_KEPT_WHOLE = 2**24  # pixels: a plane up to this size is read once, even if its file is compressed


class Block(NamedTuple):
    """Where a block lies: a part of one plane."""

    plane: int
    rows: slice
    columns: slice


@dataclass(frozen=True, eq=False)
class Planes:
    """A stack of planes of which blocks can be read.

    Attributes
    ----------
    shape
        The lengths of the axes before Y and X, then those of Y and X.
    read
        Reads a block.
    """

    shape: tuple[int, ...]
    read: Callable[[Block], Shaped[np.ndarray, "y x"]]

    @property
    def count(self) -> int:
        """The number of planes."""
        return math.prod(self.shape[:-2])

    @property
    def size(self) -> int:
        """The number of pixels."""
        return math.prod(self.shape)

    def values(self, block: Block) -> Float64[np.ndarray, "y x"]:
        """Read a block as float64."""
        return self.read(block).astype(np.float64)

    def array(self) -> Shaped[np.ndarray, "planes Y X"]:
        """Read all planes into memory."""
        rows, columns = map(slice, (0, 0), self.shape[-2:])
        return np.stack([self.read(Block(plane, rows, columns)) for plane in range(self.count)])

    def blocks(self) -> Iterator[Block]:
        """Divide all planes into blocks."""
        for plane in range(self.count):
            yield from self.blocks_of(plane)

    def blocks_of(self, plane: int, trim: int = 0) -> Iterator[Block]:
        """Divide one plane into blocks.

        Parameters
        ----------
        plane
            Which, from 0.
        trim
            How many pixels are left out at each border.
        """
        rows, columns = (range(trim, size - trim, SIDE) for size in self.shape[-2:])
        for top in rows:
            for left in columns:
                down = slice(top, min(top + SIDE, rows.stop))
                yield Block(plane, down, slice(left, min(left + SIDE, columns.stop)))


def planes_of_array(array: Real[np.ndarray, "..."]) -> Planes:
    """Take an array, in memory or mapped from a file, for a stack of planes.

    Examples
    --------
    >>> planes = planes_of_array(np.arange(12).reshape(2, 2, 3))
    >>> planes.shape, planes.values(Block(1, slice(0, 1), slice(1, 3)))
    ((2, 2, 3), array([[7., 8.]]))
    """
    shape = (*(1,) * (2 - array.ndim), *array.shape)
    stack = array.reshape(math.prod(shape[:-2]), *shape[-2:])
    return Planes(shape, lambda block: part_of(stack, block))


def planes_of_image(image: Image, channel: int) -> Planes:
    """Take one channel of an image for a stack of planes, whose pixels stay in the file.

    The axes before Y and X are ordered as in files that we write, without those of length 1, so
    that a prediction and its truth have the same order.

    Examples
    --------
    >>> image = Image(np.arange(24).reshape(3, 2, 2, 2), "YXTC", "movie.tif")
    >>> planes = planes_of_image(image, 1)
    >>> planes.shape, planes.values(Block(1, slice(0, 3), slice(1, 2))).ravel()
    ((2, 3, 2), array([ 7., 15., 23.]))
    """
    positions = list(image.positions())
    alone = [1 if letter in "CYX" else image.sizes[letter] for letter in image.axes]
    ordered, _ = to_ome_order(np.arange(len(positions)).reshape(alone), image.axes)
    numbers = np.asarray(ordered)
    order = numbers.reshape(-1)
    outer = tuple(size for size in numbers.shape if size > 1)
    height, width = image.field_shape()
    space = {"Y": height, "X": width}

    @lru_cache(maxsize=1)
    def whole(plane: int) -> Shaped[np.ndarray, "Y X"]:
        return image.plane(positions[order[plane]], channel)

    def read(block: Block) -> Shaped[np.ndarray, "y x"]:
        if math.prod(space.values()) <= _KEPT_WHOLE:
            return whole(block.plane)[block.rows, block.columns]
        at = positions[order[block.plane]] | {"C": channel}
        extent = {letter: slice(index, index + 1) for letter, index in at.items()}
        part = image.crop(extent | {"Y": block.rows, "X": block.columns})
        return part.plane(dict.fromkeys(at, 0))

    return Planes((*outer, height, width), read)


class Range(NamedTuple):
    """The lowest, the highest and the mean value."""

    low: float
    high: float
    mean: float


def value_range(planes: Planes) -> Range:
    """Read all pixels for their range and their mean.

    Examples
    --------
    >>> value_range(planes_of_array(np.array([1.0, 2.0, 6.0])))
    Range(low=1.0, high=6.0, mean=3.0)
    """
    low, high, total = math.inf, -math.inf, 0.0
    for block in planes.blocks():
        values = planes.values(block)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        total += float(values.sum())
    return Range(low, high, total / planes.size)


def grown(extent: slice, margin: int, size: int) -> slice:
    """Widen an extent by a margin, as far as there are pixels.

    Examples
    --------
    >>> grown(slice(3, 8), 5, 10)
    slice(0, 10, None)
    """
    return slice(max(0, extent.start - margin), min(size, extent.stop + margin))


def pair_of_planes(
    prediction: Real[np.ndarray, "..."], truth: Real[np.ndarray, "..."]
) -> tuple[Planes, Planes]:
    """Take two arrays for planes that can be compared.

    Raises
    ------
    LadderscopeError
        The shapes differ, or there are no pixels.
    """
    if prediction.shape != truth.shape:
        raise LadderscopeError(
            f"the prediction has shape {prediction.shape} and the truth {truth.shape}: only "
            "images of the same shape can be compared"
        )
    if truth.size == 0:
        raise LadderscopeError(f"there are no pixels to compare: the shape is {truth.shape}")
    return planes_of_array(prediction), planes_of_array(truth)


def peak_of(truth: Planes, peak: float | int | None) -> float:
    """Return the peak, by default the range of the truth.

    Raises
    ------
    LadderscopeError
        It is not positive.
    """
    if peak is None:
        low, high, _ = value_range(truth)
        found = high - low
    else:
        found = float(peak)
    if not found > 0:
        raise LadderscopeError(
            f"the peak is {found:g} but must be positive"
            + (" (the truth is constant)" if peak is None else "")
            + ": set peak to the range of the signal"
        )
    return found
