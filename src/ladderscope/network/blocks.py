"""The pieces that every level of the ladder is made of, in the order in which data meets them."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

Activation = Callable[[], nn.Module]

_CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
_UPWARD: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
_BATCH_NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}
_DROPOUT: dict[int, type[nn.Dropout2d] | type[nn.Dropout3d]] = {2: nn.Dropout2d, 3: nn.Dropout3d}


def convolution(dimensions: int, inputs: int, outputs: int, kernel: int = 3) -> nn.Module:
    """Make a convolution that keeps the size of the map."""
    return _CONVOLUTION[dimensions](inputs, outputs, kernel, padding=kernel // 2)


def upsampling(dimensions: int, channels: int) -> nn.Module:
    """Make the transposed convolution that doubles Y and X, and keeps Z."""
    depth = dimensions - 2
    stride: Any = (1,) * depth + (2, 2)
    output_padding: Any = (0,) * depth + (1, 1)
    return _UPWARD[dimensions](
        channels, channels, 3, stride=stride, padding=1, output_padding=output_padding
    )


class Downsampling(nn.Module):
    """The strided convolution that halves Y and X, and keeps Z."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        stride: Any = (1,) * (dimensions - 2) + (2, 2)
        self.convolution = _CONVOLUTION[dimensions](channels, channels, 3, stride, padding=1)

    def forward(
        self, features: Float[Tensor, "batch channels *space"]
    ) -> Float[Tensor, "batch channels *coarser_space"]:
        """Halve the map."""
        if features.shape[-1] > 2:
            return self.convolution(features)
        # Where the output is one column wide, oneDNN's strided bfloat16 convolution reads memory
        # that nobody has written (seen with torch 2.13).
        with torch.autocast(features.device.type, enabled=False):
            return self.convolution(features.to(self.convolution.weight.dtype))


class Gate(nn.Module):
    """Two convolutions: the one, activated, is scaled by the sigmoid of the other."""

    def __init__(
        self, dimensions: int, channels: int, activation: Activation, kernel: int = 1
    ) -> None:
        super().__init__()
        # One convolution to twice the channels is the same, but in the channels-last format its
        # halves are not contiguous, and activating them takes several times as long.
        self.value = convolution(dimensions, channels, channels, kernel)
        self.gate = convolution(dimensions, channels, channels, kernel)
        self.activation = activation()

    def forward(
        self, features: Float[Tensor, "batch channels *space"]
    ) -> Float[Tensor, "batch channels *space"]:
        """Gate the features."""
        return self.activation(self.value(features)) * torch.sigmoid(self.gate(features))


class ResidualBlock(nn.Module):
    """Twice (normalisation, activation, 3×3 convolution, dropout), a gate, and the input added.

    Parameters
    ----------
    dimensions : int
        2 or 3 spatial dimensions.
    channels : int
        Channels of input and output.
    activation : callable
        Makes the activation module, such as ``torch.nn.ELU``.
    batch_norm : bool
        Whether batch normalisation precedes each activation.
    dropout : float
        Probability with which a whole channel is dropped in training.
    gated : bool
        Whether the gate closes the block.
    """

    def __init__(
        self,
        dimensions: int,
        channels: int,
        activation: Activation,
        *,
        batch_norm: bool = False,
        dropout: float = 0.0,
        gated: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            if batch_norm:
                layers.append(_BATCH_NORM[dimensions](channels))
            layers += [activation(), convolution(dimensions, channels, channels)]
            if dropout:
                layers.append(_DROPOUT[dimensions](dropout))
        if gated:
            layers.append(Gate(dimensions, channels, activation))
        self.residual = nn.Sequential(*layers)

    def forward(
        self, features: Float[Tensor, "batch channels *space"]
    ) -> Float[Tensor, "batch channels *space"]:
        """Add the block's residual to its input."""
        return features + self.residual(features)


class Merge(nn.Module):
    """Two maps into one: concatenated, mixed by a 1×1 convolution, and a residual block."""

    def __init__(self, dimensions: int, channels: int, block: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.mix = convolution(dimensions, 2 * channels, channels, kernel=1)
        self.block = block()

    def forward(
        self,
        first: Float[Tensor, "batch channels *space"],
        second: Float[Tensor, "batch channels *space"],
    ) -> Float[Tensor, "batch channels *space"]:
        """Merge two maps of the same shape."""
        return self.block(self.mix(torch.cat((first, second), dim=1)))
