"""The constructor arguments of a CAREamics network, by which formats 1 and 2 stored it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ladderscope.models.architecture import Architecture
from ladderscope.models.config import (
    LARGEST_PATCH,
    MOST_BLOCKS,
    MOST_CHANNELS,
    MOST_DEPTH,
    MOST_FILTERS,
    MOST_LEVELS,
)

Dropout = Annotated[float, Field(ge=0, le=1)]
Axes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=LARGEST_PATCH)], ...], Field(min_length=2, max_length=3)
]
Filters = Annotated[int, Field(ge=1, le=MOST_FILTERS)]
Blocks = Annotated[int, Field(ge=1, le=MOST_BLOCKS)]
_ACTIVATIONS = {"None": "identity", "LeakyReLU": "leaky_relu"}


class LVAEConfig(BaseModel):
    """The constructor arguments of CAREamics' ladder VAE, under its names.

    Attributes
    ----------
    input_shape
        ([Z] Y X) of the patches that it was trained on.
    output_channels, z_dims
        Channels of the target, and latent channels of each level, finest first.
    multiscale_count
        Views: the patch and its lateral-context inputs.
    encoder_n_filters, decoder_n_filters
        Channels of the feature maps, the same number.
    encoder_conv_strides, decoder_conv_strides
        (2, 2) in 2-D, (1, 2, 2) in 3-D.
    encoder_dropout, decoder_dropout
        Probability with which a channel is dropped in training.
    encoder_blocks_per_layer, decoder_blocks_per_layer
        Residual blocks of each level. Up to version 0.3.5 there is one, and no such argument.
    nonlinearity
        Name of the activation.
    predict_logvar
        ``"pixelwise"`` if a log-variance is predicted in as many further channels.
    analytical_kl
        Whether the KL is computed in closed form or estimated from the sample.

    Notes
    -----
    All are bounded as our own settings are: at most 10 levels, 8 blocks, 1,024 filters and latent
    channels of a level, 64 output channels, patches of 4,096 pixels and 1,024 planes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_shape: Axes
    output_channels: Annotated[int, Field(ge=1, le=MOST_CHANNELS)]
    multiscale_count: Annotated[int, Field(ge=1, le=MOST_LEVELS + 1)]
    z_dims: Annotated[tuple[Filters, ...], Field(min_length=1, max_length=MOST_LEVELS)]
    encoder_n_filters: Filters
    decoder_n_filters: Filters
    encoder_conv_strides: Axes
    decoder_conv_strides: Axes
    encoder_dropout: Dropout
    decoder_dropout: Dropout
    encoder_blocks_per_layer: Blocks = 1
    decoder_blocks_per_layer: Blocks = 1
    nonlinearity: Literal["None", "Sigmoid", "Softmax", "Tanh", "ReLU", "LeakyReLU", "ELU"]
    predict_logvar: Literal["pixelwise"] | None = None
    analytical_kl: bool

    @model_validator(mode="after")
    def _is_a_network(self) -> "LVAEConfig":
        for strides in (self.encoder_conv_strides, self.decoder_conv_strides):
            if strides not in ((2, 2), (1, 2, 2)):
                raise ValueError(f"strides must be [2, 2] or [1, 2, 2], not {list(strides)}")
        dimensions = len(self.encoder_conv_strides)
        if len(self.input_shape) != dimensions or len(self.decoder_conv_strides) > dimensions:
            raise ValueError(
                f"input_shape {list(self.input_shape)}, encoder_conv_strides of {dimensions} and "
                f"decoder_conv_strides of {len(self.decoder_conv_strides)} axes do not go together"
            )
        if max(self.input_shape[:-2], default=1) > MOST_DEPTH:
            raise ValueError(f"input_shape {list(self.input_shape)} has over {MOST_DEPTH} planes")
        if self.encoder_n_filters != self.decoder_n_filters:
            raise ValueError(
                "encoder_n_filters and decoder_n_filters must be one number, as their features "
                f"are merged: found {self.encoder_n_filters} and {self.decoder_n_filters}"
            )
        if self.multiscale_count > len(self.z_dims) + 1:
            raise ValueError(
                f"multiscale_count is {self.multiscale_count}, but {len(self.z_dims)} levels "
                f"take {len(self.z_dims) + 1} views at most"
            )
        if self.multiscale_count > 1 and self.encoder_blocks_per_layer > 1:
            raise ValueError(
                f"encoder_blocks_per_layer is {self.encoder_blocks_per_layer} and multiscale_count "
                f"is {self.multiscale_count}: with lateral context, only one block per layer of "
                "the encoder is imported, because CAREamics applies the others to the context as "
                "well; predict with CAREamics"
            )
        if min(self.top_prior_size) < 1:
            raise ValueError(
                f"input_shape {list(self.input_shape)} is too small to be halved on "
                f"{len(self.z_dims) + 1 - self.multiscale_count} levels"
            )
        return self

    @property
    def architecture(self) -> Architecture:
        """The same network, as ours.

        The first convolution is followed by one block in any case. With more than four levels,
        CAREamics multiplies the features that the posterior of level l is read from by √(2l).
        """
        levels = range(1, len(self.z_dims) + 1)
        encoder, decoder = self.encoder_blocks_per_layer, self.decoder_blocks_per_layer
        return Architecture.model_validate(
            {
                "output_channels": self.output_channels * (2 if self.predict_logvar else 1),
                "latent_channels": self.z_dims,
                "filters": self.encoder_n_filters,
                "blocks": encoder,
                "first_blocks": 1 if encoder > 1 else None,
                "decoder_blocks": decoder if decoder != encoder else None,
                "batch_norm": True,
                "dropout": max(self.encoder_dropout, self.decoder_dropout),
                "activation": _ACTIVATIONS.get(self.nonlinearity, self.nonlinearity.lower()),
                "variance": "elu",
                "dimensions": len(self.encoder_conv_strides),
                "decoder_dimensions": len(self.decoder_conv_strides),
                "views": self.multiscale_count,
                "posterior_scales": [(2 * level) ** 0.5 for level in levels]
                if len(levels) > 4
                else None,
                "top_prior_size": self.top_prior_size,
            }
        )

    @property
    def restores_a_plane(self) -> bool:
        """Whether a 2-D decoder restores one plane of a stack."""
        return len(self.decoder_conv_strides) < len(self.encoder_conv_strides)

    @property
    def top_prior_size(self) -> tuple[int, ...]:
        """([Z] Y X) of the top level's prior."""
        halvings = len(self.z_dims) + 1 - self.multiscale_count
        *depth, height, width = self.input_shape[-len(self.decoder_conv_strides) :]
        return (*depth, height >> halvings, width >> halvings)
