"""Restoring an image to a file, piece by piece: what is finished outlives the process."""

import logging
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch

from ladderscope.claims import ClaimedError, claimed
from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError, taken
from ladderscope.images import Image
from ladderscope.images.stored import Pixels
from ladderscope.models.decodings import writing_followed
from ladderscope.models.findings import Findings
from ladderscope.models.finished import check_free, is_finished, of_input
from ladderscope.models.identity import digest_of_calibration, digest_of_image
from ladderscope.models.output import Output, Share
from ladderscope.models.pieces import Piece, Place
from ladderscope.models.restoration import Restoration, beside
from ladderscope.models.restoring import (
    UNWATCHED,
    Fields,
    Restoring,
    Wanted,
    Watched,
    pieces,
    places,
    restorations,
    sped_up,
)
from ladderscope.models.working_folder import (
    Manifest,
    WorkingFolder,
    folder_of,
    is_there,
    opened_folder,
    read,
    remove_remains,
    saved,
    saying_what_is_finished,
    still_there,
    stored_spread,
    stored_values,
)
from ladderscope.models.written import from_files, write_samples
from ladderscope.names import IMAGE
from ladderscope.unfinished import hidden
from ladderscope.words import counted

logger = logging.getLogger("ladderscope")

Compose: TypeAlias = Callable[[Pixels, Pixels | None, Findings], Restoration]


@dataclass(frozen=True)
class Prediction:
    """What is restored into a file.

    Attributes
    ----------
    output : Output
        Where to.
    restoring, fields, samples, seed
        As of `restored_fields`.
    model : str
        The digest of the model.
    compose, arrange : callable
        Make a restoration, and an image, of fields.
    again : callable
        Makes the same prediction of the image elsewhere; it can be sent to another computer.
    """

    output: Output
    restoring: Restoring
    fields: Fields
    samples: int
    seed: int
    model: str
    compose: Compose
    arrange: Callable[[Pixels], Pixels]
    again: Callable[[Image], "Prediction"]

    @property
    def path(self) -> Path:
        """The file of the mean."""
        return IMAGE.file(self.output.path)

    @property
    def places(self) -> list[Place]:
        """All pieces of it."""
        return list(places(self.restoring, self.fields))


class Begun(NamedTuple):
    """A prediction whose working folder is open.

    Attributes
    ----------
    prediction : Prediction
        What is restored.
    restoring, wanted
        By what, and how: see `pieces`.
    folder : WorkingFolder
        Where finished pieces are.
    may_replace : bool
        Whether files that exist are replaced.
    """

    prediction: Prediction
    restoring: Restoring
    wanted: Wanted
    folder: WorkingFolder
    may_replace: bool


# Makes pieces and gives each when it is in the working folder.
Compute: TypeAlias = Callable[[Begun, Sequence[Place], Watched], Iterator[Piece]]


def computed_here(begun: Begun, missing: Sequence[Place], watched: Watched) -> Iterator[Piece]:
    """Make pieces one by one in this process, with the threads that the folder asks for."""
    fields, usual = begun.prediction.fields, torch.get_num_threads()
    torch.set_num_threads(begun.folder.manifest.threads)
    try:
        for piece in pieces(begun.restoring, fields, begun.wanted, missing, watched):
            saved(begun.folder, piece)
            yield piece
    finally:
        torch.set_num_threads(usual)


def restored_to(
    prediction: Prediction,
    watched: Watched = UNWATCHED,
    compute: Compute = computed_here,
    *,
    threads: int | None = None,
) -> Restoration:
    """Restore fields into a file, from where an interrupted prediction stopped if there was one.

    Parameters
    ----------
    prediction
        What, and where to.
    watched
        Hears the progress, and may stop.
    compute
        Who makes the pieces.
    threads
        With how many the network computes, by default as many as torch takes. Where a prediction
        is resumed, it goes on with those that it was begun with.

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
    with claimed(prediction.path):
        return _completed(_begun(prediction, threads=threads), watched, compute)


def restored_in_part(
    prediction: Prediction, share: Share, watched: Watched = UNWATCHED
) -> Restoration | None:
    """Restore a share of the pieces of an image; whoever finds all of them writes the file.

    Any number of processes work at it at once: they have one working folder, and a piece is the
    same whoever makes it.

    Parameters
    ----------
    prediction, watched
        As `restored_to` takes them.
    share
        Which pieces.

    Returns
    -------
    Restoration or None
        None where another process writes the file, has written it, or will.

    Raises
    ------
    LadderscopeError
        As by `restored_to`.
    """
    name, path = prediction.fields.image.name, prediction.path
    if is_finished([path], prediction.fields.image, prediction.output.how):
        logger.info("%s: already restored: %s", name, path)
        return None
    begun, every = _begun(prediction, joins=True), prediction.places
    own = share.of(every, prediction.output.turn)
    missing = [place for place in own if read(begun.folder, place) is None]
    finished = len(own) - len(missing)
    try:
        for _ in computed_here(begun, missing, watched):
            finished += 1
            if not still_there(begun.folder):
                break
    except OutputError as error:
        raise saying_what_is_finished(error, begun.folder.path, finished, len(own)) from error
    if still_there(begun.folder) and (left := sum(not is_there(begun.folder, at) for at in every)):
        logger.info(
            "%s: %s is done; %s of other parts %s missing. The last part, or the same command "
            "with --resume in place of --part, writes %s",
            name,
            share,
            counted(left, "piece"),
            "is" if left == 1 else "are",
            path,
        )
        return None
    try:
        with claimed(path):
            if still_there(begun.folder):
                return _completed(begun, watched, computed_here)
    except ClaimedError as error:
        logger.info("%s: %s is done, and the image is being put together: %s", name, share, error)
        return None
    remove_remains(begun.folder)
    logger.info("%s: %s is done, and another process has written %s", name, share, path)
    return None


def begun_there(prediction: Prediction, folder: WorkingFolder) -> Begun:
    """Take part, on another computer, in a prediction whose working folder is open.

    Parameters
    ----------
    prediction
        The same as there.
    folder
        As it is there.

    Raises
    ------
    LadderscopeError
        The folder is not found, or this computer or its version of Ladderscope computes otherwise.
    """
    theirs = folder.manifest
    ours = _manifest(prediction, theirs.image, theirs.threads)
    host = platform.node()
    if ours != theirs:
        named = zip(asdict(theirs).items(), asdict(ours).values(), strict=True)
        other = [f"{name} is {one}, here {here}" for (name, one), here in named if one != here]
        raise LadderscopeError(f"{host} would restore otherwise: {'; '.join(other)}")
    if not still_there(folder):
        raise LadderscopeError(
            f"{folder.path} is not found on {host}: all workers need a file system that they share"
        )
    return _ready(prediction, folder, may_replace=False)


def _begun(prediction: Prediction, *, joins: bool = False, threads: int | None = None) -> Begun:
    """Open the working folder, or make it; `joins` if other processes may be at it."""
    output, image = prediction.output, prediction.fields.image
    if output.samples and (prediction.samples < 1 or "S" in image.axes):
        raise LadderscopeError(
            f"{image.name}: posterior samples are written for samples=1 or more, and only of "
            "images without an axis S"
        )
    path = folder_of(prediction.path)
    may_replace = output.overwrite or ((output.resume or joins) and taken(path))
    files = [prediction.path, *(beside(prediction.path, what) for what in ("spread", "residual"))]
    files += [beside(prediction.path, "samples")] if output.samples else []
    check_free(files, image, output.how, resumes=output.resume, may_replace=may_replace)
    folder = opened_folder(
        path,
        _manifest(prediction, digest_of_image(image), threads or torch.get_num_threads()),
        resume=output.resume or joins,
        overwrite=output.overwrite,
    )
    return _ready(prediction, folder, may_replace=may_replace)


def _ready(prediction: Prediction, folder: WorkingFolder, *, may_replace: bool) -> Begun:
    quick = sped_up(prediction.restoring, prediction.fields, prediction.samples)
    keep = prediction.output.samples
    wanted = restorations(quick, prediction.samples, prediction.seed, keep=keep)
    return Begun(prediction, quick, wanted, folder, may_replace)


def _completed(begun: Begun, watched: Watched, compute: Compute) -> Restoration:
    """Make the pieces that are missing, and put all together."""
    prediction, folder = begun.prediction, begun.folder
    fields, restoring = prediction.fields, prediction.restoring
    every, missing = prediction.places, []
    findings = Findings(fields.image.name, fields.shape(len(restoring.statistics)))
    for place in every:
        piece = read(folder, place)
        if piece is None:
            missing.append(place)
        else:
            findings.take(piece)
    finished = len(every) - len(missing)
    try:
        for piece in compute(begun, missing, watched):
            findings.take(piece)
            finished += 1
        _check_unchanged(begun)
        mean = stored_values(folder, restoring, fields, 0)
        std = stored_spread(folder, restoring, fields) if begun.wanted.has_spread else None
        restored = prediction.compose(mean, std, findings)
        with writing_followed(*watched):
            files = _written(begun, restored)
    except OutputError as error:
        raise saying_what_is_finished(error, folder.path, finished, len(every)) from error
    read_back = from_files(restored, files, fields.image)
    _removed(folder.path)
    return read_back


def _written(begun: Begun, restored: Restoration) -> list[Path]:
    """Write all files of a restoration; gives those of `Restoration.save`."""
    prediction, folder, output = begun.prediction, begun.folder, begun.prediction.output
    if output.samples:
        drawn = [
            prediction.arrange(stored_values(folder, begun.restoring, prediction.fields, number))
            for number in range(1, 1 + prediction.samples)
        ]
        of_samples = beside(prediction.path, "samples")
        write_samples(restored, drawn, of_samples, overwrite=begun.may_replace)
    return restored.save(
        prediction.path,
        dtype=output.dtype,
        overwrite=begun.may_replace,
        compression=output.compression,
        how=of_input(output.how, folder.manifest.image),
        source=output.source,
    )


def _check_unchanged(begun: Begun) -> None:
    """Refuse an image that has changed in its file since it was begun."""
    image, folder = begun.prediction.fields.image, begun.folder
    if isinstance(image.pixels, np.ndarray) or digest_of_image(image) == folder.manifest.image:
        return
    raise LadderscopeError(
        f"{image.called} has changed while it was restored, and {folder.path} holds tiles of both "
        "versions: wait until nothing writes to the image, and restore it with overwrite=True "
        "(--overwrite)"
    )


def _manifest(prediction: Prediction, image: str, threads: int) -> Manifest:
    """Name what decides the values of a prediction; the image by its digest."""
    restoring = prediction.restoring
    device = restoring.network.top_prior.device.type
    arithmetic = "float32" if restoring.autocast is None else str(restoring.autocast)
    return Manifest(
        model=prediction.model,
        calibration=digest_of_calibration(restoring.calibration),
        image=image,
        samples=prediction.samples,
        seed=prediction.seed,
        keeps=prediction.output.samples,
        arithmetic=f"{arithmetic.removeprefix('torch.')} on {device}",
        tiles=str(restoring.geometry),
        version=version("ladderscope"),
        threads=threads,
    )


def _removed(folder: Path) -> None:
    """Remove a working folder; one that is killed meanwhile leaves no half of it under its name."""
    half = hidden(folder.parent)
    folder.rename(half)
    shutil.rmtree(half, ignore_errors=True)  # another process may clear it away too
