"""A ladder for prediction alone, whose arithmetic between convolutions is compiled.

A convolution of few channels takes about as long as the activations around it, if each of these
goes over the map by itself and computes exponentials to the last digit of float32. Here a compiled
pass computes an activation or a gate at once, and, for maps in bfloat16, just exactly enough.
"""

import copy
from collections.abc import Callable
from functools import cache, partial
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ladderscope.network.blocks import ELU, Gate
from ladderscope.network.ladder import LadderVAE

_WIDE = 4  # side of the square of outputs that one position of a wide convolution computes


def fused(network: LadderVAE) -> LadderVAE:
    """Copy a network for prediction, with compiled activations and gates.

    The first maps of each type compile the arithmetic, or load it from the compiler's cache.

    Parameters
    ----------
    network : LadderVAE
        In evaluation mode.

    Examples
    --------
    >>> type(fused(LadderVAE(latent_channels=(2,), filters=4)).first[1]).__name__
    'FusedELU'
    """
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Gate) and isinstance(child.activation, ELU):
                setattr(parent, name, FusedGate(child))
            elif isinstance(child, ELU):
                setattr(parent, name, FusedELU())
    if isinstance(network.output, nn.Conv2d):
        network.output = WideConvolution(network.output)
    return network


class FusedELU(nn.Module):
    """The exponential linear unit in one compiled pass."""

    def forward(self, features: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Activate the features."""
        return _in_one_pass(_elu, features)


class FusedGate(nn.Module):
    """A gate with ELU, in one compiled pass after its convolutions."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.value, self.gate = gate.value, gate.gate

    def forward(
        self,
        features: Float[Tensor, "batch channels *space"],
        added_to: Float[Tensor, "batch channels *space"] | None = None,
    ) -> Float[Tensor, "batch channels *space"]:
        """Gate the features and, if given, add them to others."""
        value, gate = self.value(features), self.gate(features)
        if added_to is None:
            return _in_one_pass(_gated, value, gate)
        return _in_one_pass(_gated, value, gate, added_to)


class WideConvolution(nn.Module):
    """A 3×3 convolution to few channels, computed for a square of positions at once.

    Processors convolve to one channel several times as slowly as to sixteen. The kernel of a
    square covers all of its positions' kernels, each with weights in its own part alone.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        weight, bias = convolution.weight, cast(Tensor, convolution.bias)
        outputs, inputs, side, _ = weight.shape
        wide = weight.new_zeros(outputs, _WIDE, _WIDE, inputs, *(side + _WIDE - 1,) * 2)
        for row in range(_WIDE):
            for column in range(_WIDE):
                wide[:, row, column, :, row : row + side, column : column + side] = weight
        wide = wide.flatten(0, 2).contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(wide, requires_grad=False)
        self.bias = nn.Parameter(bias.repeat_interleave(_WIDE**2), requires_grad=False)

    def forward(
        self, features: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch outputs rows columns"]:
        """Convolve the features."""
        rows, columns = features.shape[-2:]
        padding = (1, 1 + -columns % _WIDE, 1, 1 + -rows % _WIDE)
        if max(padding) > 1:
            features, margin = functional.pad(features, padding), 0
        else:
            margin = 1
        squares = functional.conv2d(features, self.weight, self.bias, _WIDE, margin)
        return functional.pixel_shuffle(squares, _WIDE)[..., :rows, :columns]


def _in_one_pass(function: Callable[..., Tensor], *maps: Tensor) -> Tensor:
    """Apply a function of numbers to maps of one shape."""
    first = maps[0]
    if first.ndim == 4:
        maps = tuple(part.contiguous(memory_format=torch.channels_last) for part in maps)
        result = _compiled(function)(*(part.permute(0, 2, 3, 1).flatten() for part in maps))
        batch, channels, *space = first.shape
        return result.view(batch, *space, channels).permute(0, 3, 1, 2)
    return _compiled(function)(*(part.flatten() for part in maps)).view(first.shape)


@cache
def _compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    whole: Any = partial(torch.compile, function, dynamic=True)
    try:
        return whole(options={"cpp.enable_floating_point_contract_flag": "fast"})
    except RuntimeError:  # earlier versions of torch have no such option, or another
        return whole()


def _elu(features: Tensor) -> Tensor:
    if not _may_be_rough(features):
        return functional.elu(features)
    return _rough_elu(features.float()).to(features.dtype)


def _gated(value: Tensor, gate: Tensor, added_to: Tensor | None = None) -> Tensor:
    if not _may_be_rough(value):
        gated = functional.elu(value) * torch.sigmoid(gate)
    else:
        gated = _rough_elu(value.float()) * _rough_sigmoid(gate.float())
    if added_to is not None:
        gated = added_to + gated
    return gated.to(value.dtype)


def _may_be_rough(features: Tensor) -> bool:
    # Where torch gives up compiling, its own functions take less time than the steps of these.
    return features.dtype == torch.bfloat16 and torch.compiler.is_compiling()


def _rough_elu(features: Tensor) -> Tensor:
    return torch.where(features > 0, features, _rough_exponential(features) - 1)


def _rough_sigmoid(features: Tensor) -> Tensor:
    small = _rough_exponential(-features.abs())
    return torch.where(features > 0, 1.0, small) / (1 + small)


def _rough_exponential(negative: Tensor) -> Tensor:
    """e^x for x ≤ 0 with an error of 8e-5 at most, a hundredth of bfloat16's step below 1.

    The eighth power of a cubic approximation of e^(x/8), whose coefficients minimise the largest
    error; below −8 it is constant.
    """
    eighth = negative / 8
    eighth = torch.where(eighth < -1, -1.0, eighth)
    root = 1 + eighth * (1 + eighth * (0.4955332 + eighth * 0.13764736))
    squared = root * root
    fourth = squared * squared
    return fourth * fourth
