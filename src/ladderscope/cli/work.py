"""The steps that commands are made of: find, read, train, restore, report, sum up."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from ladderscope.cli.naming import Outputs
from ladderscope.cli.preflight import state_of
from ladderscope.cli.terminal import in_words, say_error, show_summary, warnings_collected
from ladderscope.errors import LadderscopeError
from ladderscope.files import whole_file
from ladderscope.images import Image, check_same_kind, find_images, read_image
from ladderscope.report import (
    Report,
    RestoredImage,
    noise_in_words,
    noise_model_figure,
    restored_image,
    write_report,
)
from ladderscope.report.page import SHOWN_IMAGES
from ladderscope.restorers import Denoiser, Restoration
from ladderscope.restorers.progress import duration, say_how_long

logger = logging.getLogger("ladderscope")

_NAMED = 6


class Failure(NamedTuple):
    """A file that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Restorations:
    """What came of restoring a batch of images."""

    images: tuple[RestoredImage, ...]
    files: tuple[Path, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(image.seconds for image in self.images)


def find(inputs: Sequence[str]) -> list[Path]:
    """List the files that arguments stand for, and say which outputs of ours were left out."""
    found = find_images(inputs)
    if found.skipped:
        names = ", ".join(path.name for path in found.skipped[:_NAMED])
        more = len(found.skipped) - _NAMED
        logger.info(
            "left out, as Ladderscope wrote them itself: %s%s",
            names,
            f" and {more} more" if more > 0 else "",
        )
    return [source for source in found.sources if isinstance(source, Path)]


def read_batch(
    paths: Sequence[Path], axes: str | None
) -> tuple[dict[Path, Image], tuple[Failure, ...]]:
    """Read images to train on; those that cannot be read are told, and left out.

    Raises
    ------
    LadderscopeError
        None can be read, or they are of different kinds.
    """
    images: dict[Path, Image] = {}
    failures: list[Failure] = []
    alike = {path.name for path in paths if sum(path.name == other.name for other in paths) > 1}
    for path in paths:
        try:
            image = read_image(path, axes)
        except (LadderscopeError, OSError) as error:
            failures.append(_failure(path, error))
            logger.warning("left out: %s", _told(failures[-1]))
            continue
        images[path] = replace(image, name=str(path)) if path.name in alike else image
    if not images:
        raise LadderscopeError(
            failures[0].reason
            if len(failures) == 1
            else f"none of the {len(failures)} images can be used; the reasons are above"
        )
    check_same_kind(list(images.values()))
    return images, tuple(failures)


def train_and_save(
    denoiser: Denoiser, images: Sequence[Image], model_path: Path, *, resume: bool, thumbnail: bool
) -> None:
    """Train, and save the model before anything else can go wrong."""
    denoiser.fit(images, state_file=state_of(model_path), resume=resume)
    denoiser.save(model_path, thumbnail=thumbnail, overwrite=True)
    logger.info("model saved: %s", model_path)


def draw_noise(denoiser: Denoiser, picture: Path) -> bool:
    """Draw the noise that was measured on the images, if it was measured and not given."""
    fits = [fit for fit in denoiser.model.noise_fits if fit is not None]
    if fits:
        with whole_file(picture, overwrite=True) as unfinished:
            unfinished.write_bytes(noise_model_figure(fits))
    return bool(fits)


def restore_all(
    denoiser: Denoiser,
    jobs: Sequence[tuple[Path | Image, Outputs]],
    *,
    axes: str | None = None,
    samples: int,
    seed: int | None = None,
    keep_dtype: bool,
    overwrite: bool,
) -> Restorations:
    """Restore images one by one and write each; one that fails does not stop the others."""
    images: list[RestoredImage] = []
    files: list[Path] = []
    failures: list[Failure] = []
    with warnings_collected() as warnings:
        for source, outputs in jobs:
            try:
                image = read_image(source, axes)
                started = time.monotonic()
                restored = cast(
                    Restoration,
                    denoiser.predict(image, samples=samples, seed=seed, progress=True),
                )
                written = restored.save(
                    outputs.restored,
                    spread_path=outputs.spread,
                    dtype=image.pixels.dtype if keep_dtype else np.float32,
                    overwrite=overwrite,
                )
                if restored.std is None:
                    outputs.spread.unlink(missing_ok=True)  # an earlier run's, of other samples
                described = restored_image(
                    image,
                    restored,
                    denoiser.model.noise_models,
                    files=[path.name for path in written],
                    seconds=time.monotonic() - started,
                    shown=len(images) < SHOWN_IMAGES,
                )
            except (LadderscopeError, OSError, MemoryError, RuntimeError) as error:
                failures.append(_failure(source, error))
                continue
            images.append(described)
            files += written
            if len(images) == 1 < len(jobs):
                say_how_long(
                    f"the other {len(jobs) - 1} images", described.seconds * (len(jobs) - 1)
                )
    return Restorations(tuple(images), tuple(files), tuple(failures), tuple(warnings))


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
    overwrite: bool,
    resume: bool = False,
    thumbnail: bool = True,
) -> tuple[Failure, ...]:
    """Train on images, restore them, write the report and sum up; returns all that failed."""
    model_path, report_path = folder / "model.ladder", folder / "report.html"
    train_and_save(denoiser, images, model_path, resume=resume, thumbnail=thumbnail)
    done = restore_all(
        denoiser,
        list(zip(images, outputs, strict=True)),
        samples=samples,
        keep_dtype=keep_dtype,
        overwrite=overwrite or resume,
    )
    failures += done.failures
    report = Report(
        title=title,
        sentence=_sentence(denoiser, len(images), len(done.images), samples),
        model=denoiser.model,
        images=done.images,
        failures=failures,
        notices=done.warnings,
        samples=samples,
    )
    write_report(report_path, report, overwrite=overwrite or resume)
    show_summary(
        [
            *_restored_rows(done, samples),
            *training_rows(denoiser, model_path),
            ("report", str(report_path)),
        ]
    )
    say_failures(failures)
    return failures


def show_restored(done: Restorations, samples: int) -> None:
    """Sum up a prediction."""
    show_summary(_restored_rows(done, samples))
    say_failures(done.failures)


def training_rows(denoiser: Denoiser, model_path: Path) -> list[tuple[str, str]]:
    """Sum up a training: where the model is, how it went, what the noise was found to be."""
    model = denoiser.model
    outcome = model.outcome
    ended = ", interrupted: --resume finishes it" if outcome.interrupted else ""
    rows = [
        ("model", str(model_path)),
        ("training", f"{outcome.steps} steps in {duration(outcome.seconds)}{ended}"),
    ]
    if outcome.skipped:
        rows.append(("skipped", f"{outcome.skipped} batches, their loss was not finite"))
    several = len(model.noise_models) > 1
    for number, (noise, fit) in enumerate(
        zip(model.noise_models, model.noise_fits, strict=True), start=1
    ):
        label = f"noise {number}" if several else "noise"
        rows.append((label, noise_in_words(noise, fit)))
    return rows


def say_failures(failures: Sequence[Failure]) -> None:
    """Say on stderr which files could not be used."""
    for failure in failures:
        say_error(_told(failure))


def _restored_rows(done: Restorations, samples: int) -> list[tuple[str, str]]:
    if not done.images:
        return [("restored", "no image")]
    count = f"{len(done.images)} image{'s' if len(done.images) > 1 else ''}"
    rows = [("restored", f"{count} in {duration(done.seconds)}")]
    rows += [("file", str(path)) for path in done.files]
    if samples < 2:
        rows.append(("spread", "none: it takes at least 2 samples (--samples 16)"))
    return rows


def _sentence(denoiser: Denoiser, trained: int, restored: int, samples: int) -> str:
    outcome = denoiser.model.outcome
    how = f"the mean of {samples} posterior samples" if samples else "its posterior means"
    return (
        f"A denoiser was trained for {outcome.steps} steps ({duration(outcome.seconds)}) on "
        f"{trained} noisy image{'s' if trained > 1 else ''}, without any clean one, and {restored} "
        f"of them {'were' if restored != 1 else 'was'} restored with {how}."
    )


def _failure(source: Path | Image, error: Exception) -> Failure:
    name = source.name if isinstance(source, Image) else str(source)
    return Failure(name, in_words(error))


def _told(failure: Failure) -> str:
    if failure.reason.startswith(failure.name):
        return failure.reason
    return f"{failure.name}: {failure.reason}"
