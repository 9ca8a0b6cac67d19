"""Reading images, and refusing those from which nothing good could be learned."""

import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from jaxtyping import Shaped

from ladderscope.images import metadata
from ladderscope.images.acquisition import Described
from ladderscope.images.axes import check_axes, planes_last
from ladderscope.images.channels import channel_order
from ladderscope.images.errors import ImageError
from ladderscope.images.find import Array, Source, Sources, find_images, is_zarr_folder
from ladderscope.images.image import Image

if TYPE_CHECKING:
    from ladderscope.images.planes import OpenImage

_AXES_EXAMPLES = {
    3: '"TYX" for a time series, "ZYX" for slices in depth, "CYX" for channels or "SYX" for '
    "unrelated images",
    4: '"TCYX" for a time series with channels or "TZYX" for one with slices in depth',
    5: '"TCZYX" for time, channels and depth',
}
_OTHER_FORMATS = {
    b"\x89PNG": "a PNG",
    b"\xff\xd8\xff": "a JPEG",
    b"GIF8": "a GIF",
    b"\x89HDF": "an HDF5 file",
    b"ZISRAWFI": "a Zeiss CZI file",
    b"%PDF": "a PDF",
}
# what tifffile logs, and reads past, when pages or their description lie beyond the end of a file
_DAMAGE = re.compile(
    "invalid page offset|invalid offset to page|corrupted|missing data"
    "|TiffTag 270 .*invalid value offset",
    re.IGNORECASE,
)


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
        value only, in any channel), an RGB photograph, complex or boolean, or if it holds NaN or
        infinity.

    Examples
    --------
    >>> read_image(np.arange(64.0).reshape(8, 8)).axes
    'YX'
    """
    if isinstance(source, Image):
        image = source if axes is None else replace(source, axes=axes)
    elif isinstance(source, str | os.PathLike):
        image = _read_path(Path(source).expanduser(), axes)
    else:
        image = _read_array(source, axes, name)
    _check_pixels(image)
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


@contextmanager
def opened_tiff(
    path: Path, axes: str | None
) -> Iterator[tuple[tifffile.TiffFile, tifffile.TiffPageSeries]]:
    """Open a TIFF and check all that can be checked without decoding its pixels.

    Parameters
    ----------
    path
        The file.
    axes
        The user's axes, if given: they may say that the colours of a photograph are channels.

    Yields
    ------
    (TiffFile, TiffPageSeries)
        The open file and the one image in it.

    Raises
    ------
    ImageError
        If it is missing, foreign, truncated, damaged, a photograph, or several images; also for
        what goes wrong inside of the block.
    """
    if path.is_dir():
        raise ImageError(f"{path}: this is a folder; name one of its files.")
    if not path.is_file():
        raise ImageError(f"{path}: there is no such file (looked in {Path.cwd()}).")
    _check_format(path)
    with tiff_errors_in_words(path), _complaints() as complaints, tifffile.TiffFile(path) as tiff:
        series = _only_series(tiff, path)
        _check_segments(series, path)
        if damage := next(filter(_DAMAGE.search, complaints), None):
            raise damaged(path, damage)
        photograph = metadata.samples_axis(series)
        if photograph is not None:
            _check_photograph(series, photograph, path, axes)
        yield tiff, series


@contextmanager
def tiff_errors_in_words(path: Path) -> Iterator[None]:
    """Turn whatever tifffile raises inside of the block into an `ImageError` about the file.

    Parameters
    ----------
    path
        The file that is being read.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{path}: is too large for this machine's memory ({error}).") from error
    except Exception as error:  # tifffile raises whatever a damaged file provokes
        if "imagecodecs" in str(error):
            raise ImageError(
                f"{path}: its compression needs one more package ({error}); run "
                '"pip install imagecodecs", or save the image uncompressed.'
            ) from error
        raise damaged(path, str(error)) from error


def about_tiff(
    tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path, axes: str | None
) -> tuple[str, Described]:
    """Find out the axes of an open TIFF, and what its metadata say of its image.

    Parameters
    ----------
    tiff, series, path
        As `opened_tiff` gave them.
    axes
        The user's axes, which win.

    Raises
    ------
    ImageError
        If the axes are not known, or do not fit the shape.
    """
    shape = tuple(series.shape)
    letters = axes or metadata.known_axes(series) or default_axes(shape, str(path))
    letters = check_axes(letters, shape, str(path))
    return letters, metadata.described(tiff, series, dict(zip(letters, shape, strict=True)))


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


def damaged(path: Path, reason: str) -> ImageError:
    """Make the error for a TIFF that is cut off or damaged.

    Parameters
    ----------
    path
        The file.
    reason
        What went wrong.
    """
    return ImageError(
        f"{path}: cannot be read as a TIFF, it seems to be truncated or damaged ({reason:.160}); "
        "copy or export it again."
    )


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
    with opened_tiff(path, axes) as (tiff, series):
        pixels = series.asarray()
        if pixels.shape != tuple(series.shape):
            raise damaged(path, f"shape {series.shape} announced, {pixels.shape} found")
        letters, about = about_tiff(tiff, series, path, axes)
        return Image(native(pixels), letters, path.name, path, *about)


def _read_array(source: Array, axes: str | None, name: str) -> Image:
    check_array(source, name)
    try:
        pixels = np.asarray(source)
    except Exception as error:  # a remote or damaged store raises whatever its driver raises
        raise unreadable(name, error) from error
    return Image(native(pixels), axes or default_axes(pixels.shape, name), name)


def _only_series(tiff: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    # microscopes put a thumbnail of the image behind it
    images = [one for one in tiff.series[1:] if not one.keyframe.is_reduced]
    if not tiff.series:
        raise damaged(path, "it holds no image")
    if images:
        shapes = ", ".join(str(tuple(one.shape)) for one in [tiff.series[0], *images][:4])
        raise ImageError(
            f"{path}: holds {len(images) + 1} separate images (of shapes {shapes}), and one is "
            "needed; save each in a file of its own."
        )
    return tiff.series[0]


def _check_format(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror or error}).") from error
    if not start:
        raise ImageError(f"{path}: the file is empty (0 bytes); copy or export it again.")
    if start[:2] in (b"II", b"MM", b"EP"):
        return
    other = next((what for magic, what in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    raise ImageError(
        f"{path}: is {other or 'not an image that can be read'}; TIFF files and Zarr arrays are. "
        "Open it in Fiji and save it with File > Save As > Tiff."
        + (" JPEG has altered the noise: go back to the original." if other == "a JPEG" else "")
    )


def _check_segments(series: tifffile.TiffPageSeries, path: Path) -> None:
    pages: list[Any] = list(series.pages)
    missing = sum(page is None for page in pages)
    if missing:
        raise damaged(path, f"{missing} of {len(pages)} planes are missing")
    for page in filter(None, pages):
        ends = map(int.__add__, page.dataoffsets, page.databytecounts)
        if max(ends, default=0) > page.parent.filehandle.size:
            raise damaged(path, f"plane {page.index} ends beyond the end of the file")


def _check_photograph(
    series: tifffile.TiffPageSeries, position: int, path: Path, axes: str | None
) -> None:
    letters = check_axes(axes, series.shape, str(path)) if axes else None
    if letters is not None and letters[position] == "C":
        return
    others = [one if one in "ZYX" else "T" for one in series.axes]
    as_channels = "".join([*others[:position], "C", *others[position + 1 :]])
    raise ImageError(
        f"{path}: is an RGB photograph or alike: {series.shape[position]} values a pixel, shape "
        f"{tuple(series.shape)}. Extract one channel or convert it to grey (in Fiji: Image > "
        "Color > Split Channels); or, if its colours are separate fluorescence channels, give "
        f'axes="{as_channels}".'
    )


def _check_pixels(image: Image) -> None:
    pixels, called = image.pixels, _called(image)
    check_type(pixels.shape, pixels.dtype, called)
    if pixels.dtype.kind == "f":
        _check_finite(image)
    planes = planes_last(pixels, image.axes)
    for channel in range(image.channels):
        values = planes[..., channel, :, :]
        if values.min() == values.max():
            where = f"channel {channel + 1} of {image.channels}" if image.channels > 1 else "it"
            raise ImageError(
                f"{called}: is blank: every pixel of {where} is {values.flat[0]}, so there is "
                "nothing to restore. Leave it out."
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


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tifffile logs meanwhile, in this thread."""
    messages: list[str] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                messages.append(record.getMessage())

    handler = Collector(logging.WARNING)
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
