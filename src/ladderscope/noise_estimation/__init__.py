"""How noise is measured: from noisy images alone, from pairs, repeats and dark frames.

`check` compares what a noise model predicts with the noise that images hold.

Examples
--------
>>> import numpy as np
>>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (128, 128))
>>> abs(measure_noise(noisy, kind="gaussian").model.sigma - 3.0) < 0.1
True
"""

from ladderscope.noise_estimation.checking import check
from ladderscope.noise_estimation.correlation import NeighbourCorrelation, neighbour_correlation
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.from_arrays import fit_noise_model, measure_noise
from ladderscope.noise_estimation.from_images import calibrate_poisson_gaussian
from ladderscope.noise_estimation.joint import JointHistogram
from ladderscope.noise_estimation.noise_check import NoiseCheck

__all__ = [
    "JointHistogram",
    "NeighbourCorrelation",
    "NoiseCheck",
    "NoiseFit",
    "calibrate_poisson_gaussian",
    "check",
    "fit_noise_model",
    "measure_noise",
    "neighbour_correlation",
]
