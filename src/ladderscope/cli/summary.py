"""What a command has done, summed up: rows for the terminal, the report, and what failed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ladderscope.cli.terminal import in_words, say_error, show_summary
from ladderscope.files import whole_file
from ladderscope.images import Image
from ladderscope.images.addresses import written
from ladderscope.models import Denoiser, Splitter
from ladderscope.models.file import Model
from ladderscope.report import (
    Report,
    RestoredImage,
    channel_names,
    lights_of,
    noise_in_words,
    noise_model_figure,
    noise_warnings,
    shown_checks,
    write_report,
)
from ladderscope.words import counted, duration, listed

Restorer: TypeAlias = Denoiser | Splitter

# What may go wrong with one file, and must not take the others with it: bad input (a ValueError of
# ours), the disk, the memory, and what torch and matplotlib raise.
FAILURES = (ValueError, OSError, MemoryError, RuntimeError)


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
    have_spread: bool
    waiting: int = 0  # images that other parts complete

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(image.seconds for image in self.images)


def sum_up(
    rows: Sequence[tuple[str, str]],
    failures: tuple[Failure, ...],
    beside: Path | None = None,
    write: Callable[[Path], None] = lambda _: None,
    *,
    label: str = "report",
) -> tuple[Failure, ...]:
    """Write what comes last, a report or a picture, and say what was done and what failed.

    If that file cannot be written, this is one more failure, and all the rest is said.
    """
    rows = list(rows)
    if beside is not None:
        try:
            write(beside)
            rows.append((label, str(beside)))
        except FAILURES as error:
            failures = (*failures, failure_of(beside, error))
    show_summary(rows)
    say_failures(failures)
    return failures


def write_page(
    path: Path,
    restorer: Restorer,
    done: Restorations,
    *,
    title: str,
    sentence: str,
    samples: int,
    overwrite: bool,
) -> None:
    """Write the report of what was restored."""
    report = Report(
        title=title,
        sentence=sentence,
        model=restorer.model,
        images=done.images,
        failures=done.failures,
        notices=done.warnings,
        samples=samples,
    )
    write_report(path, report, overwrite=overwrite)


def draw_noise(restorer: Restorer, picture: Path, *, overwrite: bool) -> None:
    """Draw the noise that was measured on the images, of the channels where it was."""
    names, fits = zip(
        *(
            (name, fit)
            for name, fit in zip(
                channel_names(restorer.model), restorer.model.noise_fits, strict=False
            )
            if fit is not None
        ),
        strict=True,
    )
    with whole_file(picture, overwrite) as unfinished:
        unfinished.write_bytes(noise_model_figure(fits, names=names))


def training_rows(restorer: Restorer, model_path: Path) -> list[tuple[str, str]]:
    """Sum up a training: where the model is, how it went, what the noise was found to be."""
    model = restorer.model
    outcome = model.outcome
    ended = ", interrupted (--resume continues it)" if outcome.interrupted else ""
    rows = [
        ("model", str(model_path)),
        ("training", f"{outcome.steps} steps in {duration(outcome.seconds)}{ended}"),
    ]
    if outcome.skipped:
        rows.append(("skipped", f"{counted(outcome.skipped, 'batch', 'es')}: loss not finite"))
    rows += noise_rows(model) + calibration_rows(model)
    rows += [("notice", text) for text in restorer.advice]
    return rows + _as_warnings([*restorer.warnings, *noise_warnings(model)])


def prediction_rows(restorer: Restorer, done: Restorations) -> list[tuple[str, str]]:
    """Sum up a prediction, and repeat what the noise models of the model do not describe."""
    return restored_rows(done) + _as_warnings(noise_warnings(restorer.model))


def noise_rows(model: Model) -> list[tuple[str, str]]:
    """Say what the noise of each channel is, where the model knows it."""
    several = len(model.statistics) > 1
    return [
        ("noise", f"{f'{name}: ' if several else ''}{noise_in_words(noise, choice, model.frames)}")
        for name, noise, choice in zip(
            channel_names(model), model.noise_models, model.noise_choices, strict=False
        )
    ]


def calibration_rows(model: Model) -> list[tuple[str, str]]:
    """Say how the error bars of each channel were calibrated, and what they cover."""
    several = len(model.statistics) > 1
    return [
        ("intervals", f"{f'{name}: ' if several else ''}{calibration.summary()}")
        for name, calibration in zip(channel_names(model), model.calibration, strict=False)
    ]


def restored_rows(done: Restorations) -> list[tuple[str, str]]:
    """Sum up a prediction: how many images, which files, and what channels leave unexplained."""
    left = counted(done.waiting, "image")
    waiting = [("left to other parts", left)] if done.waiting else []
    if not done.images:
        return waiting or [("restored", "no images")]
    rows = [("restored", f"{counted(len(done.images), 'image')} in {duration(done.seconds)}")]
    rows += waiting
    rows += light_rows(done.images)
    rows += [("file", str(path)) for path in done.files]
    rows += [
        ("residual", f"{image.name}: {image.unexplained.summary}")
        for image in done.images
        if image.unexplained
    ]
    if not done.have_spread:
        rows.append(("spread", "none: needs at least 2 samples (--samples 2 or more)"))
    return rows + [("warning", text) for text in done.warnings]


def _as_warnings(texts: Sequence[str]) -> list[tuple[str, str]]:
    return [("warning", text) for text in dict.fromkeys(texts)]


def light_rows(images: Sequence[RestoredImage]) -> list[tuple[str, str]]:
    """Say whether the restorations can be used, and the gravest finding about each."""
    checked = [image for image in images if image.lights]
    if not checked:
        return []
    rows = [("light", lights_of(checked))]
    for image in checked:
        found = shown_checks(image)
        also = listed([check.name for check in found[1:]])
        more = f" Also not green: {also} (see the report)." if also else ""
        for gravest in found[:1]:
            rows.append((gravest.light, f"{image.name}, {gravest.name}: {gravest.text}{more}"))
    return rows


def say_failures(failures: Sequence[Failure]) -> None:
    """Say on stderr which files could not be used."""
    for failure in failures:
        say_error(told(failure))


def failure_of(source: Path | Image, error: Exception) -> Failure:
    """Say which file failed, and why."""
    name = source.name if isinstance(source, Image) else written(source)
    return Failure(name, in_words(error))


def told(failure: Failure) -> str:
    """Give the reason of a failure, which begins with the file's name."""
    if failure.reason.startswith(failure.name):
        return failure.reason
    return f"{failure.name}: {failure.reason}"
