"""Whether what was removed is without structure from pixel to pixel."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from ladderscope.evaluation.checks.check import Check, graded
from ladderscope.words import percent

# Sound restorations of real and simulated images have −0.11 to 0.07.
_AMBER, _RED = 0.15, 0.25
_ERRORS = 4.0
_AMBER_SHARE, _RED_SHARE = 0.15, 0.3  # of the standard deviation of a mixed image


class Products(NamedTuple):
    """Sums over a residual: of squares, of products with both neighbours, and how many pairs."""

    square: float
    neighbours: float
    pairs: int


def products(
    whitened: Float64[np.ndarray, "Y X"], counts: Bool[np.ndarray, "Y X"] | None = None
) -> Products:
    """Add up products of neighbouring pixels.

    Examples
    --------
    >>> found = products(np.tile([1.0, -1.0], (4, 2)))
    >>> found.neighbours, found.pairs
    (0.0, 24)
    """
    pixels = whitened - (whitened.mean() if counts is None else whitened[counts].mean())
    if counts is not None:
        pixels = np.where(counts, pixels, 0.0)
    rows, columns = pixels.shape
    along_x = float(np.vdot(pixels[:, 1:], pixels[:, :-1]))
    along_y = float(np.vdot(pixels[1:], pixels[:-1]))
    pairs = rows * (columns - 1) + (rows - 1) * columns
    share = 1.0 if counts is None else float(counts.mean())
    square = float(np.vdot(pixels, pixels)) / (rows * columns) * pairs
    return Products(square, along_x + along_y, round(share * pairs))


def check_whiteness(found: Sequence[Products]) -> Check:
    """Say whether neighbouring pixels of the residual are independent.

    Parameters
    ----------
    found
        Of all planes.

    Examples
    --------
    >>> check_whiteness([Products(1000.0, 500.0, 1000)]).light
    'red'
    """
    square, neighbours, pairs = map(sum, zip(*found, strict=True))
    correlation = neighbours / square if square > 0 else 0.0
    chance = _ERRORS / math.sqrt(max(pairs, 1))
    light = graded(abs(correlation) - chance, _AMBER, _RED)
    name = "residual"
    number = f"a correlation of {correlation:.2f}"
    if light == "green":
        return Check(light, name, f"Neighbouring pixels of what was removed have {number}.")
    if correlation > 0:
        return Check(
            light,
            name,
            f"Neighbouring pixels of what was removed have {number}: part of the image was removed "
            "with the noise, or the noise is correlated.",
            'Train again with noise="auto", which describes correlated noise, and longer '
            "(minutes, --minutes).",
        )
    return Check(
        light,
        name,
        f"Neighbouring pixels of what was removed have {number}: part of the noise remains in the "
        "restoration, or the image was sharpened.",
        'Use images as the camera recorded them, and measure the noise on them (noise="auto").',
    )


def check_sum(found: Sequence[tuple[Products, float]]) -> Check:
    """Say whether what the channels of a split leave of the mixed image is without structure.

    Parameters
    ----------
    found
        Of the residual of every plane in grey levels, each with the variance of the mixed plane.

    Examples
    --------
    >>> check_sum([(Products(100.0, 90.0, 100), 2.0)]).light
    'red'
    """
    square, neighbours, pairs = map(sum, zip(*(one for one, _ in found), strict=True))
    variance = float(np.mean([one for _, one in found]))
    correlation = neighbours / square if square > 0 else 0.0
    beyond = max(0.0, correlation - _ERRORS / math.sqrt(max(pairs, 1)))
    share = math.sqrt(beyond * square / max(pairs, 1) / variance) if variance > 0 else 0.0
    light = graded(share, _AMBER_SHARE, _RED_SHARE)
    name = "sum of the channels"
    number = (
        f"What the channels leave of the mixed image has structure of {percent(share)} of the "
        f"image's standard deviation (correlation of neighbours {correlation:.2f})"
    )
    if light == "green":
        return Check(light, name, f"{number}.")
    return Check(
        light,
        name,
        f"{number}: the image holds something that the channels do not explain.",
        "Look at the residual, and train on recordings of every structure, under the same "
        "conditions as the mixed image.",
    )
