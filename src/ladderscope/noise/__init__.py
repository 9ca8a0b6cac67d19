"""Noise models p(y | s) of cameras, fitted to pairs, to repeats, or to the noisy images themselves.

Everything is in camera units and in log space. A model is a small frozen value with
`log_likelihood`, `sample`, `moments`, `to_dict`, `save` and `check`.

Examples
--------
>>> import torch
>>> from ladderscope.noise import PoissonGaussian
>>> camera = PoissonGaussian.from_camera(gain=2.0, offset=100.0, read_noise=3.0)
>>> mean, variance = camera.moments(torch.tensor([100.0, 120.0]))
>>> variance
tensor([ 9., 49.])
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ladderscope.noise.entries import NoiseError
from ladderscope.noise.gaussian import Gaussian
from ladderscope.noise.histogram import Histogram
from ladderscope.noise.mixture import GaussianMixture
from ladderscope.noise.model import NoiseModel, noise_model_from_dict
from ladderscope.noise.poisson_gaussian import PoissonGaussian
from ladderscope.noise.stored import load_noise_model, save_noise_model

if TYPE_CHECKING:
    from ladderscope.noise_estimation import (
        JointHistogram,
        NeighbourCorrelation,
        NoiseCheck,
        NoiseFit,
        calibrate_poisson_gaussian,
        check,
        fit_noise_model,
        measure_noise,
        neighbour_correlation,
    )

__all__ = [
    "Gaussian",
    "GaussianMixture",
    "Histogram",
    "JointHistogram",
    "NeighbourCorrelation",
    "NoiseCheck",
    "NoiseError",
    "NoiseFit",
    "NoiseModel",
    "PoissonGaussian",
    "calibrate_poisson_gaussian",
    "check",
    "fit_noise_model",
    "load_noise_model",
    "measure_noise",
    "neighbour_correlation",
    "noise_model_from_dict",
    "save_noise_model",
]


def __getattr__(name: str) -> object:
    """Give what measures noise under the names that users know; it is loaded when touched."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("ladderscope.noise_estimation"), name)
