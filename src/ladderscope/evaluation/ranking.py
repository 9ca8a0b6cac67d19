"""Whether the spread is large where the error is."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Real

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.planes import Planes, planes_of_array

_PIXELS = 1_000_000  # the standard error of the rank correlation is then 0.001
_SEED = 0


def spread_ranks_errors(
    spread: Real[np.ndarray, "..."],
    prediction: Real[np.ndarray, "..."],
    truth: Real[np.ndarray, "..."],
) -> float:
    """Spearman's rank correlation between the spread and the absolute error, over pixels.

    Only the order counts, so the spread need not be calibrated. Even a perfect spread stays far
    below 1: an error is one draw from a distribution whose width the spread predicts, and most
    draws are small. docs/evaluation.md says what to expect.

    Parameters
    ----------
    spread
        The standard deviation of the signal.
    prediction, truth
        In the same units and of the same shape as the spread. From more than 1,000,000 pixels,
        a fixed random subset of that size is used.

    Returns
    -------
    float
        1 if errors are larger wherever the spread is, 0 if the spread is unrelated to them.

    Raises
    ------
    LadderscopeError
        The shapes differ, there are fewer than two pixels, or the spread or the error is
        constant, so that there is nothing to rank.

    Examples
    --------
    >>> spread = np.array([1.0, 2.0, 4.0])
    >>> spread_ranks_errors(spread, np.array([0.0, -0.1, 7.0]), np.zeros(3))
    1.0
    """
    if not spread.shape == prediction.shape == truth.shape or truth.size < 2:
        raise LadderscopeError(
            f"the spread has shape {spread.shape}, the prediction {prediction.shape} and the truth "
            f"{truth.shape}: ranking needs three of the same shape, of at least 2 pixels"
        )
    drawn = drawn_pixels([planes_of_array(image) for image in (spread, prediction, truth)])
    width, size = drawn[0], np.abs(drawn[1] - drawn[2])
    for name, values in (("spread", width), ("error", size)):
        if not np.ptp(values) > 0:
            raise LadderscopeError(
                f"the {name} is {values[0]:g} at every pixel: there is nothing to rank"
            )
    return rank_correlation(width, size)


def rank_correlation(one: Real[np.ndarray, "n"], other: Real[np.ndarray, "n"]) -> float:
    """Return Spearman's rank correlation of values that are not constant.

    Examples
    --------
    >>> rank_correlation(np.array([1, 2, 3]), np.array([1, 10, 100]))
    1.0
    """
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def drawn_pixels(images: Sequence[Planes]) -> Float64[np.ndarray, "images pixels"]:
    """Read the same pixels of several images: all, or a million of them.

    They are chosen at random, one from each of a million equal stretches of the image, and always
    the same ones.

    Examples
    --------
    >>> drawn_pixels([planes_of_array(np.array([[1, 2], [3, 4]]))])
    array([[1., 2., 3., 4.]])
    """
    first = images[0]
    if first.size <= _PIXELS:
        chosen = np.arange(first.size)
    else:
        inside = np.random.default_rng(_SEED).random(_PIXELS)
        chosen = ((np.arange(_PIXELS) + inside) * (first.size / _PIXELS)).astype(np.int64)
    height, width = first.shape[-2:]
    values = np.empty((len(images), len(chosen)))
    rows = chosen // width  # of all planes, one after the other
    for block in first.blocks():
        top = block.plane * height
        begin, end = np.searchsorted(rows, (top + block.rows.start, top + block.rows.stop))
        columns = chosen[begin:end] % width
        within = (columns >= block.columns.start) & (columns < block.columns.stop)
        at = begin + np.flatnonzero(within)
        place = (rows[at] - top - block.rows.start, columns[within] - block.columns.start)
        for number, image in enumerate(images):
            values[number, at] = image.values(block)[place]
    return values
