r"""The noise around every pixel of one plane: a core that measures, a ring that decides.

Around every pixel, the window of 7×7 is split into a *core* (3×3) and a *ring* (the other 40).

- The core measures. Its second difference F = [1,−2,1] ⊗ [1,−2,1] is blind to every signal that is
  the sum of a part changing along x and one changing along y, so that for white noise

      E[(F∗y)² / 36] = Σ F²/36 · var(y)  +  (F∗s)² / 36,        Σ F² = 36,
                     = gain · E[(F²/36)∗y] + intercept  +  what F sees of the signal.

  The weights F²/36 = [1,4,1] ⊗ [1,4,1] / 36 are used for the mean too, and the line holds
  exactly, on a slope as well.
- The ring decides: its mean gives the pixel's intensity bin, its variance how flat the region is.
  It shares no pixel with the core, so under white noise of any distribution neither choice can
  bias a core's variance; and the bin's mean, taken from cores too, is not drawn to the middle as
  it would be had the noise itself sorted it (the error in variables that flattens such lines).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray
from scipy import ndimage

WINDOW = 7  # width, pixels
MARGIN = WINDOW // 2
FLATTEST = 1 / 3  # fraction of a bin's pixels that measure
# Second differences overlap, so n neighbouring squares are worth n/3.78 independent ones: the sum
# of the squared autocorrelation of [1,−2,1] is 70/36 along each axis.
OVERLAP = (70 / 36) ** 2
_CORE = 3

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """What is known of every pixel that has a whole window around it, as flat arrays.

    Windows that reach into artefacts are left out.

    Parameters
    ----------
    signals, roughness
        Mean and variance of the ring.
    means
        Mean of the core, under the weights F²/36.
    squares
        (F∗y)²/36.
    usable
        Whether the window is not constant and the core nowhere saturated.
    whole
        Which of all windows hold no artefact; None if all.
    """

    signals: Float64[np.ndarray, " pixels"]
    roughness: Float64[np.ndarray, " pixels"]
    means: Float64[np.ndarray, " pixels"]
    squares: Float64[np.ndarray, " pixels"]
    usable: Bool[np.ndarray, " pixels"]
    whole: Bool[np.ndarray, " windows"] | None

    def inner(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values (y, x) of a plane at these pixels."""
        return _at_windows(values, self.whole)


def neighbourhoods(
    pixels: Float64[np.ndarray, "y x"],
    clips: Float64[np.ndarray, " values"],
    artefacts: Bool[np.ndarray, "y x"] | None,
) -> Neighbourhoods:
    """Apply core and ring to every pixel of a plane.

    Parameters
    ----------
    pixels
        One plane, at least as wide and high as the window.
    clips
        The values at which it is clipped.
    artefacts
        Where nothing was measured; None if it was everywhere.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
    >>> abs(neighbourhoods(noisy, np.zeros(0), None).squares.mean() - 9) < 1
    np.True_
    """
    centre = pixels.mean()
    centred = pixels - centre
    ring = WINDOW**2 - _CORE**2
    signals = (_box(centred, WINDOW) - _box(centred, _CORE)) / ring
    energy = centred**2
    roughness = (_box(energy, WINDOW) - _box(energy, _CORE)) / ring - signals**2
    means = _separable(pixels, np.array([1.0, 4.0, 1.0]) / 6)
    squares = _separable(centred, np.array([1.0, -2.0, 1.0])) ** 2 / 36
    greatest = pixels.max()
    saturated = ndimage.maximum_filter((pixels == greatest) & (greatest in clips), _CORE)
    constant = ndimage.maximum_filter(pixels, WINDOW) == ndimage.minimum_filter(pixels, WINDOW)
    whole = None
    if artefacts is not None:
        whole = ~_at_windows(ndimage.maximum_filter(artefacts, WINDOW), None)
    return Neighbourhoods(
        signals=_at_windows(signals + centre, whole),
        roughness=_at_windows(roughness, whole),
        means=_at_windows(means, whole),
        squares=_at_windows(squares, whole),
        usable=_at_windows(~(saturated | constant), whole),
        whole=whole,
    )


def seen_share(autocorrelation: Float64[np.ndarray, "y x"]) -> float:
    """Return the fraction of the variance that second differences see of correlated noise.

    That is the mean of (F∗y)²/36 over the variance of y; 1 for white noise.

    Parameters
    ----------
    autocorrelation
        Of odd sides, 1 at the centre.

    Examples
    --------
    >>> seen_share(np.array([[1.0]]))
    1.0
    >>> round(seen_share(np.array([[0.5, 1.0, 0.5]])), 3)
    0.333
    """
    twice = np.convolve([1.0, -2.0, 1.0], [1.0, -2.0, 1.0])
    weights = np.outer(twice, twice) / 36
    reaches = [min(side // 2, 2) for side in autocorrelation.shape]
    seen, held = (
        table[
            tuple(
                slice(side // 2 - reach, side // 2 + reach + 1)
                for side, reach in zip(table.shape, reaches, strict=True)
            )
        ]
        for table in (weights, autocorrelation)
    )
    return float((seen * held).sum())


def by_value(values: Int64[np.ndarray, " n"]) -> list[tuple[int, Int64[np.ndarray, " members"]]]:
    """List each value with the positions that hold it.

    Examples
    --------
    >>> [(value, positions.tolist()) for value, positions in by_value(np.array([5, 2, 5]))]
    [(2, [1]), (5, [0, 2])]
    """
    order = np.argsort(values, kind="stable")
    keys, starts = np.unique(values[order], return_index=True)
    return list(zip(keys.tolist(), np.split(order, starts[1:]), strict=True))


def not_outlying(squares: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Mark squared differences of at most six standard deviations: others are hot pixels.

    The scale comes from the lower 99 %, so it is not made by the outliers themselves; a mean of
    squares below that limit stays unbiased for few photons too, which a median's would not.

    Examples
    --------
    >>> squares = np.random.default_rng(0).normal(size=100) ** 2
    >>> squares[7] = 1000.0
    >>> np.flatnonzero(~not_outlying(squares))
    array([7])
    """
    if squares.size < 50:
        return np.ones(squares.size, dtype=bool)
    lower = np.partition(squares, int(0.99 * squares.size))[: int(0.99 * squares.size)]
    inside: NDArray[np.bool_] = squares <= 36 * lower.mean()
    return inside


def _at_windows(values: NDArray[Any], whole: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Take the values at which a whole window lies within the plane."""
    of_windows = values[MARGIN:-MARGIN, MARGIN:-MARGIN].ravel()
    return of_windows if whole is None else of_windows[whole]


def _box(values: _Array, width: int) -> _Array:
    """Sum over a square window."""
    smoothed: _Array = ndimage.uniform_filter(values, width)
    return smoothed * width**2


def _separable(values: _Array, kernel: _Array) -> _Array:
    """Correlate with kernel ⊗ kernel."""
    filtered: _Array = ndimage.correlate1d(ndimage.correlate1d(values, kernel, 0), kernel, 1)
    return filtered
