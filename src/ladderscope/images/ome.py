"""What an OME description says of the pages of the file that it is in, and of no other file.

A recording may lie in many files, each of which describes them all. Here every file stands for
itself: the planes in it are found, those elsewhere are counted, and no other file is opened.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from weakref import WeakKeyDictionary
from xml.etree import ElementTree

import tifffile

from ladderscope.images.blocks import Place, place_of
from ladderscope.images.errors import ImageError

_ROOTS: WeakKeyDictionary[tifffile.TiffFile, ElementTree.Element | None] = WeakKeyDictionary()
_MOST_TAGS = 1_000_000  # some 200,000 planes
_OUTER = "CZT"
_UUID = "{*}UUID"


@dataclass(frozen=True)
class DescribedImage:
    """One image of an OME description, as far as its planes are in the file at hand.

    Parameters
    ----------
    number
        Which of the description's images it is, from 0.
    axes, sizes
        Its dimensions beside Y and X, the slowest first, and their announced lengths.
    pages
        The number of the page that holds a plane, by the plane's place along `axes`.
    elsewhere
        How many of its planes are in other files, as the description says.
    """

    number: int
    axes: str
    sizes: tuple[int, ...]
    pages: dict[Place, int] = field(default_factory=dict)
    elsewhere: int = 0


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
        text = file.ome_metadata or ""
        if (count := text.count("<")) > _MOST_TAGS:
            raise ImageError(
                f"{file.filename}: its OME description has {count} tags, and {_MOST_TAGS} are the "
                "most that is read; save the image anew, in Fiji say."
            )
        try:
            _ROOTS[file] = ElementTree.fromstring(text)
        except ElementTree.ParseError:
            _ROOTS[file] = None
    return _ROOTS[file]


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
        to another file altogether, or its dimensions are divided further ("modulo").

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
    if divided or root.find("{*}BinaryOnly") is not None:
        return None
    is_here = _here(root, file_name)
    taken: set[int] = set()
    images = [
        _described(number, pixels, is_here, page_count, taken)
        for number, pixels in enumerate(root.findall("{*}Image/{*}Pixels"))
    ]
    return [image for image in images if image.pages]


def _here(root: ElementTree.Element, file_name: str) -> Callable[[ElementTree.Element], bool]:
    """Find how the description tells this file's planes: by its name, or by its identifier."""
    named = root.findall(f"{{*}}Image/{{*}}Pixels/{{*}}TiffData/{_UUID}")
    names = {(one.get("FileName") or "").casefold() for one in named}
    ids = {(one.text or "").strip() for one in named}
    by_name, own_id = file_name.casefold() in names, (root.get("UUID") or "").strip()
    renamed = not by_name and own_id not in ids and len(names) == len(ids) == 1

    def is_here(data: ElementTree.Element) -> bool:
        uuid = data.find(_UUID)
        if uuid is None or renamed:
            return True
        if by_name:
            return (uuid.get("FileName") or "").casefold() == file_name.casefold()
        return bool(own_id) and (uuid.text or "").strip() == own_id

    return is_here


def _described(
    number: int,
    pixels: ElementTree.Element,
    is_here: Callable[[ElementTree.Element], bool],
    page_count: int,
    taken: set[int],
) -> DescribedImage:
    axes = "".join(one for one in reversed(pixels.get("DimensionOrder", "XYZCT")) if one in _OUTER)
    channel = pixels.find("{*}Channel")
    samples = 1 if channel is None else int(channel.get("SamplesPerPixel", 1))
    sizes = tuple(
        max(1, int(pixels.get(f"Size{axis}", 1)) // (samples if axis == "C" else 1))
        for axis in axes
    )
    pages: dict[Place, int] = {}
    elsewhere = 0
    total = prod(sizes)
    parts = pixels.findall("{*}TiffData")
    if not parts and total == page_count:
        pages = {place_of(page, sizes): page for page in range(total)}
    for data in parts:
        page = int(data.get("IFD", 0))
        count = int(data.get("PlaneCount", data.get("NumPlanes", 1 if "IFD" in data.attrib else 0)))
        if not is_here(data):
            elsewhere += max(count, 1)
            continue
        first = [int(data.get(f"First{axis}", 0)) for axis in axes]
        if page < 0 or any(not 0 <= at < size for at, size in zip(first, sizes, strict=True)):
            continue
        start = _counted(first, sizes)
        count = min(count or page_count, page_count - page, total - start)
        for step in range(count):
            if page + step not in taken:
                pages.setdefault(place_of(start + step, sizes), page + step)
                taken.add(page + step)
    return DescribedImage(number, axes, sizes, pages, min(elsewhere, total))


def _counted(place: list[int], sizes: tuple[int, ...]) -> int:
    number = 0
    for at, size in zip(place, sizes, strict=True):
        number = number * size + at
    return number
