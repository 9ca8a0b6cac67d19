"""The list of pages in a TIFF, walked before it is trusted.

Every page says where the next one is, and every tag how many values it has. A damaged file may
announce pages without end, or values by the billion; one look at the bare list, which costs a few
microseconds per page, finds that before anything is read for them.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ladderscope.images.errors import ImageError
from ladderscope.words import data_size

_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_VALUE_BYTES |= {16: 8, 17: 8, 18: 8}
_TEXT = {1, 2, 6, 7}
_DESCRIPTION, _SUBPAGES, _LSM = 270, 330, 34412
# what pages of one image have in common: size, type, colours, compression, tiles
_KIND = {256, 257, 258, 259, 262, 277, 284, 317, 322, 323, 339}

_MANY_PAGES, _PAGE_BYTES = 20_000, 1024
_MOST_TAGS = 4096
_BUFFER = 1024
_MOST_VALUES = 2_000_000
_MOST_SUBPAGES = 1000
_MOST_TEXT = 32 * 2**20
_SHARED_BYTES = 16 * 2**20


class PageKind(NamedTuple):
    """What a page must share with another for both to be planes of one image."""

    tags: tuple[tuple[int, int, int, bytes], ...]


class _Layout(NamedTuple):
    """How a TIFF's numbers are laid out: the classic way, or BigTIFF's."""

    counts: struct.Struct
    tags: struct.Struct
    offsets: struct.Struct
    first: int


def walk_pages(path: Path) -> list[PageKind]:
    """List the pages of a TIFF, and refuse a list that no microscope wrote.

    Parameters
    ----------
    path
        A file that begins like a TIFF.

    Returns
    -------
    list of PageKind
        One entry per page, the same object for pages of the same kind.

    Raises
    ------
    ImageError
        If the list is circular or runs out of the file, if it has more pages than the file can
        hold images, or if tags announce more values than the file can hold or an image needs.

    Examples
    --------
    >>> import tempfile, numpy, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.tif")
    ...     tifffile.imwrite(path, numpy.zeros((3, 8, 8)), photometric="minisblack")
    ...     len(walk_pages(path)), len(set(walk_pages(path)))
    (3, 1)
    """
    kinds: dict[PageKind, PageKind] = {}
    with path.open("rb", buffering=_BUFFER) as file:
        return [kinds.setdefault(kind, kind) for kind in _walk(file, path)]


def text_of(path: Path, code: int, most: int = 256) -> str:
    """Read the start of a text in the first page of a TIFF, and nothing else of the file.

    Parameters
    ----------
    path
        Any file.
    code
        The tag that holds the text.
    most
        How many bytes of it to read.

    Returns
    -------
    str
        Empty if the file is no TIFF, or its first page has no such text.

    Examples
    --------
    >>> import tempfile, numpy, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.tif")
    ...     tifffile.imwrite(path, numpy.zeros((8, 8)), software="a camera")
    ...     text_of(path, 305)
    'a camera'
    """
    try:
        with path.open("rb") as file:
            layout = _layout(file.read(16))
            if layout is None:
                return ""
            file.seek(layout.first)
            file.seek(*layout.offsets.unpack(file.read(layout.offsets.size)))
            count = min(*layout.counts.unpack(file.read(layout.counts.size)), _MOST_TAGS)
            tags = layout.tags.iter_unpack(file.read(count * layout.tags.size))
            length, value = next((tag[2:] for tag in tags if tag[0] == code), (0, b""))
            if length > len(value):
                file.seek(*layout.offsets.unpack(value))
                value = file.read(min(length, most))
            return str(value[:length].split(b"\0")[0], "utf-8", "replace")
    except (OSError, struct.error, OverflowError, ValueError):
        return ""


def _walk(file: BinaryIO, path: Path) -> Iterator[PageKind]:
    layout = _layout(file.read(16))
    if layout is None:
        return
    size = path.stat().st_size
    seen: set[int] = set()
    value_bytes = subpages = 0
    is_lsm = False
    try:
        file.seek(layout.first)
        at = layout.offsets.unpack(file.read(layout.offsets.size))[0]
        while at:
            if at in seen:
                raise damaged(path, f"its page list is circular after {len(seen)} pages")
            if at >= size:
                raise damaged(path, f"page {len(seen) + 1} begins beyond the end of the file")
            seen.add(at)
            if len(seen) > _MANY_PAGES and len(seen) * _PAGE_BYTES > size:
                raise ImageError(
                    f"{path}: has more than {len(seen) - 1} pages in {data_size(size)}, fewer "
                    f"than {_PAGE_BYTES} bytes per page, so they are not images; save it again."
                )
            file.seek(at)
            count = layout.counts.unpack(file.read(layout.counts.size))[0]
            if count > _MOST_TAGS:
                raise damaged(path, f"page {len(seen)} announces {count} tags")
            tags = file.read(count * layout.tags.size)
            at = layout.offsets.unpack(file.read(layout.offsets.size))[0]
            essence = []
            for tag in layout.tags.iter_unpack(tags):
                code, kind, values, value = tag
                length = values * _VALUE_BYTES.get(kind, 0)
                if code in _KIND:
                    # where the values are is another place in every page
                    inside = length <= layout.offsets.size
                    essence.append((code, kind, values, value[:length] if inside else b""))
                if layout.offsets.size < length <= size:  # beyond, no reader takes it for a value
                    _check_value(tag, length, path)
                    value_bytes += length
                if code == _SUBPAGES:
                    subpages += values
                is_lsm = is_lsm or code == _LSM
            if value_bytes > 2 * size + _SHARED_BYTES or subpages > _MOST_SUBPAGES + 64 * len(seen):
                raise damaged(path, "its tags announce more values than there is room for")
            yield PageKind(tuple(essence))
            if is_lsm and size >= 2**32:
                return  # beyond 4 GB, LSM files keep the low half of each offset only
    except struct.error as error:
        raise damaged(path, f"page {len(seen)} ends beyond the end of the file") from error


def _layout(start: bytes) -> _Layout | None:
    order = ">" if start[:2] == b"MM" else "<"
    if len(start) < 8 or start[:2] not in (b"II", b"MM", b"EP"):
        return None
    is_big = struct.unpack(f"{order}H", start[2:4])[0] == 43
    count, tag, offset = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    return _Layout(
        struct.Struct(order + count),
        struct.Struct(order + tag),
        struct.Struct(order + offset),
        first=8 if is_big else 4,
    )


def _check_value(tag: tuple[int, int, int, bytes], length: int, path: Path) -> None:
    code, kind, values, _ = tag
    if kind not in _TEXT and values > _MOST_VALUES:
        raise ImageError(
            f"{path}: announces {values} values for its tag {code}, but at most {_MOST_VALUES} "
            "are read; save it again."
        )
    if code == _DESCRIPTION and length > _MOST_TEXT:
        raise ImageError(
            f"{path}: its description takes {data_size(length)}, but at most "
            f"{data_size(_MOST_TEXT)} are read; save it again, for example in Fiji."
        )


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
