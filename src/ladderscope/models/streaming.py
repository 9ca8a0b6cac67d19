"""Restoring an image to a file, piece by piece: what is finished outlives the process."""

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Shaped
from numpy.typing import DTypeLike

from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError, check_writable, claimed, stem, taken
from ladderscope.images import open_image
from ladderscope.images.stored import Key, Pixels, StoredPixels
from ladderscope.models.findings import Findings
from ladderscope.models.identity import digest_of_image
from ladderscope.models.restoration import Restoration, beside
from ladderscope.models.restoring import (
    Fields,
    Restoring,
    Watched,
    pieces,
    places,
    restorations,
    sped_up,
)
from ladderscope.models.working_folder import (
    Manifest,
    folder_of,
    opened_folder,
    read,
    saved,
    saying_what_is_finished,
    stored_spread,
    stored_values,
)
from ladderscope.names import IMAGE, image_or_folder

Compose: TypeAlias = Callable[[Pixels, Pixels | None, Findings], Restoration]


@dataclass(frozen=True)
class Output:
    """Where a restoration is written, and how.

    Attributes
    ----------
    path : Path
        The file of the mean; those of the spread and the residual are named after it.
    dtype : dtype
        Type of the pixels of the mean.
    overwrite : bool
        Whether files that exist are replaced.
    resume : bool
        Whether to go on with what an interrupted prediction has finished.
    how : str
        How the image is restored, for the metadata of the mean.
    source : Path, optional
        The file that is restored, likewise.
    """

    path: Path
    dtype: DTypeLike = np.float32
    overwrite: bool = False
    resume: bool = False
    how: str = ""
    source: Path | None = None


def outputs_of(
    out: str | os.PathLike[str] | Output | None,
    sources: Sequence[tuple[Any, str]],
    several: bool,
    *,
    overwrite: bool,
    resume: bool,
) -> list[Output | None]:
    """Say where the restoration of each image goes; nowhere if `out` is None.

    Parameters
    ----------
    out
        A file, or a folder.
    sources
        Paths, or others with the names that messages give them.
    several
        Whether they are a list, even one of a single image.
    overwrite, resume
        As of `Output`.

    Raises
    ------
    LadderscopeError
        One file is named for several images, or two images have one name.
    """
    if out is None:
        return [None] * len(sources)
    if isinstance(out, Output):
        return [out]
    path, to_a_file = image_or_folder(out)
    if to_a_file:
        if several:
            raise LadderscopeError(
                f"out={os.fspath(out)!r} names one file, but a list of images is restored: give "
                "a folder"
            )
        return [Output(path, overwrite=overwrite, resume=resume)]
    names = [
        stem(source) if isinstance(source, Path) else name.replace(" ", "_")
        for source, name in sources
    ]
    if twice := [name for name in names if names.count(name) > 1]:
        raise LadderscopeError(
            f"out={os.fspath(out)!r}: two images are called {twice[0]!r}, and their restorations "
            "would have the same name: restore them into folders of their own"
        )
    return [
        Output(path / f"{name}_restored.ome.tif", overwrite=overwrite, resume=resume)
        for name in names
    ]


def restored_to(
    output: Output,
    restoring: Restoring,
    fields: Fields,
    model: str,
    samples: int,
    seed: int,
    compose: Compose,
    watched: Watched,
) -> Restoration:
    """Restore fields into a file, from where an interrupted prediction stopped if there was one.

    Parameters
    ----------
    output
        Where to.
    restoring, fields, samples, seed, watched
        As of `restored_fields`.
    model
        The digest of the model.
    compose
        Makes a restoration of fields.

    Returns
    -------
    Restoration
        Its arrays are read from the files.

    Raises
    ------
    LadderscopeError
        Something else was being predicted there, or another process does it now.
    OutputError
        A file exists, or cannot be written.
    """
    path = IMAGE.file(output.path)
    folder_path = folder_of(path)
    with claimed(path):
        going_on = output.resume and taken(folder_path)
        _check_free(path, may_replace=output.overwrite or going_on)
        wanted = restorations(sped_up(restoring, fields, samples), samples, seed)
        manifest = _manifest(restoring, fields, model, samples, seed)
        folder = opened_folder(
            folder_path, manifest, resume=output.resume, overwrite=output.overwrite
        )
        every, missing = list(places(restoring, fields)), []
        findings = Findings(fields.image.name, fields.shape(len(restoring.statistics)))
        for place in every:
            piece = read(folder, place)
            if piece is None:
                missing.append(place)
            else:
                findings.take(piece)
        finished = len(every) - len(missing)
        try:
            for piece in pieces(restoring, fields, wanted, missing, watched):
                saved(folder, piece)
                findings.take(piece)
                finished += 1
            mean = stored_values(folder, restoring, fields, 0)
            std = stored_spread(folder, restoring, fields) if wanted.has_spread else None
            restored = compose(mean, std, findings)
            files = restored.save(
                path,
                dtype=output.dtype,
                overwrite=output.overwrite or going_on,
                how=output.how,
                source=output.source,
            )
        except OutputError as error:
            raise saying_what_is_finished(error, folder_path, finished, len(every)) from error
        from_files = _from_files(restored, files)
        _removed(folder_path)
    return from_files


def _check_free(path: Path, *, may_replace: bool) -> None:
    files = [path, beside(path, "spread"), beside(path, "residual")]
    if not may_replace and (there := [str(file) for file in files if taken(file)]):
        raise OutputError(
            f"{', '.join(there)} already exists: choose another name, or allow it to be "
            "overwritten (overwrite=True, --overwrite)"
        )
    check_writable(files)


def _manifest(
    restoring: Restoring, fields: Fields, model: str, samples: int, seed: int
) -> Manifest:
    calibration = blake2b(repr(restoring.calibration).encode()).hexdigest()[:12]
    device = restoring.network.top_prior.device.type
    arithmetic = "float32" if restoring.autocast is None else str(restoring.autocast)
    return Manifest(
        model=model,
        calibration=calibration,
        image=digest_of_image(fields.image),
        samples=samples,
        seed=seed,
        keeps=False,
        arithmetic=f"{arithmetic.removeprefix('torch.')} on {device}",
        tiles=str(restoring.geometry),
        version=version("ladderscope"),
    )


def _from_files(restored: Restoration, files: Sequence[Path]) -> Restoration:
    """Give a restoration that reads its arrays from the files that were written of it."""
    mean, *others = (open_image(file) for file in files)
    std = None if restored.std is None else others.pop(0).pixels
    residual = others.pop(0).pixels if others else None
    return replace(
        restored,
        mean=_as_float(mean.pixels),
        std=std,
        residual=residual,
        axes=mean.axes,
    )


def _as_float(pixels: Pixels) -> Pixels:
    def part(key: Key) -> Shaped[np.ndarray, "..."]:
        return np.asarray(pixels[key], np.float32)

    return StoredPixels(tuple(pixels.shape), np.dtype(np.float32), part)


def _removed(folder: Path) -> None:
    """Remove a working folder; one that is killed meanwhile leaves no half of it under its name."""
    hidden = folder.with_name(f".unfinished-{secrets.token_hex(4)}")
    folder.rename(hidden)
    shutil.rmtree(hidden)
