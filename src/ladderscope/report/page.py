"""The report: one HTML page that holds everything it shows and asks nothing of the network."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as escape_markup
from importlib import metadata
from pathlib import Path

import numpy as np
from jaxtyping import Real

from ladderscope.evaluation import ResidualCheck, residual_check
from ladderscope.files import whole_file
from ladderscope.harmless import readable
from ladderscope.images import Image, numbered_channels
from ladderscope.models import Restoration
from ladderscope.models.file import Model
from ladderscope.models.matching import noise_of_channels
from ladderscope.models.progress import duration
from ladderscope.pictures import encoded, grey_range
from ladderscope.report.figures import (
    bright_end,
    busiest,
    level_curves,
    loss_curves,
    overview,
)
from ladderscope.report.noise_figures import noise_model_figure
from ladderscope.report.unexplained import Unexplained, unexplained
from ladderscope.report.words import (
    UNCALIBRATED,
    channel_names,
    free_bits_of,
    levels_in_words,
    noise_in_words,
)

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
td:first-child, th:first-child { min-width: 9rem; }
th { font-weight: 600; } .failed { color: #9c1c1c; }
"""


@dataclass(frozen=True, eq=False)
class Picture:
    """A plane, how it is shown, and what it is called.

    Attributes
    ----------
    plane : array
        Its pixels.
    low, high : float
        What is drawn black and white, or at the ends of the colours.
    colours : str
        A colour map of matplotlib.
    title, values : str
        What it is, and what its colours mean.
    """

    plane: Real[np.ndarray, "Y X"]
    low: float
    high: float
    colours: str
    title: str
    values: str


@dataclass(frozen=True, eq=False)
class Panels:
    """Pictures of one place, in rows; the detail is shown enlarged below."""

    label: str
    rows: tuple[tuple[Picture | None, ...], ...]
    detail: tuple[slice, slice]


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
        One a channel, with the channel's name, of the plane shown; none of a split image.
    panels : tuple of Panels
        One a channel, or one of all channels of a split image; none for an image that is listed
        without pictures.
    unexplained : Unexplained, optional
        Of a split image: the residual of the plane shown.
    """

    name: str
    files: tuple[str, ...]
    seconds: float
    where: str
    checks: tuple[tuple[str, ResidualCheck], ...]
    panels: tuple[Panels, ...] = ()
    unexplained: Unexplained | None = None


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
    model: Model,
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
    model
        What restored it.
    files
        What was written.
    seconds
        How long it took.
    shown
        Whether the report shows pictures of it.
    """
    planes = image.planes()
    middle = len(planes) // 2
    where = f"plane {middle + 1} of {len(planes)}" if len(planes) > 1 else ""

    def plane_of(pixels: Real[np.ndarray, "..."], axes: str) -> Real[np.ndarray, "channels Y X"]:
        return np.array(Image(pixels, axes, image.name).planes()[middle])

    before, after = planes[middle].copy(), plane_of(restored.mean, restored.axes)
    spread = None if restored.std is None else plane_of(restored.std, restored.axes)
    names = restored.channel_names or numbered_channels(len(after))
    labels = [str(name) for name in names] if len(after) > 1 else [""]
    if restored.residual is not None:
        residual = plane_of(restored.residual, image.axes)[0]
        return RestoredImage(
            image.name,
            tuple(files),
            seconds,
            where,
            checks=(),
            panels=(_split_panels(before[0], after, spread, residual, labels),) if shown else (),
            unexplained=unexplained(before[0], residual, after, model),
        )
    checks = tuple(
        (label, residual_check(one, other, noise_model))
        for label, one, other, noise_model in zip(
            # an imported model may know nothing of the noise: then there is nothing to check
            labels,
            before,
            after,
            noise_of_channels(image, model),
            strict=bool(model.noise_models),
        )
        if min(one.shape) > 1
    )
    panels = tuple(
        _denoised_panels(label, before[n], after[n], None if spread is None else spread[n])
        for n, label in enumerate(labels)
    )
    return RestoredImage(image.name, tuple(files), seconds, where, checks, panels if shown else ())


def _denoised_panels(
    label: str,
    before: Real[np.ndarray, "Y X"],
    after: Real[np.ndarray, "Y X"],
    spread: Real[np.ndarray, "Y X"] | None,
) -> Panels:
    ends = grey_range(after)
    third = None if spread is None else _spread_picture(spread, UNCALIBRATED)
    row = _grey_picture(before, ends, "before"), _grey_picture(after, ends, "after"), third
    return Panels(label, (row,), busiest(after))


def _split_panels(
    mixed: Real[np.ndarray, "Y X"],
    channels: Real[np.ndarray, "channels Y X"],
    spread: Real[np.ndarray, "channels Y X"] | None,
    residual: Real[np.ndarray, "Y X"],
    names: Sequence[str],
) -> Panels:
    explained = mixed - residual
    end = bright_end(np.abs(residual))
    first = (
        _grey_picture(mixed, grey_range(explained), "mixed"),
        *(
            _grey_picture(channel, grey_range(channel), name)
            for channel, name in zip(channels, names, strict=True)
        ),
        Picture(
            residual,
            -end,
            end,
            "RdBu_r",
            "residual: mixed minus the channels",
            f": blue {-end:.4g}, red {end:.4g}",
        ),
    )
    if spread is None:
        return Panels("", (first,), busiest(explained))
    pictures = [
        _spread_picture(of_channel, f"{name}, {UNCALIBRATED}")
        for of_channel, name in zip(spread, names, strict=True)
    ]
    return Panels("", (first, (None, *pictures, None)), busiest(explained))


def _grey_picture(plane: Real[np.ndarray, "Y X"], ends: tuple[float, float], title: str) -> Picture:
    low, high = ends
    return Picture(plane, low, high, "gray", title, f" (black {low:.4g}, white {high:.4g})")


def _spread_picture(spread: Real[np.ndarray, "Y X"], title: str) -> Picture:
    end = bright_end(spread)
    return Picture(spread, 0.0, end, "magma", title, f": black 0, bright {end:.4g}")


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
        _notices([*report.model.notices, *report.notices]),
        _images(report),
        _failures(report.failures),
        _residuals(report.images),
        _unexplained(report.images),
        _mixing(report.model),
        _noise(report.model),
        _training(report.model),
        _times(report),
        _settings(report.model),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{escape(report.title)}</h1>\n<p>{escape(report.sentence)}</p>\n"
        + "\n".join(section for section in sections if section)
        + f'\n<p class="quiet">Made by Ladderscope {escape(metadata.version("ladderscope"))}.</p>'
        "\n</body></html>\n"
    )


def _images(report: Report) -> str:
    parts = ["<h2>Images</h2>"]
    if report.samples > 1:
        what, given = (
            ("Each channel", "mixed") if report.model.mixture else ("The restoration", "noisy")
        )
        parts.append(
            f"<p>{what} is the mean of {report.samples} posterior samples: of images that "
            f"the model holds possible, given the {given} one. Where they disagree, the "
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
    panels = "\n".join(_panels(panel) for panel in image.panels)
    return f'<h3>{escape(image.name)}</h3><p class="quiet">{escape(about)}</p>{panels}'


def _panels(panels: Panels) -> str:
    pictures = [one for row in panels.rows for one in row]
    figures = [_shown(one) for one in pictures] + [_shown(one, panels.detail) for one in pictures]
    columns = len(panels.rows[0])
    wide = "" if columns == 3 else f' style="grid-template-columns: repeat({columns}, 1fr)"'
    label = f"<p><b>{escape(panels.label)}</b></p>" if panels.label else ""
    return f'{label}<div class="panels"{wide}>{"".join(figures)}</div>'


def _shown(one: Picture | None, detail: tuple[slice, slice] | None = None) -> str:
    """Show a plane, or a detail of it, whose grey values are those of the whole."""
    if one is None:
        return "<div></div>"
    pixels = overview(one.plane) if detail is None else one.plane[detail]
    title = one.title if detail is None else f"detail, {one.title}"
    values = one.values if detail is None or one.colours != "gray" else ""
    return _figure(encoded(pixels, one.low, one.high, one.colours), title + values)


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


def _unexplained(images: Sequence[RestoredImage]) -> str:
    rows = [
        [
            image.name,
            f"{found.rms:.4g}",
            f"{100 * found.share:.0f} %",
            "not known" if found.noise is None else f"{found.noise:.4g}",
            f"{found.correlation:+.3f}",
            found.verdict,
        ]
        for image in images
        if (found := image.unexplained)
    ]
    if not rows:
        return ""
    heading = [
        "image",
        "rms of the residual",
        "of the image's standard deviation",
        "noise expected",
        "correlation of neighbours",
        "in words",
    ]
    return (
        "<h2>What the channels do not explain</h2><p>The residual is the mixed image minus what "
        "the restored channels add up to, in the units of the image. Of a good split it is the "
        "noise of the image, in which a pixel tells next to nothing about its neighbours "
        "(correlation 0). The noise expected is that of mixtures of the training recordings. "
        "A small residual is necessary and not sufficient: what was put into the wrong channel "
        "does not show in it.</p>" + _table(rows, heading)
    )


def _mixing(model: Model) -> str:
    if model.mixture is None:
        return ""
    words = model.mixture.mixing.in_words(channel_names(model))
    return f"<h2>What the model takes a mixed image for</h2><p>{escape(words)}</p>"


def _noise(model: Model) -> str:
    if not model.noise_models:
        return ""
    parts = ["<h2>The camera's noise</h2>"]
    for name, noise, fit in zip(
        channel_names(model), model.noise_models, model.noise_fits, strict=True
    ):
        if len(model.noise_models) > 1:
            parts.append(f"<h3>{escape(name)}</h3>")
        parts.append(f"<p>{escape(noise_in_words(noise, fit))}</p>")
        if fit is not None:
            drawn = noise_model_figure(fit, file_format="svg")
            parts.append(_chart(drawn, "the noise: its variance against the signal, its shape"))
    return "\n".join(parts)


def _training(model: Model) -> str:
    history = model.outcome.history
    if not history:
        return ""
    free_bits, blind_levels = free_bits_of(model.settings), model.settings.blind_levels
    explains, looked_up, overfitted = (
        ("the channels explain their recordings", "mixed", "training images")
        if model.mixture
        else ("the restored image explains the noisy one", "noisy", "noise")
    )
    return "\n".join(
        [
            f"<h2>Training</h2>\n<p>The loss has two parts: how badly {explains} "
            f"(reconstruction), and how much the network had to look up in the {looked_up} image "
            "to do so (KL). Both should fall or level off; if the validation curve rises while "
            f"the training curve falls, the network overfits the {overfitted}.</p>",
            _chart(loss_curves(history), "loss, reconstruction and KL over the steps"),
            _chart(
                level_curves(history, free_bits, blind_levels), "KL of each level over the steps"
            ),
            f"<p>{escape(levels_in_words(history[-1].level_kl, free_bits, blind_levels))}</p>",
        ]
    )


def _notices(notices: Sequence[str]) -> str:
    if not notices:
        return ""
    items = "".join(f"<li>{escape(notice)}</li>" for notice in notices)
    return f"<h2>First look, and notices</h2><ul>{items}</ul>"


def _times(report: Report) -> str:
    outcome = report.model.outcome
    rows = [["prediction", duration(sum(image.seconds for image in report.images))]]
    if report.model.careamics is None:
        rows = [
            ["training", duration(outcome.seconds)],
            *rows,
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


def escape(text: str) -> str:
    r"""Make of any text one that the page can hold, and that is no markup.

    Examples
    --------
    >>> escape("<b>\udcff")
    '&lt;b&gt;�'
    """
    return escape_markup(readable(text))


def _figure(image: bytes, caption: str) -> str:
    return (
        f'<figure><img src="{_embedded(image, "png")}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _chart(image: bytes, caption: str) -> str:
    return f'<img class="chart" src="{_embedded(image, "svg+xml")}" alt="{escape(caption)}">'


def _embedded(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
