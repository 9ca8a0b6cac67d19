"""How much the channels of a split image leave unexplained."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Real

from ladderscope.models.file import Model
from ladderscope.words import percent


@dataclass(frozen=True)
class Unexplained:
    """The residual of one plane of a split image.

    Attributes
    ----------
    rms : float
        Its root mean square, in the units of the image.
    share : float
        The same, as a fraction of the standard deviation of the image.
    noise : float or None
        The standard deviation of the noise of the recordings added up, by their noise models.
        None if the method has no noise models, or if it was trained on recorded mixed images,
        which have the noise of a single recording.
    """

    rms: float
    share: float
    noise: float | None

    @property
    def summary(self) -> str:
        """The numbers in words.

        Examples
        --------
        >>> Unexplained(6.0, 0.2, 5.0).summary
        "rms 6, 20 % of the image's standard deviation and 1.2 times the expected noise"
        """
        number = f"rms {self.rms:.4g}, {percent(self.share)} of the image's standard deviation"
        if not self.noise:
            return number
        return f"{number} and {self.rms / self.noise:.1f} times the expected noise"


def unexplained(
    observation: Real[np.ndarray, "Y X"],
    residual: Real[np.ndarray, "Y X"],
    channels: Real[np.ndarray, "channels Y X"],
    model: Model,
) -> Unexplained:
    """Measure the residual of a plane of a split image.

    Parameters
    ----------
    observation
        The mixed image.
    residual
        The mixed image minus what the channels explain.
    channels
        The restored channels.
    model
        The splitter's model.
    """
    deviation = float(observation.std(dtype=np.float64))
    rms = math.sqrt(float(np.mean(residual.astype(np.float64) ** 2)))
    share = rms / deviation if deviation > 0 else math.inf
    return Unexplained(rms, share, _noise_of_mixture(channels, model))


def _noise_of_mixture(channels: Real[np.ndarray, "channels Y X"], model: Model) -> float | None:
    if model.mixture is None or model.mixture.recorded or not model.noise_models:
        return None
    variance = 0.0
    for channel, weight, noise in zip(
        channels, model.mixture.mixing.weights, model.noise_models, strict=True
    ):
        signal = torch.from_numpy(channel.astype(np.float64))
        variance += weight**2 * float(noise.moments(signal)[1].mean())
    return math.sqrt(variance)
