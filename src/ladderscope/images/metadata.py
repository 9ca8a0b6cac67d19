"""What a TIFF says about itself: axes, how its image was acquired, and who wrote it."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import unescape

import tifffile

from ladderscope.images.acquisition import Described
from ladderscope.images.axes import AXES
from ladderscope.images.chain import text_of
from ladderscope.images.imagej import read_imagej, read_shaped
from ladderscope.images.ome import root_of
from ladderscope.images.ome_metadata import read_ome
from ladderscope.images.own_zarr import own_notes

logger = logging.getLogger("ladderscope")

SOFTWARE = "Ladderscope"
_SOFTWARE_TAG = 305
_DESCRIPTION_TAG, _LONGEST_DESCRIPTION = 270, 2**20
_DESCRIPTION = re.compile("<Description>(.*?)</Description>", re.DOTALL)


def is_own_output(path: Path) -> bool:
    """Return whether a file is a TIFF or an OME-Zarr that Ladderscope has written.

    Parameters
    ----------
    path
        Any file or folder; what is neither was not written by Ladderscope.

    Returns
    -------
    bool
        Whether its Software tag begins with ``Ladderscope``, or its Zarr attributes say so.

    Examples
    --------
    >>> is_own_output(Path("no such file.tif"))
    False
    """
    if path.is_dir():
        return str(own_notes(path).get("software", "")).startswith(SOFTWARE)
    return text_of(path, _SOFTWARE_TAG).startswith(SOFTWARE)


def description_of(path: Path) -> str:
    """Read the free text in the metadata of a TIFF or an OME-Zarr, such as `write_image` takes.

    Examples
    --------
    >>> description_of(Path("no such file.tif"))
    ''
    """
    if path.is_dir():
        return str(own_notes(path).get("description", ""))
    found = _DESCRIPTION.search(text_of(path, _DESCRIPTION_TAG, _LONGEST_DESCRIPTION))
    return unescape(found[1]) if found else ""


def samples_axis(series: tifffile.TiffPageSeries) -> int | None:
    """Find the dimension that holds the samples of one pixel: red, green, blue, and so on.

    Parameters
    ----------
    series
        An open TIFF's series.

    Returns
    -------
    int or None
        Its position, or None for an image of one value per pixel.
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


def described(
    tiff: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    sizes: Mapping[str, int],
    channels: Sequence[int] | None = None,
) -> Described:
    """Read what an open TIFF says of its image: OME-XML, ImageJ's metadata, or tifffile's own.

    Parameters
    ----------
    tiff
        An open TIFF.
    series
        The one of its series that was read.
    sizes
        The length of every dimension by its letter.
    channels
        Which of the channels that are described are in the file; None for all of them.

    Returns
    -------
    Described
        With names and colours only where there is one for each channel. What is malformed is left
        out, as is what has no unit of length or time.
    """
    try:
        if (root := root_of(tiff)) is not None:
            found = read_ome(root, series.name, tiff.filehandle.name, sizes)
        elif tiff.is_imagej:
            found = read_imagej(tiff.imagej_metadata or {}, _units_per_pixel(tiff), sizes)
        elif description := series.keyframe.shaped_description:
            found = read_shaped(json.loads(description), _units_per_pixel(tiff), sizes)
        else:
            return Described()
    except Exception as error:  # tifffile raises whatever a damaged tag provokes
        logger.info("%s: its metadata cannot be read (%s)", tiff.filehandle.name, error)
        return Described()
    if channels is not None:
        found = found.only(channels)
    return found.of_channels(sizes.get("C", 1))


def _units_per_pixel(tiff: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """Give the height and the width of a pixel in whatever the unit of the resolution is."""
    tags = tiff.pages.first.tags
    # the tags are fractions: pixels per unit
    fractions = [tags.valueof(code) or (0, 0) for code in (283, 282)]
    height, width = (units / pixels if pixels else None for pixels, units in fractions)
    return height, width
