"""Raw frames that are stored as PNG files, for those who ask for them."""

import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.memory import BEST_COMPRESSION, SMALL
from ladderscope.images.stored import Key, StoredPixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ASKED_FOR = "YX"
_HEADER = struct.Struct(">8x4x4sIIBB")  # the first chunk: its name, width, height, bits, colours
_IN_GREY = 0


def is_png(path: Path) -> bool:
    """Return whether a file is a PNG.

    Examples
    --------
    >>> is_png(Path("no such file.png"))
    False
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def png_image(path: Path) -> Image:
    """Open a PNG in grey levels as a frame; its pixels are decoded when they are asked for.

    Raises
    ------
    ImageError
        It has colours, other than 8 or 16 bits, or is damaged.
    """
    content = path.read_bytes()
    if len(content) < _HEADER.size:
        raise ImageError(f"{path}: the PNG is cut off; copy it again.")
    name, width, height, bits, colours = _HEADER.unpack_from(content)
    if name != b"IHDR" or not width or not height:
        raise ImageError(f"{path}: the PNG is damaged; copy it again.")
    if colours != _IN_GREY or bits not in (8, 16):
        raise ImageError(
            f"{path}: is a PNG of another kind than raw frames, which have grey levels of 8 or 16 "
            "bits; use the original recording."
        )
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    size = width * height * dtype.itemsize
    if size > max(SMALL, BEST_COMPRESSION * len(content)):
        raise ImageError(
            f"{path}: announces {width}×{height} pixels, more than a file of {len(content)} bytes "
            "can hold; it is damaged."
        )

    def read(key: Key) -> Any:
        try:
            pixels = imagecodecs.png_decode(path.read_bytes())
        except Exception as error:  # libpng's, whatever a damaged file provokes
            raise ImageError(f"{path}: the PNG is damaged ({error}); copy it again.") from error
        if pixels.shape != (height, width) or pixels.dtype != dtype:
            raise ImageError(f"{path}: is not the image any more that was opened.")
        return pixels[key]

    return Image(StoredPixels((height, width), dtype, read), "YX", path.name, path)
