"""One place seen in several ways: noisy, restored, as samples, and with its error bar.

Without scripts it is a row of plain pictures; `viewer.js` turns it into one picture that is
flicked through.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Real
from matplotlib import colormaps
from matplotlib.colors import to_hex

from ladderscope.evaluation import most_different
from ladderscope.pictures import Plane, animated, encoded, grey_range, scaled
from ladderscope.report import html
from ladderscope.report.figures import bright_end, busiest
from ladderscope.report.words import ERROR_BAR

WHOLE_SIDE = 512  # pixels, at most, of the picture of a whole image
DETAIL_SIDE = 128
MOST_CHANNELS = 4
SHOWN_SAMPLES = 16
MOST_DIFFERENT = 3
_ENLARGED = 3  # times, in the animation that is a file of its own
_GAP = 4  # pixels between its channels

Channels = Real[np.ndarray, "channels Y X"]
Draws = Real[np.ndarray, "n channels rows columns"]
Detail = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Picture:
    """One way to see a place, how it is drawn, and its caption.

    Attributes
    ----------
    kind : str
        What is seen, as its button says: ``"noisy"``, ``"restored"``, ``"sample 3"``.
    channel : str
        Of which channel, if there are several; empty for what they share.
    title : str
        The caption.
    whole : array of shape (Y, X), optional
        The plane; None for samples, which are drawn of the detail only.
    detail : array of shape (frames, rows, columns)
        The detail; several frames are shown one after the other.
    low, high : float
        The values at the ends of the colour map.
    colours : str
        Name of a matplotlib colour map.
    """

    kind: str
    channel: str
    title: str
    whole: Plane | None
    detail: Real[np.ndarray, "frames rows columns"]
    low: float
    high: float
    colours: str = "gray"


@dataclass(frozen=True, eq=False)
class Viewer:
    """Pictures of one plane and of a detail of it.

    Attributes
    ----------
    name : str
        Of the image.
    shape : (int, int)
        Of the plane.
    detail : (slice, slice)
        Where the detail is.
    pictures : tuple of Picture
        In the order in which they are shown.
    hidden : int
        How many channels are left out.
    """

    name: str
    shape: tuple[int, int]
    detail: Detail
    pictures: tuple[Picture, ...]
    hidden: int = 0


def detail_of(restored: Channels) -> Detail:
    """Choose the detail that is shown: where the restoration varies most, all channels alike."""
    each = [plane / (float(plane.std()) or 1.0) for plane in restored.astype(np.float64)]
    return busiest(np.sum(each, axis=0), DETAIL_SIDE)


def viewer_of(
    name: str,
    restored: Channels,
    spread: Channels | None,
    draws: Draws | None,
    labels: Sequence[str],
    *,
    noisy: Channels | None = None,
    mixed: Plane | None = None,
    residual: Plane | None = None,
) -> Viewer:
    """Put together what is shown of a plane; what is None is left out.

    Parameters
    ----------
    name
        Of the image.
    restored, spread
        One plane per channel.
    draws
        Posterior samples of the detail that `detail_of` chooses.
    labels
        The name of each channel; empty if there is only one.
    noisy
        The planes before, of a denoiser.
    mixed, residual
        The plane that was split, and what its channels do not explain.
    """
    detail = detail_of(restored)
    shown = range(min(len(restored), MOST_CHANNELS))
    pictures = []
    if mixed is not None:
        explained = mixed if residual is None else mixed - residual
        pictures.append(_picture("mixed", "", mixed, detail, grey_range(explained)))
    chosen = [] if draws is None else most_different(_comparable(draws), MOST_DIFFERENT)
    for channel in shown:
        label, ends = labels[channel], grey_range(restored[channel])
        if noisy is not None:
            pictures.append(_picture("noisy", label, noisy[channel], detail, ends))
        pictures.append(_picture("restored", label, restored[channel], detail, ends))
        if draws is not None:
            pictures += _samples(draws[:, channel], chosen, label, ends)
        if spread is not None:
            ends = 0.0, bright_end(spread[channel])
            how = detail, ends, "magma", ERROR_BAR
            pictures.append(_picture("error bar", label, spread[channel], *how))
    if residual is not None:
        end = bright_end(np.abs(residual))
        title = "residual: mixed minus channels"
        pictures.append(_picture("residual", "", residual, detail, (-end, end), "RdBu_r", title))
    hidden = len(restored) - len(shown)
    return Viewer(name, restored.shape[-2:], detail, tuple(pictures), hidden)


def animation(viewer: Viewer) -> bytes | None:
    """Draw the samples one after the other, the channels side by side, as a GIF.

    Returns
    -------
    bytes or None
        None if the viewer has no samples.
    """
    loops = [one for one in viewer.pictures if one.kind == "samples"]
    if not loops:
        return None
    gap = np.ones((*loops[0].detail.shape[:2], _GAP))
    parts = [part for one in loops for part in (gap, scaled(one.detail, one.low, one.high))]
    frames = np.concatenate(parts[1:], axis=2)
    large = frames.repeat(_ENLARGED, axis=1).repeat(_ENLARGED, axis=2)
    return animated(large, 0.0, 1.0, file_format="GIF")


def viewer_markup(viewer: Viewer) -> str:
    """Write a viewer as markup: plain pictures in their order."""
    height, width = viewer.shape
    rows, columns = viewer.detail
    size = rows.stop - rows.start, columns.stop - columns.start
    stages = [_stage(viewer, whole=True)] if size != viewer.shape else []
    stages.append(_stage(viewer, whole=False))
    step = _step(viewer.shape)
    every = "" if step == 1 else f", of which one row and column in {step} is drawn"
    said = [f"Whole image: {height}×{width} pixels{every}."]
    if len(stages) > 1:
        said.append(
            f"Detail (framed): {size[0]}×{size[1]} pixels at full resolution, from row "
            f"{rows.start} and column {columns.start}."
        )
    if viewer.hidden:
        said.append(f"The first {MOST_CHANNELS} of {MOST_CHANNELS + viewer.hidden} channels.")
    label = html.escape(f"{viewer.name}: pictures of one place")
    return (
        f'<div class="viewer" role="group" aria-label="{label}">'
        f'<div class="stages">{"".join(stages)}</div>'
        f'<p class="quiet for-keys">{html.escape(_how_to_flick(viewer))}</p></div>'
        f"{html.small_print(' '.join(said))}"
    )


def _how_to_flick(viewer: Viewer) -> str:
    kinds = len({one.kind for one in viewer.pictures})
    several = len({one.channel for one in viewer.pictures} - {""}) > 1
    channels = ", ↑ and ↓ for the channel" if several else ""
    return (
        f"Keys: ← and →, or 1 to {min(kinds, 9)}{channels}. Touch or mouse: swipe, or tap a "
        "picture (its left third goes back)."
    )


def _picture(
    kind: str,
    channel: str,
    plane: Plane,
    detail: Detail,
    ends: tuple[float, float],
    colours: str = "gray",
    title: str = "",
) -> Picture:
    step = _step(plane.shape)
    whole, part = plane[::step, ::step], plane[detail][None]
    return Picture(kind, channel, _titled(channel, title or kind), whole, part, *ends, colours)


def _samples(
    draws: Real[np.ndarray, "n rows columns"],
    chosen: Sequence[int],
    channel: str,
    ends: tuple[float, float],
) -> Iterator[Picture]:
    """Show all samples in a loop, then those that differ most one by one."""
    count = len(draws)
    title = _titled(channel, f"{count} posterior samples, one after the other")
    yield Picture("samples", channel, title, None, draws, *ends)
    for number in chosen:
        title = f"sample {number + 1} of {count}, one of the {len(chosen)} that differ most"
        one = draws[number][None]
        yield Picture(f"sample {number + 1}", channel, _titled(channel, title), None, one, *ends)


def _titled(channel: str, title: str) -> str:
    return f"{channel}: {title}" if channel else title


def _comparable(draws: Draws) -> Float[np.ndarray, "n channels rows columns"]:
    """Scale the channels so that each counts by its own contrast."""
    contrast = draws.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    return draws / np.where(contrast > 0, contrast, 1.0)


def _step(shape: tuple[int, ...]) -> int:
    return math.ceil(max(shape) / WHOLE_SIDE)


def _stage(viewer: Viewer, *, whole: bool) -> str:
    figures = [
        _figure(viewer, one, whole=whole)
        for one in viewer.pictures
        if not whole or one.whole is not None
    ]
    return f'<div class="stage {"whole" if whole else "detail"}">{"".join(figures)}</div>'


def _figure(viewer: Viewer, one: Picture, *, whole: bool) -> str:
    how = one.low, one.high, one.colours
    frame, ratio = "", viewer.shape[1] / viewer.shape[0]
    if whole and one.whole is not None:
        image, where = encoded(one.whole, *how), "whole image"
        frame = _frame(viewer)
    else:
        rows, columns = one.detail.shape[1:]
        where, ratio = "detail", columns / rows
        several = len(one.detail) > 1
        image = animated(one.detail, *how[:2]) if several else encoded(one.detail[0], *how)
    alt = f"{where}, {one.title} (from {one.low:.4g} to {one.high:.4g} grey levels)"
    picture = html.picture(image, alt)
    if not whole and len(one.detail) > 1:
        # an animation is stopped for whoever asked for less motion
        picture = html.still(encoded(one.detail[0], *how), picture)
    return (
        f'<figure data-kind="{html.escape(one.kind)}" data-channel="{html.escape(one.channel)}">'
        f'<div class="at" style="--ratio:{ratio:.4g}">{picture}{frame}</div>'
        f"<figcaption>{html.escape(one.title)}{_scale(one)}</figcaption></figure>"
    )


def _frame(viewer: Viewer) -> str:
    """Frame the detail in the picture of the whole image."""
    (height, width), (rows, columns) = viewer.shape, viewer.detail
    places = {
        "left": columns.start / width,
        "top": rows.start / height,
        "width": (columns.stop - columns.start) / width,
        "height": (rows.stop - rows.start) / height,
    }
    style = ";".join(f"{side}:{100 * part:.2f}%" for side, part in places.items())
    return f'<span class="frame" style="{style}"></span>'


def _scale(one: Picture) -> str:
    """Draw the colour bar of a picture, with the values at its ends."""
    stops = ",".join(to_hex(colour) for colour in colormaps[one.colours](np.linspace(0, 1, 9)))
    return (
        f'<span class="scale">{one.low:.4g}<b style="background:linear-gradient(90deg,{stops})">'
        f"</b>{one.high:.4g} grey levels</span>"
    )
