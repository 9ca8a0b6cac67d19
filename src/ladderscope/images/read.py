"""Reading images, and refusing those from which nothing good could be learned."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tifffile
from jaxtyping import Shaped

from ladderscope.files import expanded
from ladderscope.images import metadata
from ladderscope.images.axes import check_axes, planes_last
from ladderscope.images.chain import damaged
from ladderscope.images.errors import ImageError
from ladderscope.images.find import Array, Source, Sources, find_images, is_zarr_folder
from ladderscope.images.image import Image
from ladderscope.images.tiff import opened_tiff

if TYPE_CHECKING:
    from ladderscope.images.planes import OpenImage

logger = logging.getLogger("ladderscope")

_AXES_EXAMPLES = {
    3: '"TYX" for a time series, "ZYX" for slices in depth, "CYX" for channels or "SYX" for '
    "unrelated images",
    4: '"TCYX" for a time series with channels or "TZYX" for one with slices in depth',
    5: '"TCZYX" for time, channels and depth',
}


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
        One letter a dimension over ``STCZYX``, in any order.
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
    _check_pixels(image)
    return image


def check_same_kind(images: "Sequence[Image] | Sequence[OpenImage]") -> None:
    """Make sure that images can be used together: the same axes, the same number of channels.

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


class About(NamedTuple):
    """What a file tells of its image beside the pixels."""

    axes: str
    pixel_size: tuple[float, float] | None
    channel_names: tuple[str, ...] | None


def about_tiff(
    tiff: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    path: Path,
    axes: str | None,
    channels: Sequence[int] | None = None,
) -> About:
    """Find out the axes of an open TIFF, its pixel size and the names of its channels.

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
    names = metadata.channel_names(tiff)
    if names is not None and channels is not None:
        names = tuple(names[number] for number in channels if number < len(names))
    named = names is not None and len(names) == (shape[letters.index("C")] if "C" in letters else 1)
    return About(letters, metadata.pixel_size(tiff), names if named else None)


def opened_zarr(path: Path) -> Array:
    """Open the Zarr array in a folder.

    Parameters
    ----------
    path
        The array's folder.

    Raises
    ------
    ImageError
        If it cannot be opened, or is a group of arrays.
    """
    import zarr

    try:
        array: Any = zarr.open(path, mode="r")
    except Exception as error:  # each store and codec raises its own
        raise ImageError(f"{path}: cannot be opened as a Zarr array ({error}).") from error
    if not isinstance(array, zarr.Array):
        inside = ", ".join(str(path / name) for name, _ in array.arrays()) or "none at its top"
        raise ImageError(
            f"{path}: is a Zarr group, and one array is needed; name one of its arrays ({inside})."
        )
    return array


def default_axes(shape: tuple[int, ...], called: str) -> str:
    """Give the axes of an image that nobody has told: rows and columns, if it has no more.

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
            f"{called}: an image has two dimensions or more; this has {len(shape)}, its shape is "
            f"{shape}."
        )
    examples = _AXES_EXAMPLES.get(len(shape), '"STCZYX" for all that there are')
    raise ImageError(
        f"{called}: what the {len(shape)} dimensions of its shape {shape} mean is not "
        f"known; give axes (--axes on the command line), one letter for each: {examples}."
    )


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


def check_array(source: Any, name: str) -> None:
    """Refuse what is no array.

    Parameters
    ----------
    source
        What was given as an image.
    name
        What to call it.

    Raises
    ------
    ImageError
        If it has no shape, no type, or cannot become a NumPy array.

    Examples
    --------
    >>> check_array(np.zeros((8, 8)), "array 1")
    """
    if not isinstance(source, Array):
        raise ImageError(
            f"{name}: cannot read an image from {type(source).__name__}; "
            "give a path, or a NumPy or Zarr array."
        )


def _read_path(path: Path, axes: str | None) -> Image:
    if is_zarr_folder(path):
        return replace(_read_array(opened_zarr(path), axes, str(path)), name=path.name, path=path)
    with opened_tiff(path, axes) as (tiff, series, channels):
        pixels = series.asarray()
        if pixels.shape != tuple(series.shape):
            raise damaged(path, f"shape {series.shape} announced, {pixels.shape} found")
        about = about_tiff(tiff, series, path, axes, channels)
        return Image(
            native(pixels), about.axes, path.name, path, about.pixel_size, about.channel_names
        )


def _read_array(source: Array, axes: str | None, name: str) -> Image:
    check_array(source, name)
    try:
        pixels = np.asarray(source)
    except Exception as error:  # a remote or damaged store raises whatever its driver raises
        raise unreadable(name, error) from error
    return Image(native(pixels), axes or default_axes(pixels.shape, name), name)


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


def _check_finite(image: Image) -> None:
    finite = np.isfinite(image.pixels)
    if finite.all():
        return
    count = image.pixels.size - np.count_nonzero(finite)
    first = np.unravel_index(int(np.argmin(finite)), finite.shape)
    where = ", ".join(f"{axis}={at}" for axis, at in zip(image.axes, first, strict=True))
    raise ImageError(
        f"{_called(image)}: {count} of {image.pixels.size} pixels are NaN or infinite, the first "
        f"at {where} (counted from 0); replace them, or crop them away."
    )


def _called(image: "Image | OpenImage") -> str:
    return str(image.path or image.name)


def _kind(image: "Image | OpenImage") -> str:
    return f"axes {image.axes} and {image.channels} channel{'s' if image.channels > 1 else ''}"
