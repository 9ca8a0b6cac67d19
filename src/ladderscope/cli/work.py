"""The steps that commands are made of: find, read, train, restore."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import typer

from ladderscope.claims import claimed
from ladderscope.cli.described import described
from ladderscope.cli.earlier import kept_image, trained_before
from ladderscope.cli.naming import Outputs
from ladderscope.cli.preflight import state_of
from ladderscope.cli.sentences import denoised
from ladderscope.cli.summary import (
    FAILURES,
    Failure,
    Restorations,
    Restorer,
    failure_of,
    restored_rows,
    sum_up,
    told,
    training_rows,
    write_page,
)
from ladderscope.cli.terminal import warnings_collected
from ladderscope.errors import LadderscopeError
from ladderscope.images import (
    Image,
    check_same_kind,
    find_images,
    open_image,
    open_images,
    read_image,
)
from ladderscope.images.at_hand import are_small, read_through
from ladderscope.images.find import MissingChunks
from ladderscope.images.large import read_unless_large
from ladderscope.images.output import Compression
from ladderscope.images.write import remove_written
from ladderscope.inspection import Finding, gathered
from ladderscope.models import Denoiser, Restoration
from ladderscope.models.decodings import say_how_long
from ladderscope.models.error_bars import calibrates
from ladderscope.models.finished import is_finished
from ladderscope.models.identity import how_restored
from ladderscope.models.output import Output, Share
from ladderscope.report import RestoredImage
from ladderscope.report.page import SHOWN_IMAGES
from ladderscope.words import counted

logger = logging.getLogger("ladderscope")


def find(
    inputs: Sequence[str], level: int = 0, missing_chunks: MissingChunks = "fill"
) -> list[Path]:
    """List the files that arguments stand for, of images of several levels at the one given."""
    found = find_images(inputs, level=level, missing_chunks=missing_chunks).sources
    return [source for source in found if isinstance(source, Path)]


def read_batch(
    paths: Sequence[Path], axes: str | None
) -> tuple[dict[Path, Image], tuple[Failure, ...]]:
    """Read images to train on; those that cannot be read are reported and skipped.

    Those that are too large for memory together are read once, plane by plane, and stay on disk.

    Raises
    ------
    LadderscopeError
        None can be read, or they are of different kinds.
    """
    failures: list[Failure] = []
    alike = {path.name for path in paths if sum(path.name == other.name for other in paths) > 1}

    def usable(use: Callable[[Path], Image], among: Iterable[Path]) -> dict[Path, Image]:
        found: dict[Path, Image] = {}
        for path in among:
            try:
                found[path] = use(path)
            except (LadderscopeError, OSError) as error:
                failures.append(failure_of(path, error))
                logger.warning("skipped: %s", told(failures[-1]))
        return found

    opened = usable(lambda path: open_image(path, axes), paths)
    read = read_image if are_small([*opened.values()]) else read_through
    images = {
        path: replace(image, name=str(path)) if path.name in alike else image
        for path, image in usable(lambda path: read(opened[path]), opened).items()
    }
    if not images:
        raise LadderscopeError(
            failures[0].reason
            if len(failures) == 1
            else f"none of the {len(failures)} images can be used; the reasons are given above"
        )
    check_same_kind(list(images.values()))
    return images, tuple(failures)


def read_channels(
    paths: Mapping[str, Sequence[Path]], mixed: Sequence[Path], axes: str | None, *, together: bool
) -> tuple[list[list[Image]], tuple[Failure, ...]]:
    """Read the images of each channel; where they belong together, every one is needed.

    Of mixed images, the paths are only looked at.

    Raises
    ------
    LadderscopeError
        A channel has none that can be read, one of channels that belong together cannot, a file
        is in two channels or also mixed, or they are of different kinds.
    """
    whose: dict[Path, str] = {}
    groups = [(f"channel {name}", of_channel) for name, of_channel in paths.items()]
    groups.append(("the mixed images", mixed))
    for name, files in groups:
        for path in files:
            if (other := whose.setdefault(path.resolve(), name)) != name:
                raise LadderscopeError(
                    f"{path} is given for {other} and for {name}: give each its own files"
                )
    if together:
        first = ", ".join(str(files[0]) for _, files in groups if files)
        logger.info("files are matched in the order of their names, such as %s", first)
    stacks: list[list[Image]] = []
    failures: tuple[Failure, ...] = ()
    for of_channel in paths.values():
        if together:
            stacks.append(open_images(of_channel, axes))
        else:
            images, failed = read_batch(of_channel, axes)
            stacks.append(list(images.values()))
            failures += failed
    return stacks, failures


@contextmanager
def claimed_by(restorer: Restorer, model_path: Path) -> Iterator[None]:
    """Keep other trainings of the same model away; processes of one training are let in."""
    with claimed(model_path) if restorer.is_first_process else nullcontext():
        yield


@contextmanager
def started(restorer: Restorer) -> Iterator[None]:
    """Start the other processes of a training, so that all of them read its images at one time."""
    with restorer.team.ending_together():
        restorer.team.start()
        yield


def train_and_save(
    restorer: Restorer,
    model_path: Path,
    *,
    resume: bool,
    overwrite: bool,
    thumbnail: bool,
    **data: Any,
) -> None:
    """Train on data, as `fit` takes them, calibrate, and save the model.

    The state of training stays until then, so that a run that is killed while it calibrates can be
    resumed; one that is stopped saves the model as it is. All further work is left to the first
    process of a training on several devices.
    """
    restorer.fit(**data, state_file=state_of(model_path), resume=resume)
    if not restorer.is_first_process:
        raise typer.Exit
    try:
        calibrates(restorer, data.get("images"))
    finally:
        restorer.save(model_path, thumbnail=thumbnail, overwrite=overwrite or resume)
    logger.info("model saved: %s", model_path)


def restore_all(
    restorer: Restorer,
    jobs: Sequence[tuple[Path | Image, Outputs]],
    *,
    axes: str | None = None,
    samples: int,
    seed: int | None = None,
    keep_dtype: bool,
    compression: Compression | None = None,
    overwrite: bool,
    resume: bool = False,
    samples_out: bool = False,
    share: Share | None = None,
    dask: Any = None,
    shown: int = SHOWN_IMAGES,
) -> Restorations:
    """Restore images one by one and write each; one that fails does not stop the others.

    The first few are shown on a page, `shown` of them. If `resume` is true, what an earlier run
    restored in just the same way is kept, images and finished tiles. With a share, only that much
    is done of each image, and those that are not complete then are counted. With `dask`, a client,
    its workers restore the tiles.
    """
    waiting = 0
    images: list[RestoredImage] = []
    files: list[Path] = []
    failures: list[Failure] = []
    seed = restorer.seed if seed is None else seed
    with warnings_collected() as warnings:
        for turn, (source, outputs) in enumerate(jobs):
            try:
                recorded = read_unless_large(source, axes)
                dtype = recorded.dtype if keep_dtype else np.dtype(np.float32)
                image = restorer.observed(recorded)
                how = how_restored(restorer.model, samples, seed, dtype)
                on_page = len(images) < shown
                files = [outputs.restored, *([outputs.spread] if samples > 1 else [])]
                if (resume or share) and is_finished(files, image, how):
                    found, written = kept_image(
                        restorer, image, outputs, samples, seed, shown=on_page
                    )
                    logger.info("%s: already restored, kept", image.name)
                else:
                    started = time.monotonic()
                    output = Output(
                        outputs.restored,
                        dtype=dtype,
                        compression=compression,
                        overwrite=overwrite,
                        resume=resume,
                        samples=samples_out,
                        source=recorded.path,
                        turn=turn,
                    )
                    restored = _restored(restorer, image, output, samples, seed, share, dask)
                    if restored is None:
                        waiting += 1
                        continue
                    if restored.std is None and overwrite:
                        remove_written(outputs.spread)  # of an earlier run
                    written = output.files(restored)
                    found, drawn = described(
                        restorer,
                        image,
                        restored,
                        outputs,
                        files=[path.name for path in written],
                        seconds=time.monotonic() - started,
                        shown=on_page,
                        seed=seed,
                        overwrite=overwrite,
                    )
                    written += drawn
            except FAILURES as error:
                failures.append(failure_of(source, error))
                continue
            images.append(found)
            files += written
            if found.seconds and sum(one.seconds > 0 for one in images) == 1:
                left = len(jobs) - len(images)
                say_how_long(
                    f"restoring the remaining {counted(left, 'image')}", found.seconds * left
                )
    have_spread = any(outputs.spread in files for _, outputs in jobs)
    return Restorations(
        tuple(images), tuple(files), tuple(failures), _gathered(warnings), have_spread, waiting
    )


def _restored(
    restorer: Restorer,
    image: Image,
    output: Output,
    samples: int,
    seed: int,
    share: Share | None,
    dask: Any,
) -> Restoration | None:
    """Restore an image, or a share of it; None if other parts complete it."""
    if share is None:
        whole = restorer.predict(
            image, samples=samples, seed=seed, progress=True, out=output, dask=dask
        )
        return cast(Restoration, whole)
    part = share.number, share.count
    (done,) = restorer.predict_part(
        image, part=part, samples=samples, seed=seed, progress=True, out=output
    )
    return done


def denoise_batch(
    denoiser: Denoiser,
    images: Sequence[Image],
    outputs: Sequence[Outputs],
    folder: Path,
    *,
    failures: tuple[Failure, ...] = (),
    title: str = "Denoised images",
    samples: int,
    keep_dtype: bool = False,
    compression: Compression | None = None,
    overwrite: bool,
    resume: bool = False,
    is_trained: bool = False,
    thumbnail: bool = True,
) -> tuple[Failure, ...]:
    """Train on images, restore them, write the report and sum up; returns all that failed.

    If an earlier run trained and was stopped later, its model is taken, and what it has restored
    is kept.
    """
    model_path, report_path = folder / "model.ladder", folder / "report.html"
    if is_trained:
        denoiser = trained_before(denoiser, model_path, images)
        if not denoiser.model.calibration and calibrates(denoiser, images):
            denoiser.save(model_path, thumbnail=thumbnail)
    else:
        train_and_save(
            denoiser,
            model_path,
            resume=resume,
            overwrite=overwrite,
            thumbnail=thumbnail,
            images=images,
        )
    done = restore_all(
        denoiser,
        list(zip(images, outputs, strict=True)),
        samples=samples,
        keep_dtype=keep_dtype,
        compression=compression,
        overwrite=overwrite or resume,
        resume=is_trained,
    )
    done = replace(done, failures=failures + done.failures)
    rows = [*restored_rows(done), *training_rows(denoiser, model_path)]
    return sum_up(
        rows,
        done.failures,
        report_path,
        lambda path: write_page(
            path,
            denoiser,
            done,
            title=title,
            sentence=denoised(denoiser, len(images), len(done.images), samples),
            samples=samples,
            overwrite=overwrite or resume,
        ),
    )


def _gathered(records: Sequence[logging.LogRecord]) -> tuple[str, ...]:
    """Give the texts of warnings, each once; those of one kind about many images become one.

    What is logged names its image first; what is worded alike is of one kind.
    """
    findings = []
    for record in records:
        image, *_ = record.args if isinstance(record.args, tuple) and record.args else ("",)
        worded = any(letter.isalpha() for letter in str(record.msg).replace("%s", ""))
        findings.append(
            Finding(
                record.getMessage(),
                kind=getattr(record, "kind", str(record.msg) if image and worded else ""),
                image=getattr(record, "image", str(image)),
            )
        )
    return tuple(one.text for one in gathered(list(dict.fromkeys(findings))))
