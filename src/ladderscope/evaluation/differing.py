"""Which posterior samples differ most: a few that show what the image leaves open."""

import math

import numpy as np
from jaxtyping import Float, Real
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import pdist, squareform


def most_different(samples: Real[np.ndarray, "n *channels Y X"], k: int = 3) -> list[int]:
    """Choose the samples that differ most from each other.

    The distance of two samples is the root mean square of their difference, in intensity units,
    after a Gaussian filter of the width over which the samples' deviations from their mean are
    correlated. So a structure that is present in one sample and absent in another counts, and
    what differs from pixel to pixel does not. The first two chosen are the pair that is farthest
    apart; each of the others is the one whose distance to its nearest chosen sample is largest
    (farthest-point selection, Gonzalez 1985). Ties go to the sample of the lower number.

    Parameters
    ----------
    samples : array of shape (n, [channels,] Y, X)
        Channels count by their intensities.
    k : int
        How many to choose; all if there are no more.

    Returns
    -------
    list of int
        The numbers of the samples, in the order in which they were chosen.

    References
    ----------
    Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer
    Science 38 (1985).

    Examples
    --------
    >>> samples = np.zeros((4, 16, 16))
    >>> samples[1:] += np.array([1.0, 9.0, 5.0])[:, None, None]
    >>> most_different(samples)
    [0, 2, 3]
    """
    if len(samples) <= k:
        return list(range(len(samples)))
    deviations = samples - samples.mean(axis=0, dtype=np.float64)
    width = correlation_width(deviations)
    smooth = gaussian_filter(deviations, (*(0.0,) * (deviations.ndim - 2), width, width))
    apart = squareform(pdist(smooth.reshape(len(samples), -1)))
    np.fill_diagonal(apart, -1.0)
    chosen = [int(number) for number in np.unravel_index(apart.argmax(), apart.shape)][:k]
    while len(chosen) < k:
        nearest = apart[:, chosen].min(axis=1)
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
    return chosen


def correlation_width(deviations: Float[np.ndarray, "*copies Y X"]) -> float:
    """Measure the width over which deviations from a mean are correlated, in pixels.

    Independent values that a Gaussian filter of width s has smoothed are correlated by
    exp(−1 / 4s²) between neighbours; s is what the correlation of neighbours gives. It is 0 for
    deviations without correlation, and at most an eighth of the shorter side.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(4, 128, 128))
    >>> round(correlation_width(gaussian_filter(noise, (0, 2, 2))))
    2
    """
    if min(deviations.shape[-2:]) < 2:
        return 0.0
    pairs = [
        (deviations[..., 1:, :], deviations[..., :-1, :]),
        (deviations[..., 1:], deviations[..., :-1]),
    ]
    products = sum(float((one * other).sum()) for one, other in pairs)
    energy = sum(float((np.square(one) + np.square(other)).sum()) / 2 for one, other in pairs)
    correlation = products / energy if energy > 0 else 0.0
    most = min(deviations.shape[-2:]) / 8
    if correlation <= 0:
        return 0.0
    if correlation >= math.exp(-1 / (4 * most**2)):
        return most
    return 1 / (2 * math.sqrt(-math.log(correlation)))
