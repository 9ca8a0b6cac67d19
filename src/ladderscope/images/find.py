"""From what the user names (files, folders, patterns, arrays) to a list of single images."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from ladderscope.files import expanded
from ladderscope.images.addresses import url_of
from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.metadata import is_own_output
from ladderscope.images.ome_zarr import at_level, check_complete, zarr_images
from ladderscope.images.recordings import files_of
from ladderscope.images.stored import Array
from ladderscope.images.tiff_levels import tiff_level_at
from ladderscope.images.vendor import VENDOR_SUFFIXES, is_vendor_image, vendor_images
from ladderscope.words import listed, some

logger = logging.getLogger("ladderscope")

_SUFFIXES = (".tif", ".tiff", ".zarr", *VENDOR_SUFFIXES)
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")


MissingChunks: TypeAlias = Literal["fill", "refuse"]
Source: TypeAlias = Path | Array | Image
Sources: TypeAlias = str | os.PathLike[str] | Array | Image | Iterable["Sources"]


class Found(NamedTuple):
    """What `find_images` found.

    Parameters
    ----------
    sources
        One entry per image, for `read_image`: paths, arrays or images.
    skipped
        Files that were named too, but that Ladderscope had written itself.
    """

    sources: list[Source]
    skipped: list[Path]


def find_images(
    sources: Sources,
    *,
    own_outputs: bool = False,
    level: int = 0,
    missing_chunks: MissingChunks = "fill",
) -> Found:
    """List the single images that a path, pattern, folder, array, or a list of these, stands for.

    Parameters
    ----------
    sources
        A file, a pattern such as ``"noisy/*.tif"`` or ``"**/*.tif"``, a folder (its images),
        an OME-Zarr (every field of every well of a plate), on disk or on the network, a file of a
        microscope (every scene), a NumPy or Zarr array, an `Image`, or any list of these.
    own_outputs
        Whether to keep files that Ladderscope has written. They are left out by default, so that a
        second run does not restore the restorations of the first.
    level
        Which level of images that are stored at several resolutions, from 0, the finest.
    missing_chunks
        ``"fill"`` reads chunks that are missing from a Zarr array as its fill value, with a
        warning; ``"refuse"`` raises an error.

    Returns
    -------
    Found
        The sources, sorted within a pattern or folder, each file once; and the outputs left out,
        which are logged.

    Raises
    ------
    ImageError
        If there is no such file or level, if nothing matches, if only Ladderscope's own outputs
        do, or if chunks are missing and refused.

    Examples
    --------
    >>> import numpy as np
    >>> found = find_images([np.zeros((8, 8)), np.ones((8, 8))])
    >>> len(found.sources), found.skipped
    (2, [])
    """
    kept: list[Source] = []
    skipped: list[Path] = []
    seen: set[Path] = set()
    for source in _expand(sources):
        if isinstance(source, Path):
            if source.resolve() in seen:
                continue
            seen.add(source.resolve())
        if isinstance(source, Path) and not own_outputs and is_own_output(source):
            skipped.append(source)
        else:
            kept.append(at_level(source, level) if level and isinstance(source, Path) else source)
    if missing_chunks == "refuse":
        for source in kept:
            if isinstance(source, Path) and is_zarr_folder(source):
                check_complete(source)
    ours = some([path.name for path in skipped], 3)
    if skipped and not kept:
        raise ImageError(
            f"every file found was written by Ladderscope itself ({ours}), and its own "
            "outputs are not taken as input; give the original images."
        )
    if not kept:
        raise ImageError("no images were given; give a file, a pattern, a folder or an array.")
    if skipped:
        logger.info("left out because Ladderscope wrote them: %s", ours)
    return Found(kept, skipped)


def is_zarr_folder(path: Path) -> bool:
    """Return whether a path is a Zarr array or group, on disk or on the network.

    Parameters
    ----------
    path
        Any path.

    Returns
    -------
    bool
        Whether it is a folder that is named ``*.zarr`` or that holds Zarr's metadata, or an address
        on the network.

    Examples
    --------
    >>> is_zarr_folder(Path("no such folder.zarr"))
    False
    """
    if url_of(path) is not None:
        return True  # of what lies on the network, only Zarr is read
    try:
        return path.is_dir() and (
            path.suffix.lower() == ".zarr" or any((path / name).exists() for name in _ZARR_FILES)
        )
    except OSError:  # too long a name, say
        return False


def is_one_image(path: Path) -> bool:
    """Return whether a path is one image, not a folder, a pattern or a plate of any number.

    Examples
    --------
    >>> is_one_image(Path("noisy/*.tif"))
    False
    """
    is_there = _is_image(path)
    return is_there and len(_images_at(path)) == 1


def _expand(sources: Any) -> list[Source]:
    if isinstance(sources, str | os.PathLike):
        if not str(sources).strip():
            raise ImageError('an image name is empty; write "." for the working folder.')
        path = expanded(sources)
        try:
            found = [_as_it_is(one) for one in _expand_path(path)]
            return [image for one in found for image in _images_at(one)]
        except OSError as error:
            raise ImageError(f"{path}: cannot be looked up ({error.strerror or error}).") from error
    if isinstance(sources, Image | Array):
        return [sources]
    if isinstance(sources, Iterable) and not isinstance(sources, bytes | dict):
        return [found for source in sources for found in _expand(source)]
    raise ImageError(
        f"cannot read an image from {type(sources).__name__} ({sources!r:.60}); give a path, a "
        "pattern, a folder, a NumPy or Zarr array, or a list of these."
    )


def _expand_path(path: Path) -> list[Path]:
    if _is_image(path):
        return [path]
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if one.suffix.lower() in _SUFFIXES)
        folder, expected = path, f"a file that ends in {listed(_SUFFIXES, 'or')}"
    elif any(map(_is_pattern, path.parts)):
        found = sorted(set(_matching(Path(path.anchor), path.relative_to(path.anchor).parts)))
        folder, pattern = _split_pattern(path)
        expected = f"a file that matches {pattern}"
    elif path.exists():
        raise ImageError(f"{path}: is a pipe, a socket or a device; give a regular file.")
    else:
        raise ImageError(f"{path}: there is no such file or folder (searched in {Path.cwd()}).")
    images = [one for one in found if _is_candidate(one)]
    if not images:
        is_there = "" if folder.is_dir() else ", which does not exist"
        raise ImageError(
            f"no image found: expected {expected} in the folder {folder.resolve()}{is_there}. "
            "Check the spelling, or list the files one by one."
        )
    return images


def _images_at(path: Path) -> list[Path]:
    if is_zarr_folder(path):
        return zarr_images(path)
    if is_vendor_image(path):
        return vendor_images(path)
    return files_of(path)[:1]  # a recording in several files is one image


def _matching(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Match a pattern part by part; a part that exists as it is written stands for itself."""
    if not parts:
        yield folder
        return
    first, *rest = parts
    if first == "**":
        matches = [Path(inside) for inside, _, _ in os.walk(folder)]
    elif not _is_pattern(first) or (folder / first).exists():
        matches = [folder / first]
    else:
        # "run[1]_*.tif" may mean the files called run[1]
        matches = list(folder.glob(first)) or list(folder.glob(first.replace("[", "[[]")))
    for match in matches:
        if match.exists():
            yield from _matching(match, rest)


def _is_image(path: Path) -> bool:
    inside = is_vendor_image(path) or tiff_level_at(path) is not None
    return inside or path.is_file() or is_zarr_folder(path)


def _is_candidate(path: Path) -> bool:
    # hidden files are macOS's "._a.tif" and our own unfinished ones
    return not path.name.startswith(".") and (path.is_file() or is_zarr_folder(path))


def _split_pattern(path: Path) -> tuple[Path, Path]:
    folder = path
    while not folder.exists() and any(map(_is_pattern, folder.parts)):
        folder = folder.parent
    return folder, path.relative_to(folder)


def _is_pattern(part: str) -> bool:
    return any(sign in part for sign in "*?[")


def _as_it_is(path: Path) -> Path:
    """Keep a file name that begins with ~ from being read as the name of a user."""
    return path.absolute() if str(path).startswith("~") else path
