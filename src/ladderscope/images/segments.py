"""Parts of a page of a TIFF: only the strips or tiles that hold them are decoded."""

from collections import OrderedDict
from collections.abc import Hashable
from itertools import product
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Shaped

from ladderscope.images.stored import Key

_JPEG = {6, 7, 34892, 33007}
_MOST_KEPT = 2**28


class _Recent:
    """The strips and tiles that were decoded last, up to some bytes; one at least."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[Hashable, Shaped[np.ndarray, "..."]] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable) -> Shaped[np.ndarray, "..."] | None:
        with self._lock:
            if (found := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: Hashable, decoded: Shaped[np.ndarray, "..."]) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = decoded
            self._bytes += decoded.nbytes
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes


_RECENT = _Recent(_MOST_KEPT)


def part_of_page(page: Any, key: Key, file: Hashable) -> Shaped[np.ndarray, "..."]:
    """Read a part of a page, from where it lies or out of its strips or tiles.

    What was decoded last is kept, 256 MB of all files together: parts that lie beside each other
    share strips and tiles.

    Parameters
    ----------
    page
        Of an open TIFF.
    key
        An integer or a slice for each dimension of the page.
    file
        Identifies the file and its state.
    """
    keyframe = page.keyframe
    at = keyframe.axes.find("YX")
    sides = [
        range(size)[one] if isinstance(one, slice) else range(one, one + 1)
        for one, size in zip(key[at:], keyframe.shape[at:], strict=True)
    ][:2]
    is_part = any(len(side) < size for side, size in zip(sides, keyframe.shape[at:], strict=False))
    is_plain = at >= 0 and keyframe.imagedepth == 1 and keyframe.jpegheader is None
    if not (is_part and is_plain and all(side and side.step == 1 for side in sides)):
        whole: Shaped[np.ndarray, "..."] = page.asarray()
        return whole[key]
    if keyframe.is_memmappable and keyframe.is_contiguous:
        dtype = keyframe.dtype.newbyteorder(keyframe.parent.byteorder)
        path, offset = page.parent.filehandle.path, page.dataoffsets[0]
        return np.array(np.memmap(path, dtype, "r", offset, keyframe.shape)[key])
    found = _decoded(page, sides[0], sides[1], file)
    shape = (*keyframe.shape[:at], *map(len, sides), *keyframe.shape[at + 2 :])
    inside = (slice(None) if isinstance(one, slice) else 0 for one in key[at : at + 2])
    return found.reshape(shape)[(*key[:at], *inside, *key[at + 2 :])]


def _decoded(
    page: Any, rows: range, columns: range, file: Hashable
) -> Shaped[np.ndarray, "separate 1 rows columns together"]:
    """Put together what the strips or tiles hold of some rows and columns."""
    keyframe = page.keyframe
    separate, _, height, width, together = keyframe.shaped
    tall, wide = (
        (keyframe.tilelength, keyframe.tilewidth)
        if keyframe.is_tiled
        else (min(keyframe.rowsperstrip, height), width)
    )
    down, across = -(-height // tall), -(-width // wide)
    found = np.empty((separate, 1, len(rows), len(columns), together), keyframe.dtype)
    for of, row, column in product(
        range(separate),
        range(rows.start // tall, -(-rows.stop // tall)),
        range(columns.start // wide, -(-columns.stop // wide)),
    ):
        segment = _segment(page, (of * down + row) * across + column, file)
        down_to, up_to = (
            slice(max(side.start, one * part), min(side.stop, (one + 1) * part))
            for side, one, part in ((rows, row, tall), (columns, column, wide))
        )
        found[of, 0, _moved(down_to, rows.start), _moved(up_to, columns.start)] = (
            keyframe.nodata
            if segment is None
            else segment[0, _moved(down_to, row * tall), _moved(up_to, column * wide)]
        )
    return found


def _moved(side: slice, by: int) -> slice:
    return slice(side.start - by, side.stop - by)


def _segment(page: Any, number: int, file: Hashable) -> Shaped[np.ndarray, "..."] | None:
    """Decode a strip or a tile; None if the file has none there."""
    offset, length = page.dataoffsets[number], page.databytecounts[number]
    if not offset or not length:
        return None
    key = (file, offset, length)
    if (kept := _RECENT.find(key)) is not None:
        return kept
    handle, keyframe = page.parent.filehandle, page.keyframe
    with handle.lock:
        keyframe.init_decode()
        handle.seek(offset)
        data = handle.read(length)
    tables = {"jpegtables": page.jpegtables, "jpegheader": None}
    decoded: Shaped[np.ndarray, "..."] | None = keyframe.decode(
        data, number, **(tables if keyframe.compression in _JPEG else {})
    )[0]
    if decoded is not None:
        _RECENT.keep(key, decoded)
    return decoded
