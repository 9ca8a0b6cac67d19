"""Writing images as OME-TIFF."""

import math
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Shaped
from numpy.typing import DTypeLike

from ladderscope.files import whole_file
from ladderscope.images.acquisition import UNKNOWN, Acquisition, Objective
from ladderscope.images.axes import check_axes, to_ome_order
from ladderscope.images.errors import ImageError
from ladderscope.images.metadata import SOFTWARE
from ladderscope.images.ome_metadata import ome_colour, with_objective
from ladderscope.words import counted

_CLASSIC_TIFF_BYTES = 3_900_000_000


def write_image(
    path: str | os.PathLike[str],
    pixels: Shaped[np.ndarray, "..."],
    axes: str,
    *,
    pixel_size: tuple[float, float] | None = None,
    channel_names: Sequence[str] | None = None,
    acquisition: Acquisition = UNKNOWN,
    overwrite: bool = False,
    description: str | None = None,
) -> None:
    """Write an image as an OME-TIFF, completely or not at all.

    Its dimensions are put into the order ``TCZYX``. OME has no axis of samples: S is written as T,
    as Z where there is a T, and along T where there are both. It has integers of 8 to 32 bits and
    floats of 32 and 64, which are kept; float16 is written as float32, and integers of 64 bits as
    those of 32 if the values fit, else as float64.

    Parameters
    ----------
    path
        The file to write, usually ``*.ome.tif``. Missing folders are created.
    pixels, axes
        The image, and one letter over ``STCZYX`` for each dimension.
    pixel_size
        Height and width of a pixel in micrometres.
    channel_names
        One per channel.
    acquisition
        What else is known of how the image was acquired.
    overwrite
        Whether a file that exists may be replaced.
    description
        Free text, kept in the OME metadata.

    Raises
    ------
    ImageError
        If the axes, channel names or pixel size do not fit, or the pixels are not real numbers.
    OutputError
        If the file exists, or if it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.ome.tif")
    ...     write_image(path, np.eye(8, dtype=np.float32), "YX", pixel_size=(0.1, 0.1))
    ...     tifffile.imread(path).shape
    (8, 8)
    """
    name = str(path)
    ordered, letters = to_ome_order(pixels, check_axes(axes, pixels.shape, name))
    metadata: dict[str, Any] = {"axes": letters, "Name": _plain(Path(path).name)}
    if pixel_size is not None:
        metadata |= _ome_pixel_size(pixel_size, name)
    if channel_names is not None:
        metadata["Channel"] = {"Name": _ome_channel_names(channel_names, ordered, letters, name)}
    metadata |= _ome_acquisition(acquisition)
    if colours := acquisition.channel_colours:
        _check_one_per_channel(colours, "channel colours", ordered, letters, name)
        metadata.setdefault("Channel", {})["Color"] = [ome_colour(colour) for colour in colours]
    if description:
        metadata["Description"] = _plain(description)
    values = _ome_type(ordered, name)
    with whole_file(path, overwrite) as unfinished:
        tifffile.imwrite(
            unfinished,
            values,
            ome=True,
            bigtiff=values.nbytes > _CLASSIC_TIFF_BYTES,
            photometric="minisblack",
            software=f"{SOFTWARE} {version('ladderscope')}",
            metadata=metadata,
        )
        if acquisition.objective is not None:
            _add_objective(unfinished, acquisition.objective)


def cast_to(pixels: Shaped[np.ndarray, "..."], dtype: DTypeLike) -> Shaped[np.ndarray, "..."]:
    """Convert pixels to another type: clipped to its range, and rounded if it is one of integers.

    Parameters
    ----------
    pixels
        Real numbers of any type and shape.
    dtype
        The type wanted, for example that of the image that was restored.

    Returns
    -------
    array of the same shape
        Of type `dtype`. Halves are rounded to even numbers.

    Raises
    ------
    ImageError
        If NaN would have to become an integer, or `dtype` is not a type of real numbers.

    Examples
    --------
    >>> cast_to(np.array([-3.0, 1.6, 300.0]), np.uint8)
    array([  0,   2, 255], dtype=uint8)
    """
    target = np.dtype(dtype)
    if target.kind == "f":
        limit = np.finfo(target).max
        fits = np.can_cast(pixels.dtype, target)
        return (pixels if fits else pixels.clip(-limit, limit)).astype(target, copy=False)
    if target.kind not in "iu":
        raise ImageError(
            f"pixels cannot be converted to {target}; give a type of integers or floats."
        )
    info = np.iinfo(target)
    if pixels.dtype.kind in "iu":
        own = np.iinfo(pixels.dtype)
        clipped = pixels.clip(max(info.min, own.min), min(info.max, own.max))
        return clipped.astype(target, copy=False)
    if np.isnan(pixels).any():
        raise ImageError(f"pixels that are NaN cannot be converted to {target}.")
    # a float32 cannot hold the largest integer of 32 bits, nor a float64 that of 64
    working = pixels.astype(np.float64 if target.itemsize > 2 else np.result_type(pixels, "f4"))
    highest = float(info.max) if target.itemsize < 8 else math.nextafter(float(info.max), 0)
    np.rint(working, out=working)
    return working.clip(float(info.min), highest, out=working).astype(target)


def _ome_pixel_size(pixel_size: tuple[float, float], name: str) -> dict[str, Any]:
    height, width = (float(length) for length in pixel_size)
    if not all(math.isfinite(length) and length > 0 for length in (height, width)):
        raise ImageError(
            f"{name}: the pixel size {pixel_size} is not a height and a width in micrometres."
        )
    sizes = {"PhysicalSizeY": height, "PhysicalSizeX": width}
    return sizes | {"PhysicalSizeYUnit": "µm", "PhysicalSizeXUnit": "µm"}


def _ome_channel_names(
    names: Sequence[str], pixels: Shaped[np.ndarray, "..."], axes: str, name: str
) -> list[str]:
    _check_one_per_channel(names, "channel names", pixels, axes, name)
    return [_plain(one) for one in names]


def _check_one_per_channel(
    values: Sequence[Any], what: str, pixels: Shaped[np.ndarray, "..."], axes: str, name: str
) -> None:
    channels = pixels.shape[axes.index("C")] if "C" in axes else 1
    if isinstance(values, str) or len(values) != channels:
        raise ImageError(
            f"{name}: the {what} are {values!r}, but the image has "
            f"{counted(channels, 'channel')}; give one per channel."
        )


def _ome_acquisition(acquisition: Acquisition) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if acquisition.slice_spacing is not None:
        known |= {"PhysicalSizeZ": acquisition.slice_spacing, "PhysicalSizeZUnit": "µm"}
    if acquisition.frame_interval is not None:
        known |= {"TimeIncrement": acquisition.frame_interval, "TimeIncrementUnit": "s"}
    if acquisition.date is not None:
        known["AcquisitionDate"] = acquisition.date.isoformat()
    return known


def _add_objective(path: Path, objective: Objective) -> None:
    """Complete the description of a file just written, as tifffile writes no instruments."""
    model = None if objective.model is None else _plain(objective.model)
    description = with_objective(str(tifffile.tiffcomment(path)), objective._replace(model=model))
    tifffile.tiffcomment(path, description.encode())


def _ome_type(pixels: Shaped[np.ndarray, "..."], name: str) -> Shaped[np.ndarray, "..."]:
    if pixels.dtype.kind not in "iuf":
        raise ImageError(f"{name}: pixels of type {pixels.dtype} cannot be written as an image.")
    if pixels.dtype == np.float16:
        return pixels.astype(np.float32)
    if pixels.dtype.kind == "f" or pixels.dtype.itemsize < 8:
        return pixels
    for narrower in (np.uint32, np.int32):
        info = np.iinfo(narrower)
        if info.min <= pixels.min(initial=0) and pixels.max(initial=0) <= info.max:
            return pixels.astype(narrower)
    return pixels.astype(np.float64)


def _plain(text: str) -> str:
    """Drop the control characters that XML cannot hold."""
    return "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")
