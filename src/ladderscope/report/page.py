"""The report: one HTML page that holds everything it shows and asks nothing of the network."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import metadata
from pathlib import Path

import numpy as np
from jaxtyping import Real

from ladderscope.evaluation import ResidualCheck, residual_check
from ladderscope.files import whole_file
from ladderscope.images import Image
from ladderscope.noise import NoiseModel
from ladderscope.report.figures import (
    bright_end,
    busiest,
    grey_range,
    level_curves,
    loss_curves,
    overview,
    picture,
)
from ladderscope.report.noise_figures import noise_model_figure
from ladderscope.report.words import (
    UNCALIBRATED,
    levels_in_words,
    noise_in_words,
)
from ladderscope.restorers import Restoration
from ladderscope.restorers.file import Model
from ladderscope.restorers.progress import duration

SHOWN_IMAGES = 6

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2430; background: #fff;
       max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d8dde5; }
h3 { margin: 1.5rem 0 .3rem; overflow-wrap: anywhere; }
.panels { display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem; }
figure { margin: 0; } figcaption { font-size: .85rem; color: #4a5464; }
.panels img { width: 100%; display: block; image-rendering: pixelated; }
.chart { max-width: 100%; } .quiet { color: #4a5464; font-size: .9rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem 1.2rem .15rem 0;
        vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; } .failed { color: #9c1c1c; }
"""


@dataclass(frozen=True, eq=False)
class Panel:
    """One channel of one plane, before and after."""

    label: str
    before: Real[np.ndarray, "Y X"]
    after: Real[np.ndarray, "Y X"]
    spread: Real[np.ndarray, "Y X"] | None


@dataclass(frozen=True, eq=False)
class RestoredImage:
    """What the report says of one image.

    Attributes
    ----------
    name : str
        The file that was restored.
    files : tuple of str
        What was written.
    seconds : float
        How long restoring took.
    where : str
        Which plane is shown, of several.
    checks : tuple of (str, ResidualCheck)
        One a channel, with the channel's name, of the plane shown.
    panels : tuple of Panel
        One a channel; none for an image that is listed without pictures.
    """

    name: str
    files: tuple[str, ...]
    seconds: float
    where: str
    checks: tuple[tuple[str, ResidualCheck], ...]
    panels: tuple[Panel, ...] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page.

    Attributes
    ----------
    title, sentence : str
        What was done.
    model : Model
        Settings, noise and history.
    images : tuple of RestoredImage
        In the order of restoring.
    failures : tuple of (str, str)
        Files that could not be used, and why.
    notices : tuple of str
        What the user was told, beyond the notices of the model.
    samples : int
        Posterior samples drawn of each image.
    """

    title: str
    sentence: str
    model: Model
    images: tuple[RestoredImage, ...]
    failures: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    samples: int = 16


def restored_image(
    image: Image,
    restored: Restoration,
    noise_models: Sequence[NoiseModel],
    *,
    files: Sequence[str],
    seconds: float,
    shown: bool,
) -> RestoredImage:
    """Take from an image and its restoration what the report needs: the middle plane.

    Parameters
    ----------
    image, restored
        Before and after.
    noise_models
        One a channel.
    files
        What was written.
    seconds
        How long it took.
    shown
        Whether the report shows pictures of it.
    """
    before, after = image.planes(), Image(restored.mean, image.axes, image.name).planes()
    spread = None
    if restored.std is not None:
        spread = Image(restored.std, image.axes, image.name).planes()
    middle = len(before) // 2
    names = restored.channel_names or [f"channel {n + 1}" for n in range(image.channels)]
    labels = [str(name) for name in names] if image.channels > 1 else [""]
    panels = tuple(
        Panel(
            label,
            before[middle, channel].copy(),
            after[middle, channel].copy(),
            None if spread is None else spread[middle, channel].copy(),
        )
        for channel, label in enumerate(labels)
    )
    checks = tuple(
        (panel.label, residual_check(panel.before, panel.after, noise_model))
        for panel, noise_model in zip(panels, noise_models, strict=True)
        if min(panel.before.shape) > 1
    )
    where = f"plane {middle + 1} of {len(before)}" if len(before) > 1 else ""
    return RestoredImage(image.name, tuple(files), seconds, where, checks, panels if shown else ())


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
    sections = [
        _images(report),
        _failures(report.failures),
        _residuals(report.images),
        _noise(report.model),
        _training(report.model),
        _notices([*report.model.notices, *report.notices]),
        _times(report),
        _settings(report.model),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{escape(report.title)}</h1>\n<p>{escape(report.sentence)}</p>\n"
        + "\n".join(sections)
        + f'\n<p class="quiet">Made by Ladderscope {escape(metadata.version("ladderscope"))}.</p>'
        "\n</body></html>\n"
    )


def _images(report: Report) -> str:
    parts = ["<h2>Images</h2>"]
    if report.samples > 1:
        parts.append(
            f"<p>The restoration is the mean of {report.samples} posterior samples: of images that "
            "the model holds possible, given the noisy one. Where they disagree, the "
            f"{UNCALIBRATED} is large; its size has not been compared with real errors, so read "
            "it as “more” or “less” certain, and not as an error bar.</p>"
        )
    for image in report.images:
        if image.panels:
            parts.append(_image(image))
    listed = [image for image in report.images if not image.panels]
    if listed:
        items = "".join(
            f"<li>{escape(image.name)}: {escape(', '.join(image.files))}</li>" for image in listed
        )
        parts.append(f"<h3>Restored too, not shown</h3><ul>{items}</ul>")
    return "\n".join(parts)


def _image(image: RestoredImage) -> str:
    written = f"Written: {', '.join(image.files)}"
    about = f"{image.where}. {written}" if image.where else written
    panels = "\n".join(_panel(panel) for panel in image.panels)
    return f'<h3>{escape(image.name)}</h3><p class="quiet">{escape(about)}</p>{panels}'


def _panel(panel: Panel) -> str:
    low, high = grey_range(panel.after)
    greys = f"black {low:.4g}, white {high:.4g}"
    columns = [
        (panel.before, low, high, "gray", f"before ({greys})"),
        (panel.after, low, high, "gray", f"after ({greys})"),
    ]
    if panel.spread is not None:
        top = bright_end(panel.spread)
        text = f"{UNCALIBRATED}: black 0, bright {top:.4g}"
        columns.append((panel.spread, 0.0, top, "magma", text))
    detail = busiest(panel.after)
    whole = [
        _figure(picture(overview(plane), least, most, colours), text)
        for plane, least, most, colours, text in columns
    ]
    enlarged = [
        _figure(picture(plane[detail], least, most, colours), f"detail, {text.split(' (black')[0]}")
        for plane, least, most, colours, text in columns
    ]
    padding = ["<div></div>"] * (3 - len(columns))
    label = f"<p><b>{escape(panel.label)}</b></p>" if panel.label else ""
    return f'{label}<div class="panels">{"".join(whole + padding + enlarged + padding)}</div>'


def _failures(failures: Sequence[tuple[str, str]]) -> str:
    if not failures:
        return ""
    items = "".join(
        f"<li><b>{escape(name)}</b>: {escape(reason)}</li>" for name, reason in failures
    )
    return f'<h2 class="failed">Files that failed</h2><ul class="failed">{items}</ul>'


def _residuals(images: Sequence[RestoredImage]) -> str:
    rows = [
        [
            f"{image.name} {label}".strip(),
            f"{check.variance:.2f}",
            f"{check.correlation:+.3f}",
            check.verdict,
        ]
        for image in images
        for label, check in image.checks
    ]
    if not rows:
        return ""
    heading = ["image", "variance (should be 1)", "correlation (should be 0)", "in words"]
    return (
        "<h2>What was removed</h2><p>The noisy image minus the restoration, divided by the "
        "expected standard deviation of the noise. It should have variance 1, and a pixel should "
        "tell nothing about its neighbours.</p>" + _table(rows, heading)
    )


def _noise(model: Model) -> str:
    parts = ["<h2>The camera's noise</h2>"]
    for number, (noise, fit) in enumerate(
        zip(model.noise_models, model.noise_fits, strict=True), start=1
    ):
        if len(model.noise_models) > 1:
            name = model.channel_names[number - 1] if model.channel_names else f"channel {number}"
            parts.append(f"<h3>{escape(name)}</h3>")
        parts.append(f"<p>{escape(noise_in_words(noise, fit))}</p>")
        if fit is not None:
            drawn = noise_model_figure(fit, file_format="svg")
            parts.append(_chart(drawn, "the noise: its variance against the signal, its shape"))
    return "\n".join(parts)


def _training(model: Model) -> str:
    history = model.outcome.history
    free_bits, blind_levels = model.settings.free_bits, model.settings.blind_levels
    parts = ["<h2>Training</h2>"]
    if history:
        parts += [
            "<p>The loss has two parts: how badly the restored image explains the noisy one "
            "(reconstruction), and how much the network had to look up in the noisy image to do "
            "so (KL). Both should fall or level off; if the validation curve rises while the "
            "training curve falls, the network learns the noise by heart.</p>",
            _chart(loss_curves(history), "loss, reconstruction and KL over the steps"),
            _chart(
                level_curves(history, free_bits, blind_levels), "KL of each level over the steps"
            ),
            f"<p>{escape(levels_in_words(history[-1].level_kl, free_bits, blind_levels))}</p>",
        ]
    return "\n".join(parts)


def _notices(notices: Sequence[str]) -> str:
    if not notices:
        return ""
    items = "".join(f"<li>{escape(notice)}</li>" for notice in notices)
    return f"<h2>Notices</h2><ul>{items}</ul>"


def _times(report: Report) -> str:
    outcome = report.model.outcome
    rows = [
        ["training", duration(outcome.seconds)],
        ["prediction", duration(sum(image.seconds for image in report.images))],
        ["steps", str(outcome.steps)],
        ["best step, whose weights are used", str(outcome.best_step)],
        ["skipped batches (loss not finite)", str(outcome.skipped)],
        ["interrupted", "yes, before the budget was spent" if outcome.interrupted else "no"],
        ["compiled", "yes" if outcome.compiled else "no"],
    ]
    return "<h2>Time</h2>" + _table(rows)


def _settings(model: Model) -> str:
    values = {
        name: value for name, value in model.settings.model_dump().items() if value is not None
    }
    rows = [[name, str(value)] for name, value in (values | {"seed": model.seed}).items()]
    return "<h2>Settings</h2>" + _table(rows)


def _table(rows: Sequence[Sequence[str]], heading: Sequence[str] = ()) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _figure(image: bytes, caption: str) -> str:
    return (
        f'<figure><img src="{_embedded(image, "png")}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _chart(image: bytes, caption: str) -> str:
    return f'<img class="chart" src="{_embedded(image, "svg+xml")}" alt="{escape(caption)}">'


def _embedded(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
