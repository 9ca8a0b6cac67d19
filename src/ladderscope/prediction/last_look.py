"""A last look at a restoration: finds where it failed.

A restoration moves intensity over short distances only. The mean over a square of 16×16 pixels
therefore changes by only a fraction of the noise of a single pixel: half of it at most in trained
denoisers (`tiny` and `small`, three stains). A square whose mean has moved by several times the
noise was not restored, and neither was one with values that are not finite.
"""

import numpy as np
from jaxtyping import Bool, Float, Real
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.words import counted, percent

SQUARE = 16  # pixels
_NOISE = 6.0  # standard deviations of a pixel's noise by which a square's mean may move,
_CONTRAST = 2.0  # and of the training images


def failed(
    before: Float[np.ndarray, "*squares"],
    restored: Float[np.ndarray, "*space"],
    deviation: Float[np.ndarray, "*squares"] | float,
    contrast: float,
) -> Bool[np.ndarray, "*space"] | None:
    """Mark the squares of every plane in which a restoration failed.

    Parameters
    ----------
    before : array
        The `squares` of the input of the network, in camera units.
    restored : array of shape ([Z], Y, X)
        Its restoration.
    deviation : array of the shape of `squares`, or float
        The standard deviation of the noise in each square.
    contrast : float
        The standard deviation of the training images.

    Returns
    -------
    array of the shape of `restored`, or None
        None if nothing failed.

    Examples
    --------
    >>> shown = np.random.default_rng(0).normal(100.0, 5.0, (64, 64))
    >>> restored = np.full((64, 64), 100.0)
    >>> failed(squares(shown), restored, 5.0, 20.0) is None
    True
    >>> restored[20, 40] = np.inf
    >>> np.argwhere(failed(squares(shown), restored, 5.0, 20.0))[[0, -1]].tolist()
    [[16, 32], [31, 47]]
    """
    moved = np.abs(squares(restored) - before)
    bad = ~(moved <= np.maximum(_NOISE * np.asarray(deviation), _CONTRAST * contrast))
    if not bad.any():
        return None
    rows, columns = (
        np.minimum(np.arange(size) // SQUARE, count - 1)
        for size, count in zip(restored.shape[-2:], bad.shape[-2:], strict=True)
    )
    spread: NDArray[np.bool_] = bad[..., rows[:, None], columns]
    return spread


def out_of_range(
    restored: Float[np.ndarray, "*space"], low: float, high: float
) -> Bool[np.ndarray, "*space"] | None:
    """Mark what is not finite or not between two values; None if nothing.

    Examples
    --------
    >>> np.argwhere(out_of_range(np.array([[1.0, np.nan], [5.0, 2.0]]), 0.0, 4.0)).tolist()
    [[0, 1], [1, 0]]
    """
    # the extremes also reveal NaN, and cost less than a mask
    if low <= restored.min() and restored.max() <= high:
        return None
    return ~((restored >= low) & (restored <= high))


def squares(pixels: Real[np.ndarray, "*space"]) -> Float[np.ndarray, "*squares"]:
    """Average over squares of 16×16 pixels; the last ones include the remaining pixels.

    Examples
    --------
    >>> squares(np.arange(34.0)[None].repeat(2, axis=0)).tolist()
    [[7.5, 24.5]]
    """
    sums, counts = pixels, np.ones(())
    for axis in (-2, -1):
        starts = np.arange(0, max(1, pixels.shape[axis] // SQUARE)) * SQUARE
        sums = np.add.reduceat(sums, starts, axis=axis, dtype=np.float64)
        sizes = np.diff([*starts, pixels.shape[axis]])
        counts = counts * (sizes[:, None] if axis == -2 else sizes)
    return sums / counts


def places(mask: Bool[np.ndarray, "*planes Y X"], step: int = 1, count: int | None = None) -> str:
    """Describe the marked pixels: how many, and where the largest region is.

    Parameters
    ----------
    mask
        The marks: of pixels, or of squares of pixels.
    step
        The side of these squares.
    count
        How many pixels are marked, if they are squares.

    Examples
    --------
    >>> mask = np.zeros((64, 64), dtype=bool)
    >>> mask[8:20, 30:42] = mask[50, 50] = True
    >>> places(mask)
    '145 pixels (3.5 %) in 2 regions, the largest of 12×12 pixels at row 8, column 30'
    """
    count = int(np.count_nonzero(mask)) if count is None else count
    fraction = min(1.0, count / (mask.size * step**2))
    planes = mask.reshape(-1, *mask.shape[-2:])
    regions, largest, where = 0, 0, ""
    for number, plane in enumerate(planes):
        if not plane.any():
            continue
        labels, found = ndimage.label(plane, np.ones((3, 3)))
        regions += found
        sizes = np.bincount(labels.ravel())[1:]
        if sizes.max() > largest:
            largest = int(sizes.max())
            rows, columns = ndimage.find_objects(labels)[int(sizes.argmax())]
            height, width = (step * (side.stop - side.start) for side in (rows, columns))
            of_stack = f"plane {number}, " if len(planes) > 1 else ""
            at = f"row {step * rows.start}, column {step * columns.start}"
            where = f"{height}×{width} pixels at {of_stack}{at}"
    pixels = f"{counted(count, 'pixel')} ({percent(fraction)})"
    return (
        f"{pixels} in {regions} regions, the largest of {where}"
        if regions > 1
        else f"{pixels}, a region of {where}"
    )
