"""Noise models p(y | s) of cameras, fitted to pairs, to repeats, or to the noisy images themselves.

Everything is in camera units and in log space. A model is a small frozen value with
`log_likelihood`, `sample`, `moments`, `to_dict`, `save` and `check`.

Noise models, and their names here, know nothing of how noise is measured. The one exception is this
file: it hands on the names of `ladderscope.noise_estimation`, since they are used as if they were
here (`ladderscope.noise.check`), and `NoiseModel.check` takes the same way.

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

from ladderscope.noise.registry import KINDS

if TYPE_CHECKING:
    from ladderscope.noise.coloured import Coloured
    from ladderscope.noise.entries import NoiseError
    from ladderscope.noise.gaussian import Gaussian
    from ladderscope.noise.histogram import Histogram
    from ladderscope.noise.mixture import GaussianMixture
    from ladderscope.noise.model import (
        NoiseModel,
        load_noise_model,
        noise_model_from_dict,
        save_noise_model,
    )
    from ladderscope.noise.photon_counting import PhotonCounting
    from ladderscope.noise.poisson_gaussian import PoissonGaussian
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

_HOME = {
    "NoiseError": "ladderscope.noise.entries",
    "NoiseModel": "ladderscope.noise.model",
    "load_noise_model": "ladderscope.noise.model",
    "noise_model_from_dict": "ladderscope.noise.model",
    "save_noise_model": "ladderscope.noise.model",
} | {kind.name: kind.module for kind in KINDS.values()}

__all__ = [
    "Coloured",
    "Gaussian",
    "GaussianMixture",
    "Histogram",
    "JointHistogram",
    "NeighbourCorrelation",
    "NoiseCheck",
    "NoiseError",
    "NoiseFit",
    "NoiseModel",
    "PhotonCounting",
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
    """Load a public name when it is first touched."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "ladderscope.noise_estimation")), name)
