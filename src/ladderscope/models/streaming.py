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
from jaxtyping import Float32
from numpy.typing import DTypeLike

from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError, check_writable, claimed, stem, taken
from ladderscope.images import Image, open_image, write_image
from ladderscope.images.output import Compression
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
    samples : bool
        Whether the posterior samples are written too, as one image along S.
    compression : str, optional
        As of `write_image`.
    how : str
        How the image is restored, for the metadata of the mean.
    source : Path, optional
        The file that is restored, likewise.
    """

    path: Path
    dtype: DTypeLike = np.float32
    overwrite: bool = False
    resume: bool = False
    samples: bool = False
    compression: Compression | None = None
    how: str = ""
    source: Path | None = None

    def files(self, restored: Restoration) -> list[Path]:
        """List the files that are written of a restoration."""
        named = {"spread": restored.std, "residual": restored.residual}
        others = [what for what, pixels in named.items() if pixels is not None]
        others += ["samples"] if self.samples else []
        return [self.path, *(beside(self.path, what) for what in others)]


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
    arrange: Callable[[Pixels], Pixels],
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
    compose, arrange
        Make a restoration, and an image, of fields.

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
    if output.samples and (samples < 1 or "S" in fields.image.axes):
        raise LadderscopeError(
            f"{fields.image.name}: posterior samples are written for samples=1 or more, and only "
            "of images without an axis S"
        )
    path = IMAGE.file(output.path)
    folder_path = folder_of(path)
    with claimed(path):
        going_on = output.resume and taken(folder_path)
        may_replace = output.overwrite or going_on
        of_samples = beside(path, "samples") if output.samples else None
        _check_free(path, of_samples, may_replace=may_replace)
        quick = sped_up(restoring, fields, samples)
        wanted = restorations(quick, samples, seed, keep=output.samples)
        manifest = _manifest(restoring, fields, model, samples, seed, keeps=output.samples)
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
            if of_samples is not None:
                drawn = [
                    arrange(stored_values(folder, restoring, fields, 1 + number))
                    for number in range(samples)
                ]
                _write_samples(restored, drawn, of_samples, overwrite=may_replace)
            files = restored.save(
                path,
                dtype=output.dtype,
                overwrite=may_replace,
                compression=output.compression,
                how=output.how,
                source=output.source,
            )
        except OutputError as error:
            raise saying_what_is_finished(error, folder_path, finished, len(every)) from error
        from_files = _from_files(restored, files, fields.image)
        _removed(folder_path)
    return from_files


def _check_free(path: Path, of_samples: Path | None, *, may_replace: bool) -> None:
    files = [path, beside(path, "spread"), beside(path, "residual")]
    files += [] if of_samples is None else [of_samples]
    if not may_replace and (there := [str(file) for file in files if taken(file)]):
        raise OutputError(
            f"{', '.join(there)} already exists: choose another name, or allow it to be "
            "overwritten (overwrite=True, --overwrite)"
        )
    check_writable([file for file in files if not taken(file)])


def _manifest(
    restoring: Restoring, fields: Fields, model: str, samples: int, seed: int, *, keeps: bool
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
        keeps=keeps,
        arithmetic=f"{arithmetic.removeprefix('torch.')} on {device}",
        tiles=str(restoring.geometry),
        version=version("ladderscope"),
    )


def _from_files(restored: Restoration, files: Sequence[Path], image: Image) -> Restoration:
    """Give a restoration that reads its arrays from the files that were written of it.

    Where a file has the axes of the image in a way that cannot be undone, as samples that were
    written as frames, the restoration has its axes.
    """
    mean, *others = (open_image(file) for file in files)
    std = others.pop(0) if restored.std is not None else None
    residual = others.pop(0) if others else None
    axes, shape = restored.axes, tuple(restored.mean.shape)
    if not _can_be(mean, axes, shape):
        axes, shape = mean.axes, mean.shape
    return replace(
        restored,
        mean=_as(mean, axes, shape),
        std=None if std is None else _as(std, axes, shape),
        residual=None if residual is None else _as(residual, image.axes, image.shape),
        axes=axes,
    )


def _can_be(image: Image, axes: str, shape: tuple[int, ...]) -> bool:
    sizes = dict(zip(axes, shape, strict=True))
    missing = set(axes) - set(image.axes)
    same = all(sizes.get(letter) == size for letter, size in image.sizes.items())
    return same and all(sizes[letter] == 1 for letter in missing)


def _as(image: Image, axes: str, shape: tuple[int, ...]) -> StoredPixels:
    """Give the pixels of an image other axes and single precision; they are read when needed."""

    def part(key: Key) -> Float32[np.ndarray, "..."]:
        at = dict(zip(axes, key, strict=True))
        values = np.asarray(image.pixels[tuple(at[letter] for letter in image.axes)], np.float32)
        have = [letter for letter in image.axes if isinstance(at[letter], slice)]
        want = [letter for letter in axes if isinstance(at[letter], slice)]
        ordered = values.transpose([have.index(one) for one in want if one in have])
        return ordered[tuple(slice(None) if one in have else None for one in want)]

    return StoredPixels(shape, np.dtype(np.float32), part)


def _write_samples(
    restored: Restoration, fields: Sequence[Pixels], path: Path, overwrite: bool
) -> None:
    """Write posterior samples as one image, along S."""
    shape = len(fields), *fields[0].shape

    def part(key: Key) -> Float32[np.ndarray, "..."]:
        first, *rest = key
        if isinstance(first, int):
            return np.asarray(fields[first][tuple(rest)])
        return np.stack([np.asarray(one[tuple(rest)]) for one in fields[first]])

    channels = fields[0].shape[restored.axes.index("C")] if "C" in restored.axes else 1
    write_image(
        path,
        StoredPixels(shape, np.dtype(np.float32), part),
        f"S{restored.axes}",
        pixel_size=restored.pixel_size,
        channel_names=restored.channel_names,
        acquisition=restored.acquisition.of_channels(channels),
        overwrite=overwrite,
        description="posterior samples, in antithetic pairs: those whose mean was taken",
    )


def _removed(folder: Path) -> None:
    """Remove a working folder; one that is killed meanwhile leaves no half of it under its name."""
    hidden = folder.with_name(f".unfinished-{secrets.token_hex(4)}")
    folder.rename(hidden)
    shutil.rmtree(hidden)
