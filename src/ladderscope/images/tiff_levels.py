"""The smaller copies of a pyramidal TIFF, which lie beside its pages (SubIFDs), as images.

Level n of ``slide.ome.tif`` has the address ``slide.ome.tif/n``; level 0 is the file itself.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import tifffile

from ladderscope.images.errors import ImageError
from ladderscope.images.tiff import OpenTiff, opened_tiff, series_of, sound

_SUFFIXES = (".tif", ".tiff")


class TiffLevel(NamedTuple):
    """A level of a TIFF."""

    file: Path
    number: int


def tiff_level_at(path: Path) -> TiffLevel | None:
    """Take the address of a level apart; None if it is that of anything else.

    Examples
    --------
    >>> tiff_level_at(Path("no such file.tif") / "1") is None
    True
    """
    if not path.name.isdecimal() or not is_tiff(path.parent):
        return None
    is_file = os.path.isfile(path.parent)  # noqa: PTH113 (too long a name is no file, not an error)
    return TiffLevel(path.parent, int(path.name)) if is_file else None


def is_tiff(path: Path) -> bool:
    """Return whether a path has the ending of a TIFF.

    Examples
    --------
    >>> is_tiff(Path("slide.ome.tif")), is_tiff(Path("slide.czi"))
    (True, False)
    """
    return path.suffix.lower() in _SUFFIXES


def check_level(path: Path, number: int) -> None:
    """Refuse a level that a TIFF does not have.

    Raises
    ------
    ImageError
        It has not; or as `opened_tiff` does.
    """
    with opened_tiff(path, None) as opened:
        at_tiff_level(opened, number, path)


def at_tiff_level(opened: OpenTiff, number: int, path: Path) -> OpenTiff:
    """Give a level of the image in an open TIFF, checked like the image itself.

    Raises
    ------
    ImageError
        There is no such level, or it is no smaller copy of every plane.
    """
    if number == 0:
        return opened
    full, file = opened.series, opened.file
    offsets = _offsets(full)
    levels = next((one.levels for one in file.series if _offsets(one) == offsets), [full])
    if number >= len(levels):
        has = f"the levels 0 to {len(levels) - 1}" if len(levels) > 1 else "no smaller levels"
        raise ImageError(f"{path}: level {number} was asked for, but it has {has}.")
    pages: list[Any] = list(levels[number].pages)
    outer = len(full.shape) - len(full.keyframe.shape)
    if (
        len(pages) != len(offsets)
        or None in pages
        or len(pages[0].shape) != len(full.shape) - outer
    ):
        raise ImageError(
            f"{path}: level {number} has other planes than the image; read the full resolution."
        )
    series = series_of(file, pages, full.shape[:outer], full.axes, full.name)
    return sound(OpenTiff(file, series, opened.channels), [], path)


def _offsets(series: tifffile.TiffPageSeries) -> list[int | None]:
    return [None if page is None else page.offset for page in series.pages]
