"""What a noise model is fitted to: variances against signals, and pairs where there are any."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ladderscope.noise_estimation.joint_table import JointTable
from ladderscope.noise_estimation.line import Line


@dataclass(frozen=True, eq=False)
class Variances:
    """The variance of the noise against the signal.

    Parameters
    ----------
    line
        The line through the variances; level for a model of constant variance.
    variances
        The points that the line was fitted to, camera units squared.
    dark
        A dark signal, camera units.
    """

    line: Line
    variances: Float64[np.ndarray, " bins"]
    dark: float


@dataclass(frozen=True, eq=False)
class Pairs(Variances):
    """Pairs of signal and observation, and the variances that follow from them.

    Parameters
    ----------
    table
        The pairs, counted.
    step
        Least difference between two values of the observation, camera units: a model is no finer
        than rounding to such steps.
    components, coefficients
        Of a Gaussian mixture: number of Gaussians, and of coefficients of each polynomial.
    """

    table: JointTable
    step: float = 0.0
    components: int = 3
    coefficients: int = 2
