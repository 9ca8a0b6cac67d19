"""Comparisons and charts, drawn without touching matplotlib's global state."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ladderscope.harmless import harmless
from ladderscope.models.file import Model
from ladderscope.pictures import Plane, drawn, grey_range
from ladderscope.report.words import ERROR_BAR

DETAIL_SIDE = 96
_LETTERS_AN_INCH = 11.5  # of a title
_INCHES_A_LINE = 0.2
TRAINING, VALIDATION = "#8a8f98", "#0b6e99"

Column = tuple[Plane, str, dict[str, Any]]


def bright_end(spread: Plane) -> float:
    """Choose the bright end of the colour map of a spread; the dark end is 0.

    Examples
    --------
    >>> bright_end(np.zeros((4, 4)))
    1.0
    """
    return float(np.percentile(spread, 99.8)) or 1.0


def busiest(restored: Plane, side: int = DETAIL_SIDE) -> tuple[slice, slice]:
    """Find the square in which the restoration varies most, to enlarge it.

    Examples
    --------
    >>> plane = np.zeros((100, 100))
    >>> plane[80:90, 5:15] = 1
    >>> busiest(plane, side=32)
    (slice(64, 96, None), slice(0, 32, None))
    """
    height, width = restored.shape
    tops = {*range(0, max(1, height - side), side // 2), max(0, height - side)}
    lefts = {*range(0, max(1, width - side), side // 2), max(0, width - side)}
    squares = [
        (slice(top, min(top + side, height)), slice(left, min(left + side, width)))
        for top in sorted(tops)
        for left in sorted(lefts)
    ]
    return max(squares, key=lambda square: float(restored[square].std()))


def loss_curves(model: Model) -> bytes:
    """Draw the loss and its two terms against the training steps, as an SVG."""
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    history = model.outcome.history
    steps = [line.step for line in history]
    for axes, (title, name) in zip(
        figure.subplots(1, 3),
        [("loss", "loss"), ("reconstruction term", "reconstruction"), ("KL divergence", "kl")],
        strict=True,
    ):
        training = [getattr(line, name) for line in history]
        validation = [getattr(line, f"validation_{name}") for line in history]
        axes.plot(steps, training, color=TRAINING, marker=".", label="training")
        axes.plot(steps, validation, color=VALIDATION, marker=".", label="validation")
        label(axes, title, "step", "mean (nats)")
    figure.axes[0].legend(frameon=False)
    return drawn(figure, "svg")


def level_curves(model: Model) -> bytes:
    """Draw the KL of every level that sees the image against the training steps, as an SVG."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    history, (_, free_bits) = model.outcome.history, model.settings.judged_free_bits
    steps = [line.step for line in history]
    curves = zip(*(line.level_kl for line in history), strict=True)
    for level, values in enumerate(curves, start=model.settings.blind_levels + 1):
        axes.plot(steps, np.maximum(values, 1e-6), marker=".", label=f"level {level}")
    if free_bits > 0:
        axes.axhline(free_bits, color="0.4", linestyle="--", label="free bits")
    axes.set_yscale("log")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    label(axes, "KL divergence of each level (1 is the finest)", "step", "nats per patch")
    return drawn(figure, "svg")


def comparison_picture(
    noisy: Plane,
    restored: Plane,
    spread: Plane | None,
    clean: Plane,
    titles: Sequence[str],
) -> bytes:
    """Draw the noisy, restored, spread and clean planes side by side as a PNG, with details.

    Parameters
    ----------
    noisy, restored, spread, clean
        Planes of the same shape; without a spread, its column is left out.
    titles
        Of the noisy, the restored and the clean plane.
    """
    first, second, last = titles
    greys = _greys(clean)
    columns = [(noisy, first, greys), (restored, second, greys), (clean, last, greys)]
    if spread is not None:
        columns.insert(2, (spread, ERROR_BAR, _colours(spread)))
    return _columns(columns, busiest(clean), width=3.2)


def split_picture(
    mixed: Plane,
    channels: Sequence[tuple[Plane, Plane | None, Plane]],
    titles: Sequence[str],
) -> bytes:
    """Draw a mixed image and its channels side by side as a PNG, with details below.

    Parameters
    ----------
    mixed
        The image that was split.
    channels
        For each, the restored plane, its spread and the truth, of the same shape; without a
        spread, its column is left out.
    titles
        Of the mixed image, then of the restored plane and the truth of each channel.
    """
    columns: list[Column] = [(mixed, titles[0], _greys(mixed))]
    for number, (restored, spread, truth) in enumerate(channels):
        greys = _greys(truth)
        columns.append((restored, titles[1 + 2 * number], greys))
        if spread is not None:
            columns.append((spread, ERROR_BAR, _colours(spread)))
        columns.append((truth, titles[2 + 2 * number], greys))
    return _columns(columns, busiest(mixed), width=2.0)


def _greys(plane: Plane) -> dict[str, Any]:
    low, high = grey_range(plane)
    return {"vmin": low, "vmax": high, "cmap": "gray"}


def _colours(spread: Plane) -> dict[str, Any]:
    return {"vmin": 0.0, "vmax": bright_end(spread), "cmap": "magma"}


def _columns(columns: Sequence[Column], detail: tuple[slice, slice], *, width: float) -> bytes:
    """Draw planes side by side, each with its detail below."""
    height, breadth = columns[0][0].shape
    heights = (height / breadth, 1.0)
    titles = [_wrapped(title, width) for _, title, _ in columns]
    lines = max(title.count("\n") + 1 for title in titles)
    size = (width * len(columns), width * sum(heights) + _INCHES_A_LINE * lines)
    close = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01, compress=True)
    figure = Figure(figsize=size, dpi=110, layout=close)
    for (above, below), (plane, _, look), title in zip(
        figure.subplots(2, len(columns), height_ratios=heights).T, columns, titles, strict=True
    ):
        above.imshow(plane, **look)
        below.imshow(plane[detail], **look)
        write_title(above, title, fontsize=11)
        _frame(above, detail)
        for axes in (above, below):
            axes.set_axis_off()
    return drawn(figure)


def _wrapped(title: str, width: float) -> str:
    """Break a title before a bracket, and at the width of its column, in inches."""
    lines = harmless(title).replace(" (", "\n(").splitlines()
    return "\n".join(fill(line, int(_LETTERS_AN_INCH * width)) for line in lines)


def _frame(axes: Any, detail: tuple[slice, slice]) -> None:
    top, bottom = detail[0].start - 0.5, detail[0].stop - 0.5
    left, right = detail[1].start - 0.5, detail[1].stop - 0.5
    axes.plot(
        [left, right, right, left, left],
        [top, top, bottom, bottom, top],
        color="#ffb000",
        linewidth=1,
        scalex=False,
        scaley=False,
    )


def write_title(axes: Any, title: str, fontsize: float) -> None:
    """Write a title literally: names in it are never mathematics."""
    axes.set_title(title, fontsize=fontsize, parse_math=False, usetex=False)


def label(axes: Any, title: str, horizontal: str, vertical: str) -> None:
    """Label a chart and its axes."""
    write_title(axes, harmless(title), fontsize=10)
    axes.set_xlabel(horizontal, fontsize=9)
    axes.set_ylabel(vertical, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def rows_of_two(
    names: Sequence[str], width: float, height: float, dpi: float = 110
) -> tuple[Figure, list[tuple[str, Any, Any]]]:
    """Lay out two charts for each of some channels.

    Parameters
    ----------
    names
        Of the channels.
    width, height
        Of a row, in inches.
    dpi
        Pixels per inch.

    Returns
    -------
    Figure, list of (str, Axes, Axes)
        For each channel what the titles of its charts begin with, and the left and right chart.

    Examples
    --------
    >>> _, rows = rows_of_two(["nuclei", "actin"], 9, 4)
    >>> [start for start, _, _ in rows]
    ['nuclei: ', 'actin: ']
    """
    figure = Figure(figsize=(width, height * len(names)), dpi=dpi, layout="constrained")
    starts = [f"{name}: " if len(names) > 1 else "" for name in names]
    charts = figure.subplots(len(names), 2, squeeze=False)
    return figure, [
        (start, left, right) for start, (left, right) in zip(starts, charts, strict=True)
    ]
