"""What a TIFF says about itself: axes, pixel size, channel names, and who wrote it."""

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from ladderscope.images.axes import AXES
from ladderscope.images.chain import text_of
from ladderscope.images.ome import root_of

SOFTWARE = "Ladderscope"
_SOFTWARE_TAG = 305

# in micrometres, by the spellings that OME and ImageJ use; the rest ("pixel", ...) is no length
_MICROMETRES = {
    "å": 1e-4,
    "pm": 1e-6,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "in": 25400.0,
    "inch": 25400.0,
}


def is_own_output(path: Path) -> bool:
    """Tell whether a file is a TIFF that Ladderscope has written.

    Parameters
    ----------
    path
        Any file; one that is not a TIFF was not written by Ladderscope.

    Returns
    -------
    bool
        Whether its Software tag begins with ``Ladderscope``.

    Examples
    --------
    >>> is_own_output(Path("no such file.tif"))
    False
    """
    return text_of(path, _SOFTWARE_TAG).startswith(SOFTWARE)


def samples_axis(series: tifffile.TiffPageSeries) -> int | None:
    """Find the dimension that holds the samples of one pixel: red, green, blue, and so on.

    Parameters
    ----------
    series
        An open TIFF's series.

    Returns
    -------
    int or None
        Its position, or None for an image of one value a pixel.
    """
    if series.keyframe.samplesperpixel == 1 or "S" not in series.axes:
        return None
    return series.axes.index("S")


def known_axes(series: tifffile.TiffPageSeries) -> str | None:
    """Return a series' axes if its metadata leaves no doubt about them.

    Parameters
    ----------
    series
        An open TIFF's series.

    Returns
    -------
    str or None
        Letters over ``STCZYX``; None if one of the dimensions is of unknown meaning.
    """
    axes = series.axes.upper()
    if set(axes) <= set(AXES) and len(set(axes)) == len(axes):
        return axes
    return None


def pixel_size(tiff: tifffile.TiffFile) -> tuple[float, float] | None:
    """Return the height and the width of a pixel in micrometres, if OME or ImageJ metadata has it.

    Parameters
    ----------
    tiff
        An open TIFF.

    Returns
    -------
    (float, float) or None
        None also where the unit is no length, such as ``"pixel"``.
    """
    pixels = _ome_pixels(tiff)
    if pixels is not None:
        return _positive(_ome_length(pixels, "Y"), _ome_length(pixels, "X"))
    if tiff.is_imagej:
        unit = _micrometres((tiff.imagej_metadata or {}).get("unit"))
        return _positive(*(_tag_length(tiff, code, unit) for code in (283, 282)))
    return None


def channel_names(tiff: tifffile.TiffFile) -> tuple[str, ...] | None:
    """Return the names of the channels, if OME metadata names every one.

    Parameters
    ----------
    tiff
        An open TIFF.

    Returns
    -------
    tuple of str or None
        In the order of the channels.
    """
    pixels = _ome_pixels(tiff)
    names = [] if pixels is None else [one.get("Name") for one in pixels.findall("{*}Channel")]
    named = tuple(name for name in names if name)
    return named if named and len(named) == len(names) else None


def _ome_pixels(tiff: tifffile.TiffFile) -> ElementTree.Element | None:
    root = root_of(tiff)
    return None if root is None else root.find(".//{*}Pixels")


def _ome_length(pixels: ElementTree.Element, axis: str) -> float:
    unit = _micrometres(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    return _number(pixels.get(f"PhysicalSize{axis}")) * unit


def _tag_length(tiff: tifffile.TiffFile, code: int, unit: float) -> float:
    # the tag is a fraction: pixels per unit
    pixels, units = tiff.pages.first.tags.valueof(code) or (0, 0)
    return units / pixels * unit if pixels else math.nan


def _micrometres(unit: Any) -> float:
    spelling = re.sub(r"\\u00b5|μ", "µ", str(unit or "").strip().lower())
    return _MICROMETRES.get(spelling, math.nan)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _positive(height: float, width: float) -> tuple[float, float] | None:
    usable = all(math.isfinite(length) and length > 0 for length in (height, width))
    return (height, width) if usable else None
