"""Noise models whose variance is a line: Poisson–Gaussian noise, and Gaussian noise, a level one.

The line is fitted before: see `ladderscope.noise_estimation.line`.
"""

import math

from ladderscope.noise.gaussian import Gaussian
from ladderscope.noise.poisson_gaussian import PoissonGaussian
from ladderscope.noise_estimation.evidence import Variances
from ladderscope.noise_estimation.kinds import USUAL
from ladderscope.noise_estimation.line import Line
from ladderscope.words import rounded


def fit_gaussian(found: Variances) -> Gaussian:
    """Take the level of the line.

    Examples
    --------
    >>> import numpy as np
    >>> level = Line(0.0, 9.0, (0.0, 0.0), (8.0, 10.0))
    >>> fit_gaussian(Variances(level, np.array([8.0, 10.0]), dark=5.5))
    Gaussian(sigma=3.0)
    """
    return Gaussian(math.sqrt(found.line.intercept))


def fit_poisson_gaussian(found: Variances) -> PoissonGaussian:
    """Take the line; a quarter of the variance at the dark signal becomes the model's floor.

    Where the line is zero there, the least of the variances stands in.

    Examples
    --------
    >>> import numpy as np
    >>> line = Line(2.0, 9.0, (1.9, 2.1), (8.0, 10.0))
    >>> fit_poisson_gaussian(Variances(line, np.array([20.0, 49.0]), dark=5.5))
    PoissonGaussian(gain=2.0, intercept=9.0, floor=5.0)
    """
    line = found.line
    darkest = line.gain * found.dark + line.intercept
    if line.held or not darkest > 0:
        darkest = float(found.variances[found.variances > 0].min())
    return PoissonGaussian(line.gain, line.intercept, floor=darkest / 4)


def line_notices(line: Line, constant: bool, dark: float) -> tuple[str, ...]:
    """Report what a user should know about a line through variances.

    Parameters
    ----------
    line
        The line, before a constant model makes it level.
    constant
        Whether the model's variance is the same at every signal.
    dark
        A dark signal, camera units.

    Examples
    --------
    >>> line_notices(Line(2.0, 9.0, (1.9, 2.1), (8.0, 10.0)), constant=True, dark=5.5)[0][:40]
    'The variance grows with the signal, whic'
    """
    if constant and line.gain > 0:
        return (
            "The variance grows with the signal, which one number cannot describe: "
            f'kind="{USUAL}" suits these images better.',
        )
    if line.falls:
        return (
            "The variance falls as the signal grows, unlike that of any camera: the images may be "
            "inverted or processed, or contain fine structure in dark regions.",
        )
    if line.held:
        return (
            f"At {rounded(dark)}, where the image is dark, the fitted variance would be negative; "
            "it was held at zero there.",
        )
    return ()
