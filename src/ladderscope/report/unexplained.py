"""What the channels of a split image leave unexplained, in numbers and in words."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Real

from ladderscope.evaluation import residual_check
from ladderscope.models.file import Model
from ladderscope.noise import Gaussian
from ladderscope.words import percent

STRUCTURED = 0.1  # a tenth of the residual's variance is smooth, the rest is noise
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
        The same, as a fraction of the standard deviation of the image.
    correlation : float
        Of neighbouring pixels: 0 for noise that is independent from pixel to pixel.
    noise : float or None
        The standard deviation of the noise of the recordings added up, by their noise models.
        None if the method has no noise models, or if it was trained on recorded mixed images,
        which have the noise of a single recording.
    """

    rms: float
    share: float
    correlation: float
    noise: float | None

    @property
    def summary(self) -> str:
        """The numbers and the verdict."""
        return (
            f"rms {self.rms:.4g}, {percent(self.share)} of the image's standard deviation; "
            f"correlation of neighbouring pixels {self.correlation:+.3f}. {self.verdict}"
        )

    @property
    def verdict(self) -> str:
        """What this means, in one or two sentences."""
        is_large = (
            self.share > _LARGE if self.noise is None else self.rms > _MUCH_LARGER * self.noise
        )
        match self.correlation > STRUCTURED, is_large:
            case True, True:
                return (
                    "The residual is large and structured: neighbouring pixels are correlated. The "
                    "image contains something that the training channels do not explain, such as "
                    "another structure, or another brightness or blur. Do not trust the channels "
                    "where the residual shows structures."
                )
            case True, False:
                size = "small" if self.noise is None else "about as strong as the noise or weaker"
                return (
                    f"The residual is {size}, but structured: neighbouring pixels are correlated. "
                    "Look for structures in the residual that belong in a channel."
                )
            case False, True if self.noise is not None:
                return (
                    f"The residual has no structure, but is {self.rms / self.noise:.1f} times as "
                    "strong as the expected noise: the image is noisier than the training "
                    "recordings added up."
                )
        return (
            "The residual looks like noise alone: the channels explain the image. This does not "
            "prove that every structure is in the right channel."
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
        The mixed image minus what the channels explain.
    channels
        The restored channels.
    model
        The splitter's model.
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
