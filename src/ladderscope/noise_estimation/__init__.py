"""How noise is measured: from noisy images alone, from pairs, repeats and dark frames.

`check` compares what a noise model predicts with the noise that images hold. The names are loaded
when they are first touched, so that `ladderscope.noise_estimation.kinds` is there without torch.

Examples
--------
>>> import numpy as np
>>> from ladderscope.noise_estimation import measure_noise
>>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (128, 128))
>>> abs(measure_noise(noisy, kind="gaussian").model.sigma - 3.0) < 0.1
True
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ladderscope.noise_estimation.checking import check
    from ladderscope.noise_estimation.correlation import NeighbourCorrelation, neighbour_correlation
    from ladderscope.noise_estimation.fitted import NoiseFit
    from ladderscope.noise_estimation.from_arrays import fit_noise_model, measure_noise
    from ladderscope.noise_estimation.from_images import calibrate_poisson_gaussian
    from ladderscope.noise_estimation.joint import JointHistogram
    from ladderscope.noise_estimation.noise_check import NoiseCheck

_HOME = {
    "JointHistogram": "joint",
    "NeighbourCorrelation": "correlation",
    "NoiseCheck": "noise_check",
    "NoiseFit": "fitted",
    "calibrate_poisson_gaussian": "from_images",
    "check": "checking",
    "fit_noise_model": "from_arrays",
    "measure_noise": "from_arrays",
    "neighbour_correlation": "correlation",
}

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


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
