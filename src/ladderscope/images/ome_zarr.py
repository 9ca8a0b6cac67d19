"""OME-Zarr: which images a store holds, and one of them opened at one of its levels."""

import logging
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from ladderscope.images.addresses import called, url_of, written
from ladderscope.images.arrays import array_image
from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.multiscales import (
    Multiscale,
    images_of,
    multiscale_of,
    ome_of,
    series_of,
)
from ladderscope.images.own_zarr import with_own_notes
from ladderscope.images.stores import Node, arrays_in, missing_chunks, node_at, opened_zarr
from ladderscope.images.tiff_levels import check_level, is_tiff
from ladderscope.words import counted, some

logger = logging.getLogger("ladderscope")

_DEEPEST_LEVEL = 3  # how far below its group an array of a pyramid may lie


class _Level(NamedTuple):
    """One level of an image: its array, and what the image's group says of it."""

    array: Path
    node: Node
    image: Multiscale | None = None
    number: int = 0


def zarr_images(path: Path) -> list[Path]:
    """List the images that an address inside of a Zarr store stands for.

    Parameters
    ----------
    path
        An array, the group of an image, a well, a plate, or a store with several series.

    Returns
    -------
    list of Path
        Every field of every well, every series, or the address itself.

    Raises
    ------
    ImageError
        If a description on the way is damaged.

    Examples
    --------
    >>> zarr_images(Path("no such folder.zarr"))
    [PosixPath('no such folder.zarr')]
    """
    node = node_at(path)
    if node is None or node.is_array or "multiscales" in ome_of(node.attributes):
        return [path]
    if wells := images_of(node.attributes, "plate", written(path)):
        return [field for well in wells for field in _fields(path / well, node_at(path / well))]
    if "well" in ome_of(node.attributes):
        return _fields(path, node)
    numbered = (path / number for number in series_of(node.attributes))
    return list(takewhile(lambda one: node_at(one) is not None, numbered)) or [path]


def at_level(path: Path, level: int) -> Path:
    """Give the address of a level of an image.

    Parameters
    ----------
    path
        The image's group.
    level
        Which level, from 0, the finest.

    Raises
    ------
    ImageError
        If it has no such level.
    """
    if path.is_file():
        if not is_tiff(path):
            raise ImageError(
                f"{path}: level {level} was asked for, but levels are chosen of OME-Zarr and TIFF "
                "images only."
            )
        check_level(path, level)
        return path / str(level)
    node = node_at(path)
    image = None if node is None else multiscale_of(node.attributes, written(path))
    levels = () if image is None else image.levels
    if not 0 <= level < len(levels):
        has = f"the levels 0 to {len(levels) - 1}" if levels else "no levels to choose from"
        raise ImageError(f"{written(path)}: level {level} was asked for, but it has {has}.")
    return path / levels[level]


def check_complete(path: Path) -> None:
    """Refuse an image of which chunks are missing.

    Parameters
    ----------
    path
        An array, or the group of an image.

    Raises
    ------
    ImageError
        If a chunk is missing; or as `zarr_image` does.
    """
    level = _level_at(path)
    array = opened_zarr(level.array, level.node.zarr_format)
    if said := missing_chunks(level.array, array):
        raise ImageError(
            f"{written(path)}: {said} Export it again, or read them as the fill value "
            '(missing_chunks="fill", --missing-chunks fill).'
        )


def zarr_image(path: Path, axes: str | None) -> Image:
    """Open the image at an address inside of a Zarr store.

    Parameters
    ----------
    path
        An array, or the group of an image, of which the finest level is opened.
    axes
        The user's axes, if given.

    Raises
    ------
    ImageError
        If there is no image, or several; if it cannot be opened, or its axes are not known.
    """
    level = _level_at(path)
    array = opened_zarr(level.array, level.node.zarr_format)
    if url_of(path) is None and (said := missing_chunks(level.array, array)):
        logger.warning(
            "%s: %s They are read as the fill value %s.", written(path), said, array.fill_value
        )
    names = None if level.image is None else level.image.names(len(array.shape))
    image = replace(array_image(array, axes, written(path), names), name=called(path), path=path)
    if level.image is None:
        return image
    about = level.image.described(level.number, image.sizes, written(path))
    return replace(
        image,
        pixel_size=about.pixel_size,
        channel_names=about.channel_names,
        acquisition=with_own_notes(about.acquisition, path),
    )


def _fields(well: Path, node: Node | None) -> list[Path]:
    fields = [] if node is None else images_of(node.attributes, "well", written(well))
    return [well / field for field in fields] or [well]


def _level_at(path: Path) -> _Level:
    node = node_at(path)
    if node is None:
        raise ImageError(
            f"{written(path)}: cannot be opened as a Zarr array or group, since it has neither a "
            "zarr.json nor a .zarray or .zgroup"
            + ("." if url_of(path) is None else ". Of what lies on the network, only Zarr is read.")
            + " Check the address, or copy or export it again."
        )
    if node.is_array:
        return _with_its_image(path, node)
    image = multiscale_of(node.attributes, written(path))
    if image is None:
        raise _no_image(path)
    array = path / image.levels[0]
    found = node_at(array)
    if found is None or not found.is_array:
        raise ImageError(
            f"{written(path)}: its description names the array {image.levels[0]}, which is not "
            "there; copy or export it again."
        )
    return _Level(array, found, image)


def _with_its_image(path: Path, node: Node) -> _Level:
    """Find the image of which an array is a level, in one of the groups around it."""
    for group in path.parents[:_DEEPEST_LEVEL]:
        around = node_at(group)
        if around is None:
            break
        image = multiscale_of(around.attributes, written(group))
        way = path.relative_to(group).as_posix()
        if image is not None and way in image.levels:
            return _Level(path, node, image, image.levels.index(way))
    return _Level(path, node)


def _no_image(path: Path) -> ImageError:
    images, where = zarr_images(path), written(path)
    if images != [path]:
        return ImageError(
            f"{where}: holds {counted(len(images), 'image')}, but one is expected; name one "
            f"of them ({some([written(one) for one in images], 3)})."
        )
    inside = ", ".join(map(written, arrays_in(path))) or "none directly in it"
    return ImageError(
        f"{where}: is a Zarr group without an OME-Zarr image; give an image, or one of its arrays "
        f"({inside})."
    )
