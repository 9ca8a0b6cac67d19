r"""Whether the restoration keeps the local mean of the image.

Noise has the mean zero. The mean over a region of what was removed is therefore zero within its
standard error, which the noise model gives. Where it is negative, the restoration shows something
that the image does not hold; where it is positive, it lacks something. Means are taken with
Gaussian windows k of several widths,

    z = Σ k w / √Σ k²,

of the standardised and whitened residual w, which is limited to ±5 so that no hot pixel decides.
A denoiser does better than chance here, since it passes on slow fluctuations of the noise: over
windows of four pixels and more, z varies by a half to two thirds of what noise alone does.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from scipy import ndimage

from ladderscope.evaluation.checks.check import Check, Light, gravest
from ladderscope.words import percent

WINDOWS = (2.0, 4.0, 8.0, 16.0)  # pixels, the standard deviation of a Gaussian
_LIMIT = 5.0  # standard deviations of the noise
# Standard errors by which a mean departs; single pixels decide more over the smallest windows.
_AMBER, _RED = 4.5, 5.0
_AMBER_IF_SMALL, _RED_IF_SMALL = 5.5, 6.0
# And by how much of the contrast of the restoration: what is beyond chance may still not matter.
_VISIBLE, _LARGE = 0.08, 0.1


class Region(NamedTuple):
    """A region whose mean departs from that of the image.

    Attributes
    ----------
    departure : float
        Of the restoration from the image, in grey levels; positive where the restoration is
        brighter.
    errors : float
        The same in standard errors.
    share : float
        Its magnitude relative to the standard deviation of the restored plane.
    width : float
        Of the Gaussian window, pixels.
    row, column : int
        Its centre.
    plane : int
        Counted from 0.
    """

    departure: float
    errors: float
    share: float
    width: float
    row: int
    column: int
    plane: int

    @property
    def light(self) -> Light:
        """How much it matters, beyond chance."""
        errors = abs(self.errors)
        amber, red = _thresholds(self.width)
        if errors >= red and self.share >= _LARGE:
            return "red"
        return "amber" if errors >= amber and self.share >= _VISIBLE else "green"


def departing_regions(
    whitened: Float64[np.ndarray, "Y X"],
    deviation: Float64[np.ndarray, "Y X"],
    contrast: float,
    counts: Bool[np.ndarray, "Y X"] | None = None,
    plane: int = 0,
) -> list[Region]:
    """Find the region that departs most, for every width of the window.

    Parameters
    ----------
    whitened
        The residual in units of the noise, white if it is noise alone.
    deviation
        The standard deviation of the noise, grey levels.
    contrast
        The standard deviation of the restored plane, grey levels.
    counts
        Which pixels count; all by default.
    plane
        The number of the plane.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(64, 64))
    >>> noise[20:28, 30:38] -= 2.0
    >>> found = departing_regions(noise, np.full((64, 64), 3.0), 20.0)
    >>> [region.light for region in found][1], abs(found[1].row - 24) < 4
    ('red', True)
    """
    pixels = np.clip(whitened, -_LIMIT, _LIMIT)
    if counts is not None:
        pixels[~counts] = 0.0
    found = []
    for width in WINDOWS:
        if 2 * width > min(pixels.shape):
            continue
        window = _window(width)
        share, errors = _weights(pixels.shape, window, counts)
        # Where most of a window lies in padding, nothing is said.
        inside = share > 0.25
        mean = _filtered(pixels, window)
        z = np.divide(mean, errors, out=np.zeros_like(mean), where=inside)
        departure = -mean * deviation / np.maximum(share, 1e-9)
        relative = np.abs(departure) / contrast if contrast > 0 else np.full_like(z, np.inf)
        nearest = np.minimum(np.abs(z) / _thresholds(width)[1], relative / _LARGE)  # to a red light
        row, column = np.unravel_index(int(np.argmax(nearest)), z.shape)
        at = int(row), int(column)
        found.append(
            Region(
                float(departure[at]),
                -float(z[at]),
                float(relative[at]),
                width,
                *at,
                plane,
            )
        )
    return found


def check_regions(regions: Iterable[Region], planes: int = 1) -> Check:
    """Say whether every region keeps its mean.

    Parameters
    ----------
    regions
        The most departing ones of every plane and width.
    planes
        How many planes there are.

    Examples
    --------
    >>> check_regions([Region(8.0, 9.0, 0.4, 4.0, 20, 30, 0)]).light
    'red'
    """
    found = sorted(regions, key=lambda region: abs(region.errors), reverse=True)
    light = gravest(region.light for region in found)
    name = "local means"
    if not found:
        return Check("green", name, "The planes are too small for regions to be compared.")
    if light == "green":
        largest = found[0]
        return Check(
            light,
            name,
            "Every region keeps its mean: the largest departure is "
            f"{abs(largest.errors):.1f} standard errors, or {percent(largest.share)} of the "
            "contrast.",
        )
    region = next(one for one in found if one.light == light)
    where = f"around row {region.row}, column {region.column}"
    if planes > 1:
        where += f", plane {region.plane + 1}"
    size = f"{abs(region.departure):.3g} grey levels ({percent(region.share)} of the contrast"
    size += f", {abs(region.errors):.0f} standard errors)"
    if region.departure > 0:
        return Check(
            light,
            name,
            f"Over about {4 * region.width:.0f} pixels {where}, the restoration is {size} brighter "
            "than the image: it shows something that was not recorded.",
            "Do not trust it there; train on images like this one, or longer (minutes, --minutes).",
        )
    return Check(
        light,
        name,
        f"Over about {4 * region.width:.0f} pixels {where}, the restoration is {size} darker than "
        "the image: it lacks something that was recorded.",
        "Do not trust it there; train on images like this one, or longer (minutes, --minutes).",
    )


def _thresholds(width: float) -> tuple[float, float]:
    return (_AMBER_IF_SMALL, _RED_IF_SMALL) if width < WINDOWS[1] else (_AMBER, _RED)


def _window(width: float) -> Float64[np.ndarray, " taps"]:
    reach = math.ceil(3 * width)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    normalised: Float64[np.ndarray, " taps"] = window / window.sum()
    return normalised


def _weights(
    shape: tuple[int, ...],
    window: Float64[np.ndarray, " taps"],
    counts: Bool[np.ndarray, "Y X"] | None,
) -> tuple[Float64[np.ndarray, "Y X"], Float64[np.ndarray, "Y X"]]:
    """Sum the weights of the pixels that count, and take the root of the sum of their squares."""
    if counts is not None:
        ones = counts.astype(np.float64)
        return _filtered(ones, window), np.sqrt(_filtered(ones, window**2).clip(0))
    share, squares = (
        np.outer(*(ndimage.correlate1d(np.ones(side), taps, mode="constant") for side in shape))
        for taps in (window, window**2)
    )
    return share, np.sqrt(squares)


def _filtered(
    pixels: Float64[np.ndarray, "Y X"], window: Float64[np.ndarray, " taps"]
) -> Float64[np.ndarray, "Y X"]:
    for axis in (0, 1):
        pixels = ndimage.correlate1d(pixels, window, axis=axis, mode="constant")
    return pixels
