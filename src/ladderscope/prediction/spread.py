"""What the standard deviation of a restoration is made of: the law of total variance at work."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from jaxtyping import Float
from torch import Tensor

from ladderscope.network import SINGLE_PASS, WITH_SAMPLES, Decoded, LadderVAE
from ladderscope.network.latent import MOST_LOG_VARIANCE


class Parts(NamedTuple):
    """Which of two variances add up to that of the signal; without any it is unknown.

    Attributes
    ----------
    samples : bool
        The variance of the decoded samples.
    decoder : bool
        The variance that the network predicts: its mean over the samples, or, of the posterior
        means alone, that of a single pass.
    """

    samples: bool
    decoder: bool


SAMPLES_ALONE = Parts(samples=True, decoder=False)
# For a network, the number of its outputs that are channels, and the number of samples.
Law: TypeAlias = Callable[[LadderVAE, int, int], Parts]


def of_posterior(network: LadderVAE, outputs: int, samples: int) -> Parts:
    """Say what makes the spread of a denoiser: samples, or the head that was fitted to them.

    A denoiser decodes a signal from each sample, and the noise model has the rest: log-variances
    among the outputs would be those of an observation.

    Examples
    --------
    >>> of_posterior(LadderVAE(latent_channels=(2,), filters=4, variance_filters=2), 1, samples=0)
    Parts(samples=False, decoder=True)
    """
    return Parts(samples > 1, samples == 0 and network.variance_head is not None)


def of_prediction(network: LadderVAE, outputs: int, samples: int) -> Parts:
    """Say what makes the spread of a splitter: what the latents leave open, and the decoder.

    Var[s] = Var[E[s | z]] + E[Var[s | z]]; a single pass predicts the sum.

    Examples
    --------
    >>> of_prediction(LadderVAE(output_channels=4, latent_channels=(2,), filters=4), 2, samples=9)
    Parts(samples=True, decoder=True)
    """
    predicted = network.variance_head is not None or network.output_channels == 2 * outputs
    return Parts(samples > 1, predicted)


def decoder_variance(
    decoded: Decoded, outputs: int, samples: int
) -> Float[Tensor, "batch outputs *space"]:
    """Give the variance of each channel: the head's, or that among the outputs."""
    if decoded.log_variance is not None:
        which = WITH_SAMPLES if samples else SINGLE_PASS
        return decoded.log_variance[:, which, :outputs].exp()
    return decoded.output[:, outputs:].clamp(max=MOST_LOG_VARIANCE).exp()
