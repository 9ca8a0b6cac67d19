"""From what the user names (files, folders, patterns, arrays) to a list of single images."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.metadata import is_own_output

logger = logging.getLogger("ladderscope")

_SUFFIXES = (".tif", ".tiff")
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")


@runtime_checkable
class Array(Protocol):
    """Whatever turns into a NumPy array when asked: NumPy's own, Zarr's, and their like."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""

    @property
    def dtype(self) -> Any:
        """The type of the values."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...


Source: TypeAlias = Path | Array | Image
Sources: TypeAlias = str | os.PathLike[str] | Array | Image | Iterable["Sources"]


class Found(NamedTuple):
    """What `find_images` found.

    Parameters
    ----------
    sources
        One entry an image, for `read_image`: paths, arrays or images.
    skipped
        Files that were named too, but that Ladderscope had written itself.
    """

    sources: list[Source]
    skipped: list[Path]


def find_images(sources: Sources, *, own_outputs: bool = False) -> Found:
    """List the single images that a path, pattern, folder, array, or a list of these, stands for.

    Parameters
    ----------
    sources
        A file, a pattern such as ``"noisy/*.tif"`` or ``"**/*.tif"``, a folder (its .tif and .tiff
        files), a NumPy or Zarr array (one image), an `Image`, or any list of these.
    own_outputs
        Whether to keep files that Ladderscope has written. They are left out by default, so that a
        second run does not restore the restorations of the first.

    Returns
    -------
    Found
        The sources, sorted within a pattern or folder, each file once; and the outputs left out,
        which are logged.

    Raises
    ------
    ImageError
        If there is no such file, if nothing matches, or if only Ladderscope's own outputs do.

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
            kept.append(source)
    if skipped and not kept:
        raise ImageError(
            f"every file found was written by Ladderscope itself ({_some(skipped)}), and its own "
            "outputs are not taken as input; give the original images."
        )
    if not kept:
        raise ImageError("no images were given; give a file, a pattern, a folder or an array.")
    if skipped:
        logger.info("left out, as Ladderscope wrote them itself: %s", _some(skipped))
    return Found(kept, skipped)


def is_zarr_folder(path: Path) -> bool:
    """Tell whether a path is a Zarr array or group on disk.

    Parameters
    ----------
    path
        Any path.

    Returns
    -------
    bool
        Whether it is a folder that is named ``*.zarr`` or that holds Zarr's metadata.

    Examples
    --------
    >>> is_zarr_folder(Path("no such folder.zarr"))
    False
    """
    return path.is_dir() and (
        path.suffix.lower() == ".zarr" or any((path / name).exists() for name in _ZARR_FILES)
    )


def _expand(sources: Any) -> list[Source]:
    if isinstance(sources, str | os.PathLike):
        return list(_expand_path(Path(sources).expanduser()))
    if isinstance(sources, Image | Array):
        return [sources]
    if isinstance(sources, Iterable) and not isinstance(sources, bytes | dict):
        return [found for source in sources for found in _expand(source)]
    raise ImageError(
        f"cannot read an image from {type(sources).__name__} ({sources!r:.60}); give a path, a "
        "pattern, a folder, a NumPy or Zarr array, or a list of these."
    )


def _expand_path(path: Path) -> list[Path]:
    if path.is_file() or is_zarr_folder(path):
        return [path]
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if one.suffix.lower() in _SUFFIXES)
        expected = "a .tif or .tiff file"
    elif any(sign in str(path) for sign in "*?["):
        path, pattern = _split_pattern(path)
        found = sorted(path.glob(pattern)) if path.is_dir() else []
        expected = f"a file that matches {pattern}"
    else:
        raise ImageError(f"{path}: there is no such file or folder (looked in {Path.cwd()}).")
    images = [one for one in found if _is_candidate(one)]
    if not images:
        is_there = "" if path.is_dir() else ", which does not exist"
        raise ImageError(
            f"no image found: expected {expected} in the folder {path.resolve()}{is_there}. "
            "Check the spelling, or name the files one by one."
        )
    return images


def _is_candidate(path: Path) -> bool:
    # hidden files are macOS's "._a.tif" and our own unfinished ones
    return not path.name.startswith(".") and (path.is_file() or is_zarr_folder(path))


def _split_pattern(path: Path) -> tuple[Path, str]:
    first = next(i for i, part in enumerate(path.parts) if any(sign in part for sign in "*?["))
    return Path(*path.parts[:first]), str(Path(*path.parts[first:]))


def _some(paths: list[Path]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(path.name for path in paths[:3]) + more
