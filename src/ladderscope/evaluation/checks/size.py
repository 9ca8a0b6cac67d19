"""Whether as much was removed as there is noise, where the image is dark and where it is bright.

The residual of an ideal restoration has the variance of the noise minus that of the posterior: a
denoiser passes part of the noise on, above all where structure is fine. Sound restorations of real
and simulated images have residuals of 0.6 to 1.0 times the variance of the noise.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from ladderscope.evaluation.checks.check import Check, graded, gravest

BINS = 8  # of equal counts, by brightness
_ERRORS = 4.0  # standard errors that are left to chance
# Times the variance of the noise: in the whole image, in one bin, and what the whole image lacks.
_AMBER_MORE, _RED_MORE = 1.15, 1.35
_AMBER_IN_A_BIN, _RED_IN_A_BIN = 1.3, 1.7
_AMBER_LESS, _RED_LESS = 0.45, 0.6


class Removed(NamedTuple):
    """How much was removed at one brightness: the mean square of the standardised residual."""

    brightness: float
    square: float
    pixels: int


def removed_by_brightness(
    restored: Float64[np.ndarray, " pixels"], residual: Float64[np.ndarray, " pixels"]
) -> list[Removed]:
    """Average squares of the standardised residual in bins of equal counts, darkest first.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = removed_by_brightness(np.arange(8000.0), rng.normal(size=8000))
    >>> len(found), round(found[0].brightness), round(found[0].square, 1)
    (8, 500, 1.0)
    """
    order = np.argsort(restored, kind="stable")
    return [
        Removed(
            float(restored[members].mean()), float(np.mean(residual[members] ** 2)), len(members)
        )
        for members in np.array_split(order, BINS)
        if len(members)
    ]


def check_removed(found: Sequence[Removed]) -> Check:
    """Say whether as much was removed as there is noise.

    Parameters
    ----------
    found
        Of all planes, in any order.

    Examples
    --------
    >>> check_removed([Removed(10.0, 0.9, 5000), Removed(90.0, 2.5, 5000)]).light
    'red'
    """
    bins = _joined(found)
    whole = _mean(bins)
    name = "removed noise"
    most = max(bins, key=lambda one: one.square)
    least = min(bins, key=lambda one: one.square)
    chance = _chance(whole)
    of_more = gravest(
        (
            graded(whole.square - chance, _AMBER_MORE, _RED_MORE),
            graded(most.square - _chance(most), _AMBER_IN_A_BIN, _RED_IN_A_BIN),
        )
    )
    if of_more != "green":
        return Check(
            of_more,
            name,
            f"What was removed has {whole.square:.2f} times the variance of the expected noise "
            f"({most.square:.2f} times around grey level {most.brightness:.4g}): part of the "
            "image was removed, or the noise model underestimates the noise.",
            'Measure the noise on these images (noise="auto"), and train longer (minutes, '
            "--minutes).",
        )
    of_less = graded(1 - whole.square - chance, _AMBER_LESS, _RED_LESS)
    if of_less != "green":
        return Check(
            of_less,
            name,
            f"What was removed has only {whole.square:.2f} times the variance of the expected "
            "noise: noise remains in the restoration, or the noise model overestimates it.",
            'Measure the noise on these images (noise="auto") and train again.',
        )
    return Check(
        of_less,
        name,
        f"What was removed has {whole.square:.2f} times the variance of the expected noise "
        f"({least.square:.2f} to {most.square:.2f} by brightness).",
    )


def _joined(found: Sequence[Removed]) -> list[Removed]:
    """Join the bins of several planes to eight, by their brightness."""
    ordered = sorted(found)
    if len(ordered) <= BINS:
        return ordered
    ends = np.cumsum([one.pixels for one in ordered])
    at = np.minimum((ends - 1) * BINS // ends[-1], BINS - 1)
    groups = [
        [one for one, here in zip(ordered, at, strict=True) if here == number]
        for number in range(BINS)
    ]
    return [_mean(group) for group in groups if group]


def _mean(bins: Sequence[Removed]) -> Removed:
    counts = [one.pixels for one in bins]
    return Removed(
        float(np.average([one.brightness for one in bins], weights=counts)),
        float(np.average([one.square for one in bins], weights=counts)),
        sum(counts),
    )


def _chance(one: Removed) -> float:
    return _ERRORS * math.sqrt(2 / one.pixels) * one.square
