"""The pixels of a TIFF, read part by part: from where they lie, or out of its pages."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Shaped

from ladderscope.images.chain import damaged
from ladderscope.images.errors import ImageError
from ladderscope.images.segments import part_of_page
from ladderscope.images.stored import Key, Read, everything
from ladderscope.images.tiff import tiff_errors_in_words


def part_reader(series: tifffile.TiffPageSeries, path: Path) -> Read:
    """Choose how parts of a series are read: from where they lie, or out of its pages.

    The whole is left to tifffile, which decodes several pages at a time.

    Parameters
    ----------
    series, path
        The image in an open TIFF, and the file.

    Returns
    -------
    Read
        For `StoredPixels`. It opens the file for as long as it reads.

    Raises
    ------
    ImageError
        If the pages do not fill the shape; when called, if a page cannot be decoded, or the file
        has changed since.
    """
    offset, state = series.dataoffset, _state(path)
    if offset is None or series.is_multifile or not series.keyframe.is_memmappable:
        read = _page_reader(series, path, state)
    else:
        read = _mapped_reader(series, path, offset)

    whole = everything(series.shape)

    def read_part(key: Key) -> Shaped[np.ndarray, "..."]:
        if (now := _state(path)) != state:
            how = "is gone" if now is None else "has changed since it was opened"
            raise ImageError(f"{path}: {how}; put the file back as it was, and start again.")
        with tiff_errors_in_words(path):
            return _whole(series, path) if key == whole else read(key)

    return read_part


def _state(path: Path) -> tuple[Path, int, int] | None:
    """Identify a file and its content, by its size and the time of its last change."""
    try:
        found = path.stat()
    except OSError:
        return None
    return path, found.st_size, found.st_mtime_ns


def _whole(series: tifffile.TiffPageSeries, path: Path) -> Shaped[np.ndarray, "..."]:
    with _opened(series.keyframe.parent):
        pixels: Shaped[np.ndarray, "..."] = series.asarray()
    # tifffile for Python 3.12 and later leaves out axes of length one here
    found, announced = ([side for side in one.shape if side > 1] for one in (pixels, series))
    if found != announced:
        raise damaged(path, f"shape {series.shape} announced, {pixels.shape} found")
    return pixels.reshape(series.shape)


def _mapped_reader(series: tifffile.TiffPageSeries, path: Path, offset: int) -> Read:
    dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
    shape = tuple(series.shape)

    def read(key: Key) -> Shaped[np.ndarray, "..."]:
        # mapped anew each time: a mapping that stays counts all it ever showed as memory in use
        return np.array(np.memmap(path, dtype, "r", offset, shape)[key])

    return read


def _page_reader(
    series: tifffile.TiffPageSeries, path: Path, state: tuple[Path, int, int] | None
) -> Read:
    pages, shape, size = list(series), tuple(series.shape), math.prod(series.keyframe.shape)
    split = next((at for at in range(len(shape)) if math.prod(shape[at:]) == size), len(shape))
    outer, inner = shape[:split], shape[split:]
    if math.prod(outer) != len(pages):
        raise damaged(path, f"shape {shape} announced, {len(pages)} planes of {inner} found")

    def read(key: Key) -> Shaped[np.ndarray, "..."]:
        numbers = np.arange(len(pages)).reshape(outer)[key[:split]]
        within = np.broadcast_to(np.empty((), series.dtype), inner)[key[split:]].shape
        values = np.empty((numbers.size, *within), series.dtype)
        with _opened(series.keyframe.parent):
            for place, number in enumerate(numbers.flat):
                values[place] = _of_page(pages[number], inner, key[split:], state)
        return values.reshape((*numbers.shape, *within))

    return read


def _of_page(
    page: Any, shape: tuple[int, ...], key: Key, state: tuple[Path, int, int] | None
) -> Shaped[np.ndarray, "..."]:
    if tuple(page.keyframe.shape) == shape:
        return part_of_page(page, key, state)
    whole: Shaped[np.ndarray, "..."] = page.asarray().reshape(shape)
    return whole[key]


@contextmanager
def _opened(tiff: tifffile.TiffFile) -> Iterator[None]:
    """Open a file again for as long as it is read, if it is closed."""
    file = tiff.filehandle
    was_closed = file.closed
    if was_closed:
        file.open()
    try:
        yield
    finally:
        if was_closed:
            file.close()
