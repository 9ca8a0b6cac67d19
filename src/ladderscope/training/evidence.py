"""What a variance head learns from: patches decoded at their posterior means and from a sample."""

from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.network import SINGLE_PASS, WITH_SAMPLES, Decoded, LadderVAE
from ladderscope.training.share import Share


class Evidence(NamedTuple):
    """What one variance of a head learns from.

    Attributes
    ----------
    log_variance : Tensor
        The head's, of each channel.
    squared : Tensor
        Squared deviations, whose expectation is that variance and what is known of it.
    known : Tensor
        The part of their expectation that the head must not contain: the noise of targets.
    """

    log_variance: Float[Tensor, "batch channels *space"]
    squared: Float[Tensor, "batch channels *space"]
    known: Float[Tensor, "batch channels *space"]


class Twice(NamedTuple):
    """A batch decoded at the posterior means, and from one sample of each patch."""

    means: Decoded
    sample: Decoded


def decoded_twice(
    network: LadderVAE, observed: Float[Tensor, "batch views *space"], share: Share
) -> Twice:
    """Decode a batch twice, with variances; blind levels keep their means, as in prediction."""
    features = network.encode(observed)
    drawn = share.noise(network, features)
    noise = [part * (level >= network.blind_levels) for level, part in enumerate(drawn)]
    zeros = [torch.zeros_like(part) for part in drawn]
    means, sample = (
        network.decode(features, latents, priors=False, variance=True) for latents in (zeros, noise)
    )
    return Twice(means, sample)


def of_single_pass(decoded: Twice, channels: int, *, predicted: bool) -> Evidence:
    """Give what a single pass has to predict: how far samples of the signal are from its result.

    That is the squared distance of a decoded sample from the decoded means, to which the variance
    that the head predicts for the sample is added if a decoder has one.
    """
    squared = (decoded.sample.output - decoded.means.output)[:, :channels].square()
    if predicted:
        squared = squared + variance_of(decoded.sample, WITH_SAMPLES, channels).detach().exp()
    return Evidence(
        variance_of(decoded.means, SINGLE_PASS, channels), squared, torch.zeros_like(squared)
    )


def variance_of(
    decoded: Decoded, which: int, channels: int
) -> Float[Tensor, "batch channels *space"]:
    """Give one of the log-variances that the head predicts."""
    return cast(Tensor, decoded.log_variance)[:, which, :channels]
