"""Whether what was removed from an image is the camera noise and nothing else."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Real

from ladderscope.errors import LadderscopeError

if TYPE_CHECKING:
    from ladderscope.noise import NoiseModel

_STRUCTURED = 0.05  # a correlation that the eye sees in the residual
_VARIANCE_RANGE = (0.8, 1.25)
_STANDARD_ERRORS = 4


@dataclass(frozen=True)
class ResidualCheck:
    """The residual, an image minus its restoration, in units of the noise.

    Attributes
    ----------
    variance : float
        Variance of the residual, with each pixel divided by the standard deviation of its noise; 1
        if exactly the noise was removed.
    correlation : float
        Of neighbouring pixels of the residual, the mean of the horizontal and the vertical
        correlation; 0 for noise that is independent from pixel to pixel. Where the noise model is
        one of correlated noise, the residual is whitened first, and 0 is for noise that is
        correlated as the model predicts.
    verdict : str
        What this means, in words.
    """

    variance: float
    correlation: float
    verdict: str


def residual_check(
    observation: Real[np.ndarray, "*planes Y X"],
    restoration: Real[np.ndarray, "*planes Y X"],
    noise_model: "NoiseModel",
) -> ResidualCheck:
    """Compare the residual with the noise that the noise model expects.

    Parameters
    ----------
    observation, restoration
        The noisy and the restored image of one channel, in grey levels.
    noise_model
        The noise model of that channel.

    Raises
    ------
    LadderscopeError
        The shapes differ, or there are fewer than 2×2 pixels.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> noise = np.random.default_rng(0).normal(0.0, 3.0, (128, 128))
    >>> check = residual_check(noise + 10, np.full((128, 128), 10.0), Gaussian(3.0))
    >>> round(check.variance, 1), abs(check.correlation) < 0.03
    (1.0, True)
    """
    if observation.shape != restoration.shape or min(observation.shape[-2:], default=0) < 2:
        raise LadderscopeError(
            f"the image has shape {observation.shape} and the restoration {restoration.shape}: "
            "the residual needs two images of the same shape, of at least 2×2 pixels"
        )
    residual, whitened = _standardised(observation, restoration, noise_model)
    variance = float(residual.var())
    residual = whitened - whitened.mean()
    correlation = 0.5 * (
        _correlation(residual[..., :, 1:], residual[..., :, :-1])
        + _correlation(residual[..., 1:, :], residual[..., :-1, :])
    )
    correlated = noise_model.pixelwise is not noise_model
    verdict = _verdict(variance, correlation, residual.size, correlated)
    return ResidualCheck(variance, correlation, verdict)


def _standardised(
    observation: Real[np.ndarray, "..."],
    restoration: Real[np.ndarray, "..."],
    noise_model: "NoiseModel",
) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
    """Give the residual in units of the noise, and the same whitened."""
    import torch

    signal = torch.from_numpy(restoration.astype(np.float64))
    mean, variance = noise_model.moments(signal)
    deviation: Float64[np.ndarray, "..."] = np.sqrt(variance.numpy())
    residual = (observation.astype(np.float64) - mean.numpy()) / deviation
    return residual, noise_model.whitened(torch.from_numpy(residual)).numpy()


def _correlation(one: Float64[np.ndarray, "..."], other: Float64[np.ndarray, "..."]) -> float:
    norm = math.sqrt(float(np.vdot(one, one)) * float(np.vdot(other, other)))
    return float(np.vdot(one, other)) / norm if norm > 0 else 0.0


def _verdict(variance: float, correlation: float, pixels: int, correlated: bool) -> str:
    chance = _STANDARD_ERRORS / math.sqrt(2 * pixels)
    low, high = _VARIANCE_RANGE
    if correlation > max(_STRUCTURED, chance):
        if correlated:
            return (
                "The residual is structured: neighbouring pixels are more strongly correlated than "
                "the noise model predicts. Either part of the image was removed with the noise, or "
                "the noise model underestimates how far the noise extends."
            )
        return (
            "The residual is structured: neighbouring pixels are correlated. Either part of the "
            "image was removed with the noise, or the camera noise is itself correlated."
        )
    if correlation < -max(_STRUCTURED, chance):
        return (
            "The residual alternates from pixel to pixel more than independent noise does. Either "
            "some noise remains in the restoration, or the image was sharpened beforehand."
        )
    if variance < low:
        return (
            "Less was removed than the expected noise. Either some noise remains in the "
            "restoration, or the noise model overestimates the noise."
        )
    if variance > high:
        return (
            "More was removed than the expected noise. Either part of the image was removed with "
            "it, or the noise model underestimates the noise."
        )
    return (
        "The residual looks like camera noise alone: it has the expected variance and no structure."
    )
