"""Between camera units and the units in which a network works: zero mean, unit deviation.

Training, restoring and importing all go through here, so that what a network sees while it is
trained is what it sees later.
"""

from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, Real

from ladderscope.images.statistics import Statistics

Values = TypeVar("Values", bound=Any)  # arrays or tensors


def normalised(values: Values, mean: Any, std: Any) -> Values:
    """Subtract the mean and divide by the standard deviation.

    Parameters
    ----------
    values : array or tensor
        In camera units.
    mean, std : float, or array or tensor that broadcasts with `values`
        Those of the training images.

    Examples
    --------
    >>> normalised(np.array([90.0, 110.0]), 100.0, 10.0)
    array([-1.,  1.])
    """
    result: Values = (values - mean) / std
    return result


def denormalised(values: Values, mean: Any, std: Any) -> Values:
    """Undo `normalised`.

    Examples
    --------
    >>> denormalised(np.array([-1.0, 1.0]), 100.0, 10.0)
    array([ 90., 110.])
    """
    result: Values = values * std + mean
    return result


def normalised_pixels(
    pixels: Real[np.ndarray, "*space"], statistics: Statistics
) -> Float32[np.ndarray, "*space"]:
    """Normalise pixels of any real type to float32, without losing the digits of a large offset.

    Parameters
    ----------
    pixels : array
        In camera units.
    statistics : Statistics
        Those of the training images; a channel that was blank in training gives zeros.

    Examples
    --------
    >>> normalised_pixels(np.array([2**24 + 1, 2**24 + 3]), Statistics(2.0**24 + 2, 1.0))
    array([-1.,  1.], dtype=float32)
    """
    if statistics.std == 0:
        return np.zeros(pixels.shape, np.float32)
    if pixels.dtype.itemsize > 4 or (pixels.dtype.kind in "iu" and pixels.dtype.itemsize > 2):
        # float32 holds whole numbers up to 2²⁴ only
        exact = normalised(pixels.astype(np.float64), statistics.mean, statistics.std)
        return exact.astype(np.float32)
    in_place = pixels.astype(np.float32)
    in_place -= np.float32(statistics.mean)
    in_place /= np.float32(statistics.std)
    return in_place
