"""What the channels of a split image leave unexplained, as numbers and in words."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Real

from ladderscope.evaluation import residual_check
from ladderscope.models.file import Model
from ladderscope.noise import Gaussian

STRUCTURED = 0.1  # where what is smooth holds a tenth of the residual's variance, noise the rest
_MUCH_LARGER = 1.5  # than the noise
_LARGE = 0.1  # of the image's standard deviation, where the noise is not known


@dataclass(frozen=True)
class Unexplained:
    """The residual of one plane of a split image.

    Attributes
    ----------
    rms : float
        Its root mean square, in the units of the image.
    share : float
        The same, divided by the standard deviation of the image.
    correlation : float
        Of a pixel with its neighbours: 0 for noise that is independent from pixel to pixel.
    noise : float or None
        The standard deviation of the noise in a mixture of recordings, by their noise models;
        None where the method has none, or where mixed images were recorded to train on, as these
        have the noise of one recording.
    """

    rms: float
    share: float
    correlation: float
    noise: float | None

    @property
    def summary(self) -> str:
        """The numbers and the verdict."""
        return (
            f"rms {self.rms:.4g}, {100 * self.share:.0f} % of the image's standard deviation; "
            f"correlation of neighbours {self.correlation:+.3f}. {self.verdict}"
        )

    @property
    def verdict(self) -> str:
        """Say what this means."""
        is_large = (
            self.share > _LARGE if self.noise is None else self.rms > _MUCH_LARGER * self.noise
        )
        match self.correlation > STRUCTURED, is_large:
            case True, True:
                return (
                    "What is left is large and has structure: neighbouring pixels go together. "
                    "The image holds something that the training channels do not explain, such as "
                    "another structure, another brightness or blur. Do not trust the channels "
                    "where the residual shows shapes."
                )
            case True, False:
                size = "small" if self.noise is None else "about as strong as the noise, or weaker"
                return (
                    f"What is left is {size}, but has structure: neighbouring pixels go together. "
                    "Look at the residual for shapes that belong into a channel."
                )
            case False, True if self.noise is not None:
                return (
                    f"What is left has no structure, and is {self.rms / self.noise:.1f} times as "
                    "strong as the noise: the image is noisier than mixtures of the training "
                    "recordings."
                )
        return (
            "What is left looks like noise alone: the channels explain the image. That each part "
            "is in the right channel does not follow."
        )


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
        What is left of it without the channels.
    channels
        The restored channels.
    model
        The splitter's.
    """
    deviation = float(observation.std(dtype=np.float64))
    rms = math.sqrt(float(np.mean(residual.astype(np.float64) ** 2)))
    correlation = 0.0
    if min(residual.shape) > 1:
        unit = Gaussian(1.0)
        correlation = residual_check(residual, np.zeros_like(residual), unit).correlation
    return Unexplained(
        rms,
        rms / deviation if deviation > 0 else math.inf,
        correlation,
        _noise_of_mixture(channels, model),
    )


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
