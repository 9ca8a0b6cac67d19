"""How precisely a coverage is known, although the errors of neighbouring pixels are alike."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, Real

CONFIDENCE = 0.95
_SMALLEST, _LARGEST = 4, 128  # sides of a square, in pixels
_SQUARES = 20  # at least


class Coverage(NamedTuple):
    """The fraction of pixels whose truth lies in the interval, and how well that is known.

    Attributes
    ----------
    level
        The fraction that the interval should cover.
    found
        The fraction that it covers.
    lower, upper
        Bounds of the 95 % confidence interval of `found`, for images like this one.
    """

    level: float
    found: float
    lower: float
    upper: float


class Squares(NamedTuple):
    """A division of the plane into squares: the same pixels of all planes are one square.

    Attributes
    ----------
    side
        In pixels: at most 128, and small enough for 20 squares.
    columns, number
        The number of squares in a row of them, and in all.
    """

    side: int
    columns: int
    number: int


def squares_of(shape: tuple[int, ...]) -> Squares:
    """Divide a plane into squares.

    Examples
    --------
    >>> squares_of((512, 512)), squares_of((64, 80))
    (Squares(side=114, columns=5, number=25), Squares(side=16, columns=5, number=20))
    """
    height, width = shape[-2:]
    side = min(max(math.isqrt(height * width // _SQUARES), _SMALLEST), _LARGEST)
    columns = -(-width // side)
    return Squares(side, columns, columns * -(-height // side))


def counted_by_square(
    chosen: Bool[np.ndarray, "y x"], top: int, left: int, squares: Squares
) -> Int64[np.ndarray, "squares"]:
    """Count the chosen pixels of a block per square.

    Parameters
    ----------
    chosen
        A block of a plane.
    top, left
        The position of its first pixel.
    squares
        How the plane is divided.

    Examples
    --------
    >>> counted_by_square(np.ones((4, 6), bool), 0, 4, Squares(side=4, columns=3, number=3))
    array([ 0, 16,  8])
    """
    rows, columns = (
        (np.arange(length) + start) // squares.side
        for length, start in zip(chosen.shape, (top, left), strict=True)
    )
    square = rows[:, None] * squares.columns + columns
    return np.bincount(square[chosen], minlength=squares.number)


def bounded_coverage(
    level: float, covered: Real[np.ndarray, "squares"], pixels: Real[np.ndarray, "squares"]
) -> Coverage:
    """Return the coverage, with bounds from how much it varies between squares of the image.

    Neighbouring pixels have similar errors, so that a million pixels are far fewer independent
    observations. The variance of the coverage is therefore estimated from the squares, which are
    larger than most errors extend. It gives the effective number of pixels, that of independent
    ones with this variance, and Wilson's interval for that number, with Student's t for the number
    of squares.

    Parameters
    ----------
    level
        The level of the interval.
    covered, pixels
        Per square, the number of covered and of all pixels.

    Returns
    -------
    Coverage
        With bounds of 0 and 1 if there is only one square.

    References
    ----------
    Cochran, "Sampling techniques", third edition (1977), section 9.1 (clusters as sampling units).
    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927).

    Examples
    --------
    >>> found = bounded_coverage(0.9, np.array([60, 50, 56, 58]), np.full(4, 64))
    >>> round(found.found, 3), round(found.lower, 3), round(found.upper, 3)
    (0.875, 0.731, 0.947)
    """
    from scipy.special import stdtrit

    total, count = float(pixels.sum()), len(pixels)
    found = float(covered.sum()) / total
    if count < 2:
        return Coverage(level, found, 0.0, 1.0)
    deviations = float(np.sum((covered - found * pixels) ** 2))
    variance = count / (count - 1) * deviations / total**2
    effective = min(total, found * (1 - found) / variance) if variance > 0 else float(count)
    square = float(stdtrit(count - 1, 0.5 + 0.5 * CONFIDENCE)) ** 2 / effective
    centre = (found + square / 2) / (1 + square)
    half = math.sqrt(square * (found * (1 - found) + square / 4)) / (1 + square)
    return Coverage(level, found, max(0.0, centre - half), min(1.0, centre + half))
