"""How a TIFF's pixels are compressed: what can be read, what altered the noise, and true sizes.

Byte streams (deflate, LZW and their like) are unpacked into the room of the page they fill. A JPEG
inside a TIFF brings a size of its own, and decoders make room for that: it is compared with the
page's before anything is decoded.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tifffile

from ladderscope.images.chain import damaged
from ladderscope.images.errors import ImageError

_BYTE_STREAMS = {1, 5, 8, 32773, 32946, 34925, 34926, 50000}
_HEADER_BYTES = (2**10, 2**17)
_JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = {0x01, *range(0xD0, 0xD9)}
_JPEG2000_START = b"\xff\x4f\xff\x51"
_JPEG2000_STYLE = b"\xff\x52"
_XL_BITS = (9, 13, 18, 30)
_XL_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


class _Picture(NamedTuple):
    """What a compressed picture says of itself."""

    height: int
    width: int
    is_lossy: bool = True


class _Codec(NamedTuple):
    name: str
    tells_loss: bool
    picture: Callable[[bytes], _Picture | None]


def check_compression(series: tifffile.TiffPageSeries, path: Path) -> str:
    """Make sure that the pixels of a TIFF can be decoded in the room that its pages announce.

    Parameters
    ----------
    series
        The image in an open TIFF.
    path
        The file.

    Returns
    -------
    str
        A warning for the user if the compression altered the noise; else empty.

    Raises
    ------
    ImageError
        If the compression is none that is read, or a compressed picture is larger than its page.
    """
    keyframe = series.keyframe
    compression = int(keyframe.compression)
    if compression in _BYTE_STREAMS:
        return ""
    codec = _CODECS.get(compression)
    if codec is None:
        known = getattr(keyframe.compression, "name", "an unknown kind")
        raise ImageError(
            f"{path}: its compression ({known}, {compression} in its tag 259) is not supported; "
            "save it again without compression, for example in Fiji, or with LZW, deflate or zstd."
        )
    height = keyframe.tilelength if keyframe.is_tiled else keyframe.rowsperstrip
    width = keyframe.tilewidth if keyframe.is_tiled else keyframe.imagewidth
    is_lossy = False
    pages: list[Any] = list(series)
    for page in pages:
        for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
            if length == 0:
                continue
            picture = next(filter(None, map(codec.picture, _starts(page, start, length))), None)
            if picture is None:
                raise damaged(path, f"a part of plane {page.index} is not {codec.name} data")
            if picture.height > height or picture.width > width:
                raise damaged(
                    path,
                    f"plane {page.index} holds {codec.name} data of {picture.height} by "
                    f"{picture.width} pixels, where {height} by {width} are announced",
                )
            is_lossy = is_lossy or picture.is_lossy
    if not is_lossy:
        return ""
    altered = "has altered" if codec.tells_loss else "has altered, unless it was lossless,"
    return (
        f"{path}: {codec.name} compression {altered} the noise, which restoration relies on; use "
        "the original recording if there is one."
    )


def _starts(page: Any, start: int, length: int) -> Iterator[bytes]:
    """Read a little of a compressed picture, and more if that is asked for."""
    for most in _HEADER_BYTES:
        page.parent.filehandle.seek(start)
        yield bytes(page.parent.filehandle.read(min(length, most)))


def _jpeg(data: bytes) -> _Picture | None:
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return _Picture(height, width) if height and width else None
        if marker == 0xFF or marker in _JPEG_BARE:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def _jpeg2000(data: bytes) -> _Picture | None:
    at = data.find(_JPEG2000_START)
    if at < 0 or at + 24 > len(data):
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    style = data.find(_JPEG2000_STYLE, at)
    # the last byte but its optional list of sizes: 1 is the transform that loses nothing
    is_lossless = 0 <= style < len(data) - 13 and data[style + 13] == 1
    return _Picture(bottom - top, right - left, not is_lossless)


def _webp(data: bytes) -> _Picture | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return _Picture(height, width, b"VP8L" not in data)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return _Picture(1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF), False)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return _Picture(height & 0x3FFF, width & 0x3FFF)
    return None


def _jpegxl(data: bytes) -> _Picture | None:
    at = 0
    while data[:2] != b"\xff\x0a":  # in boxes, each with its length and its kind
        if at + 16 > len(data):
            return None
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"jxlc", b"jxlp"):
            data = data[at + (12 if kind == b"jxlp" else 8) :]
            if data[:2] != b"\xff\x0a":
                return None
        elif length < 8:
            return None
        at += length
    bits = _Bits(data[2:18])
    is_small = bits.take(1)
    height = _xl_length(bits, is_small)
    ratio = bits.take(3)
    if ratio:
        over, under = _XL_RATIOS[ratio]
        width = height * over // under
    else:
        width = _xl_length(bits, is_small)
    return _Picture(height, width)


def _xl_length(bits: "_Bits", is_small: int) -> int:
    return 8 * (1 + bits.take(5)) if is_small else 1 + bits.take(_XL_BITS[bits.take(2)])


class _Bits:
    """Numbers of a few bits each, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        taken = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return taken


_CODECS = {
    **dict.fromkeys((6, 7, 33007, 34892), _Codec("JPEG", True, _jpeg)),
    **dict.fromkeys((33003, 33004, 33005, 34712), _Codec("JPEG 2000", True, _jpeg2000)),
    **dict.fromkeys((34927, 50001), _Codec("WebP", True, _webp)),
    **dict.fromkeys((50002, 52546), _Codec("JPEG XL", False, _jpegxl)),
}
