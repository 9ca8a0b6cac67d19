"""From what the user names to images: opened, or read into memory as well.

There is one way in. `open_image` finds out all that can be known without pixels and checks it;
values are checked while they are read, by whoever reads them; `read_image` reads them at once.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ladderscope.files import expanded
from ladderscope.images import metadata
from ladderscope.images.addresses import called
from ladderscope.images.arrays import array_image, default_axes
from ladderscope.images.axes import check_axes
from ladderscope.images.check import check_same_kind, check_type, check_worth, checking
from ladderscope.images.find import Source, Sources, find_images, is_zarr_folder
from ladderscope.images.image import Image
from ladderscope.images.memory import check_fits, too_large
from ladderscope.images.ome_zarr import at_level, zarr_image
from ladderscope.images.pages import part_reader
from ladderscope.images.png import ASKED_FOR, is_png, png_image
from ladderscope.images.recordings import files_of, recording
from ladderscope.images.stored import (
    Key,
    StoredPixels,
    everything,
    native,
    unchecked,
)
from ladderscope.images.tiff import opened_tiff
from ladderscope.images.tiff_levels import at_tiff_level, tiff_level_at
from ladderscope.images.vendor import is_vendor_image, vendor_image
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.mapped import part_of


def open_images(
    sources: Sources, axes: str | None = None, *, own_outputs: bool = False
) -> list[Image]:
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
    list of Image
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


def read_images(
    sources: Sources, axes: str | None = None, should_stop: ShouldStop | None = None
) -> list[Image]:
    """Find, read and check a set of images of one kind.

    Parameters
    ----------
    sources, axes
        As `open_images` takes them.
    should_stop
        Called between two images; True ends the reading.

    Returns
    -------
    list of Image
        In memory, in the order of `find_images`.

    Raises
    ------
    ImageError
        At the first image that cannot be used, or that is of another kind than the first.
    StopRequested
        If `should_stop` returned True.

    Examples
    --------
    >>> noisy = np.arange(64.0).reshape(8, 8)
    >>> [image.dtype.name for image in read_images([noisy, noisy.T])]
    ['float64', 'float64']
    """
    images: list[Image] = []
    for source, name in named_sources(sources, own_outputs=False):
        if images:
            stop_if(should_stop, "reading the images")
        images.append(read_image(source, axes, name=name))
    check_same_kind(images)
    return images


def named_sources(sources: Sources, *, own_outputs: bool) -> Iterator[tuple[Source, str]]:
    """Find images, and name the arrays among them by their number.

    Parameters
    ----------
    sources, own_outputs
        As `find_images` takes them.

    Examples
    --------
    >>> [name for _, name in named_sources([np.zeros((8, 8))] * 2, own_outputs=False)]
    ['array 1', 'array 2']
    """
    arrays = 0
    for source in find_images(sources, own_outputs=own_outputs).sources:
        arrays += not isinstance(source, Path | Image)
        yield source, f"array {arrays}"


def open_image(
    source: Source | str | os.PathLike[str],
    axes: str | None = None,
    *,
    name: str = "array 1",
    level: int = 0,
) -> Image:
    """Open one image and check what can be checked without its pixels.

    The axes are the user's, if given. Otherwise they are those of the OME, ImageJ or tifffile
    metadata, or the names of an array's dimensions; an image of two dimensions needs none. No file
    stays open: each is opened for as long as a part of it is read.

    Parameters
    ----------
    source
        A TIFF (plain, OME or ImageJ, compressed or not), the folder of an OME-Zarr image or of a
        Zarr array, a NumPy or Zarr array, or an `Image`.
    axes
        One letter per dimension over ``STCZYX``, in any order.
    name
        What to call an array; a file is called by its name.
    level
        Which level of an image that is stored at several resolutions, from 0, the finest.

    Returns
    -------
    Image
        Reading a plane of it takes the memory of that plane, and of what its file cannot take
        apart: a compressed page with all its channels, or the chunks of a Zarr array. What is
        read is checked: NaN, infinity and values beyond single precision raise an `ImageError`.

    Raises
    ------
    ImageError
        If it cannot be opened; if its axes are not known or do not fit; if it is empty, an RGB
        photograph, complex or boolean.

    Examples
    --------
    >>> open_image(np.zeros((5, 64, 64), np.uint16), "TYX").others
    {'T': 5}
    """
    if isinstance(source, Image):
        image = source if axes is None else replace(source, axes=axes)
        if image.axes != source.axes:  # an error would name positions along the old axes
            image = replace(image, pixels=unchecked(image.pixels), checked=None)
        if image.checked is image.pixels:
            return image
    elif isinstance(source, str | os.PathLike):
        path = expanded(source)
        image = _open_path(at_level(path, level) if level else path, axes)
    else:
        image = array_image(source, axes, name)
    name = image.called
    check_type(image.shape, image.dtype, name)
    if image.dtype.kind != "f" or unchecked(image.pixels) is not image.pixels:
        return image
    whole = everything(image.shape)

    def read(key: Key) -> Any:
        return image.array if key == whole else part_of(image.pixels, key)

    checked = checking(read, image.shape, image.axes, name)
    pixels = StoredPixels(image.shape, image.dtype, checked, unchecked=image.pixels)
    return replace(image, pixels=pixels)


def read_image(
    source: Source | str | os.PathLike[str],
    axes: str | None = None,
    *,
    name: str = "array 1",
    level: int = 0,
) -> Image:
    """Read one image into memory and check it.

    Parameters
    ----------
    source, axes, name, level
        As `open_image` takes them.

    Returns
    -------
    Image
        Its pixels have the type and the order of axes of the source. Pixels from a file are
        read-only; copy them to change them.

    Raises
    ------
    ImageError
        As `open_image` does; also if it does not fit into memory, is blank (one value only, in
        every channel), or holds NaN or infinity. A blank channel beside others that are not is
        named in a warning.

    Examples
    --------
    >>> read_image(np.arange(64.0).reshape(8, 8)).axes
    'YX'
    """
    opened = open_image(source, axes, name=name, level=level)
    if opened.checked is opened.pixels:
        return opened
    called = opened.called
    if not (isinstance(source, Image) and isinstance(source.pixels, np.ndarray)):
        check_fits(opened.shape, opened.dtype, called)
    try:
        image = replace(opened, pixels=native(opened.array))
        check_worth(image)
    except MemoryError as error:
        raise too_large(opened.shape, opened.dtype, called) from error
    if opened.path is not None and not isinstance(unchecked(opened.pixels), np.ndarray):
        image.array.flags.writeable = False
        image = replace(image, checked=image.pixels)
    return image


def _open_path(path: Path, axes: str | None) -> Image:
    if is_zarr_folder(path):
        return zarr_image(path, axes)
    if is_vendor_image(path):
        return vendor_image(path, axes)
    if axes == ASKED_FOR and is_png(path):
        return png_image(path)
    level = tiff_level_at(path)
    if level is None and len(files := files_of(path)) > 1:
        return recording(files, path, axes)
    file, number = level or (path, 0)
    with opened_tiff(file, axes) as opened:
        tiff, full, channels = opened
        shape = tuple(full.shape)
        letters = axes or metadata.known_axes(full) or default_axes(shape, str(path))
        letters = check_axes(letters, shape, str(path))
        about = metadata.described(tiff, full, dict(zip(letters, shape, strict=True)), channels)
        _, series, _ = at_tiff_level(opened, number, path)
        pixels = StoredPixels(tuple(series.shape), series.dtype, part_reader(series, file))
        image = Image(pixels, letters, called(path), path, *about)
    if number and image.pixel_size is not None:
        sizes = dict(zip(letters, shape, strict=True))
        height, width = (
            length * sizes[letter] / image.sizes[letter]
            for letter, length in zip("YX", image.pixel_size, strict=True)
        )
        return replace(image, pixel_size=(height, width))
    return image
