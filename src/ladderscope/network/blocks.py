"""The layers that every level of the ladder is made of."""

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
    """Return a convolution that keeps the size of the map."""
    return _CONVOLUTION[dimensions](inputs, outputs, kernel, padding=kernel // 2)


class ELU(nn.Module):
    """The exponential linear unit, with its gradient computed from the result."""

    def forward(self, features: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return x where it is positive, and exp(x) − 1 elsewhere."""
        if not torch.is_grad_enabled():
            return functional.elu(features)
        return _ELU.apply(features)  # type: ignore[no-untyped-call]


class _ELU(torch.autograd.Function):
    # Autograd would keep the input and compute a second exponential. The result is kept anyway, for
    # the convolution that follows, and with it a compiled step need not write the gradients between
    # an activation and a batch normalisation to memory.
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
    """A transposed convolution that doubles Y and X and keeps Z."""

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
        """Double Y and X."""
        # As an argument the bias costs nothing, but its gradient takes oneDNN several times as long
        # as all other gradients of a transposed convolution together (measured with torch 2.13).
        within = None if torch.is_grad_enabled() else self.bias
        finer = self.transposed(features, self.weight, within, self.stride, 1, self.output_padding)
        if within is None:
            finer += self.bias.to(finer.dtype).view(-1, *(1,) * (finer.ndim - 2))
        return finer


class Downsampling(nn.Module):
    """A strided convolution that halves Y and X and keeps Z."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        stride: Any = (1,) * (dimensions - 2) + (2, 2)
        self.convolution = _CONVOLUTION[dimensions](channels, channels, 3, stride, padding=1)

    def forward(
        self, features: Float[Tensor, "batch channels *space"]
    ) -> Float[Tensor, "batch channels *coarser_space"]:
        """Halve Y and X."""
        if features.shape[-1] > 2:
            return self.convolution(features)
        # For an output of one column, oneDNN's strided bfloat16 convolution reads uninitialised
        # memory (seen with torch 2.13).
        with torch.autocast(features.device.type, enabled=False):
            return self.convolution(features.to(self.convolution.weight.dtype))


class Gate(nn.Module):
    """Two convolutions: the first, activated, is multiplied by the sigmoid of the second."""

    def __init__(
        self, dimensions: int, channels: int, activation: Activation, kernel: int = 1
    ) -> None:
        super().__init__()
        # A single convolution with twice the channels is equivalent, but its halves are not
        # contiguous in the channels-last format, which makes the activation several times slower.
        self.value = convolution(dimensions, channels, channels, kernel)
        self.gate = convolution(dimensions, channels, channels, kernel)
        self.activation = activation()

    def forward(
        self,
        features: Float[Tensor, "batch channels *space"],
        added_to: Float[Tensor, "batch channels *space"] | None = None,
    ) -> Float[Tensor, "batch channels *space"]:
        """Gate the features and, if given, add them to others."""
        value, gate = self.activation(self.value(features)), torch.sigmoid(self.gate(features))
        return value * gate if added_to is None else torch.addcmul(added_to, value, gate)


class ResidualBlock(nn.Module):
    """Twice (normalisation, activation, 3×3 convolution, dropout), a gate, and a skip connection.

    Parameters
    ----------
    dimensions : int
        2 or 3 spatial dimensions.
    channels : int
        Channels of the input and of the output.
    activation : callable
        Returns the activation module, such as ``torch.nn.ELU``.
    batch_norm : bool
        Whether batch normalisation precedes each activation.
    dropout : float
        Probability with which a whole channel is dropped in training.
    gated : bool
        Whether the block ends with a gate.
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
        """Add the residual to the input."""
        if not self.gated:
            return features + self.residual(features)
        *layers, gate = self.residual
        residual = features
        for layer in layers:
            residual = layer(residual)
        return gate(residual, added_to=features)


class Merge(nn.Module):
    """Two maps into one: concatenation, a 1×1 convolution, and a residual block."""

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
