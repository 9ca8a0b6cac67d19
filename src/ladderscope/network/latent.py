"""The latent of one level: its prior and posterior, and its part of the top-down pass."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ladderscope.network.blocks import Merge, Upsampling, convolution
from ladderscope.network.wanted import Rectangle, cropped

# Trained ladders stay below 4. Far from the training images, the exponential would be infinite.
MOST_LOG_VARIANCE = 10.0


class DiagonalGaussian(NamedTuple):
    """A Gaussian over a spatial map with independent entries.

    Attributes
    ----------
    mean, log_variance : Tensor
        Shape (batch, latent channels, [Z] Y X), at least float32. The prior of the top level has
        size 1 along the axes on which it does not depend.
    """

    mean: Float[Tensor, "batch channels *space"]
    log_variance: Float[Tensor, "batch channels *space"]

    def sample(self, noise: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Turn standard-normal noise into a sample; zeros give the mean.

        The log-variance is limited to 10, which keeps samples finite.
        """
        limited = self.log_variance.clamp(max=MOST_LOG_VARIANCE)
        return self.mean + torch.exp(0.5 * limited) * noise


class Level(NamedTuple):
    """The latent of one level in one decoding.

    Attributes
    ----------
    posterior : DiagonalGaussian or None
        q(z | coarser levels, observation); None if the prior was sampled, as on blind levels.
    prior : DiagonalGaussian or None
        p(z | coarser levels); None if it was not requested.
    sample : Tensor
        z, shape (batch, latent channels, [Z] Y X).
    """

    posterior: DiagonalGaussian | None
    prior: DiagonalGaussian | None
    sample: Float[Tensor, "batch channels *space"]


class Rung(nn.Module):
    """One level of the top-down pass: its prior, its posterior, and the path to the next level.

    The top rung has no coarser level above it: its posterior depends on the bottom-up features
    alone, and its prior is a learned tensor of the ladder.

    Parameters
    ----------
    dimensions, channels, latent_channels : int
        Spatial dimensions, channels of the feature maps, and latent channels.
    block : callable
        Makes a residual block.
    blocks : int
        Number of residual blocks after the upsampling.
    variance_map : torch.nn.Module
        Turns the second half of the convolution's output into a log-variance.
    top : bool
        Whether this is the top rung.
    blind : bool
        Whether the level never sees the image; it then has a prior and no posterior.
    posterior_scale : float
        Factor on the features from which the posterior is computed.
    """

    def __init__(
        self,
        dimensions: int,
        channels: int,
        latent_channels: int,
        block: Callable[[], nn.Module],
        blocks: int,
        variance_map: nn.Module,
        *,
        top: bool,
        blind: bool = False,
        posterior_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.variance_map = variance_map
        self.posterior_scale = posterior_scale
        if not top:
            self.to_prior = convolution(dimensions, channels, 2 * latent_channels)
            if not blind:
                self.merge = Merge(dimensions, channels, block)
            self.skip_merge = Merge(dimensions, channels, block)
        if not blind:
            self.to_posterior = convolution(dimensions, channels, 2 * latent_channels)
        self.from_sample = convolution(dimensions, latent_channels, channels)
        self.down = nn.Sequential(
            Upsampling(dimensions, channels), *(block() for _ in range(blocks))
        )

    def gaussian(self, raw: Float[Tensor, "batch channels *space"]) -> DiagonalGaussian:
        """Split a map into mean and log-variance, at least in float32."""
        if raw.dtype in (torch.bfloat16, torch.float16):
            raw = raw.float()
        mean, raw_log_variance = raw.chunk(2, dim=1)
        return DiagonalGaussian(mean, self.variance_map(raw_log_variance))

    def prior(self, above: Float[Tensor, "batch channels *space"]) -> DiagonalGaussian:
        """p(z | coarser levels)."""
        return self.gaussian(self.to_prior(above))

    def posterior(
        self,
        bottom_up: Float[Tensor, "batch channels *space"],
        above: Float[Tensor, "batch channels *space"] | None,
    ) -> DiagonalGaussian:
        """q(z | coarser levels, observation)."""
        features = bottom_up if above is None else self.merge(bottom_up, above)
        if self.posterior_scale != 1:
            features = features * self.posterior_scale
        return self.gaussian(self.to_posterior(features))

    def descend(
        self,
        sample: Float[Tensor, "batch latent *space"],
        above: Float[Tensor, "batch channels *space"] | None,
        kept: Rectangle,
    ) -> Float[Tensor, "batch channels *finer_space"]:
        """Combine the sample with the features of all coarser levels, for the next finer level.

        `kept` is the part of the map that this level needs.
        """
        features = self.from_sample(sample)
        if above is not None:
            features = self.skip_merge(features, above)
        return self.down(cropped(features, kept))
