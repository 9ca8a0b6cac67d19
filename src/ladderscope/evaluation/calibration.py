"""Error bars that hold: predicted standard deviations scaled to the errors that are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int, Real

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.reliability import expected_calibration_error, interval_factor
from ladderscope.words import percent

Source = Literal["truth", "second exposure", "noise model", "held-out pairs", "held-out recordings"]

# Sums that are made of what a splitter has held out: few, and less difficult than other images.
HELD_OUT: tuple[Source, ...] = ("held-out pairs", "held-out recordings")

LEVELS = (0.5, 0.68, 0.9, 0.95, 0.99)
LEAST_PIXELS = 1_000
BINS = 20  # of the standard deviation, at most,
_PRECISION = 0.05  # and as few as it takes for each squared error to be this precise
LEAST_RATIO = 0.05  # of a standard deviation to the predicted one


@dataclass(frozen=True)
class Calibration:
    """How the predicted standard deviation of one channel becomes an error bar that holds.

    The standard deviation σ is mapped to ``f(σ) · g(restored intensity)``. Both functions are
    linear between their knots; f rises with σ, is proportional to σ beyond its first and its last
    knot, and g is constant beyond its own. An interval is the restoration plus or minus the
    mapped standard deviation, times the multiplier of its level.

    Attributes
    ----------
    predicted, calibrated : tuple of float
        The knots of f, in grey levels: the first strictly increasing and positive, the second
        never falling.
    intensities, factors : tuple of float
        The knots of g; none for g = 1.
    multipliers : tuple of float
        One per level of `LEVELS`; none for Student's t.
    source : str
        What the errors were taken from: ``"truth"``, ``"second exposure"``, ``"noise model"``
        (without truth); or sums of recordings of the same fields, ``"held-out pairs"``, or of
        others, ``"held-out recordings"``.
    pixels : int
        Number of pixels.
    samples : int
        Number of posterior samples of the restorations.
    before, after : tuple of float
        Fraction of the pixels that the intervals of each of the `LEVELS` contain, before and after
        calibration. Without truth they are what the estimated errors make one expect.
    scale, offset : float
        The truth was scale · s + offset in units of the restoration s; 1 and 0 unless these were
        fitted.
    """

    predicted: tuple[float, ...]
    calibrated: tuple[float, ...]
    intensities: tuple[float, ...] = ()
    factors: tuple[float, ...] = ()
    multipliers: tuple[float, ...] = ()
    source: Source = "truth"
    pixels: int = 0
    samples: int = 0
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0

    def std(
        self, std: Real[np.ndarray, "..."], mean: Real[np.ndarray, "..."]
    ) -> Float64[np.ndarray, "..."]:
        """Map predicted standard deviations, given the restored intensities.

        Examples
        --------
        >>> calibration = Calibration(predicted=(1.0, 2.0), calibrated=(1.5, 2.0))
        >>> calibration.std(np.array([0.0, 0.5, 1.5, 4.0]), np.zeros(4)).tolist()
        [0.0, 0.75, 1.75, 4.0]
        """
        mapped = mapped_by(std, self.predicted, self.calibrated)
        if self.factors:
            mapped *= np.interp(mean, self.intensities, self.factors)
        return mapped

    def multiplier(self, level: float, samples: int) -> float:
        """Return how many standard deviations an interval of this level extends to either side.

        Parameters
        ----------
        level
            Between 0 and 1.
        samples
            Number of posterior samples of the restoration. With fewer than in the calibration,
            the interval is wider, as Student's t is.

        Examples
        --------
        >>> round(Calibration((1.0,), (1.0,)).multiplier(0.9, samples=16), 3)
        1.807
        """
        student = students(level, samples)
        if not self.multipliers:
            return student
        multiplier = interpolated_factor(level, LEVELS, self.multipliers)
        return multiplier * max(1.0, student / students(level, self.samples))

    @property
    def error_before(self) -> float:
        """Expected calibration error before: the mean deviation of coverage from the level."""
        return expected_calibration_error(LEVELS, self.before)

    @property
    def error_after(self) -> float:
        """Expected calibration error after calibration."""
        return expected_calibration_error(LEVELS, self.after)

    @property
    def changes(self) -> bool:
        """Whether any standard deviation is changed."""
        return bool(self.factors) or self.predicted != self.calibrated

    def summary(self) -> str:
        """Say in a sentence or two what was calibrated on what, and what came of it."""
        at = LEVELS.index(0.9)
        expected = self.source == "noise model"
        covers = "are expected to contain" if expected else "contain"
        where = {
            "truth": "with truth",
            "second exposure": "on second exposures",
            "noise model": "without truth, from the measured noise",
            "held-out pairs": "on mixed images of held-out fields",
            "held-out recordings": "on sums of held-out recordings",
        }[self.source]
        few = (
            " Held-out images are few, and errors on others may be larger: where they ask for "
            "narrower error bars, these were narrowed half as far."
            if self.source in HELD_OUT
            else ""
        )
        unseen = (
            " The recordings do not show the same fields: errors where structures of one cell "
            "overlap were not seen."
            if self.source == "held-out recordings"
            else ""
        )
        matched = (
            f" The truth was {self.scale:.4g} times the restoration "
            f"{'+' if self.offset >= 0 else '−'} {abs(self.offset):.4g}, and was matched to it."
            if (self.scale, self.offset) != (1.0, 0.0)
            else ""
        )
        done = f"Calibrated {where} ({self.pixels} pixels)"
        if expected and not self.changes:
            return (
                f"{done}: no measurable deviation, so the error bars are unchanged. 90 % intervals "
                f"{covers} {percent(self.after[at])} of the true values."
            )
        return (
            f"{done}: 90 % intervals {covers} {percent(self.after[at])} of the true values; "
            f"before, {percent(self.before[at])}.{matched}{few}{unseen}"
        )


def interpolated_factor(level: float, levels: Sequence[float], factors: Sequence[float]) -> float:
    """Return the half-width of an interval in standard deviations, from those of other levels.

    Relative to the normal distribution they change slowly between the levels and beyond.

    Examples
    --------
    >>> round(interpolated_factor(0.95, [0.5, 0.9], [0.7, 1.8]), 2)
    2.14
    """
    ratios = np.divide(factors, [interval_factor(one) for one in levels])
    return interval_factor(level) * float(np.interp(level, levels, ratios))


def students(level: float, samples: int) -> float:
    """Give the multiplier of a level; fewer than 2 samples stand for moments without error."""
    return interval_factor(level, samples if samples > 1 else None)


def usable(
    mean: Real[np.ndarray, "..."], std: Real[np.ndarray, "..."], truth: Real[np.ndarray, "..."]
) -> Bool[np.ndarray, "..."]:
    """Mark the pixels that have a standard deviation: neither padding nor blank planes."""
    if not mean.shape == std.shape == truth.shape:
        raise LadderscopeError(
            f"the restoration has shape {mean.shape}, its standard deviation {std.shape} and the "
            f"truth {truth.shape}: calibrating needs three of the same shape"
        )
    used: Bool[np.ndarray, "..."] = std > 0
    pixels = int(np.count_nonzero(used))
    if pixels < LEAST_PIXELS:
        raise LadderscopeError(
            f"only {pixels} pixels can be used to calibrate, and {LEAST_PIXELS:,} are needed: give "
            "more or larger images"
        )
    return used


def equal_counts(
    values: Float64[np.ndarray, " pixels"], squared: Float64[np.ndarray, " pixels"], most: int
) -> Int[np.ndarray, " pixels"]:
    """Put values into bins of equal count, each with a precise mean of the squared errors."""
    precise = max(0.0, float(squared.mean())) ** 2 * squared.size / float(squared.var() or 1.0)
    count = int(np.clip(precise * _PRECISION**2, 1, most))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))
    number = np.searchsorted(edges, values, side="right")
    return np.unique(number, return_inverse=True)[1]


def in_bins(
    values: Float64[np.ndarray, " pixels"], number: Int[np.ndarray, " pixels"]
) -> Float64[np.ndarray, " bins"]:
    """Average over each bin."""
    return np.bincount(number, values) / np.bincount(number)


def mapped_by(
    std: Real[np.ndarray, "..."], predicted: Sequence[float], calibrated: Sequence[float]
) -> Float64[np.ndarray, "..."]:
    """Interpolate between the knots; beyond them, scale as the nearest knot is scaled."""
    values = np.asarray(std, np.float64)
    low, high = values / predicted[0] * calibrated[0], values / predicted[-1] * calibrated[-1]
    mapped = np.interp(values, predicted, calibrated)
    mapped = np.where(values < predicted[0], low, mapped)
    return np.where(values > predicted[-1], high, mapped)
