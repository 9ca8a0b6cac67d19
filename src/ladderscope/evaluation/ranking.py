"""Whether a spread is large where the error is."""

import numpy as np
from jaxtyping import Real

from ladderscope.errors import LadderscopeError

_PIXELS = 1_000_000  # of which the standard error of a rank correlation is 0.001
_SEED = 0


def spread_ranks_errors(
    spread: Real[np.ndarray, "..."],
    prediction: Real[np.ndarray, "..."],
    truth: Real[np.ndarray, "..."],
) -> float:
    """Rank correlation (Spearman's) of the spread with the absolute error, over pixels.

    Only the order counts, so the spread need not be calibrated. Not even a perfect one comes near
    1: an error is a draw from a distribution whose width the spread tells, and most draws are
    small. See docs/evaluation.md for what to expect.

    Parameters
    ----------
    spread
        The standard deviation over posterior samples.
    prediction, truth
        In the same units; all three have one shape. Of more than 1,000,000 pixels as many are
        drawn, always the same.

    Returns
    -------
    float
        1 if errors are larger wherever the spread is, 0 if it tells nothing of them.

    Raises
    ------
    LadderscopeError
        The shapes differ, there are fewer than two pixels, or the spread or the error is the same
        everywhere, so that there is nothing to rank.

    Examples
    --------
    >>> spread = np.array([1.0, 2.0, 4.0])
    >>> spread_ranks_errors(spread, np.array([0.0, -0.1, 7.0]), np.zeros(3))
    1.0
    """
    from scipy.stats import spearmanr

    if not spread.shape == prediction.shape == truth.shape or truth.size < 2:
        raise LadderscopeError(
            f"a spread of shape {spread.shape}, a prediction of {prediction.shape} and a truth of "
            f"{truth.shape}: ranking takes one shape, of at least 2 pixels"
        )
    flat = [image.reshape(-1) for image in (spread, prediction, truth)]
    if truth.size > _PIXELS:
        drawn = np.random.default_rng(_SEED).choice(
            truth.size, _PIXELS, replace=False, shuffle=False
        )
        flat = [image[drawn] for image in flat]
    spread, prediction, truth = (image.astype(np.float64) for image in flat)
    error = np.abs(prediction - truth)
    for name, values in (("spread", spread), ("error", error)):
        if not np.ptp(values) > 0:
            raise LadderscopeError(
                f"the {name} is {values[0]:g} at every pixel, and there is nothing to rank"
            )
    return float(spearmanr(spread, error).statistic)
