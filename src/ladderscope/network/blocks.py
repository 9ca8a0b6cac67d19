"""The pieces that every level of the ladder is made of, in the order in which data meets them."""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Activation = Callable[[], nn.Module]

_CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
_BATCH_NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}
_DROPOUT: dict[int, type[nn.Dropout2d] | type[nn.Dropout3d]] = {2: nn.Dropout2d, 3: nn.Dropout3d}


def convolution(dimensions: int, inputs: int, outputs: int, kernel: int = 3) -> nn.Module:
    """Make a convolution that keeps the size of the map."""
    return _CONVOLUTION[dimensions](inputs, outputs, kernel, padding=kernel // 2)


class ELU(nn.Module):
    """The exponential linear unit, its gradient taken from the result.

    `torch.nn.ELU` takes it from the input, by a second exponential. The result is kept for the
    convolution that follows anyway. Compiled, it is this that keeps the gradients on their way
    through an activation and batch normalisation out of memory.
    """

    def forward(self, features: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Let what is positive through, and the exponential minus one of what is not."""
        return _ELU.apply(features)  # type: ignore[no-untyped-call]


class _ELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        result = functional.elu(features)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        return torch.ops.aten.elu_backward(gradient, 1, 1, 1, True, result)


class Upsampling(nn.Module):
    """The transposed convolution that doubles Y and X, and keeps Z."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        depth = dimensions - 2
        self.stride: Any = (1,) * depth + (2, 2)
        self.output_padding: Any = (0,) * depth + (1, 1)
        self.transposed = (functional.conv_transpose2d, functional.conv_transpose3d)[depth]
        initial = (nn.ConvTranspose2d, nn.ConvTranspose3d)[depth](channels, channels, 3)
        self.weight, self.bias = initial.weight, cast(nn.Parameter, initial.bias)

    def forward(
        self, features: Float[Tensor, "batch channels *space"]
    ) -> Float[Tensor, "batch channels *finer_space"]:
        """Double the map."""
        # A bias within is free, but its gradient takes oneDNN several times as long as the other
        # gradients of a transposed convolution together (seen with torch 2.13).
        within = None if torch.is_grad_enabled() else self.bias
        finer = self.transposed(features, self.weight, within, self.stride, 1, self.output_padding)
        if within is None:
            finer += self.bias.to(finer.dtype).view(-1, *(1,) * (finer.ndim - 2))
        return finer


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
        self,
        features: Float[Tensor, "batch channels *space"],
        added_to: Float[Tensor, "batch channels *space"] | None = None,
    ) -> Float[Tensor, "batch channels *space"]:
        """Gate the features, and add them to others if there are any."""
        value, gate = self.activation(self.value(features)), torch.sigmoid(self.gate(features))
        return value * gate if added_to is None else torch.addcmul(added_to, value, gate)


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
        self.gated = gated
        self.residual = nn.Sequential(*layers)

    def forward(
        self, features: Float[Tensor, "batch channels *space"]
    ) -> Float[Tensor, "batch channels *space"]:
        """Add the block's residual to its input."""
        if not self.gated:
            return features + self.residual(features)
        *layers, gate = self.residual
        residual = features
        for layer in layers:
            residual = layer(residual)
        return gate(residual, added_to=features)


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
