"""The working folder of a prediction: its finished pieces, each a file that is whole or absent.

A piece depends on nothing but its place and on what the manifest names. Neither the order in which
pieces are made nor the number of interruptions therefore changes what is put together of them. Each
file holds a digest of its content, of its place, and of the manifest.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError, internal_file, taken
from ladderscope.images.stored import Key, StoredPixels
from ladderscope.models.pieces import Piece, Place
from ladderscope.models.restoring import Fields, Restoring
from ladderscope.prediction import tiles_of
from ladderscope.words import counted

_MANIFEST = "manifest.json"
_MASKS = ("padding", "beyond", "failed")


@dataclass(frozen=True)
class Manifest:
    """What decides every value of a prediction; by digests where that is long.

    Attributes
    ----------
    model, calibration, image : str
        Digests.
    samples, seed : int
        Of the posterior samples.
    keeps : bool
        Whether the samples are kept.
    arithmetic, tiles, version : str
        The device and the type of the network's arithmetic, the geometry, and that of Ladderscope.
    threads : int
        With how many the network computes on a CPU, since that decides how it rounds. It is that of
        the process that began; all others take it over.
    """

    model: str
    calibration: str
    image: str
    samples: int
    seed: int
    keeps: bool
    arithmetic: str
    tiles: str
    version: str
    threads: int


@dataclass(frozen=True)
class WorkingFolder:
    """A folder of pieces, its manifest, and the digest of that."""

    path: Path
    manifest: Manifest
    key: str


def folder_of(output: Path) -> Path:
    """Name the working folder of an output.

    Examples
    --------
    >>> folder_of(Path("out/a_restored.ome.tif")).name
    'a_restored.ome.tif.parts'
    """
    return output.with_name(f"{output.name}.parts")


def opened_folder(
    path: Path, manifest: Manifest, *, resume: bool, overwrite: bool = False
) -> WorkingFolder:
    """Make a working folder, or open the one that an interrupted prediction has left.

    Parameters
    ----------
    path
        As `folder_of` names it.
    manifest
        What is predicted now.
    resume
        Whether to go on with what there is.
    overwrite
        Whether to remove what there is, if it is not resumed, or of another prediction.

    Raises
    ------
    LadderscopeError
        There is one, and it is not to be resumed; or it is of another model, image or setting, and
        what differs is said.
    """
    folder = _folder(path, manifest)
    if taken(path) and overwrite and not resume:
        shutil.rmtree(path)
    if (path / _MANIFEST).is_file() and not resume:
        raise LadderscopeError(
            f"{path} holds an interrupted prediction: resume it (resume=True, --resume), or "
            "allow it to be overwritten"
        )
    _make_manifest(folder)
    before = _read_manifest(path / _MANIFEST)
    threads = before.get("threads")
    if isinstance(threads, int) and threads > 0:
        folder = _folder(path, replace(manifest, threads=threads))
    now = asdict(folder.manifest)
    differences = [
        f"{name} was {before.get(name)}, now {value}"
        for name, value in now.items()
        if before.get(name) != value
    ]
    if differences and overwrite:
        shutil.rmtree(path)
        folder = _folder(path, manifest)
        _make_manifest(folder)
    elif differences:
        raise LadderscopeError(
            f"{path} is from another prediction: {'; '.join(differences)}. Give the same "
            "model, image and settings, or delete this folder to begin again"
        )
    return folder


def still_there(folder: WorkingFolder) -> bool:
    """Tell whether a working folder is still that of its prediction; nobody has finished it."""
    try:
        return bool(json.loads((folder.path / _MANIFEST).read_text()) == asdict(folder.manifest))
    except (OSError, ValueError):
        return False


def remove_remains(folder: WorkingFolder) -> None:
    """Remove pieces that were saved after another process had finished the prediction.

    Raises
    ------
    LadderscopeError
        The folder is of another prediction by now.
    """
    if (folder.path / _MANIFEST).is_file():
        raise LadderscopeError(
            f"{folder.path} is of another prediction by now: restore different images, or with "
            "different settings, into different folders"
        )
    shutil.rmtree(folder.path, ignore_errors=True)


def is_there(folder: WorkingFolder, place: Place) -> bool:
    """Tell whether there is a file of a piece; `read` also verifies it."""
    return _file(folder, place).is_file()


def saved(folder: WorkingFolder, piece: Piece) -> None:
    """Write a piece, completely or not at all; it is on the disk when this returns."""
    arrays = {"values": np.ascontiguousarray(piece.values)}
    if piece.spread is not None:
        arrays["spread"] = np.ascontiguousarray(piece.spread)
    for name in _MASKS:
        if (mask := getattr(piece, name)) is not None:
            arrays[name] = np.ascontiguousarray(mask)
    blank = str(int(piece.is_blank))
    about = {"blank": blank, "digest": _digest(folder, piece.place, blank, arrays)}
    with internal_file(_file(folder, piece.place), overwrite=True) as unfinished:
        unfinished.write_bytes(save(arrays, about))


def read(folder: WorkingFolder, place: Place) -> Piece | None:
    """Read a piece and verify it; None if it is not there, or damaged."""
    try:
        with safe_open(_file(folder, place), "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    blank = about.get("blank", "")
    if about.get("digest") != _digest(folder, place, blank, arrays):
        return None
    padding, beyond, failed = (arrays.get(name) for name in _MASKS)
    values, spread = arrays["values"], arrays.get("spread")
    return Piece(place, values, spread, padding, beyond, failed, blank == "1")


def stored_values(
    folder: WorkingFolder, restoring: Restoring, fields: Fields, copy: int
) -> StoredPixels:
    """Give the values of all pieces as fields: copy 0 is the mean, and the samples follow.

    Returns
    -------
    StoredPixels of shape (fields, channels, [Z], Y, X)
        Read from the pieces where they are asked for.
    """
    return _stored(folder, restoring, fields, "values", (copy,))


def stored_spread(folder: WorkingFolder, restoring: Restoring, fields: Fields) -> StoredPixels:
    """Give the standard deviations of all pieces as fields, like `stored_values`."""
    return _stored(folder, restoring, fields, "spread", ())


def _stored(
    folder: WorkingFolder, restoring: Restoring, fields: Fields, name: str, first: tuple[int, ...]
) -> StoredPixels:
    shape = fields.shape(len(restoring.statistics))
    tiles = list(tiles_of(restoring.network, shape[2:], restoring.geometry))
    where = {
        channel: (job, channel - one.outputs.start)
        for job, one in enumerate(restoring.jobs)
        for channel in one.outputs
    }

    def of_field(
        number: int, channel: int, extent: Sequence[tuple[int, int]]
    ) -> Float32[np.ndarray, "..."]:
        job, output = where[channel]
        result = np.empty([stop - start for start, stop in extent], np.float32)
        for part, tile in enumerate(tiles):
            common = [
                (max(core.start, start), min(core.stop, stop))
                for core, (start, stop) in zip(tile.core, extent, strict=True)
            ]
            if any(start >= stop for start, stop in common):
                continue
            inside = [
                slice(start - core.start, stop - core.start)
                for (start, stop), core in zip(common, tile.core, strict=True)
            ]
            target = tuple(
                slice(start - begin, stop - begin)
                for (start, stop), (begin, _) in zip(common, extent, strict=True)
            )
            file = _file(folder, Place(number, job, part, tile))
            try:
                with safe_open(file, "numpy") as opened:
                    result[target] = opened.get_slice(name)[*first, output, *inside]
            except (OSError, SafetensorError) as error:
                raise LadderscopeError(
                    f"{file}: this finished part of the prediction cannot be read ({error}): "
                    "resume the prediction (resume=True, --resume), which restores it again"
                ) from error
        return result

    def read_part(key: Key) -> Shaped[np.ndarray, "..."]:
        number, channel, *sides = key
        for at, one in enumerate((number, channel)):
            if isinstance(one, slice):
                every = range(shape[at])[one]
                return np.stack([read_part((*key[:at], index, *key[at + 1 :])) for index in every])
        ranges = [
            range(size)[one] if isinstance(one, slice) else range(one, one + 1)
            for one, size in zip(sides, shape[2:], strict=True)
        ]
        extent = [(one.start, one[-1] + 1) if one else (0, 0) for one in ranges]
        values = of_field(number, channel, extent)  # type: ignore[arg-type]  # integers by now
        steps = tuple(
            slice(None, None, along.step) if isinstance(one, slice) else 0
            for one, along in zip(sides, ranges, strict=True)
        )
        return values[steps]

    return StoredPixels(shape, np.dtype(np.float32), read_part)


def saying_what_is_finished(
    error: OutputError, folder: Path, finished: int, count: int
) -> OutputError:
    """Say, where a disk is full, what is finished and how to go on."""
    return OutputError(
        f"{error} {counted(finished, 'part')} of {count} of this prediction are finished and kept "
        f"in {folder}: free some space there, and resume it (resume=True, --resume)."
    )


def _folder(path: Path, manifest: Manifest) -> WorkingFolder:
    key = hashlib.blake2b(json.dumps(asdict(manifest)).encode()).hexdigest()[:32]
    return WorkingFolder(path, manifest, key)


def _make_manifest(folder: WorkingFolder) -> None:
    """Write the manifest, unless there is one; another process may write it at the same time."""
    path = folder.path / _MANIFEST
    if path.is_file():
        return
    try:
        with internal_file(path) as unfinished:
            unfinished.write_text(json.dumps(asdict(folder.manifest), indent=1))
    except OutputError:
        if not path.is_file():
            raise


def _read_manifest(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise LadderscopeError(
            f"{path} cannot be read ({error}): delete its folder to begin again"
        ) from error
    return found if isinstance(found, dict) else {}


def _file(folder: WorkingFolder, place: Place) -> Path:
    return folder.path / f"{place.number:06}" / f"{place.job}-{place.part:06}.safetensors"


def _digest(
    folder: WorkingFolder,
    place: Place,
    blank: str,
    arrays: dict[str, Shaped[np.ndarray, "..."]],
) -> str:
    digest = hashlib.blake2b(f"{folder.key} {place[:3]} {blank}".encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()[:32]
