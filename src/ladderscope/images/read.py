"""Reading images, and refusing those from which nothing good could be learned."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from jaxtyping import Shaped

from ladderscope.files import expanded
from ladderscope.images import metadata
from ladderscope.images.acquisition import Described
from ladderscope.images.arrays import array_axes, check_array, default_axes, opened_zarr, values_of
from ladderscope.images.axes import check_axes, planes_last
from ladderscope.images.chain import damaged
from ladderscope.images.channels import channel_order
from ladderscope.images.errors import ImageError
from ladderscope.images.find import Array, Source, Sources, find_images, is_zarr_folder
from ladderscope.images.image import Image
from ladderscope.images.memory import check_fits, too_large
from ladderscope.images.stored import native
from ladderscope.images.tiff import opened_tiff

if TYPE_CHECKING:
    from ladderscope.images.planes import OpenImage

logger = logging.getLogger("ladderscope")

_LARGEST = float(np.finfo(np.float32).max)
_COARSEST = 0.02  # of the standard deviation: a coarser step would be noise of its own
_SAMPLED = 2**16


def read_images(
    sources: Sources, axes: str | None = None, *, own_outputs: bool = False
) -> list[Image]:
    """Find, read and check a set of images of one kind.

    Parameters
    ----------
    sources
        Whatever `find_images` takes.
    axes
        The axes of every image; by default those that each file's metadata gives.
    own_outputs
        Whether to read files that Ladderscope has written, too.

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
    >>> [image.name for image in read_images([noisy, noisy.T])]
    ['array 1', 'array 2']
    """
    named = named_sources(sources, own_outputs=own_outputs)
    images = [read_image(source, axes, name=name) for source, name in named]
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


def read_image(
    source: Source | str | os.PathLike[str], axes: str | None = None, *, name: str = "array 1"
) -> Image:
    """Read one image and check it.

    The axes are the user's, if given. Otherwise they are those of the OME, ImageJ or tifffile
    metadata; an image of two dimensions needs none.

    Parameters
    ----------
    source
        A TIFF (plain, OME or ImageJ), a Zarr array's folder, a NumPy or Zarr array, or an `Image`.
    axes
        One letter per dimension over ``STCZYX``, in any order.
    name
        What to call an array; a file is called by its name.

    Returns
    -------
    Image
        Its pixels have the type and the order of axes of the source.

    Raises
    ------
    ImageError
        If it cannot be read; if its axes are not known or do not fit; if it is empty, blank (one
        value only, in every channel), an RGB photograph, complex or boolean, or if it holds NaN or
        infinity. A blank channel beside others that are not is named in a warning.

    Examples
    --------
    >>> read_image(np.arange(64.0).reshape(8, 8)).axes
    'YX'
    """
    if isinstance(source, Image):
        image = source if axes is None else replace(source, axes=axes)
    elif isinstance(source, str | os.PathLike):
        image = _read_path(expanded(source), axes)
    else:
        image = _read_array(source, axes, name)
    try:
        _check_pixels(image)
    except MemoryError as error:
        raise too_large(image.pixels.shape, image.pixels.dtype, _called(image)) from error
    return image


def check_same_kind(images: "Sequence[Image] | Sequence[OpenImage]") -> None:
    """Make sure that images can be used together: the same axes, the same channels in order.

    Parameters
    ----------
    images
        Any number of images. Their sizes may differ.

    Raises
    ------
    ImageError
        If one differs from the first, naming both.

    Examples
    --------
    >>> check_same_kind([Image(np.zeros((8, 8)), "YX", "a.tif")] * 2)
    """
    for image in images:
        first = images[0]
        if (image.axes, image.channels) != (first.axes, first.channels):
            raise ImageError(
                f"{_called(first)} has {_kind(first)}, but {_called(image)} has {_kind(image)}; "
                "images used together must have the same axes and the same number of channels. "
                "Give one kind at a time."
            )
        order = channel_order(image.channel_names, first.channel_names)
        if order is not None and order != sorted(order):
            raise ImageError(
                f"{_called(first)} has the channels {', '.join(first.channel_names or ())}, but "
                f"{_called(image)} has them as {', '.join(image.channel_names or ())}; images "
                "used together must have their channels in one order. Save them in the same order."
            )


def about_tiff(
    tiff: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    path: Path,
    axes: str | None,
    channels: Sequence[int] | None = None,
) -> tuple[str, Described]:
    """Find out the axes of an open TIFF, and what its metadata say of its image.

    Parameters
    ----------
    tiff, series, path
        As `opened_tiff` gave them.
    axes
        The user's axes, which win.
    channels
        Which of the channels that the description names are in the file; None for all.

    Raises
    ------
    ImageError
        If the axes are not known, or do not fit the shape.
    """
    shape = tuple(series.shape)
    letters = axes or metadata.known_axes(series) or default_axes(shape, str(path))
    letters = check_axes(letters, shape, str(path))
    sizes = dict(zip(letters, shape, strict=True))
    return letters, metadata.described(tiff, series, sizes, channels)


def check_type(shape: tuple[int, ...], dtype: np.dtype[Any], called: str) -> None:
    """Refuse what no pixel needs to be read for: no pixels at all, or none of real numbers.

    Parameters
    ----------
    shape, dtype
        Those of the image.
    called
        What to call it in an error.

    Raises
    ------
    ImageError
        If it is empty, boolean, complex, or of a type that is no number of at most 64 bits.

    Examples
    --------
    >>> check_type((64, 64), np.dtype(np.uint16), "a.tif")
    """
    if 0 in shape:
        raise ImageError(f"{called}: has no pixels, its shape is {shape}.")
    accepted = "integers and floating-point numbers of at most 64 bits"
    if dtype.kind == "c":
        raise ImageError(
            f"{called}: its pixels are complex numbers ({dtype}), and {accepted} are read; "
            "save the magnitude, or the real part, as an image."
        )
    if dtype.kind == "b":
        raise ImageError(
            f"{called}: its pixels are true or false ({dtype}), as in a mask, and {accepted} are "
            "read; give the image that the mask was made from."
        )
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ImageError(
            f"{called}: its pixels are of type {dtype}, and {accepted} are read; convert it, for "
            "example with array.astype(numpy.float32)."
        )


def _read_path(path: Path, axes: str | None) -> Image:
    if is_zarr_folder(path):
        return replace(_read_array(opened_zarr(path), axes, str(path)), name=path.name, path=path)
    with opened_tiff(path, axes) as (tiff, series, channels):
        check_fits(series.shape, series.dtype, str(path))
        try:
            pixels = series.asarray()
        except MemoryError as error:
            raise too_large(series.shape, series.dtype, str(path)) from error
        if pixels.shape != tuple(series.shape):
            raise damaged(path, f"shape {series.shape} announced, {pixels.shape} found")
        letters, about = about_tiff(tiff, series, path, axes, channels)
        return Image(native(pixels), letters, path.name, path, *about)


def _read_array(source: Array, axes: str | None, name: str) -> Image:
    check_array(source, name)
    pixels = values_of(source, name)
    return Image(native(pixels), array_axes(source, axes, name), name)


def blank_channels(image: Image) -> tuple[int, ...]:
    """Find the channels in which every pixel has the same value.

    A channel is looked at plane by plane until two values differ, mostly in its first plane.

    Parameters
    ----------
    image
        An image with pixels.

    Returns
    -------
    tuple of int
        Their numbers, from 0.

    Examples
    --------
    >>> pixels = np.stack([np.eye(8), np.full((8, 8), 100)])
    >>> blank_channels(Image(pixels, "CYX", "a.tif"))
    (1,)
    """
    planes = planes_last(image.pixels, image.axes)
    return tuple(number for number in range(image.channels) if _is_blank(planes[..., number, :, :]))


def _is_blank(planes: Shaped[np.ndarray, "*others Y X"]) -> bool:
    first = planes.flat[0]
    return all((planes[index] == first).all() for index in np.ndindex(planes.shape[:-2]))


def _check_pixels(image: Image) -> None:
    pixels, called = image.pixels, _called(image)
    check_type(pixels.shape, pixels.dtype, called)
    if pixels.dtype.kind == "f":
        _check_finite(image)
    blank = blank_channels(image)
    values = [planes_last(pixels, image.axes)[..., number, :, :].flat[0] for number in blank]
    if len(blank) == image.channels:
        where = f"each of its {len(blank)} channels" if len(blank) > 1 else "it"
        raise ImageError(
            f"{called}: is blank: every pixel of {where} is {', '.join(map(str, values))}, so "
            "there is nothing to restore. Leave it out."
        )
    for number, value in zip(blank, values, strict=True):
        name = image.channel_names[number] if image.channel_names else None
        logger.warning(
            "%s: channel %d of %d%s is blank: every pixel is %s.",
            called,
            number + 1,
            image.channels,
            f" ({name})" if name else "",
            value,
        )
    if pixels.dtype.itemsize > (4 if pixels.dtype.kind == "f" else 2):
        _check_precision(image, blank)


def _check_precision(image: Image, blank: Sequence[int]) -> None:
    """Refuse channels whose offset leaves single precision no digits for what varies."""
    for number in {*range(image.channels)} - {*blank}:
        values = planes_last(image.pixels, image.axes)[..., number, :, :]
        sampled = values.reshape(-1)[:: max(1, values.size // _SAMPLED)].astype(np.float64)
        step = float(np.spacing(np.float32(np.abs(sampled).max())))
        deviation = float((sampled - sampled[0]).std())
        if step > _COARSEST * deviation > 0:
            offset = float(f"{sampled.min():.2g}")
            raise ImageError(
                f"{_called(image)}: its pixels are around {sampled.mean():.6g} and vary by "
                f"{deviation:.3g} only, while the single precision that networks compute in has "
                f"steps of {step:.3g} there. Subtract a constant, such as {offset:g}, from all "
                "images first."
            )


def _check_finite(image: Image) -> None:
    pixels = image.pixels
    finite = np.isfinite(pixels)
    if not finite.all():
        count = pixels.size - np.count_nonzero(finite)
        raise ImageError(
            f"{_called(image)}: {count} of {pixels.size} pixels are NaN or infinite, the first at "
            f"{_place(image, int(np.argmin(finite)))}; replace them, or crop them away."
        )
    if pixels.dtype.itemsize == 8:
        for at in (int(pixels.argmin()), int(pixels.argmax())):
            if abs(pixels.flat[at]) > _LARGEST:
                raise ImageError(
                    f"{_called(image)}: the pixel at {_place(image, at)} is {pixels.flat[at]:.3g}, "
                    f"and {_LARGEST:.2g} is the largest value that can be worked with; divide the "
                    "pixels by a constant, or replace this one if it is an error."
                )


def _place(image: Image, number: int) -> str:
    index = np.unravel_index(number, image.pixels.shape)
    where = ", ".join(f"{axis}={at}" for axis, at in zip(image.axes, index, strict=True))
    return f"{where} (counted from 0)"


def _called(image: "Image | OpenImage") -> str:
    return str(image.path or image.name)


def _kind(image: "Image | OpenImage") -> str:
    return f"axes {image.axes} and {image.channels} channel{'s' if image.channels > 1 else ''}"
