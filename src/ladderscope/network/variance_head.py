"""A head that predicts variances for every pixel of the output, beside the ladder's own output."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ladderscope.network.blocks import ELU, convolution
from ladderscope.network.latent import MOST_LOG_VARIANCE

# Of the variances of an output: the one for decoded samples, and the one for the posterior means
# alone. A head with a single variance has it for both.
WITH_SAMPLES, SINGLE_PASS = 0, -1


class VarianceHead(nn.Module):
    """A 3×3 convolution, an activation, and a 1×1 convolution to log-variances of each output.

    It reads the features from which the output is computed, and leaves the output as it is. What
    the variances mean depends on how the head is fitted.

    Parameters
    ----------
    dimensions : int
        2 or 3 spatial dimensions.
    channels : int
        Channels of the features.
    filters : int
        Channels of its own feature map.
    variances, outputs : int
        Log-variances per output and pixel, and outputs.

    Examples
    --------
    >>> VarianceHead(2, 8, 4, variances=1, outputs=2)(torch.zeros(1, 8, 5, 6)).shape
    torch.Size([1, 1, 2, 5, 6])
    """

    def __init__(
        self, dimensions: int, channels: int, filters: int, variances: int, outputs: int
    ) -> None:
        super().__init__()
        self.shape = (variances, outputs)
        self.features = nn.Sequential(convolution(dimensions, channels, filters), ELU())
        self.log_variance = convolution(dimensions, filters, variances * outputs, kernel=1)

    def forward(
        self, features: Float[Tensor, "batch channels *space"]
    ) -> Float[Tensor, "batch variances outputs *space"]:
        """Give the log-variances, at least in float32 and at most 10."""
        own = self.features(features)
        with torch.autocast(features.device.type, enabled=False):
            log_variance: Tensor = self.log_variance(own.to(self.log_variance.weight.dtype))
        limited = log_variance.clamp(max=MOST_LOG_VARIANCE)
        return limited.reshape(own.shape[0], *self.shape, *own.shape[2:])
