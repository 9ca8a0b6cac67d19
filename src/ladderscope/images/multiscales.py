"""OME-Zarr's metadata: the levels of an image, its axes, sizes and channels; plates and wells.

Versions 0.4 and 0.5 are understood, and what earlier ones have in common with them. What is
malformed is left out, unless it says where the pixels are.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ladderscope.images.acquisition import Acquisition, Colour, Described
from ladderscope.images.errors import ImageError
from ladderscope.images.units import in_micrometres, in_seconds, number
from ladderscope.words import listed

logger = logging.getLogger("ladderscope")

_MOST_IMAGES = 100_000
_EARLIEST_AXES = ("t", "c", "z", "y", "x")  # of versions 0.1 and 0.2, which do not write them down
_TYPES = {"time", "channel"}


@dataclass(frozen=True)
class Axis:
    """One dimension, as the metadata have it.

    Parameters
    ----------
    name
        What it is called.
    unit
        That of its scale; None if there is none.
    """

    name: str | None
    unit: str | None = None


@dataclass(frozen=True)
class Multiscale:
    """One image at several resolutions.

    Parameters
    ----------
    levels
        The arrays' ways from the group, the finest first.
    scales
        What a step along each dimension is, level by level; None where it is not known.
    axes
        The dimensions; None if the metadata do not have them.
    channel_names, colours
        Of the channels, where every one has them.
    """

    levels: tuple[str, ...]
    scales: tuple[tuple[float | None, ...] | None, ...]
    axes: tuple[Axis, ...] | None
    channel_names: tuple[str, ...] | None = None
    colours: tuple[Colour, ...] | None = None

    def names(self, dimensions: int) -> list[str | None] | None:
        """List the names of the dimensions; None unless there are as many as dimensions."""
        if self.axes is None or len(self.axes) != dimensions:
            return None
        return [axis.name for axis in self.axes]

    def described(self, level: int, sizes: Mapping[str, int], called: str) -> Described:
        """Give what is known of one level.

        Parameters
        ----------
        level
            Which one, from 0.
        sizes
            The lengths of its dimensions, by their letters.
        called
            What to call it in a warning about a unit that is not known.
        """
        scale = self.scales[level]
        steps: dict[str, tuple[float | None, Axis]] = {}
        if scale is not None and self.axes is not None and len(scale) == len(self.axes):
            steps = dict(zip(sizes, zip(scale, self.axes, strict=True), strict=False))
        lengths = {
            letter: in_micrometres(size, axis.unit)
            for letter, (size, axis) in steps.items()
            if letter in "ZYX"
        }
        time, axis = steps.get("T", (None, Axis(None)))
        interval = in_seconds(time, axis.unit)
        unknown = {
            f"{letter} in “{axis.unit}”"
            for letter, (size, axis) in steps.items()
            if axis.unit and size and {**lengths, "T": interval}.get(letter, 1.0) is None
        }
        if unknown:
            logger.warning(
                "%s: the size of a step along %s has no unit of length or time that is known, and "
                "is not used.",
                called,
                listed(sorted(unknown)),
            )
        height, width = lengths.get("Y"), lengths.get("X")
        return Described(
            None if height is None or width is None else (height, width),
            self.channel_names,
            Acquisition(lengths.get("Z"), interval, self.colours),
        ).of_channels(sizes.get("C", 1))


def ome_of(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the part of a group's attributes that is OME's: under one name since version 0.5.

    Examples
    --------
    >>> ome_of({"ome": {"version": "0.5"}}), ome_of({"multiscales": []})
    ({'version': '0.5'}, {'multiscales': []})
    """
    ome = attributes.get("ome")
    return ome if isinstance(ome, dict) else attributes


def multiscale_of(attributes: Mapping[str, Any], called: str) -> Multiscale | None:
    """Read the first image that a group describes.

    Parameters
    ----------
    attributes
        Those of the group.
    called
        What to call it in an error.

    Returns
    -------
    Multiscale or None
        None if the group describes no image.

    Raises
    ------
    ImageError
        If it names no array, or one outside of the group.

    Examples
    --------
    >>> image = {"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}
    >>> multiscale_of({"multiscales": [image]}, "a.zarr").levels
    ('0',)
    """
    ome = ome_of(attributes)
    described = _objects(ome.get("multiscales"))
    if not described:
        return None
    if "image-label" in ome:
        raise ImageError(
            f"{called}: holds labels of objects, not intensities; give the image that was labelled."
        )
    if len(described) > 1:
        logger.warning(
            "%s: describes %d images; the first of them is read.", called, len(described)
        )
    first = described[0]
    datasets = [one for one in _objects(first.get("datasets")) if isinstance(one.get("path"), str)]
    if not datasets:
        raise ImageError(
            f"{called}: its description of the image names no array, so it seems to be damaged; "
            "copy or export it again."
        )
    whole = _scale(first)
    scales = [_times(_scale(one), whole) for one in datasets]
    axes = _axes(first)
    channels = _objects(ome_entry(ome, "omero").get("channels"))
    labels = [one.get("label") for one in channels]
    names = [one for one in labels if isinstance(one, str) and one]
    colours = [found for one in channels if (found := _colour(one.get("color"))) is not None]
    return Multiscale(
        tuple(_inside(one["path"], called) for one in datasets),
        tuple(scales),
        axes,
        tuple(names) if names and len(names) == len(channels) else None,
        tuple(colours) if colours and len(colours) == len(channels) else None,
    )


def images_of(attributes: Mapping[str, Any], kind: str, called: str) -> list[str]:
    """List the wells of a plate, the fields of a well, or the series of a conversion.

    Parameters
    ----------
    attributes
        Those of the group.
    kind
        ``"plate"`` or ``"well"``.
    called
        What to call the group in an error.

    Returns
    -------
    list of str
        Their ways from the group; empty if it is no such group.

    Examples
    --------
    >>> images_of({"well": {"images": [{"path": "0"}, {"path": "1"}]}}, "well", "A/1")
    ['0', '1']
    """
    listed_under = {"plate": "wells", "well": "images"}[kind]
    parts = _objects(ome_entry(ome_of(attributes), kind).get(listed_under))
    paths = [_inside(one["path"], called) for one in parts if isinstance(one.get("path"), str)]
    if len(paths) > _MOST_IMAGES:
        raise ImageError(
            f"{called}: lists {len(paths):,} {listed_under}, but at most {_MOST_IMAGES:,} are read."
        )
    return paths


def ome_entry(ome: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Give an entry that is to be an object; an empty one where it is not.

    Examples
    --------
    >>> ome_entry({"omero": [1, 2]}, "omero")
    {}
    """
    found = ome.get(name)
    return found if isinstance(found, dict) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _inside(path: str, called: str) -> str:
    """Refuse a way that leaves the group."""
    way = PurePosixPath(path)
    if way.is_absolute() or ".." in way.parts or not way.parts or re.search(r"[\\:\0]", path):
        raise ImageError(f"{called}: refers to {path!r:.60}, which is not inside of it.")
    return way.as_posix()


def _axes(image: Mapping[str, Any]) -> tuple[Axis, ...] | None:
    written = image.get("axes")
    if written is None and image.get("version") in ("0.1", "0.2"):
        written = list(_EARLIEST_AXES)
    if not isinstance(written, list) or not written:
        return None
    return tuple(map(_axis, written))


def _axis(written: Any) -> Axis:
    if not isinstance(written, dict):  # in version 0.3, it is the name
        return Axis(written if isinstance(written, str) else None)
    texts = {key: value for key, value in written.items() if isinstance(value, str)}
    name, kind, unit = map(texts.get, ("name", "type", "unit"))
    return Axis(kind if kind in _TYPES else name, unit)


def _scale(described: Mapping[str, Any]) -> tuple[float | None, ...] | None:
    for one in _objects(described.get("coordinateTransformations")):
        values = one.get("scale")
        if one.get("type") == "scale" and isinstance(values, list):
            return tuple(map(number, values))
    return None


def _times(
    one: Sequence[float | None] | None, other: Sequence[float | None] | None
) -> tuple[float | None, ...] | None:
    if one is None or other is None:
        return tuple(one) if one is not None else tuple(other) if other is not None else None
    if len(one) != len(other):
        return None
    return tuple(None if a is None or b is None else a * b for a, b in zip(one, other, strict=True))


def _colour(text: Any) -> Colour | None:
    if not isinstance(text, str) or not re.fullmatch("#?[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?", text):
        return None
    red, green, blue, *_ = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def series_of(attributes: Mapping[str, Any]) -> Iterator[str]:
    """List the numbered images that bioformats2raw puts side by side, without end.

    Examples
    --------
    >>> next(series_of({"bioformats2raw.layout": 3})), list(series_of({}))
    ('0', [])
    """
    if "bioformats2raw.layout" in ome_of(attributes):
        yield from map(str, range(_MOST_IMAGES))
