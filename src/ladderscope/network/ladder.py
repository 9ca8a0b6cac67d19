"""The ladder variational autoencoder: bottom-up pass, one latent per level, top-down pass."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ladderscope.network.arguments import check_arguments
from ladderscope.network.blocks import (
    ELU,
    Activation,
    Downsampling,
    Gate,
    Merge,
    ResidualBlock,
    convolution,
)
from ladderscope.network.context import LateralContext, pad_around, pad_far_ends
from ladderscope.network.latent import DiagonalGaussian, Level, Rung
from ladderscope.network.variance_head import VarianceHead
from ladderscope.network.wanted import Rectangle, course_for, cropped

_CONTEXT_KERNEL = 5  # of the first convolution of a lateral-context input


class Features(NamedTuple):
    """Result of the bottom-up pass: one map per level, finest first, and the image's (Y, X)."""

    levels: tuple[Float[Tensor, "batch channels *space"], ...]
    size: tuple[int, int]


class Decoded(NamedTuple):
    """Result of the top-down pass.

    Attributes
    ----------
    output : Tensor
        Shape (batch, outputs, [Z] Y X).
    levels : tuple of Level
        The latent of each level, finest first.
    log_variance : Tensor or None
        One or two of each output; None if they were not requested, or without a variance head.
    """

    output: Float[Tensor, "batch outputs *space"]
    levels: tuple[Level, ...]
    log_variance: Float[Tensor, "batch variances outputs *space"] | None = None


class LadderVAE(nn.Module):
    """A ladder variational autoencoder for images of any size.

    Level l (1 is the finest) has a latent map with 1/2^l of the image's resolution. Bottom-up,
    strided convolutions and residual blocks compute one feature map per level. Top-down, each
    level merges its map with the features of the coarser levels into the posterior q, draws its
    latent, and passes it on, together with a skip connection from all coarser levels.

    With m views, the input is the patch followed by m − 1 lateral-context inputs with the same
    centre and the same number of pixels, each twice as wide as the one before. Input k joins the
    bottom-up pass at level k: the features are padded with zeros to its extent and merged with
    its own features. Top-down, maps that are wider than needed are cropped to their centre. The
    map of level l then has the size of the patch divided by 2^max(0, l − m + 1).

    Parameters
    ----------
    input_channels, output_channels : int
        Channels of each view of the image, and of the output. A log-variance is predicted as
        further channels of the output, which the objective interprets.
    latent_channels : sequence of int
        Latent channels of each level, finest first; its length is the number of levels.
    filters : int
        Channels of every feature map.
    blocks : int
        Residual blocks per level, in both directions.
    first_blocks, decoder_blocks : int, optional
        Those behind the first convolution of each view, and those of each level of the decoder,
        where there are not as many.
    first_kernel : int
        Kernel size of the first convolution, odd; for lateral-context inputs it is 5.
    batch_norm : bool
        Batch normalisation in the residual blocks.
    dropout : float
        Channel-wise dropout in the residual blocks.
    activation : callable
        Makes the activation module.
    variance_map : torch.nn.Module, optional
        Turns raw values into log-variances. The default is the identity: variance = exp(raw).
    dimensions : int
        2 for Y X, 3 for Z Y X. Z keeps its resolution on every level.
    decoder_dimensions : int, optional
        By default equal to `dimensions`. With 2 and 3 `dimensions`, one plane is restored from a
        stack: the map of every level passes through a gate and is averaged over Z.
    views : int
        The patch and its lateral-context inputs: from 1 to the number of levels plus 1.
    posterior_scales : sequence of float, optional
        One factor per level, finest first, on the features from which its posterior is computed.
    top_prior_size : sequence of int, optional
        ([Z] Y X) of the prior of the top level, if it is learned per position. The KL divergence
        then works for one image size only. By default the prior has one value per channel, for all
        image sizes.
    blind_levels : int
        How many of the finest levels never see the image. The posterior of such a level is its
        prior, in training and in prediction, so that only coarser levels carry information about
        the image: HDN's method for structured noise (its HDN3–6).
    variance_filters : int
        Filters of a `VarianceHead` on the features of the output; 0 for none.
    variances : int
        How many variances of each output it predicts.

    Raises
    ------
    ValueError
        If an argument is out of range, or an image is empty or has the wrong number of channels.

    References
    ----------
    Sønderby et al., "Ladder variational autoencoders", NeurIPS 2016; Prakash et al.,
    "Interpretable unsupervised diversity denoising and artefact removal", ICLR 2022; Ashesh et
    al., "µSplit: image decomposition for fluorescence microscopy", ICCV 2023 (lateral context).

    Examples
    --------
    >>> import torch
    >>> from ladderscope.network import LadderVAE
    >>> network = LadderVAE(latent_channels=(4, 4), filters=8)
    >>> features = network.encode(torch.rand(1, 1, 30, 17))
    >>> decoded = network.decode(features, network.standard_noise(features))
    >>> decoded.output.shape, decoded.levels[1].sample.shape
    (torch.Size([1, 1, 30, 17]), torch.Size([1, 4, 8, 5]))
    """

    def __init__(
        self,
        input_channels: int = 1,
        output_channels: int = 1,
        *,
        latent_channels: Sequence[int] = (16, 16, 16, 16),
        filters: int = 32,
        blocks: int = 1,
        first_blocks: int | None = None,
        decoder_blocks: int | None = None,
        first_kernel: int = 3,
        batch_norm: bool = False,
        dropout: float = 0.0,
        activation: Activation = nn.ELU,
        variance_map: nn.Module | None = None,
        dimensions: int = 2,
        decoder_dimensions: int | None = None,
        views: int = 1,
        posterior_scales: Sequence[float] | None = None,
        top_prior_size: Sequence[int] | None = None,
        blind_levels: int = 0,
        variance_filters: int = 0,
        variances: int = 1,
    ) -> None:
        super().__init__()
        if decoder_dimensions is None:
            decoder_dimensions = dimensions
        first_blocks = blocks if first_blocks is None else first_blocks
        decoder_blocks = blocks if decoder_blocks is None else decoder_blocks
        levels = len(latent_channels)
        posterior_scales = (1.0,) * levels if posterior_scales is None else posterior_scales
        top_prior_size = (1,) * decoder_dimensions if top_prior_size is None else top_prior_size
        check_arguments(
            dimensions=(dimensions, decoder_dimensions),
            counts=(input_channels, output_channels, filters, variances),
            blocks=(blocks, first_blocks, decoder_blocks),
            latent_channels=latent_channels,
            first_kernel=first_kernel,
            views=views,
            blind_levels=blind_levels,
            posterior_scales=posterior_scales,
            top_prior_size=top_prior_size,
            variance_filters=variance_filters,
        )
        if activation is nn.ELU:
            activation = ELU  # the same function with a cheaper gradient
        self.dimensions, self.views = dimensions, views
        self.input_channels, self.output_channels = input_channels, output_channels
        self.latent_channels = tuple(latent_channels)
        self.blind_levels = blind_levels
        block, decoder_block = (
            partial(
                ResidualBlock, axes, filters, activation, batch_norm=batch_norm, dropout=dropout
            )
            for axes in (dimensions, decoder_dimensions)
        )
        variance_map = nn.Identity() if variance_map is None else variance_map

        def first(kernel: int) -> nn.Sequential:
            return nn.Sequential(
                convolution(dimensions, input_channels, filters, kernel),
                activation(),
                *(block(gated=False) for _ in range(first_blocks)),
            )

        self.first = first(first_kernel)
        self.bottom_up = nn.ModuleList(
            nn.Sequential(Downsampling(dimensions, filters), *(block() for _ in range(blocks)))
            for _ in self.latent_channels
        )
        # Named as in the model files that are already saved.
        self.wider_views = nn.ModuleList(
            LateralContext(first(_CONTEXT_KERNEL), Merge(dimensions, filters, block))
            for _ in range(1, views)
        )
        # One per level, or none at all; only the size of a blind level's map matters.
        self.z_gates = nn.ModuleList(
            nn.Identity()
            if level < blind_levels
            else Gate(dimensions, filters, nn.LeakyReLU, kernel=3)
            for level in range(levels if decoder_dimensions < dimensions else 0)
        )
        self.top_prior = nn.Parameter(torch.zeros(1, 2 * self.latent_channels[-1], *top_prior_size))
        self.rungs = nn.ModuleList(
            Rung(
                decoder_dimensions,
                filters,
                channels,
                decoder_block,
                decoder_blocks,
                variance_map,
                top=level == levels,
                blind=level <= blind_levels,
                posterior_scale=posterior_scale,
            )
            for level, (channels, posterior_scale) in enumerate(
                zip(self.latent_channels, posterior_scales, strict=True), start=1
            )
        )
        self.last = nn.Sequential(*(decoder_block() for _ in range(decoder_blocks)))
        self.output = convolution(decoder_dimensions, filters, output_channels)
        # The last one, so that all other initial weights are those of a ladder without it.
        self.variance_head = (
            VarianceHead(decoder_dimensions, filters, variance_filters, variances, output_channels)
            if variance_filters
            else None
        )

    @property
    def multiple(self) -> int:
        """The number of which Y and X are multiples inside the network; other sizes are padded."""
        halvings = len(self.latent_channels) - (self.views - 1)
        # The patch is the central half of the next view: quarters of it must be whole pixels.
        return 2**halvings if self.views == 1 else max(4, 2**halvings)

    @property
    def outer_convolutions(self) -> tuple[nn.Module, ...]:
        """The convolutions next to pixels: the first one of each view, and the output's."""
        of_context = (cast(Any, context).first[0] for context in self.wider_views)
        return self.first[0], *of_context, self.output

    def encode(self, image: Float[Tensor, "batch channels *space"]) -> Features:
        """Run the bottom-up pass, once for any number of samples.

        Parameters
        ----------
        image : Tensor
            Shape (batch, channels, [Z] Y X), normalised; with views, (batch, views · channels,
            [Z] Y X), the patch first. Y and X may have any size: they are padded by reflection to
            a `multiple`, and the output is cropped. A patch alone is padded at the far ends. With
            lateral context, all views are padded on both sides to keep their common centre, up to
            half a pixel of each where the padding is odd.
        """
        channels = self.views * self.input_channels
        if image.ndim != 2 + self.dimensions or image.shape[1] != channels:
            space = "Z Y X"[-2 * self.dimensions + 1 :]
            views = f" with {self.views} views of the patch as channels" if self.views > 1 else ""
            raise ValueError(
                f"the network takes (batch, {channels}, {space}){views}, "
                f"found an image of shape {tuple(image.shape)}"
            )
        if image.numel() == 0:
            raise ValueError(f"the image must not be empty, found the shape {tuple(image.shape)}")
        height, width = image.shape[-2:]
        pad = pad_far_ends if self.views == 1 else pad_around
        patch, *context = pad(image, self.multiple).chunk(self.views, dim=1)

        features = self.first(patch)
        levels = []
        for index, stage in enumerate(self.bottom_up):
            features = stage(features)
            if index < len(context):
                features = self.wider_views[index](features, context[index])
            levels.append(self.z_gates[index](features).mean(dim=2) if self.z_gates else features)
        return Features(tuple(levels), (height, width))

    def standard_noise(
        self, features: Features, generator: torch.Generator | None = None, *, parts: int = 1
    ) -> tuple[Float[Tensor, "..."], ...]:
        """Draw standard-normal noise for every level, finest first, as `decode` needs it.

        Parameters
        ----------
        features : Features
            From `encode`.
        generator : torch.Generator, optional
            The source of the noise, on any device; by default torch's own generator.
        parts : int
            How many batches of this size the noise is for.
        """
        return tuple(
            torch.randn(
                (parts * level.shape[0], channels, *level.shape[2:]),
                generator=generator,
                device=level.device if generator is None else generator.device,
                dtype=torch.float64 if level.dtype == torch.float64 else torch.float32,
            ).to(level.device)
            for level, channels in zip(features.levels, self.latent_channels, strict=True)
        )

    def decode(
        self,
        features: Features,
        noise: Sequence[Float[Tensor, "..."]],
        *,
        priors: bool = True,
        variance: bool = False,
        wanted: Rectangle | None = None,
    ) -> Decoded:
        """Run the top-down pass with latents drawn from the posteriors.

        Parameters
        ----------
        features : Features
            From `encode`; a batch of one is broadcast to the batch of the noise.
        noise : sequence of Tensor
            Standard-normal noise for each level, finest first: (batch, latent channels, [Z] Y X).
            Zeros decode the means.
        priors : bool
            Whether to compute the priors of all levels, for the KL divergence. Prediction needs
            only those of blind levels, which are sampled.
        variance : bool
            Whether to compute the log-variance, if there is a variance head.
        wanted : rows and columns, optional
            The part of the output to compute, and of each latent what it takes; all by default.
        """
        if len(noise) != len(self.rungs):
            raise ValueError(
                f"noise must have one tensor for each of {len(self.rungs)} levels, "
                f"found {len(noise)}"
            )
        sizes = [(level.shape[-2], level.shape[-1]) for level in features.levels]
        course = course_for(wanted, sizes, features.size, views=self.views, blocks=len(self.last))
        above: Any = None
        levels: list[Level] = []
        for index in reversed(range(len(self.rungs))):
            part, blind = course.levels[index], index < self.blind_levels
            level_map = cropped(features.levels[index], part.computed)
            drawn = noise[index] if wanted is None else cropped(noise[index], part.computed)
            posterior = None if blind else self._posterior(index, level_map, above)
            prior = self._prior(index, level_map, above) if priors or blind else None
            drawn_from = cast(DiagonalGaussian, prior if blind else posterior)
            sample = drawn_from.sample(drawn)
            levels.append(Level(posterior, prior, sample))
            above = self._rung(index).descend(sample, above, part.kept)
        last = self.last(above)
        head = self.variance_head if variance else None
        return Decoded(
            cropped(self._output(last), course.kept),
            tuple(reversed(levels)),
            None if head is None else cropped(head(last), course.kept),
        )

    def forward(self, image: Float[Tensor, "batch channels *space"]) -> Decoded:
        """Encode an image and decode one posterior sample, as a training step does."""
        features = self.encode(image)
        return self.decode(features, self.standard_noise(features))

    def _rung(self, index: int) -> Rung:
        return cast(Rung, self.rungs[index])

    def _posterior(self, index: int, level_map: Tensor, above: Tensor | None) -> DiagonalGaussian:
        if above is not None:
            level_map = level_map.expand(above.shape[0], *level_map.shape[1:])
        return self._rung(index).posterior(level_map, above)

    def _prior(self, index: int, level_map: Tensor, above: Tensor | None) -> DiagonalGaussian:
        rung = self._rung(index)
        if above is not None:
            return rung.prior(above)
        learned, space = tuple(self.top_prior.shape[2:]), tuple(level_map.shape[2:])
        if any(side not in (1, needed) for side, needed in zip(learned, space, strict=True)):
            raise ValueError(
                f"the prior of the top level was learned for maps of {learned}, found {space}: "
                "use images of the training size, or decode without priors"
            )
        return rung.gaussian(self.top_prior)

    def _output(self, last: Tensor) -> Tensor:
        with torch.autocast(last.device.type, enabled=False):
            output: Tensor = self.output(last.to(cast(Tensor, self.output.weight).dtype))
        return output
