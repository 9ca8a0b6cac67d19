"""What an OME description says of the pages of one file.

A recording may lie in many files, each of which describes them all. Here every file stands for
itself: the planes in it are found, those elsewhere are counted, and no other file is opened.
`recordings` puts the files together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple
from weakref import WeakKeyDictionary
from xml.etree import ElementTree

import tifffile

from ladderscope.images.blocks import Position, position_of
from ladderscope.images.errors import ImageError

_ROOTS: WeakKeyDictionary[tifffile.TiffFile, ElementTree.Element | None] = WeakKeyDictionary()
_MOST_TAGS = 500_000  # some 100,000 planes
_OUTER = {"C", "Z", "T"}


@dataclass(frozen=True)
class DescribedImage:
    """One image of an OME description, as far as its planes are in the file at hand.

    Parameters
    ----------
    name
        What the description calls it.
    axes, sizes
        Its dimensions beside Y and X, the slowest first, and their announced lengths.
    pages
        The number of the page that holds a plane, by the plane's position along `axes`.
    elsewhere
        How many of its planes are in other files, as the description says.
    varied
        The axes along which some file of the recording has more than one plane.
    files
        The names of the files that hold its planes, in the order of their first planes.
    """

    name: str
    axes: str
    sizes: tuple[int, ...]
    pages: dict[Position, int] = field(default_factory=dict)
    elsewhere: int = 0
    varied: str = ""
    files: tuple[str, ...] = ()


def root_of(file: tifffile.TiffFile) -> ElementTree.Element | None:
    """Parse the OME description of an open file, once.

    Parameters
    ----------
    file
        An open TIFF.

    Returns
    -------
    xml.etree.ElementTree.Element or None
        None if it has no such description, or this is no XML.

    Raises
    ------
    ImageError
        If it is too long to be a description.
    """
    if file not in _ROOTS:
        if not file.is_ome:
            return None
        _ROOTS[file] = parsed(file.ome_metadata or "", file.filename)
    return _ROOTS[file]


def parsed(text: str, file_name: str) -> ElementTree.Element | None:
    """Parse an OME description.

    Parameters
    ----------
    text, file_name
        The description, and the file that it is in.

    Returns
    -------
    xml.etree.ElementTree.Element or None
        None if it is no XML.

    Raises
    ------
    ImageError
        If it is too long to be a description.

    Examples
    --------
    >>> parsed("<OME/>", "a.ome.tif").tag, parsed("a movie", "a.tif") is None
    ('OME', True)
    """
    if (count := text.count("<")) > _MOST_TAGS:
        raise ImageError(
            f"{file_name}: its OME description has {count} tags, but at most {_MOST_TAGS} "
            "are read; save the image again, for example in Fiji."
        )
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None


def described_images(
    root: ElementTree.Element | None, file_name: str, page_count: int
) -> list[DescribedImage] | None:
    """List the images of an OME description that have a plane in the file at hand.

    Parameters
    ----------
    root
        The description, as `root_of` gives it.
    file_name
        The file's name, by which the description may call it.
    page_count
        The number of pages in the file.

    Returns
    -------
    list of DescribedImage or None
        None if the description does not say which planes the file holds: it is no XML, it refers
        to another file altogether, or its dimensions are others than usual ("modulo").

    Raises
    ------
    ValueError
        If one of its numbers is none.

    Examples
    --------
    >>> text = (
    ...     '<OME><Image><Pixels DimensionOrder="XYZCT" SizeZ="2" SizeC="1" SizeT="5">'
    ...     '<TiffData IFD="0" PlaneCount="3"/></Pixels></Image></OME>'
    ... )
    >>> image = described_images(ElementTree.fromstring(text), "a.ome.tif", 3)[0]
    >>> image.axes, image.sizes
    ('TCZ', (5, 1, 2))
    >>> image.pages
    {(0, 0, 0): 0, (0, 0, 1): 1, (1, 0, 0): 2}
    """
    if root is None:
        return None
    divided = any(
        (one.get("Namespace") or "").lower().endswith("modulo")
        for one in root.findall("{*}StructuredAnnotations/*")
    )
    listed = [
        (one.get("Name", ""), pixels)
        for one in _children(root, "Image")
        for pixels in _children(one, "Pixels")
    ]
    is_usual = all(set(pixels.get("DimensionOrder", "XYCZT")) >= _OUTER for _, pixels in listed)
    if divided or not is_usual or root.find("{*}BinaryOnly") is not None:
        return None
    is_here = _here((root.get("UUID") or "").strip(), [one for _, one in listed], file_name)
    taken: set[int] = set()
    images = []
    for name, pixels in listed:
        if len(taken) == page_count:
            break  # no page is left for the others
        images.append(_described(name, pixels, is_here, page_count, taken))
    return [image for image in images if image.pages]


def _children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """List the children of a name; a path with a wildcard takes ElementTree three times as long."""
    return [one for one in element if one.tag.rpartition("}")[2] == name]


def _here(
    own_id: str, listed: list[ElementTree.Element], file_name: str
) -> Callable[[ElementTree.Element | None], bool]:
    """Find how the description identifies this file's planes: by its name, or by its identifier."""
    named = [
        uuid
        for pixels in listed
        for data in _children(pixels, "TiffData")
        for uuid in _children(data, "UUID")
    ]
    names = {(one.get("FileName") or "").casefold() for one in named}
    ids = {(one.text or "").strip() for one in named}
    by_name = file_name.casefold() in names
    renamed = not by_name and own_id not in ids and len(names) == len(ids) == 1

    def is_here(uuid: ElementTree.Element | None) -> bool:
        if uuid is None or renamed:
            return True
        if by_name:
            return (uuid.get("FileName") or "").casefold() == file_name.casefold()
        return bool(own_id) and (uuid.text or "").strip() == own_id

    return is_here


class _Part(NamedTuple):
    """Some planes, as one element of the description gives them: where, and in which file."""

    file: str
    name: str
    is_here: bool
    start: int
    page: int
    planes: int  # 0: as many as the file has pages


def _described(
    name: str,
    pixels: ElementTree.Element,
    is_here: Callable[[ElementTree.Element | None], bool],
    page_count: int,
    taken: set[int],
) -> DescribedImage:
    axes = "".join(one for one in reversed(pixels.get("DimensionOrder", "XYCZT")) if one in _OUTER)
    channels = _children(pixels, "Channel")
    samples = int(channels[0].get("SamplesPerPixel", 1)) if channels else 1
    sizes = tuple(
        max(1, int(pixels.get(f"Size{axis}", 1)) // (samples if axis == "C" else 1))
        for axis in axes
    )
    total = prod(sizes)
    parts = [
        part
        for data in pixels.findall("{*}TiffData")
        if (part := _part(data, axes, sizes, is_here))
    ]
    if pixels.find("{*}TiffData") is None and total == page_count:
        parts = [_Part("", "", True, 0, 0, total)]
    pages: dict[Position, int] = {}
    for part in parts:
        if part.is_here:
            count = min(part.planes or page_count, page_count - part.page, total - part.start)
            for step in range(count):
                if part.page + step not in taken:
                    pages.setdefault(position_of(part.start + step, sizes), part.page + step)
                    taken.add(part.page + step)
    elsewhere = min(total, sum(max(part.planes, 1) for part in parts if not part.is_here))
    files = dict.fromkeys(part.name for part in sorted(parts, key=lambda part: part.start))
    varied = _varied(parts, axes, sizes)
    return DescribedImage(name, axes, sizes, pages, elsewhere, varied, tuple(filter(None, files)))


def _part(
    data: ElementTree.Element,
    axes: str,
    sizes: tuple[int, ...],
    is_here: Callable[[ElementTree.Element | None], bool],
) -> _Part | None:
    page = int(data.get("IFD", 0))
    count = int(data.get("PlaneCount", data.get("NumPlanes", 1 if "IFD" in data.attrib else 0)))
    first = [int(data.get(f"First{axis}", 0)) for axis in axes]
    if page < 0 or any(not 0 <= at < size for at, size in zip(first, sizes, strict=True)):
        return None  # what ImageJ leaves when it crops a stack
    start = 0
    for at, size in zip(first, sizes, strict=True):
        start = start * size + at
    uuid = next(iter(_children(data, "UUID")), None)
    called = "" if uuid is None else uuid.get("FileName") or ""
    file = "" if uuid is None else f"{uuid.text} {called}"
    return _Part(file, called, is_here(uuid), start, page, max(count, 0))


def _varied(parts: list[_Part], axes: str, sizes: tuple[int, ...]) -> str:
    """List the axes along which some file, not only this one, has more than one position."""
    varied = set()
    firsts: dict[str, int] = {}
    for part in parts:
        first, last = firsts.setdefault(part.file, part.start), part.start + max(part.planes - 1, 0)
        for at, axis in enumerate(axes):
            stride = prod(sizes[at + 1 :])
            ends = {first // stride, part.start // stride, last // stride}
            if len({end % sizes[at] for end in ends}) > 1:
                varied.add(axis)
    return "".join(axis for axis in axes if axis in varied)
