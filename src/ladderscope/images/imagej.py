"""What ImageJ, and tifffile without a format of its own, write into a TIFF about its image."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ladderscope.images.acquisition import Acquisition, Colour, Described
from ladderscope.images.ome_metadata import frame_interval_of, pixel_size_of, slice_spacing_of
from ladderscope.images.units import in_micrometres, in_seconds

UnitsPerPixel: TypeAlias = tuple[float | None, float | None]


def read_imagej(
    about: Mapping[str, Any], units_per_pixel: UnitsPerPixel, sizes: Mapping[str, int]
) -> Described:
    """Read what ImageJ says of an image.

    Its ``fps`` is the speed of playback and says nothing of when frames were taken.

    Parameters
    ----------
    about
        What ImageJ's description and its own tag hold.
    units_per_pixel
        The height and the width of a pixel in the unit that the description names.
    sizes
        The length of every dimension by its letter.

    Returns
    -------
    Described
        What is malformed, or has no known unit, is left out.

    Examples
    --------
    >>> about = {"unit": "micron", "spacing": 0.5, "finterval": 2, "tunit": "min"}
    >>> found = read_imagej(about, (0.1, 0.1), {})
    >>> found.pixel_size, found.acquisition.slice_spacing, found.acquisition.frame_interval
    ((0.1, 0.1), 0.5, 120.0)
    """
    unit = about.get("unit")
    height, width = units_per_pixel
    size = (in_micrometres(height, about.get("yunit", unit)), in_micrometres(width, unit))
    return Described(
        None if size[0] is None or size[1] is None else (size[0], size[1]),
        _names(about.get("Labels"), sizes),
        Acquisition(
            in_micrometres(about.get("spacing"), about.get("zunit", unit)),
            in_seconds(about.get("finterval"), about.get("tunit", "sec")),
            _colours(about.get("LUTs")),
        ),
    )


def read_shaped(
    about: Mapping[str, Any], units_per_pixel: UnitsPerPixel, sizes: Mapping[str, int]
) -> Described:
    """Read what a script that used tifffile put into the description, in OME's words or ImageJ's.

    Parameters
    ----------
    about, units_per_pixel, sizes
        As in `read_imagej`.

    Returns
    -------
    Described
        What is malformed, or has no known unit, is left out.

    Examples
    --------
    >>> read_shaped({"PhysicalSizeX": 0.1}, (1, 1), {}).pixel_size
    (0.1, 0.1)
    """
    found = read_imagej(about, units_per_pixel, sizes)
    channels = about.get("Channel")
    names = channels.get("Name") if isinstance(channels, Mapping) else None
    named = isinstance(names, list) and all(isinstance(one, str) and one for one in names)
    return Described(
        pixel_size_of(about) or found.pixel_size,
        tuple(names) if names and named else found.channel_names,
        Acquisition(
            slice_spacing_of(about) or found.acquisition.slice_spacing,
            frame_interval_of(about) or found.acquisition.frame_interval,
        ),
    )


def _names(labels: Any, sizes: Mapping[str, int]) -> tuple[str, ...] | None:
    """Take labels for names of channels where all planes of a channel share one of its own.

    ImageJ labels planes, channels first, and mostly with the names of the files they came from.
    """
    channels = sizes.get("C", 1)
    planes = channels * sizes.get("Z", 1) * sizes.get("T", 1)
    if channels == 1 or not isinstance(labels, list) or len(labels) not in (channels, planes):
        return None
    # Bio-Formats puts the position ahead: "c:1/2 z:3/9 - DAPI"
    plain = [re.sub(r"^([czt]:\d+/\d+\s*)+(-\s*)?", "", str(one)).strip() for one in labels]
    names = tuple(plain[:channels])
    told_apart = len(set(names)) == channels and all(names)
    if not told_apart or any(re.search(r"\n|\.[A-Za-z]\w{1,4}$", one) for one in names):
        return None
    return names if plain == list(names) * (len(plain) // channels) else None


def _colours(tables: Any) -> tuple[Colour, ...] | None:
    """Take the brightest entry of each look-up table, if all run from black to one colour."""
    listed: Sequence[Any] = tables if isinstance(tables, list | tuple) else [tables]
    colours: list[Colour] = []
    for table in listed:
        if not isinstance(table, np.ndarray) or table.shape != (3, 256):
            return None
        ramp = np.outer(table[:, -1], np.linspace(0, 1, 256))
        if not table[:, -1].any() or np.abs(table - ramp).max() > 2:
            return None
        red, green, blue = (int(part) for part in table[:, -1])
        colours.append((red, green, blue))
    return tuple(colours)
