"""What a network is built from: the bounded constructor arguments, as a file holds them."""

from functools import lru_cache
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ladderscope.errors import LadderscopeError
from ladderscope.machine import single_precision
from ladderscope.models.config import (
    LARGEST_KERNEL,
    LARGEST_PATCH,
    MOST_BLOCKS,
    MOST_CHANNELS,
    MOST_FILTERS,
    MOST_LEVELS,
    MOST_PARAMETERS,
    RestorerSettings,
    SplitterSettings,
)
from ladderscope.network import LadderVAE
from ladderscope.network.blocks import Activation
from ladderscope.words import counted

_HIGHEST_RAW_VARIANCE, _LEAST_VARIANCE = 20.0, 1e-6
_LARGEST_SCALE = 100.0
VARIANCE_FILTERS = 16  # at most, and half as many as the network has

Filters = Annotated[int, Field(ge=1, le=MOST_FILTERS)]
Blocks = Annotated[int, Field(ge=1, le=MOST_BLOCKS)]
Side = Annotated[int, Field(ge=1, le=LARGEST_PATCH)]
Scale = Annotated[float, Field(gt=0, le=_LARGEST_SCALE)]


class ELUVariance(nn.Module):
    """Reads a raw value r as the variance 1 + ELU(r), as CAREamics does.

    That is exp(r) up to 0 and 1 + r beyond. Values above 20 are clipped, and 10⁻⁶ is added.
    """

    def forward(self, raw: Tensor) -> Tensor:
        """Turn raw values into log-variances."""
        raw = raw.clamp(max=_HIGHEST_RAW_VARIANCE)
        return torch.log(torch.where(raw > 0, 1 + raw, raw.exp()) + _LEAST_VARIANCE)


_ACTIVATIONS: dict[str, Activation] = {
    "elu": nn.ELU,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softmax": lambda: nn.Softmax(dim=1),
    "identity": nn.Identity,
}
_VARIANCE_MAPS: dict[str, type[nn.Module]] = {"exp": nn.Identity, "elu": ELUVariance}


class Architecture(BaseModel):
    """The arguments that `LadderVAE` is built from.

    Attributes
    ----------
    output_channels, latent_channels, filters, blocks, first_blocks, decoder_blocks, \
first_kernel, batch_norm, dropout, dimensions, decoder_dimensions, views, posterior_scales, \
top_prior_size, blind_levels, variance_filters, variances
        As of `ladderscope.network.LadderVAE`.
    activation
        Name of the activation.
    variance
        How the variance of a latent is read from a raw value r: ``"exp"``, exp(r), or ``"elu"``,
        1 + ELU(r).

    Examples
    --------
    >>> Architecture(output_channels=1, latent_channels=(2, 3), filters=4).build().multiple
    4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    output_channels: Annotated[int, Field(ge=1, le=2 * MOST_CHANNELS)]
    latent_channels: Annotated[tuple[Filters, ...], Field(min_length=1, max_length=MOST_LEVELS)]
    filters: Filters
    blocks: Blocks = 1
    first_blocks: Blocks | None = None
    decoder_blocks: Blocks | None = None
    first_kernel: Annotated[int, Field(ge=1, le=LARGEST_KERNEL)] = 3
    batch_norm: bool = False
    dropout: Annotated[float, Field(ge=0, le=1)] = 0.0
    activation: Literal[
        "elu", "relu", "leaky_relu", "silu", "tanh", "sigmoid", "softmax", "identity"
    ] = "elu"
    variance: Literal["exp", "elu"] = "exp"
    dimensions: Literal[2, 3] = 2
    decoder_dimensions: Literal[2, 3] | None = None
    views: Annotated[int, Field(ge=1, le=MOST_LEVELS + 1)] = 1
    posterior_scales: (
        Annotated[tuple[Scale, ...], Field(min_length=1, max_length=MOST_LEVELS)] | None
    ) = None
    top_prior_size: Annotated[tuple[Side, ...], Field(min_length=2, max_length=3)] | None = None
    blind_levels: Annotated[int, Field(ge=0, lt=MOST_LEVELS)] = 0
    variance_filters: Annotated[int, Field(ge=0, le=MOST_FILTERS)] = 0
    variances: Literal[1, 2] = 1

    def build(self) -> LadderVAE:
        """Build the network, with random weights.

        Raises
        ------
        ValueError
            Two arguments contradict each other.
        """
        return LadderVAE(
            **self.model_dump(exclude={"activation", "variance"}),
            activation=_ACTIVATIONS[self.activation],
            variance_map=_VARIANCE_MAPS[self.variance](),
        )

    def in_words(self) -> str:
        """Describe the network.

        Examples
        --------
        >>> Architecture(output_channels=2, latent_channels=(4, 6), filters=32, views=3).in_words()
        '2 levels of 4 and 6 latent channels, 32 filters, elu, 3 views, 2 output channels'
        """
        *others, last = map(str, self.latent_channels)
        levels, latents = len(self.latent_channels), f"{', '.join(others)} and {last}"
        if len({*self.latent_channels}) == 1:
            latents = last
        parts = [
            f"{counted(levels, 'level')} of {latents} latent channels",
            f"{self.filters} filters",
            self.activation,
            *([f"{self.views} views"] if self.views > 1 else []),
            counted(self.output_channels, "output channel"),
        ]
        if self.dimensions == 3:
            flat = self.decoder_dimensions == 2
            parts.append("restores the middle plane of a stack" if flat else "3-D")
        return ", ".join(parts)


def architecture_of(settings: RestorerSettings) -> Architecture:
    """Derive the architecture of the network from the settings.

    There is one output per channel, and its log-variance where the objective asks for it.

    Examples
    --------
    >>> architecture_of(SplitterSettings(variance="predicted", steps=1)).output_channels
    4
    """
    outputs = 1
    if isinstance(settings, SplitterSettings):
        predicted = settings.variance == "predicted" and settings.method != "denoisplit"
        outputs = settings.channels * (2 if predicted else 1)
    return Architecture(
        output_channels=outputs,
        latent_channels=(settings.latent_channels,) * settings.levels,
        filters=settings.filters,
        blocks=settings.blocks,
        first_kernel=settings.first_kernel,
        batch_norm=settings.batch_norm,
        dropout=settings.dropout,
        activation=settings.activation,
        blind_levels=settings.blind_levels,
        dimensions=settings.dimensions,
        views=settings.context,
    )


def with_variance_head(architecture: Architecture, variances: int) -> Architecture:
    """Give the architecture of the same network with a variance head.

    Examples
    --------
    >>> with_variance_head(Architecture(output_channels=1, latent_channels=(2,), filters=8), 2)
    ... # doctest: +ELLIPSIS
    Architecture(output_channels=1, ..., variance_filters=4, variances=2)
    """
    filters = min(VARIANCE_FILTERS, -(-architecture.filters // 2))
    return architecture.model_copy(update={"variance_filters": filters, "variances": variances})


def check_agreement(architecture: Architecture, settings: RestorerSettings) -> None:
    """Check that the input and output of the network agree with the settings.

    Raises
    ------
    ValueError
        Naming the setting.
    """
    channels = settings.channels if isinstance(settings, SplitterSettings) else 1
    if architecture.output_channels not in (channels, 2 * channels):
        raise ValueError(f"{architecture.output_channels} output_channels for {channels} channels")
    built = {
        "levels": len(architecture.latent_channels),
        "dimensions": architecture.dimensions,
        "context": architecture.views,
        "blind_levels": architecture.blind_levels,
    }
    for name, value in built.items():
        if getattr(settings, name) != value:
            raise ValueError(
                f"settings.{name} is {getattr(settings, name)}, but the network has {value}"
            )


def network_of(architecture: Architecture) -> LadderVAE:
    """Make the network, with random weights.

    Raises
    ------
    LadderscopeError
        As of `weights_of`.
    """
    weights_of(architecture)
    return _channels_last(architecture.build())


def unfilled_network_of(architecture: Architecture) -> LadderVAE:
    """Make the network without weights, which are loaded afterwards.

    No random numbers are drawn, so a training in another thread is not disturbed.

    Raises
    ------
    LadderscopeError
        As of `weights_of`.
    """
    weights_of(architecture)
    with single_precision(), torch.device("meta"):
        network = architecture.build()
    return _channels_last(network.to_empty(device="cpu"))


def weights_of(architecture: Architecture) -> dict[str, Tensor]:
    """List the weights of the network as empty tensors: nothing is allocated.

    Raises
    ------
    LadderscopeError
        There would be more than 250 million parameters, or the arguments contradict each other.

    Examples
    --------
    >>> from ladderscope.models import DenoiserSettings
    >>> settings = DenoiserSettings(filters=8, minutes=5)
    >>> weights_of(architecture_of(settings))["output.weight"].shape
    torch.Size([1, 8, 3, 3])
    """
    try:
        weights = dict(_weights(architecture))
    except ValueError as error:
        raise LadderscopeError(f"the network cannot be built: {error}") from error
    parameters = sum(value.numel() for value in weights.values())
    if parameters > MOST_PARAMETERS:
        raise LadderscopeError(
            f"the network would have {parameters:,} parameters, and at most {MOST_PARAMETERS:,} "
            "are allowed: give fewer filters, blocks or levels"
        )
    return weights


@lru_cache(maxsize=4)  # opening a model needs them twice
def _weights(architecture: Architecture) -> tuple[tuple[str, Tensor], ...]:
    with torch.device("meta"):
        return tuple(architecture.build().state_dict().items())


def _channels_last(network: LadderVAE) -> LadderVAE:
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for weight in network.parameters():  # both kinds, for a 3-D encoder with a 2-D decoder
        if weight.ndim in layouts:
            weight.data = weight.data.to(memory_format=layouts[weight.ndim])
    return network
