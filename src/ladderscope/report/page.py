"""The report: one HTML page that holds everything it shows and fetches nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from importlib import metadata
from pathlib import Path

from ladderscope.files import whole_file
from ladderscope.models.file import Model
from ladderscope.report import html
from ladderscope.report.figures import level_curves, loss_curves
from ladderscope.report.lights import all_checks, lights_section
from ladderscope.report.noise_figures import noise_model_figure
from ladderscope.report.restored import RestoredImage
from ladderscope.report.viewer import viewer_markup
from ladderscope.report.words import (
    ERROR_BAR,
    channel_names,
    error_bars_in_words,
    levels_in_words,
    noise_in_words,
    noise_warnings,
)
from ladderscope.words import data_size, duration, percent

SHOWN_IMAGES = 6


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page.

    Attributes
    ----------
    title, sentence : str
        What was done.
    model : Model
        Settings, noise and training history.
    images : tuple of RestoredImage
        In the order in which they were restored.
    failures : tuple of (str, str)
        Files that could not be used, and why.
    notices : tuple of str
        Warnings of this run, besides the notices stored in the model.
    samples : int
        Posterior samples drawn per image.
    """

    title: str
    sentence: str
    model: Model
    images: tuple[RestoredImage, ...]
    failures: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    samples: int = 16


def write_report(path: Path, report: Report, *, overwrite: bool = False) -> None:
    """Write the page, whole or not at all.

    Raises
    ------
    OutputError
        The file exists and may not be overwritten, or cannot be written.
    """
    with whole_file(path, overwrite) as unfinished:
        unfinished.write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """Put the page together."""
    parts = [
        html.paragraph(report.sentence),
        *lights_section(report.images),
        *_notices([*noise_warnings(report.model), *report.model.notices, *report.notices]),
        *_images(report),
        *_failures(report.failures),
        *all_checks(report.images),
        *_unexplained(report.images),
        *_trained_on(report.model, pictured=not report.images),
        *_mixing(report.model),
        *_noise(report.model),
        *_training(report.model),
        *_times(report),
        *_settings(report.model),
    ]
    size = data_size(sum(len(part.encode()) for part in parts))
    made = (
        f"Made by Ladderscope {metadata.version('ladderscope')}. This page takes {size} and loads "
        "nothing else."
    )
    return html.document(report.title, [*parts, html.small_print(made)])


def _notices(notices: Sequence[str]) -> Iterator[str]:
    if notices:
        yield "<h2>Warnings and notices</h2>" + html.bullets(dict.fromkeys(notices))


def _images(report: Report) -> Iterator[str]:
    if not report.images:
        return
    yield "<h2>Images</h2>"
    if report.samples > 1:
        what, plausible, given = (
            ("Each channel", "channels", "mixed")
            if report.model.mixture
            else ("The restoration", "clean images", "noisy")
        )
        yield html.paragraph(
            f"{what} is the mean of {report.samples} posterior samples: plausible {plausible}, "
            f"given the {given} image. Where they differ, the {ERROR_BAR} is large. "
            f"{error_bars_in_words(report.model)}"
        )
    if any(image.viewer for image in report.images):
        yield html.paragraph(
            "Each channel and its samples are drawn with the same grey values."
            if report.model.mixture
            else "The noisy image, the restoration and its samples are drawn with the same grey "
            "values."
        )
    for image in report.images:
        if image.viewer:
            written = f"Files written: {', '.join(image.files)}"
            yield f"<h3>{html.escape(image.name)}</h3>"
            yield html.small_print(f"{image.where}. {written}" if image.where else written)
            yield viewer_markup(image.viewer)
    listed = [image for image in report.images if not image.viewer]
    if listed:
        yield "<h3>Also restored, not shown</h3>" + html.bullets(
            f"{image.name}: {', '.join(image.files)}" for image in listed
        )


def _failures(failures: Sequence[tuple[str, str]]) -> Iterator[str]:
    if failures:
        items = "".join(
            f"<li><b>{html.escape(name)}</b>: {html.escape(reason)}</li>"
            for name, reason in failures
        )
        yield f'<h2 class="failed">Files that failed</h2><ul class="failed">{items}</ul>'


def _unexplained(images: Sequence[RestoredImage]) -> Iterator[str]:
    rows = [
        [
            image.name,
            f"{found.rms:.4g}",
            percent(found.share),
            "not known" if found.noise is None else f"{found.noise:.4g}",
        ]
        for image in images
        if (found := image.unexplained)
    ]
    if rows:
        yield "<h2>What the channels do not explain</h2>"
        yield html.paragraph(
            "The residual is the mixed image minus the restored channels, added up as below, in "
            "grey levels. After a good split only the noise of the image is left, without "
            "structure. The expected noise is that of the training recordings, added up in the "
            "same way: a residual that is much stronger holds something that the channels do not "
            "explain, or the image is noisier than the recordings. A small residual is necessary "
            "but not sufficient: a structure in the wrong channel leaves no trace in it."
        )
        yield html.table(
            rows,
            [
                "image",
                "rms of the residual",
                "relative to the image's standard deviation",
                "expected noise",
            ],
        )


def _trained_on(model: Model, *, pictured: bool) -> Iterator[str]:
    yield "<h2>Training images</h2>"
    rows = [
        [name, *(_grey_levels(value) for value in astuple(statistics))]
        for name, statistics in zip(channel_names(model), model.statistics, strict=True)
    ]
    yield html.table(rows, ["channel", "mean", "standard deviation", "darkest", "brightest"])
    if pictured and model.thumbnail is not None:
        what = "A detail of a training image, before and after."
        yield html.picture(model.thumbnail, what) + html.small_print(what)


def _grey_levels(value: float | None) -> str:
    return "not known" if value is None else f"{value:.5g}"


def _mixing(model: Model) -> Iterator[str]:
    if model.mixture is not None:
        yield "<h2>How the channels add up to a mixed image</h2>"
        yield html.paragraph(model.mixture.mixing.in_words(channel_names(model)))


def _noise(model: Model) -> Iterator[str]:
    if model.noise_models:
        yield "<h2>Camera noise</h2>"
    for name, noise, choice in zip(
        channel_names(model) if model.noise_models else (),
        model.noise_models,
        model.noise_choices,
        strict=True,
    ):
        if len(model.noise_models) > 1:
            yield f"<h3>{html.escape(name)}</h3>"
        yield html.paragraph(noise_in_words(noise, choice, model.frames))
        if choice is not None:
            figure = noise_model_figure(choice.fit, file_format="svg")
            yield html.chart(figure, "noise variance against the signal, and noise distribution")


def _training(model: Model) -> Iterator[str]:
    if not model.outcome.history:
        return
    explains, given, overfitted = (
        ("the channels explain their recordings", "mixed", "training images")
        if model.mixture
        else ("the restored image explains the noisy one", "noisy", "noise")
    )
    yield "<h2>Training</h2>"
    yield html.paragraph(
        f"The loss has two terms: the reconstruction term measures how poorly {explains}, and the "
        f"KL divergence how much information the latents take from the {given} image. Both should "
        "fall or level off. If the validation curve rises while the training curve falls, the "
        f"network overfits the {overfitted}."
    )
    yield html.chart(loss_curves(model), "loss, reconstruction term and KL divergence")
    yield html.chart(level_curves(model), "KL divergence of each level")
    yield html.paragraph(levels_in_words(model))


def _times(report: Report) -> Iterator[str]:
    outcome = report.model.outcome
    seconds = sum(image.seconds for image in report.images)
    rows = [["prediction", duration(seconds)]] if seconds else []
    if not report.model.imported:
        rows = [
            ["training", duration(outcome.seconds)],
            *rows,
            ["training steps", str(outcome.steps)],
            ["best step (its weights are used)", str(outcome.best_step)],
            ["skipped batches (loss not finite)", str(outcome.skipped)],
            ["interrupted", "yes, before the end of the budget" if outcome.interrupted else "no"],
            ["compiled", "yes" if outcome.compiled else "no"],
        ]
    if rows:
        yield "<h2>Run time</h2>" + html.table(rows)


def _settings(model: Model) -> Iterator[str]:
    values = {
        name: value for name, value in model.settings.model_dump().items() if value is not None
    }
    rows = [[name, str(value)] for name, value in (values | {"seed": model.seed}).items()]
    yield "<h2>Settings</h2>" + html.table(rows)
