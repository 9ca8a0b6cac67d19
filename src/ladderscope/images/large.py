"""Images that stay in their file because they are large: their padding, and a small view of them.

A plane of more than `LARGE` pixels is never in memory as a whole. Its padding is found on every
k-th row and column, so that padding narrower than 4·k pixels is not found there.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Shaped
from scipy import ndimage

from ladderscope.images.arranged import arranged, by_field
from ladderscope.images.artefacts import with_padding
from ladderscope.images.find import Source
from ladderscope.images.image import Image
from ladderscope.images.padding import find_padding
from ladderscope.images.read import open_image, read_image
from ladderscope.images.stored import StoredPixels

Region: TypeAlias = tuple[slice, ...]

LARGE = 2**24  # pixels of a plane, or of a field
IN_MEMORY = 2**25  # pixels of an image that is read as a whole
_CACHED = 2**26  # pixels of the planes whose padding is kept
_UNCUT = 2**22  # pixels of a plane that is looked at as a whole; a larger one is cut into blocks
_BLOCK = 1024  # of so many rows and columns
_MIDDLE = 2048  # pixels, the side of what is shown of a large plane


class Opened(NamedTuple):
    """An image in its file, and a view of it that is small enough to look at plane by plane.

    Attributes
    ----------
    image : Image
        Its padding is marked, where it is asked for.
    small : Image
        The same with every k-th row and column of large planes.
    """

    image: Image
    small: Image


def read_unless_large(
    source: Source | str | os.PathLike[str], axes: str | None = None, *, name: str = "array 1"
) -> Image:
    """Read an image as `read_image` does; one of more than `IN_MEMORY` pixels is only opened.

    Examples
    --------
    >>> isinstance(read_unless_large(np.arange(64.0).reshape(8, 8)).pixels, np.ndarray)
    True
    """
    opened = open_image(source, axes, name=name)
    return opened if opened.size > IN_MEMORY else read_image(opened)


def opened_large(image: Image) -> Opened:
    """Mark the padding of an image whose planes are read when they are needed.

    Examples
    --------
    >>> movie = np.random.default_rng(0).poisson(100, (3, 32, 32))
    >>> movie[1] = 0
    >>> opened = opened_large(Image(movie, "TYX", "movie.tif")).image
    >>> [opened.padding_of({"T": frame}).mean() for frame in range(3)]
    [np.float64(0.0), np.float64(1.0), np.float64(0.0)]
    """
    positions = list(image.positions())
    height, width = image.field_shape()
    step = math.ceil(math.sqrt(height * width / LARGE))

    planes = _Planes(image, positions, step)
    shape = len(positions), image.channels
    marked = StoredPixels((*shape, height, width), np.dtype(bool), by_field(planes.padding))
    whole = replace(image, padding=arranged(marked, image.axes, image.shape))
    if step == 1:
        return Opened(whole, whole)
    sides = -(-height // step), -(-width // step)
    sizes = {**image.sizes, "Y": sides[0], "X": sides[1]}
    of_small = tuple(sizes[letter] for letter in image.axes)
    pixels, padding = (
        arranged(StoredPixels((*shape, *sides), dtype, by_field(read)), image.axes, of_small)
        for dtype, read in ((image.dtype, planes.thinned), (np.dtype(bool), planes.thinned_padding))
    )
    return Opened(whole, replace(image, pixels=pixels, padding=padding, checked=None))


def with_padding_marked(image: Image) -> Image:
    """Mark the padding of an image: at once if it is in memory, else where it is asked for."""
    in_memory = isinstance(image.pixels, np.ndarray)
    return with_padding(image) if in_memory else opened_large(image).image


def blocks(size: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Cut a plane of this height and width into blocks to look at: one, unless it is large.

    Examples
    --------
    >>> blocks((512, 512)), len(blocks((4096, 2100)))
    ([(slice(0, 512, None), slice(0, 512, None))], 12)
    """
    height, width = size
    if height * width <= _UNCUT:
        return [(slice(0, height), slice(0, width))]
    rows, columns = (
        [slice(first, min(first + _BLOCK, side)) for first in range(0, side, _BLOCK)]
        for side in (height, width)
    )
    return [(row, column) for row in rows for column in columns]


def shown_planes(image: Image) -> Shaped[np.ndarray, "channels rows columns"]:
    """Read what a picture shows of an image: the middle plane of every channel, or its middle.

    Examples
    --------
    >>> shown_planes(Image(np.zeros((5, 2, 8, 9)), "TCYX", "movie.tif")).shape
    (2, 8, 9)
    """
    height, width = image.field_shape()
    row, column = corner_shown(image)
    rows, columns = (slice(row, height - row), slice(column, width - column))
    positions = list(image.positions())
    middle = positions[len(positions) // 2]
    return np.stack(
        [image.field(middle, channel, region=(rows, columns)) for channel in range(image.channels)]
    )


def corner_shown(image: Image) -> tuple[int, int]:
    """Give the row and the column from which `shown_planes` begin: (0, 0) if they are not large."""
    height, width = image.field_shape()
    if height * width <= LARGE:
        return 0, 0
    return max(0, (height - _MIDDLE) // 2), max(0, (width - _MIDDLE) // 2)


class _Looked(NamedTuple):
    """Every k-th row and column of a plane, its padding, one more pixel around that, its values."""

    pixels: Shaped[np.ndarray, "rows columns"]
    padding: Bool[np.ndarray, "rows columns"]
    around: Bool[np.ndarray, "rows columns"]
    values: Shaped[np.ndarray, " values"]


class _Planes:
    """The padding of planes, and every k-th row and column of large ones; some are kept."""

    def __init__(self, image: Image, positions: Sequence[Mapping[str, int]], step: int) -> None:
        self.image, self.positions, self.step = image, positions, step
        self.size = image.field_shape()
        kept = max(2, _CACHED * step**2 // math.prod(self.size))
        self._look = lru_cache(maxsize=kept)(self._looked)

    def thinned(self, number: int, channel: int, region: Region) -> Shaped[np.ndarray, "Y X"]:
        return self._look(number, channel).pixels[region]

    def thinned_padding(self, number: int, channel: int, region: Region) -> Bool[np.ndarray, "Y X"]:
        return self._look(number, channel).padding[region]

    def padding(self, number: int, channel: int, region: Region) -> Bool[np.ndarray, "Y X"]:
        found, step = self._look(number, channel), self.step
        if step == 1:
            return found.padding[region]
        rows, columns = (
            np.arange(size)[side] for size, side in zip(self.size, region, strict=True)
        )
        near: Bool[np.ndarray, "Y X"] = found.around[np.ix_(rows // step, columns // step)]
        if not near.any():
            return near
        values = self.image.field(self.positions[number], channel, region=region)
        marked: Bool[np.ndarray, "Y X"] = near & np.isin(values, found.values)
        return marked

    def _looked(self, number: int, channel: int) -> _Looked:
        position, step = self.positions[number], self.step
        if step == 1:
            plane = self.image.plane(position, channel)
            padding = find_padding(plane)
            marked = np.zeros(plane.shape, bool) if padding is None else padding
            return _Looked(plane[:0, :0], marked, marked, plane[:0, 0])
        height, width = self.size
        rows = max(1, LARGE // width // step) * step
        parts, lowest, highest = [], [], []
        for first in range(0, height, rows):
            region = slice(first, min(first + rows, height)), slice(0, width)
            part = self.image.field(position, channel, region=region)
            parts.append(part[::step, ::step].copy())
            lowest.append(part.min())
            highest.append(part.max())
        pixels = np.concatenate(parts)
        if min(lowest) < max(highest) and pixels.min() == pixels.max():
            pixels[0, 0] = min(lowest) if pixels[0, 0] > min(lowest) else max(highest)
        padding = find_padding(pixels)
        if padding is None:
            padding = np.zeros(pixels.shape, bool)
        around = ndimage.binary_dilation(padding, np.ones((3, 3), bool))
        return _Looked(pixels, padding, around, np.unique(pixels[padding]))
