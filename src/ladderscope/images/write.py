"""Writing images as OME-TIFF or OME-Zarr."""

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Shaped

from ladderscope.events import Writing, seconds_left, tell
from ladderscope.files import expanded
from ladderscope.folders import check_replaceable, remove_folder
from ladderscope.images.acquisition import UNKNOWN, Acquisition
from ladderscope.images.axes import check_axes, to_ome_order
from ladderscope.images.errors import ImageError
from ladderscope.images.output import Compression, Output
from ladderscope.images.own_zarr import kept_for
from ladderscope.images.stored import Key, Pixels, StoredPixels
from ladderscope.images.write_tiff import write_tiff
from ladderscope.images.write_zarr import write_zarr
from ladderscope.words import listed


def write_image(
    path: str | os.PathLike[str],
    pixels: Pixels,
    axes: str,
    *,
    pixel_size: tuple[float, float] | None = None,
    channel_names: Sequence[str] | None = None,
    acquisition: Acquisition = UNKNOWN,
    overwrite: bool = False,
    description: str | None = None,
    compression: Compression | None = None,
) -> None:
    """Write an image as an OME-TIFF or an OME-Zarr, completely or not at all.

    Its dimensions are put into the order ``TCZYX``. OME has no axis of samples: S is written as T,
    as Z where there is a T, and along T where there are both. Stored pixels are read block by
    block, so that an image may be larger than memory. The same pixels always give the same bytes.

    An OME-TIFF has integers of 8 to 32 bits and floats of 32 and 64, which are kept; float16 is
    written as float32, and integers of 64 bits as those of 32 if the values fit, else as float64.
    Planes of more than 2048×2048 pixels are stored in tiles, and more than 3.9 GB as a BigTIFF.

    An OME-Zarr (version 0.5) keeps all these types. It has levels of half the height and width,
    which are means of 2×2 pixels, down to 256 pixels, and chunks of up to 1024×1024 pixels.

    Parameters
    ----------
    path
        The file to write, usually ``*.ome.tif``; with the ending ``.zarr``, usually
        ``*.ome.zarr``, it is an OME-Zarr. Missing folders are created.
    pixels, axes
        The image, an array or stored pixels, and one letter over ``STCZYX`` for each dimension.
    pixel_size
        Height and width of a pixel in micrometres.
    channel_names
        One per channel.
    acquisition
        What else is known of how the image was acquired.
    overwrite
        Whether a file that exists may be replaced; of folders, only an OME-Zarr that Ladderscope
        wrote, with nothing else in it.
    description
        Free text, kept in the metadata.
    compression
        ``"none"``, ``"deflate"`` or ``"zstd"``; by default none in a TIFF, and zstd in a Zarr.

    Raises
    ------
    ImageError
        If the axes, channel names or pixel size do not fit, the pixels are not real numbers, or
        the compression is unknown.
    OutputError
        If the file exists, or if it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.ome.tif")
    ...     write_image(path, np.eye(8, dtype=np.float32), "YX", pixel_size=(0.1, 0.1))
    ...     path.name, path.is_file()
    ('a.ome.tif', True)
    """
    if compression not in (None, *get_args(Compression)):
        known = listed([f'"{one}"' for one in get_args(Compression)], "or")
        raise ImageError(f"compression={compression!r} is unknown; give {known}, or None.")
    final = expanded(path)
    followed = pixels if isinstance(pixels, np.ndarray) else _followed(pixels, final)
    ordered, letters = to_ome_order(followed, check_axes(axes, tuple(pixels.shape), str(path)))
    output = Output(
        final, ordered, letters, pixel_size, channel_names, acquisition, description or ""
    )
    write = write_zarr if final.suffix.lower() == ".zarr" else write_tiff
    write(final, output, compression=compression, overwrite=overwrite)


def _followed(pixels: Pixels, path: Path) -> StoredPixels:
    """Tell of every part that is read of pixels how much of the file is written."""
    total, done, started = math.prod(pixels.shape) / 1e6, 0.0, time.monotonic()

    def read(key: Key) -> Shaped[np.ndarray, "..."]:
        nonlocal done
        part: Shaped[np.ndarray, "..."] = pixels[key]
        done = min(total, done + part.size / 1e6)
        left = seconds_left(time.monotonic() - started, done / total)
        tell(Writing(path, done, total, left))
        return part

    return StoredPixels(pixels.shape, pixels.dtype, read)


def check_replaced(path: Path) -> None:
    """Refuse to overwrite a folder that is no OME-Zarr of Ladderscope, or has something else in it.

    Parameters
    ----------
    path
        An image that is to be written, and may exist.

    Raises
    ------
    OutputError
        Naming what is in the way.

    Examples
    --------
    >>> check_replaced(Path("a new image.ome.zarr"))
    """
    if path.suffix.lower() == ".zarr":
        check_replaceable(path, kept_for)


def remove_written(path: Path) -> None:
    """Delete an image that Ladderscope wrote, if it is there.

    Parameters
    ----------
    path
        A file, or the folder of an OME-Zarr.

    Raises
    ------
    OutputError
        If it is a folder, but no such OME-Zarr, or if there is something else in it.

    Examples
    --------
    >>> remove_written(Path("no such image.ome.zarr"))
    """
    if path.is_dir() and not path.is_symlink():
        check_replaceable(path, kept_for)
        remove_folder(path)
    else:
        path.unlink(missing_ok=True)
