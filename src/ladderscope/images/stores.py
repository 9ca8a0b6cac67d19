"""Zarr stores: what lies at an address, and the array there, checked before it is trusted."""

import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ladderscope.images.addresses import url_of, written
from ladderscope.images.errors import ImageError
from ladderscope.images.memory import BEST_COMPRESSION, SMALL
from ladderscope.images.remote import count_missing, read_remote, reason, remote_store
from ladderscope.untrusted import InputError, parse_json, read_bytes
from ladderscope.words import data_size

_MOST_CHUNKS = 1_000_000
_MOST_TEXT, _MOST_VALUES = 2**26, 10_000_000  # a plate may describe all its arrays in one file
_ABOUT_ARRAYS, _ABOUT_GROUPS, _ATTRIBUTES, _ABOUT = ".zarray", ".zgroup", ".zattrs", "zarr.json"
_TEXTS = {_ABOUT, _ABOUT_ARRAYS, _ABOUT_GROUPS, _ATTRIBUTES, ".zmetadata"}


class Node(NamedTuple):
    """What lies at an address inside of a Zarr store.

    Attributes
    ----------
    is_array
        Whether it is an array, not a group.
    attributes
        Its attributes.
    zarr_format
        2 or 3.
    """

    is_array: bool
    attributes: Mapping[str, Any]
    zarr_format: int


def node_at(path: Path) -> Node | None:
    """Look at what lies at an address inside of a Zarr store, reading nothing but its description.

    Parameters
    ----------
    path
        A folder.

    Returns
    -------
    Node or None
        None if it is no part of a Zarr store.

    Raises
    ------
    ImageError
        If its description is damaged, or too large to be one.

    Examples
    --------
    >>> node_at(Path("no such folder")) is None
    True
    """
    about = _object_in(path, _ABOUT)
    if about is not None:
        kind, attributes = about.get("node_type"), about.get("attributes")
        if kind not in ("array", "group"):
            raise _damaged(path, _ABOUT, "it is of neither an array nor a group")
        return Node(kind == "array", attributes if isinstance(attributes, dict) else {}, 3)
    is_array = _object_in(path, _ABOUT_ARRAYS) is not None
    attributes = _object_in(path, _ATTRIBUTES)
    if not is_array and attributes is None and _object_in(path, _ABOUT_GROUPS) is None:
        return None
    return Node(is_array, attributes or {}, 2)


def opened_zarr(path: Path, zarr_format: int) -> Any:
    """Open the Zarr array in a folder.

    Parameters
    ----------
    path
        The array's folder.
    zarr_format
        2 or 3, as `node_at` found it.

    Raises
    ------
    ImageError
        If it cannot be opened, or announces more than its folder can hold.
    """
    import zarr

    url = url_of(path)
    if url is None:
        _chunk_files(path)
    store: Any = path if url is None else remote_store(url)
    try:
        array: Any = zarr.open_array(store, mode="r", zarr_format=zarr_format)  # type: ignore[arg-type]
    except Exception as error:  # each store and codec raises its own
        raise ImageError(
            f"{written(path)}: cannot be opened as a Zarr array ({reason(error)})."
        ) from error
    _check_chunks(array, path)
    return array


def missing_chunks(path: Path, array: Any) -> str:
    """Count the chunks of an array that its folder does not have, in a sentence.

    Parameters
    ----------
    path, array
        The array's folder, and the array.

    Returns
    -------
    str
        Empty if all are there.
    """
    expected, url = _chunk_count(array), url_of(path)
    if url is None:
        missing = max(0, expected - _chunk_files(path))
    else:
        numbers = np.ndindex(*_grid(array))
        missing = count_missing(url, map(array.metadata.encode_chunk_key, numbers))
    if not missing:
        return ""
    what = "shards" if array.shards else "chunks"
    return (
        f"{missing:,} of its {expected:,} {what} are missing: they were lost, or left out because "
        "every pixel in them has the fill value."
    )


def arrays_in(path: Path) -> list[Path]:
    """List the arrays directly in a group.

    Parameters
    ----------
    path
        The group's folder.

    Examples
    --------
    >>> arrays_in(Path("no such folder"))
    []
    """
    if url_of(path) is not None:
        return []  # what lies on the network cannot be listed
    try:
        inside = sorted(one for one in path.iterdir() if one.is_dir())
    except OSError:
        return []
    return [one for one in inside if (node := node_at(one)) is not None and node.is_array]


def _object_in(path: Path, name: str) -> Mapping[str, Any] | None:
    """Read the JSON object in a file of a store; None if there is no such file."""
    content = _content(path / name)
    if content is None:
        return None
    try:
        found = parse_json(content, _MOST_VALUES, constant=float)
    except InputError as error:
        raise _damaged(path, name, str(error)) from error
    if not isinstance(found, dict):
        raise _damaged(path, name, "it holds no JSON object")
    return found


def _content(file: Path) -> bytes | None:
    if (url := url_of(file)) is not None:
        return read_remote(url, _MOST_TEXT)
    if not file.exists():
        return None
    try:
        return read_bytes(file, _MOST_TEXT)
    except InputError as error:
        raise _damaged(file.parent, file.name, str(error)) from error


def _damaged(path: Path, name: str, why: str) -> ImageError:
    return ImageError(
        f"{written(path)}: cannot be opened as a Zarr array or group, its {name} seems to be "
        f"damaged ({why}); copy or export it again."
    )


def _chunk_count(array: Any) -> int:
    """Count the files that hold an array; chunks that lie together in one, a shard, are one."""
    return prod(_grid(array))


def _grid(array: Any) -> list[int]:
    parts = zip(array.shape, array.shards or array.chunks, strict=True)
    return [-(-length // part) for length, part in parts]


def _check_chunks(array: Any, path: Path) -> None:
    """Refuse an array that its folder cannot hold, however well it is compressed."""
    shape, size, where = tuple(array.shape), array.dtype.itemsize, written(path)
    chunk = tuple(array.shards or array.chunks)
    if 0 in shape:
        return
    if 0 in chunk or 0 in array.chunks:
        raise ImageError(
            f"{written(path)}: its chunks have the shape {chunk}; it seems to be damaged."
        )
    count = _chunk_count(array)
    if count > _MOST_CHUNKS:
        raise ImageError(
            f"{where}: its shape {shape} consists of {count:,} chunks of shape {chunk}, but at "
            f"most {_MOST_CHUNKS:,} are read; save it with larger chunks."
        )
    announced = max(prod(shape), prod(chunk)) * size
    if (
        announced > SMALL
        and url_of(path) is None
        and not _holds(path, announced / BEST_COMPRESSION)
    ):
        raise ImageError(
            f"{path}: announces {data_size(announced)} of pixels (shape {shape}, chunks {chunk}), "
            "but the files in its folder cannot hold them; it seems to be damaged. Copy or export "
            "it again."
        )


def _chunk_files(folder: Path) -> int:
    """Count the files that may be chunks; refuse what would keep its reader waiting for ever."""
    count = 0
    folders = [os.fspath(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_dir() and not entry.is_file() and Path(entry).exists():
                    raise ImageError(
                        f"{folder}: contains {entry.name}, which is a pipe, a socket or a device, "
                        "not a regular file; copy or export it again."
                    )
                else:
                    count += entry.name not in _TEXTS and not entry.name.startswith(".")
    return count


def _holds(folder: Path, needed: float) -> bool:
    total = 0
    for inside, _, files in os.walk(folder):
        for file in files:
            total += Path(inside, file).stat().st_size
            if total >= needed:
                return True
    return False
