"""OME-XML: what it says of an image, and the objective that tifffile cannot write into it."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from ladderscope.images.acquisition import Acquisition, Colour, Described, Objective
from ladderscope.images.units import in_micrometres, in_seconds, number

Element: TypeAlias = ElementTree.Element


def read_ome(root: Element, name: str | None, file: str, sizes: Mapping[str, int]) -> Described:
    """Read what OME-XML says of one of the images that it describes.

    Parameters
    ----------
    root
        The whole description.
    name
        The name of the image, if it has one.
    file
        The name of the file that its pixels were read from.
    sizes
        The lengths of its dimensions, by their letters. Where several images are described, it is
        the first that has planes in this file, this name and these sizes, or as many of them as
        any has.

    Returns
    -------
    Described
        Without what is malformed.

    Examples
    --------
    >>> size = 'PhysicalSizeX="0.1" PhysicalSizeZ="500" PhysicalSizeZUnit="nm"'
    >>> root = ElementTree.fromstring(f"<OME><Image><Pixels {size}/></Image></OME>")
    >>> found = read_ome(root, None, "a.ome.tif", {})
    >>> found.pixel_size, found.acquisition.slice_spacing
    ((0.1, 0.1), 0.5)
    """
    images = [
        (image, pixels)
        for image in root.iterfind("{*}Image")
        if (pixels := image.find("{*}Pixels")) is not None
    ]
    fitting: list[Callable[[Element, Element], bool]] = [
        lambda image, pixels: _has_planes_in(pixels, file, root.get("UUID")),
        lambda image, pixels: image.get("Name") == name,
        lambda image, pixels: all(pixels.get(f"Size{one}") == str(sizes[one]) for one in sizes),
    ]
    for fits in fitting:
        images = [one for one in images if fits(*one)] or images
    if not images:
        return Described()
    image, pixels = images[0]
    channels = pixels.findall("{*}Channel")
    return Described(
        pixel_size_of(pixels.attrib),
        _if_all([one.get("Name") or None for one in channels]),
        Acquisition(
            slice_spacing_of(pixels.attrib),
            frame_interval_of(pixels.attrib),
            _if_all([_colour(one.get("Color")) for one in channels]),
            _date(image.findtext("{*}AcquisitionDate")),
            _objective(root, image),
        ),
    )


def pixel_size_of(pixels: Mapping[str, Any]) -> tuple[float, float] | None:
    """Read the height and the width of a pixel in micrometres; if only one is given, it is both.

    Parameters
    ----------
    pixels
        Attributes named as those of OME's Pixels.

    Examples
    --------
    >>> pixel_size_of({"PhysicalSizeX": "100", "PhysicalSizeXUnit": "nm"})
    (0.1, 0.1)
    """
    x, y = (f"PhysicalSize{letter}" for letter in "XY")
    height = _length(pixels, y if y in pixels else x)
    width = _length(pixels, x if x in pixels else y)
    return None if height is None or width is None else (height, width)


def slice_spacing_of(pixels: Mapping[str, Any]) -> float | None:
    """Read the distance of slices in micrometres.

    Parameters
    ----------
    pixels
        As in `pixel_size_of`.

    Examples
    --------
    >>> slice_spacing_of({"PhysicalSizeZ": "0.5"})
    0.5
    """
    return _length(pixels, "PhysicalSizeZ")


def frame_interval_of(pixels: Mapping[str, Any]) -> float | None:
    """Read the time between frames in seconds.

    Parameters
    ----------
    pixels
        As in `pixel_size_of`.

    Examples
    --------
    >>> frame_interval_of({"TimeIncrement": "1.5", "TimeIncrementUnit": "min"})
    90.0
    """
    return in_seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))


def ome_colour(colour: Colour) -> int:
    """Write a colour as OME does: a signed number of 32 bits, of red, green, blue and opacity.

    Parameters
    ----------
    colour
        Red, green and blue from 0 to 255.

    Examples
    --------
    >>> ome_colour((255, 255, 255)), ome_colour((0, 255, 0))
    (-1, 16711935)
    """
    return int.from_bytes(bytes([*colour, 255]), "big", signed=True)


def with_objective(xml: str, objective: Objective) -> str:
    """Put an objective into the description of one image, where OME's schema has its place.

    Parameters
    ----------
    xml
        OME-XML that describes one image, without an instrument, as tifffile writes it.
    objective
        The objective.

    Returns
    -------
    str
        The description with an Instrument ahead of the image, and a reference in it.

    Examples
    --------
    >>> with_objective('<OME><Image ID="a"><Pixels ID="b"/></Image></OME>', Objective("20x", 20))
    '<OME><Instrument ID="Instrument:0"><Objective ID="Objective:0:0" Model="20x" \
NominalMagnification="20"/></Instrument><Image ID="a"><InstrumentRef ID="Instrument:0"/>\
<ObjectiveSettings ID="Objective:0:0"/><Pixels ID="b"/></Image></OME>'
    """
    known = {
        "Model": objective.model,
        "LensNA": objective.numerical_aperture,
        "NominalMagnification": objective.magnification,
    }
    attributes = "".join(
        f" {key}={quoteattr(str(value))}" for key, value in known.items() if value is not None
    )
    instrument = f'<Objective ID="Objective:0:0"{attributes}/>'
    references = '<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0:0"/>'
    for before, element in (
        ("<Image ", f'<Instrument ID="Instrument:0">{instrument}</Instrument>'),
        ("<Pixels ", references),
    ):
        xml = xml.replace(before, f"{element}{before}", 1)
    return xml


def _has_planes_in(pixels: Element, file: str, identifier: str | None) -> bool:
    return any(
        (one.get("FileName") or "").casefold() == file.casefold()
        or (identifier is not None and one.text == identifier)
        for one in pixels.iterfind("{*}TiffData/{*}UUID")
    )


def _length(pixels: Mapping[str, Any], name: str) -> float | None:
    return in_micrometres(pixels.get(name), pixels.get(f"{name}Unit", "µm"))


def _colour(text: str | None) -> Colour | None:
    if text is None or not re.fullmatch(r"-?\d{1,10}", text.strip()):
        return None
    red, green, blue, _ = (int(text) % 2**32).to_bytes(4, "big")
    return red, green, blue


def _date(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None


def _objective(root: Element, image: Element) -> Objective | None:
    lenses = {one.get("ID"): one for one in root.iterfind("{*}Instrument/{*}Objective")}
    settings = image.find("{*}ObjectiveSettings")
    instrument = image.find("{*}InstrumentRef")
    if settings is not None:
        lens = lenses.get(settings.get("ID"))
    else:
        within = [
            one
            for each in root.iterfind("{*}Instrument")
            if instrument is not None and each.get("ID") == instrument.get("ID")
            for one in each.iterfind("{*}Objective")
        ]
        lens = within[0] if len(within) == 1 else None
    if lens is None:
        return None
    found = Objective(
        lens.get("Model") or None,
        number(lens.get("NominalMagnification")),
        number(lens.get("LensNA")),
    )
    return found if any(found) else None


def _if_all(values: Sequence[Any]) -> tuple[Any, ...] | None:
    return tuple(values) if values and None not in values else None
