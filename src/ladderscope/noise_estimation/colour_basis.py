"""Windows without their polynomials, and what that leaves of correlated noise."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

WINDOW = 16  # pixels
REACH = 5  # pixels: noise farther apart is taken as independent
_DEGREE = 3

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Basis:
    """The polynomials of a window, and the covariances that remain without them.

    Parameters
    ----------
    smooth
        Orthonormal polynomials.
    solve
        From the sums of products at each shift to the covariance of the noise.
    """

    smooth: Float64[np.ndarray, "pixels polynomials"]
    solve: Float64[np.ndarray, "shifts shifts"]


@cache
def basis() -> Basis:
    """Return the polynomials of third degree.

    Examples
    --------
    >>> basis().smooth.shape
    (256, 10)
    """
    y, x = np.divmod(np.arange(WINDOW**2), WINDOW) - np.array((WINDOW - 1) / 2)
    y, x = y / WINDOW, x / WINDOW
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    smooth, _ = np.linalg.qr(np.stack([y**i * x**j for i, j in powers], axis=1))
    projection = np.eye(WINDOW**2) - smooth @ smooth.T
    # ⟨P B P, P C P⟩ of any two shifts, by the sums of products of P C P alone.
    parts = [_at_shift(*shift) for shift in shifts()]
    projected = np.stack([(projection @ part @ projection).ravel() for part in parts])
    gram = np.stack([part.ravel() for part in parts]) @ projected.T
    return Basis(smooth, np.linalg.inv(gram))


@cache
def shifts() -> tuple[tuple[int, int], ...]:
    """List (down, right), without those that mirror others.

    Examples
    --------
    >>> shifts()[:3], len(shifts())
    (((0, 0), (0, 1), (0, 2)), 61)
    """
    return tuple(
        (down, right)
        for down in range(REACH + 1)
        for right in range(-REACH, REACH + 1)
        if down > 0 or right >= 0
    )


def without_polynomials(
    windows: Float64[np.ndarray, "windows 16 16"],
) -> tuple[
    Float64[np.ndarray, " windows"],
    Float64[np.ndarray, "windows 256"],
    Float64[np.ndarray, "windows 10"],
]:
    """Return each window's mean, what is left of it, and the coefficients of its polynomial.

    Examples
    --------
    >>> slope = np.linspace(0, 30, 16) * np.ones((1, 16, 1))
    >>> bool(abs(without_polynomials(slope)[1]).max() < 1e-9)
    True
    """
    flattened = windows.reshape(-1, WINDOW**2)
    means = flattened.mean(axis=1)
    contrast = flattened - means[:, None]
    smooth = contrast @ basis().smooth
    return means, contrast - smooth @ basis().smooth.T, smooth


def _at_shift(down: int, right: int) -> _Array:
    """Mark the pairs of pixels of a window that lie so far apart."""
    y, x = np.divmod(np.arange(WINDOW**2), WINDOW)
    lower, righter = y[None, :] - y[:, None], x[None, :] - x[:, None]
    apart = ((lower == down) & (righter == right)) | ((lower == -down) & (righter == -right))
    marked: _Array = apart.astype(np.float64)
    return marked
