"""Noise models p(y | s) of cameras, and their calibration on the noisy images themselves.

Everything is in camera units and in log space. A model is a small frozen value with
`log_likelihood`, `sample`, `moments` and `to_dict`.

Examples
--------
>>> import torch
>>> from ladderscope.noise import PoissonGaussian
>>> camera = PoissonGaussian.from_camera(gain=2.0, offset=100.0, read_noise=3.0)
>>> mean, variance = camera.moments(torch.tensor([100.0, 120.0]))
>>> variance
tensor([ 9., 49.])
"""

from ladderscope.noise.calibrate import PoissonGaussianFit, calibrate_poisson_gaussian
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.gaussian import Gaussian
from ladderscope.noise.model import NoiseModel, noise_model_from_dict
from ladderscope.noise.poisson_gaussian import PoissonGaussian

__all__ = [
    "Gaussian",
    "NoiseError",
    "NoiseModel",
    "PoissonGaussian",
    "PoissonGaussianFit",
    "calibrate_poisson_gaussian",
    "noise_model_from_dict",
]
