"""Images opened but not read: their planes come from the file one by one, as they are asked for.

A movie larger than memory can be measured like this. What can be checked without its pixels is
checked at once, by the same code that reads whole images; pixels are left to whoever sees them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Shaped

from ladderscope.files import expanded
from ladderscope.images.acquisition import UNKNOWN, Acquisition
from ladderscope.images.arrays import array_axes, check_array, opened_zarr, unreadable
from ladderscope.images.axes import check_axes
from ladderscope.images.errors import ImageError
from ladderscope.images.find import Source, Sources, is_zarr_folder
from ladderscope.images.image import Image
from ladderscope.images.memory import too_large
from ladderscope.images.read import (
    about_tiff,
    check_same_kind,
    check_type,
    named_sources,
)
from ladderscope.images.stored import Key, StoredPixels, native, part_reader
from ladderscope.images.tiff import opened_tiff
from ladderscope.mapped import part_of


class Pixels(Protocol):
    """What has a shape and a type, and gives the values that are asked for: arrays, and more."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""

    def __getitem__(self, key: Any) -> Any: ...


@dataclass(frozen=True, eq=False)
class OpenImage:
    """One image whose pixels are still where they came from, and what is known about it.

    Parameters
    ----------
    pixels
        The values: `StoredPixels`, or an array that was given.
    axes
        One letter per dimension, any of ``STCZYX`` in any order; Y and X are always among them.
    name
        What messages call it: ``"a.tif"``, or ``"array 1"``.
    path
        The file it came from, if it came from one.
    pixel_size
        The height and the width of a pixel in micrometres, if known.
    channel_names
        A name for each channel, if the file has them.
    acquisition
        What else the file says of how it was acquired.

    Raises
    ------
    ImageError
        If `axes` does not describe `pixels`, or these are no real numbers.

    Examples
    --------
    >>> movie = OpenImage(np.zeros((5, 2, 8, 9)), "TCYX", "movie.tif")
    >>> movie.channels, movie.others, movie.plane({"T": 4}, channel=1).shape
    (2, {'T': 5}, (8, 9))
    """

    pixels: Pixels
    axes: str
    name: str
    path: Path | None = None
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] | None = None
    acquisition: Acquisition = UNKNOWN

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", check_axes(self.axes, self.shape, self.name))
        check_type(self.shape, self.dtype, str(self.path or self.name))

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""
        return tuple(self.pixels.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.pixels.dtype

    @property
    def sizes(self) -> dict[str, int]:
        """The length of every dimension by its letter."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def channels(self) -> int:
        """The number of channels; 1 for an image without a C axis."""
        return self.sizes.get("C", 1)

    @property
    def others(self) -> dict[str, int]:
        """The lengths of the dimensions beside C, Y and X, by their letters."""
        return {letter: size for letter, size in self.sizes.items() if letter not in "CYX"}

    def positions(self) -> Iterator[dict[str, int]]:
        """Say where each plane is: its index along every dimension beside C, Y and X.

        Examples
        --------
        >>> list(OpenImage(np.zeros((8, 9, 2)), "YXT", "movie.tif").positions())
        [{'T': 0}, {'T': 1}]
        """
        for index in np.ndindex(*self.others.values()):
            yield dict(zip(self.others, index, strict=True))

    def plane(self, position: Mapping[str, int], channel: int = 0) -> Shaped[np.ndarray, "Y X"]:
        """Read one plane.

        Parameters
        ----------
        position
            Its index along every dimension beside C, Y and X, as `positions` gives it.
        channel
            Which channel, from 0.

        Returns
        -------
        array of shape (Y, X)
            In the machine's own byte order; a copy, unless `pixels` is an array in memory.

        Raises
        ------
        ImageError
            If the file turns out to be damaged here.
        """
        at = {**position, "C": channel}
        key = tuple(slice(None) if letter in "YX" else at[letter] for letter in self.axes)
        plane = native(np.asarray(part_of(self.pixels, key)))
        return plane if self.axes.index("Y") < self.axes.index("X") else plane.T

    def channel(self, number: int) -> "OpenImage":
        """Give one channel as an image of its own, without a C axis; nothing is read for that.

        Parameters
        ----------
        number
            Which channel, from 0.

        Examples
        --------
        >>> movie = OpenImage(np.zeros((5, 2, 8, 9)), "TCYX", "movie.tif")
        >>> movie.channel(1).name, movie.channel(1).shape
        ('movie.tif, channel 2', (5, 8, 9))
        """
        if "C" not in self.axes:
            return self
        at = self.axes.index("C")

        def read(key: Key) -> Any:
            return part_of(self.pixels, (*key[:at], number, *key[at:]))

        return replace(
            self,
            pixels=StoredPixels((*self.shape[:at], *self.shape[at + 1 :]), self.dtype, read),
            axes=self.axes.replace("C", ""),
            name=f"{self.name}, channel {number + 1}",
            channel_names=None,
            acquisition=replace(self.acquisition, channel_colours=None),
        )

    def planes(self, channel: int = 0) -> Iterator[Shaped[np.ndarray, "Y X"]]:
        """Read the planes of a channel, one after the other.

        Examples
        --------
        >>> stack = OpenImage(np.arange(24).reshape(3, 2, 4), "XYZ", "stack.tif")
        >>> [plane.shape for plane in stack.planes()]
        [(2, 3), (2, 3), (2, 3), (2, 3)]
        """
        for position in self.positions():
            yield self.plane(position, channel)


def joined(images: Sequence[OpenImage], letter: str) -> OpenImage:
    """Put images of one shape behind each other along a new first axis; nothing is read for that.

    Parameters
    ----------
    images
        At least one image; all with the same axes and the same shape.
    letter
        The new axis.

    Raises
    ------
    ImageError
        If one has another shape than the first, naming both.

    Examples
    --------
    >>> frames = open_images([np.zeros((8, 9)), np.ones((8, 9))])
    >>> joined(frames, "T").plane({"T": 1}).max()
    np.float64(1.0)
    """
    first = images[0]
    for image in images:
        if (image.axes, image.shape) != (first.axes, first.shape):
            raise ImageError(
                f"{image.name} has the shape {image.shape} ({image.axes}) and {first.name} "
                f"{first.shape} ({first.axes}); give images of one shape."
            )

    def read(key: Key) -> Any:
        if isinstance(key[0], int):
            return part_of(images[key[0]].pixels, key[1:])
        return np.stack([part_of(image.pixels, key[1:]) for image in images[key[0]]])

    pixels = StoredPixels((len(images), *first.shape), first.dtype, read)
    return replace(first, pixels=pixels, axes=letter + first.axes, path=None)


def open_images(
    sources: Sources, axes: str | None = None, *, own_outputs: bool = False
) -> list[OpenImage]:
    """Find and open a set of images of one kind, reading none of their pixels.

    Parameters
    ----------
    sources
        Whatever `find_images` takes.
    axes
        The axes of every image; by default those that each file's metadata gives.
    own_outputs
        Whether to open files that Ladderscope has written, too.

    Returns
    -------
    list of OpenImage
        In the order of `find_images`; arrays are called "array 1", "array 2" and so on.

    Raises
    ------
    ImageError
        At the first image that cannot be used, or that is of another kind than the first.

    Examples
    --------
    >>> noisy = np.arange(64.0).reshape(8, 8)
    >>> [image.name for image in open_images([noisy, noisy.T])]
    ['array 1', 'array 2']
    """
    named = named_sources(sources, own_outputs=own_outputs)
    images = [open_image(source, axes, name=name) for source, name in named]
    check_same_kind(images)
    return images


def open_image(
    source: Source | str | os.PathLike[str], axes: str | None = None, *, name: str = "array 1"
) -> OpenImage:
    """Open one image and check what can be checked without its pixels.

    No file stays open: each is opened for as long as a part of it is read.

    Parameters
    ----------
    source
        A TIFF (plain, OME or ImageJ, compressed or not), a Zarr array's folder, a NumPy or Zarr
        array, or an `Image`.
    axes
        One letter per dimension over ``STCZYX``, in any order; by default as in `read_image`.
    name
        What to call an array; a file is called by its name.

    Returns
    -------
    OpenImage
        Reading a plane of it takes the memory of that plane, and of what its file cannot take
        apart: a compressed page with all its channels, or the chunks of a Zarr array.

    Raises
    ------
    ImageError
        As `read_image` does, but for blank images and those with NaN or infinity, which only
        their pixels tell.

    Examples
    --------
    >>> open_image(np.zeros((5, 64, 64), np.uint16), "TYX").others
    {'T': 5}
    """
    if isinstance(source, Image):
        about = (source.pixel_size, source.channel_names, source.acquisition)
        return OpenImage(source.pixels, axes or source.axes, source.name, source.path, *about)
    if isinstance(source, str | os.PathLike):
        return _open_path(expanded(source), axes)
    return _open_array(source, axes, name)


def _open_path(path: Path, axes: str | None) -> OpenImage:
    if is_zarr_folder(path):
        opened = _open_array(opened_zarr(path), axes, str(path))
        return replace(opened, name=path.name, path=path)
    with opened_tiff(path, axes) as (tiff, series, channels):
        letters, about = about_tiff(tiff, series, path, axes, channels)
        pixels = StoredPixels(tuple(series.shape), series.dtype, part_reader(series, path))
        return OpenImage(pixels, letters, path.name, path, *about)


def _open_array(source: Any, axes: str | None, name: str) -> OpenImage:
    check_array(source, name)
    letters = array_axes(source, axes, name)
    if not isinstance(source.dtype, np.dtype) or isinstance(source, np.ma.MaskedArray):
        source = np.asarray(source)  # a torch tensor, say
    shape = tuple(source.shape)

    def read(key: Key) -> Any:
        try:
            return source[key]
        except MemoryError as error:
            raise too_large(shape, source.dtype, name) from error
        except Exception as error:  # a remote or damaged store raises whatever its driver raises
            raise unreadable(name, error) from error

    in_memory = isinstance(source, np.ndarray)
    pixels = source if in_memory else StoredPixels(shape, source.dtype, read)
    return OpenImage(pixels, letters, name)
