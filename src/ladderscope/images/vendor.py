"""Microscopes' own formats, read scene by scene through bioio: the extra ``formats``.

A file with several scenes is as many images, with the file's path and their number as addresses:
``cells.czi/1``.
"""

import logging
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ladderscope.images.acquisition import Acquisition, Described
from ladderscope.images.addresses import called
from ladderscope.images.arrays import unreadable
from ladderscope.images.axes import check_axes
from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.stored import Key, StoredPixels
from ladderscope.images.units import in_micrometres, in_seconds

logger = logging.getLogger("ladderscope")

VENDOR_SUFFIXES = (".czi", ".nd2", ".lif")


class _Scene(NamedTuple):
    file: Path
    number: int


def is_vendor_image(path: Path) -> bool:
    """Return whether a path is a file of a microscope, or a scene in one.

    Examples
    --------
    >>> is_vendor_image(Path("no such file.czi"))
    False
    """
    return _scene_at(path) is not None


def vendor_images(path: Path) -> list[Path]:
    """List the scenes of a file of a microscope.

    Parameters
    ----------
    path
        The file, or one of its scenes.

    Returns
    -------
    list of Path
        An address for each scene; the file's own if there is one scene, or if it cannot be opened.
    """
    if not path.is_file():
        return [path]
    try:
        count = len(_opened(path).scenes)
    except ImageError:
        return [path]  # whoever opens it says why
    return [path / str(number) for number in range(count)] if count > 1 else [path]


def vendor_image(path: Path, axes: str | None) -> Image:
    """Open a scene of a file of a microscope.

    Parameters
    ----------
    path
        The file, or one of its scenes.
    axes
        The user's axes, if given.

    Raises
    ------
    ImageError
        If bioio or its plugin is missing, if the file cannot be opened or has several scenes, or if
        it is a photograph.
    """
    scene = _scene_at(path)
    if scene is None:
        raise ImageError(f"{path}: there is no such file.")
    file = _opened(scene.file)
    scenes = list(file.scenes)
    if path == scene.file and len(scenes) > 1:
        raise ImageError(
            f"{path}: holds {len(scenes)} scenes, but one image is expected; name one, such as "
            f"{path / '0'}."
        )
    if scene.number >= len(scenes):
        raise ImageError(f"{path}: there is no scene {scene.number} of {len(scenes)} (from 0).")
    try:
        file.set_scene(scene.number)
        data = file.xarray_dask_data
        letters = "".join(map(str, data.dims))
        values, sizes = data.data, dict(zip(letters, data.data.shape, strict=True))
    except Exception as error:  # each plugin raises its own
        raise unreadable(str(path), error) from error
    if sizes.get("S", 1) > 1:
        raise ImageError(
            f"{path}: is an RGB photograph or similar, of {sizes['S']} values per pixel; extract "
            "one channel, for example in Fiji."
        )
    kept = [letter for letter in letters if letter in "YX" or sizes[letter] > 1]
    chosen = values[tuple(slice(None) if letter in kept else 0 for letter in letters)]

    def read(key: Key) -> Any:
        try:
            return np.asarray(chosen[key])
        except Exception as error:
            raise unreadable(str(path), error) from error

    found = check_axes(axes or "".join(kept), tuple(chosen.shape), str(path))
    pixels = StoredPixels(tuple(chosen.shape), np.dtype(chosen.dtype), read)
    image = Image(pixels, found, called(path), path)
    about = _described(file, scene.file).of_channels(image.channels)
    return replace(
        image,
        pixel_size=about.pixel_size,
        channel_names=about.channel_names,
        acquisition=about.acquisition,
    )


def _scene_at(path: Path) -> _Scene | None:
    file, number = (path.parent, path.name) if path.name.isdecimal() else (path, "0")
    is_file = os.path.isfile(file)  # noqa: PTH113 (too long a name is no file, not an error)
    return _Scene(file, int(number)) if is_file and _suffix(file) in VENDOR_SUFFIXES else None


def _opened(file: Path) -> Any:
    install = 'run pip install "ladderscope[formats]", or save it as TIFF in Fiji.'
    try:
        import bioio

        return bioio.BioImage(str(file))
    except ImportError as error:
        raise ImageError(
            f"{file}: reading {_suffix(file)} files needs more packages ({error}); {install}"
        ) from error
    except Exception as error:  # each plugin raises its own
        if type(error).__name__ == "UnsupportedFileFormatError":
            raise ImageError(
                f"{file}: bioio finds no plugin that reads it, such as bioio-{_suffix(file)[1:]}; "
                f"{install} If it is there, the file may be damaged."
            ) from error
        raise ImageError(f"{file}: cannot be opened, it may be damaged ({error}).") from error


def _suffix(file: Path) -> str:
    return file.suffix.lower()


def _described(file: Any, path: Path) -> Described:
    try:
        size, names = file.physical_pixel_sizes, file.channel_names
        height, width, spacing = (in_micrometres(one, "µm") for one in (size.Y, size.X, size.Z))
        interval = file.time_interval if hasattr(file, "time_interval") else None
        seconds = interval.total_seconds() if isinstance(interval, timedelta) else None
        return Described(
            None if height is None or width is None else (height, width),
            tuple(map(str, names)) if names else None,
            Acquisition(spacing, in_seconds(seconds, "s")),
        )
    except Exception as error:  # each plugin raises its own
        logger.info("%s: its metadata cannot be read (%s)", path, error)
        return Described()
