"""Where images are: files, folders inside of files, and the names that outputs take from them.

An address is a path. What lies inside of a store has the store's path, then its own: a field of a
plate is ``plate.zarr/A/1/0``, a level of a pyramid ``image.zarr/1`` or ``slide.tif/1``, a scene
``cells.czi/2``. An address on the network is a path with one slash after the colon; `written` puts
the other back.
"""

import re
from pathlib import Path

from ladderscope.files import stem

_URL = re.compile(r"(https?|s3|gs):/+([^/].*)")
_STORE = re.compile(r"\.(zarr|czi|nd2|lif)$", re.IGNORECASE)
_PYRAMID = re.compile(r"\.tiff?$", re.IGNORECASE)
_FIELD = re.compile(r"([A-Za-z]{1,2})/(\d{1,2})/(.+)")  # of a plate: row, column, field


def url_of(path: Path) -> str | None:
    """Give the address on the network that a path stands for; None if it is one on this computer.

    Examples
    --------
    >>> url_of(Path("https://host/a.zarr") / "1"), url_of(Path("a.zarr"))
    ('https://host/a.zarr/1', None)
    """
    found = _URL.fullmatch(path.as_posix())
    return f"{found[1]}://{found[2]}" if found else None


def written(path: Path) -> str:
    """Write an address as messages do.

    Examples
    --------
    >>> written(Path("s3://bucket/a.zarr"))
    's3://bucket/a.zarr'
    """
    return url_of(path) or str(path)


def store_of(path: Path) -> tuple[Path, str]:
    """Take an address apart: the outermost store, and the way from there.

    Examples
    --------
    >>> store, inside = store_of(Path("day1/plate.zarr/A/1/0"))
    >>> store.name, inside
    ('plate.zarr', 'A/1/0')
    >>> store_of(Path("a.tif"))[1]
    ''
    """
    if path.name.isdecimal() and _PYRAMID.search(path.parent.name):
        return path.parent, path.name
    for folder in reversed(path.parents):
        if _STORE.search(folder.name):
            return folder, path.relative_to(folder).as_posix()
    return path, ""


def called(path: Path) -> str:
    """Say what messages call an image, by its address.

    Examples
    --------
    >>> called(Path("day1/plate.zarr/A/1/0")), called(Path("day1/a.zarr/1")), called(Path("b.tif"))
    ('plate.zarr, well A1, field 0', 'a.zarr/1', 'b.tif')
    >>> called(Path("cells.czi/2"))
    'cells.czi, scene 2'
    >>> called(Path("slide.ome.tif/1"))
    'slide.ome.tif, level 1'
    """
    store, inside = store_of(path)
    if inside and _PYRAMID.search(store.name):
        return f"{store.name}, level {inside}"
    if inside and not store.name.lower().endswith(".zarr"):
        return f"{store.name}, scene {inside}"
    if field := _FIELD.fullmatch(inside):
        return f"{store.name}, well {field[1]}{field[2]}, field {field[3]}"
    return f"{store.name}/{inside}" if inside else store.name


def flattened(path: Path) -> Path:
    """Give an image inside of a store the name of a file beside that store, for its outputs.

    Examples
    --------
    >>> flattened(Path("plate.ome.zarr/A/1/0")).name, flattened(Path("b.tif")).name
    ('plate_A1_0.ome.zarr', 'b.tif')
    """
    store, inside = store_of(path)
    if not inside:
        return path
    name = stem(store)
    parts = _FIELD.sub(r"\1\2/\3", inside).replace("/", "_")
    return store.with_name(f"{name}_{parts}{store.name[len(name) :]}")
