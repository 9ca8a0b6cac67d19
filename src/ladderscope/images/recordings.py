"""Recordings whose planes lie in several OME-TIFF files of one folder, opened from any of them."""

import logging
import os
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ladderscope.images.axes import check_axes
from ladderscope.images.blocks import Position, what_is_there, whole_block
from ladderscope.images.chain import text_of, walk_pages
from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.ome import DescribedImage, described_images, parsed
from ladderscope.images.ome_metadata import read_ome
from ladderscope.images.pages import part_reader
from ladderscope.images.stored import Key, Pixels, Read, StoredPixels
from ladderscope.images.tiff import opened_stack
from ladderscope.untrusted import InputError, read_bytes

logger = logging.getLogger("ladderscope")

_DESCRIPTION = 270
_START, _MOST_TEXT = 512, 2**25
_SEVERAL = re.compile("FileName=|BinaryOnly")


def files_of(path: Path) -> list[Path]:
    """List the files of the recording that a TIFF is a part of.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    list of Path
        Those of its folder that hold planes of the same image, in the order of their planes; the
        file alone if there are no others, or if it holds several images.

    Examples
    --------
    >>> files_of(Path("no such file.tif"))
    [PosixPath('no such file.tif')]
    """
    is_file = os.path.isfile(path)  # noqa: PTH113 (too long a name is no file, not an error)
    root = _root(path) if is_file else None
    image = None if root is None else _image_in(path, root)
    return [path] if image is None else _parts(path, image)


def recording(files: Sequence[Path], path: Path, axes: str | None) -> Image:
    """Open a recording that lies in several files.

    Parameters
    ----------
    files
        As `files_of` lists them.
    path
        The one by which the recording is called.
    axes
        The user's axes, if given.

    Raises
    ------
    ImageError
        If a file is damaged, if planes differ in size, or if too many are missing.
    """
    root = _root(path)
    image = None if root is None else _image_in(path, root)
    if root is None or image is None:
        raise ImageError(f"{path}: has changed while it was read; try again.")
    where: dict[Position, tuple[int, int]] = {}
    stacks: list[Pixels] = []
    inner_axes = ""
    for file in files:
        here = _image_in(file, root)
        if here is None or here.files != image.files:
            raise ImageError(
                f"{file}: does not hold the planes that the description in {path.name} names; "
                "copy or export the recording again."
            )
        with opened_stack(file, list(here.pages.values())) as opened:
            series = opened.series
            inner_axes = series.axes[1:]
            stacks.append(StoredPixels(series.shape, series.dtype, part_reader(series, file)))
        first = stacks[0]
        if (stacks[-1].shape[1:], stacks[-1].dtype) != (first.shape[1:], first.dtype):
            raise ImageError(
                f"{file}: its planes are of shape {stacks[-1].shape[1:]} ({stacks[-1].dtype}), but "
                f"those of {files[0].name} of shape {first.shape[1:]} ({first.dtype}); save each "
                "kind in a recording of its own."
            )
        where |= {at: (len(stacks) - 1, number) for number, at in enumerate(here.pages)}
    block = whole_block(image.axes, where)
    if block is None:
        raise ImageError(f"{path}: planes are missing in every dimension; copy all of its files.")
    if said := what_is_there(image.axes, image.sizes, where, block, 0):
        logger.warning("%s: in its %d files, %s", path, len(files), said)
    long = [at for at, size in enumerate(image.sizes) if size > 1]
    outer = tuple(block.shape[at] for at in long)
    planes = [where[at] for at in product(*block.kept)]
    shape = (*outer, *stacks[0].shape[1:])
    found = "".join(image.axes[at] for at in long) + inner_axes
    letters = check_axes(axes or found, shape, str(path))
    pixels = StoredPixels(shape, stacks[0].dtype, _reader(stacks, planes, outer))
    sizes = dict(zip(letters, shape, strict=True))
    about = read_ome(root, image.name, path.name, sizes)
    if "C" in image.axes:
        about = about.only(block.kept[image.axes.index("C")])
    return Image(pixels, letters, path.name, path, *about.of_channels(sizes.get("C", 1)))


def _reader(
    stacks: Sequence[Pixels], planes: Sequence[tuple[int, int]], outer: tuple[int, ...]
) -> Read:
    inner = stacks[0].shape[1:]

    def read(key: Key) -> Any:
        numbers = np.arange(len(planes)).reshape(outer)[key[: len(outer)]]
        rest = key[len(outer) :]
        within = np.broadcast_to(np.empty((), stacks[0].dtype), inner)[rest].shape
        values = np.empty((numbers.size, *within), stacks[0].dtype)
        for place, number in enumerate(numbers.flat):
            stack, page = planes[int(number)]
            values[place] = stacks[stack][(page, *rest)]
        return values.reshape((*numbers.shape, *within))

    return read


def _root(path: Path) -> ElementTree.Element | None:
    """Read the description of a recording that may lie in several files; None if it does not."""
    if "OME" not in text_of(path, _DESCRIPTION, _START):
        return None
    text = text_of(path, _DESCRIPTION, _MOST_TEXT)
    if not _SEVERAL.search(text):
        return None
    root = parsed(text, str(path))
    elsewhere = None if root is None else root.find("{*}BinaryOnly")
    if elsewhere is None:
        return root
    other = _beside(path, elsewhere.get("MetadataFile") or "")
    if other is None:
        return None
    text = text_of(other, _DESCRIPTION, _MOST_TEXT)
    try:
        return parsed(text or read_bytes(other, _MOST_TEXT).decode("utf-8", "replace"), str(other))
    except InputError as error:
        raise ImageError(f"{other}: {error}.") from error


def _image_in(path: Path, root: ElementTree.Element) -> DescribedImage | None:
    """Find the one image of which a file holds planes."""
    try:
        found = described_images(root, path.name, len(walk_pages(path)))
    except (OSError, ValueError, ImageError):
        return None  # whoever opens the file says what is wrong with it
    return found[0] if found and len(found) == 1 else None


def _parts(path: Path, image: DescribedImage) -> list[Path]:
    there = [one for name in image.files if (one := _beside(path, name)) is not None]
    return there if len(there) > 1 and path.name in {one.name for one in there} else [path]


def _beside(path: Path, name: str) -> Path | None:
    """Give a regular file of the same folder, whatever a description calls it."""
    if not name or re.search(r"[/\\:\0]", name) or name in (".", ".."):
        return None
    other = path.with_name(name)
    return other if other.is_file() else None
