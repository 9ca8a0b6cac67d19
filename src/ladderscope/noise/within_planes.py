"""The noise within a single plane, where it may also be correlated between planes."""

import numpy as np
from jaxtyping import Float64

from ladderscope.noise.coloured import Coloured
from ladderscope.noise.model import NoiseModel


def within_planes(model: NoiseModel) -> NoiseModel:
    """Return the noise of planes, each by itself.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> within_planes(Coloured(Gaussian(3.0), np.array([[[0.5]], [[1.0]], [[0.5]]])))
    Gaussian(sigma=3.0)
    """
    if not isinstance(model, Coloured) or np.ndim(model.autocorrelation) == 2:
        return model
    planar = in_plane(model)
    return model.law if planar.size == 1 else Coloured(model.law, planar)


def in_plane(model: NoiseModel) -> Float64[np.ndarray, "y x"]:
    """Return the autocorrelation of a noise model within a plane.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> in_plane(Gaussian(3.0))
    array([[1.]])
    """
    if not isinstance(model, Coloured):
        return np.ones((1, 1))
    correlation = np.asarray(model.autocorrelation, dtype=np.float64)
    return correlation if correlation.ndim == 2 else correlation[len(correlation) // 2]
