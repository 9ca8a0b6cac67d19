"""What a network is shown of a field, and what is kept from it.

A network is asked only about what resembles its training. Padding and hot pixels are replaced by
plausible values. Values far outside of the training images are limited, because a ladder that is
shown much more than it knows answers with anything: its variances are exponentials. Measured on
denoisers of the `tiny` and `small` presets, a spot of up to five times the brightest training
pixel is restored well, and at ten times single samples explode.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Real

from ladderscope.images import Statistics
from ladderscope.images.artefacts import Artefacts, blank_filled, filled
from ladderscope.images.normalisation import normalised_pixels
from ladderscope.images.outliers import find_outliers

WIDENED = 3.0  # times the range of training, seen from its mean, is shown as it is
UNKNOWN_RANGE = 30.0  # standard deviations, where the range is not known


@dataclass(frozen=True, eq=False)
class Shown:
    """A field as the network sees it.

    Parameters
    ----------
    observed : array of shape ([Z], Y, X)
        The image, in camera units.
    pixels : array of the same shape
        Those of the image, but for what was replaced or limited.
    normalised : array of the same shape
        What goes into the network.
    excess : array of the same shape, optional
        The image minus `pixels`; None where nothing but padding was replaced.
    beyond : array of the same shape, optional
        Where values were limited, hot and dead pixels left out; None if nowhere.
    padding : array of the same shape, optional
        Where nothing was measured.
    """

    observed: Real[np.ndarray, "*space"]
    pixels: Real[np.ndarray, "*space"]
    normalised: Float32[np.ndarray, "*space"]
    excess: Float32[np.ndarray, "*space"] | None = None
    beyond: Bool[np.ndarray, "*space"] | None = None
    padding: Bool[np.ndarray, "*space"] | None = None

    @property
    def is_blank(self) -> bool:
        """Whether the field is padding alone, about which there is nothing to ask."""
        return self.padding is not None and bool(self.padding.all())

    def part(self, region: tuple[slice, ...]) -> "Shown":
        """Give what the network sees of a region."""
        return Shown(
            self.observed[region],
            self.pixels[region],
            self.normalised[region],
            None if self.excess is None else self.excess[region],
            None if self.beyond is None else self.beyond[region],
            None if self.padding is None else self.padding[region],
        )


def limits(statistics: Statistics) -> tuple[float, float]:
    """Say between which values pixels are shown to a network as they are.

    Examples
    --------
    >>> limits(Statistics(100.0, 10.0, darkest=80.0, brightest=200.0))
    (40.0, 400.0)
    """
    mean, reach = statistics.mean, UNKNOWN_RANGE * statistics.std
    below = reach if statistics.darkest is None else WIDENED * (mean - statistics.darkest)
    above = reach if statistics.brightest is None else WIDENED * (statistics.brightest - mean)
    return mean - below, mean + above


def show(
    field: Real[np.ndarray, "*space"],
    statistics: Statistics,
    padding: Bool[np.ndarray, "*space"] | None = None,
) -> Shown:
    """Make what a network sees of a field.

    Parameters
    ----------
    field : array of shape (Y, X) or (Z, Y, X)
        In camera units, finite.
    statistics : Statistics
        What the network was trained with.
    padding : bool array of the same shape, optional
        Where nothing was measured.

    Examples
    --------
    >>> field = np.random.default_rng(0).normal(100.0, 10.0, (32, 32))
    >>> field[8, 8] = 1e6
    >>> shown = show(field, Statistics(100.0, 10.0, darkest=70.0, brightest=130.0))
    >>> bool(abs(shown.normalised).max() < 9), bool(abs(shown.excess[8, 8] - 1e6) < 200)
    (True, True)
    """
    low, high = limits(statistics)
    beyond = (field < low) | (field > high) if field.min() < low or field.max() > high else None
    if padding is not None and not padding.any():
        padding = None
    pixels = field
    for at in np.ndindex(field.shape[:-2]):
        found = Artefacts(None if padding is None or not padding[at].any() else padding[at])
        if beyond is not None and beyond[at].any():
            found = Artefacts(found.padding, find_outliers(field[at], found.padding))
        if found.mask is not None:
            pixels = field.copy() if pixels is field else pixels
            pixels[at] = filled(field[at], found)
        if beyond is not None and found.outliers is not None:
            beyond[at] &= ~found.outliers
    if pixels.ndim == 3:
        pixels = blank_filled(pixels, padding)
    excess = None
    if beyond is not None:
        if padding is not None:  # but what is brighter than all that trained is worth a word
            beyond &= ~padding | (field > high)
        pixels = pixels.clip(low, high)
        excess = (field - pixels.astype(np.float64)).astype(np.float32)
    return Shown(field, pixels, normalised_pixels(pixels, statistics), excess, beyond, padding)
