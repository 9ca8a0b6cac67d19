"""The reliability diagram: whether intervals cover what they say, and errors are as predicted."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ladderscope.evaluation import SpreadScores
from ladderscope.evaluation.reliability import LEVELS
from ladderscope.pictures import drawn
from ladderscope.report.figures import TRAINING, VALIDATION, label, rows_of_two

MOST_ROWS = 20


def reliability_figure(
    channels: Sequence[tuple[str, Sequence[SpreadScores]]], file_format: str = "png"
) -> bytes:
    """Draw coverage against the level of intervals, and the error against the spread.

    Both lie on the diagonal if the error bars are calibrated: below it on the left and above it on
    the right if they are too small. The bars on the left are 95 % confidence intervals.

    Parameters
    ----------
    channels
        The name of each channel, and the scores of its images. There is a row per channel, of at
        most 20, and a line per image.
    file_format
        ``"png"``, ``"svg"`` or ``"pdf"``.

    Returns
    -------
    bytes
        The content of the file.

    Examples
    --------
    >>> from ladderscope.evaluation import spread_scores
    >>> error = np.random.default_rng(0).normal(0, 1, (64, 64))
    >>> scores = spread_scores(np.full((64, 64), 1.0), error, np.zeros((64, 64)))
    >>> reliability_figure([("nuclei", [scores])])[1:4]
    b'PNG'
    """
    rows = channels[:MOST_ROWS]
    figure, charts = rows_of_two([name for name, _ in rows], width=9, height=4)
    for (_, scores), (title, left, right) in zip(rows, charts, strict=True):
        _draw_coverage(left, scores)
        label(left, f"{title}coverage", "level of the interval", "fraction of the pixels inside")
        _draw_errors(right, scores)
        label(
            right,
            f"{title}error by spread, in bins of equally many pixels",
            "spread (root mean variance, grey levels)",
            "error (root mean square, grey levels)",
        )
    return drawn(figure, file_format)


def _draw_coverage(axes: Any, scores: Sequence[SpreadScores]) -> None:
    axes.plot([0, 1], [0, 1], "--", color=TRAINING, linewidth=1, label="calibrated")
    alpha = _alpha(scores)
    for one in scores:
        line = ([0.0, *one.levels], [0.0, *one.covered])
        name = "found" if one is scores[0] else None
        axes.plot(*line, color=VALIDATION, alpha=alpha, label=name)
        found = np.array([[at.found, at.lower, at.upper] for at in one.coverage]).T
        bars = np.maximum(0, [found[0] - found[1], found[2] - found[0]])
        axes.errorbar(LEVELS, found[0], bars, fmt="o", ms=3, color=VALIDATION, alpha=alpha)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize="small")


def _draw_errors(axes: Any, scores: Sequence[SpreadScores]) -> None:
    bins = [one for each in scores for one in each.bins]
    top = 1.1 * max((max(one.spread, one.error) for one in bins), default=1.0) or 1.0
    axes.plot([0, top], [0, top], "--", color=TRAINING, linewidth=1)
    for one in scores:
        axes.plot(
            [each.spread for each in one.bins],
            [each.error for each in one.bins],
            "o-",
            markersize=3,
            color=VALIDATION,
            alpha=_alpha(scores),
        )
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_aspect("equal")


def _alpha(scores: Sequence[SpreadScores]) -> float:
    return max(0.2, 1 / math.sqrt(len(scores)))
