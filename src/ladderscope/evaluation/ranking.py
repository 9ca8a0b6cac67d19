"""Whether the spread is large where the error is."""

import numpy as np
from jaxtyping import Real

from ladderscope.errors import LadderscopeError

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
        The standard deviation over posterior samples.
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
    from scipy.stats import spearmanr

    if not spread.shape == prediction.shape == truth.shape or truth.size < 2:
        raise LadderscopeError(
            f"the spread has shape {spread.shape}, the prediction {prediction.shape} and the truth "
            f"{truth.shape}: ranking needs three of the same shape, of at least 2 pixels"
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
                f"the {name} is {values[0]:g} at every pixel: there is nothing to rank"
            )
    return float(spearmanr(spread, error).statistic)
