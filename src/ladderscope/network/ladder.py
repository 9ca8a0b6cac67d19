"""The ladder variational autoencoder: a bottom-up pass, a latent on every level, and back down."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ladderscope.network.blocks import (
    ELU,
    Activation,
    Downsampling,
    Gate,
    Merge,
    ResidualBlock,
    convolution,
)
from ladderscope.network.context import WiderView, centre, pad_around, pad_far_ends
from ladderscope.network.latent import DiagonalGaussian, Level, Rung

_FIRST_KERNEL_OF_WIDER_VIEWS = 5


class Features(NamedTuple):
    """What the bottom-up pass saw: one map a level, finest first, and the image's (Y, X)."""

    levels: tuple[Float[Tensor, "batch channels *space"], ...]
    size: tuple[int, int]


class Decoded(NamedTuple):
    """What the top-down pass made: the output, and what each level held, finest first."""

    output: Float[Tensor, "batch outputs *space"]
    levels: tuple[Level, ...]


class LadderVAE(nn.Module):
    """A ladder variational autoencoder for images of any size.

    Level l (1 is the finest) has a latent map at 1/2^l of the image's resolution. Bottom-up,
    strided convolutions and residual blocks make one feature map a level; top-down, each level
    merges its map with what came from above into the posterior q, draws its latent, and hands
    it on beside a skip from all coarser levels.

    With m views, an image comes as the patch followed by m − 1 wider views of the same centre,
    each of as many pixels, which are twice as wide as those of the view before. View k joins the
    bottom-up pass at level k: what comes up is padded with zeros to the view's extent and merged
    with the view's features. Top-down, maps that are wider than needed are cropped to their
    centre. The map of level l then has the patch's size divided by 2^max(0, l − m + 1).

    Parameters
    ----------
    input_channels, output_channels : int
        Channels of the image, of each view, and of the output. A log-variance is predicted as
        further channels of the output: its meaning is the objective's.
    latent_channels : sequence of int
        Latent channels of each level, finest first; its length is the number of levels.
    filters : int
        Channels of every feature map.
    blocks : int
        Residual blocks per level, in both directions.
    first_kernel : int
        Side of the first convolution, odd; that of a wider view has 5.
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
        2 under 3 `dimensions` restores one plane from a stack, of which every level's map goes
        through a gate and is averaged over Z; by default the same number.
    views : int
        The patch and its wider views, from 1 to one more than there are levels.
    posterior_scales : sequence of float, optional
        A factor for each level, finest first, on the features that its posterior is read from.
    top_prior_size : sequence of int, optional
        ([Z] Y X) of the prior of the top level, learned place by place, which ties the KL and
        `sample_prior` to one size of image; by default one value per channel serves all sizes.
    blind_levels : int
        How many of the finest levels never see the image. The posterior of such a level is its
        prior, in training as in prediction, so that only coarser levels carry what the image
        says: HDN's remedy for structured noise (its HDN3–6).

    Raises
    ------
    ValueError
        An argument is out of range; an image is empty or has other channels than the network.

    References
    ----------
    Sønderby et al., "Ladder variational autoencoders", NeurIPS 2016; Prakash et al.,
    "Interpretable unsupervised diversity denoising and artefact removal", ICLR 2022; Ashesh et
    al., "µSplit: image decomposition for fluorescence microscopy", ICCV 2023 (wider views).

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
    ) -> None:
        super().__init__()
        if dimensions not in (2, 3):
            raise ValueError(f"dimensions must be 2 (Y X) or 3 (Z Y X), not {dimensions}")
        if decoder_dimensions is None:
            decoder_dimensions = dimensions
        if decoder_dimensions not in (2, dimensions):
            raise ValueError(
                f"decoder_dimensions must be 2 or the encoder's {dimensions}, "
                f"not {decoder_dimensions}"
            )
        if not latent_channels or min(latent_channels) < 1:
            raise ValueError(
                f"latent_channels needs one positive number per level, got {latent_channels!r}"
            )
        if min(input_channels, output_channels, filters, blocks) < 1:
            raise ValueError("input_channels, output_channels, filters and blocks start at 1")
        if first_kernel < 1 or first_kernel % 2 == 0:
            raise ValueError(f"first_kernel must be odd and positive, not {first_kernel}")
        levels = len(latent_channels)
        if not 0 <= blind_levels < levels:
            raise ValueError(
                f"blind_levels must be from 0 to {levels - 1}, as one of the "
                f"{levels} levels must see the image, not {blind_levels}"
            )
        if not 1 <= views <= levels + 1:
            raise ValueError(
                f"views must be from 1 to {levels + 1}, as each of the {levels} levels takes "
                f"one wider view at most, not {views}"
            )
        posterior_scales = (1.0,) * levels if posterior_scales is None else posterior_scales
        if len(posterior_scales) != levels:
            raise ValueError(
                f"posterior_scales needs one number for each of {levels} levels, "
                f"got {posterior_scales!r}"
            )
        top_prior_size = (1,) * decoder_dimensions if top_prior_size is None else top_prior_size
        if len(top_prior_size) != decoder_dimensions or min(top_prior_size) < 1:
            raise ValueError(
                f"top_prior_size needs {decoder_dimensions} positive numbers, "
                f"got {top_prior_size!r}"
            )

        if activation is nn.ELU:
            activation = ELU  # the same function, its gradient cheaper
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
                *(block(gated=False) for _ in range(blocks)),
            )

        self.first = first(first_kernel)
        self.bottom_up = nn.ModuleList(
            nn.Sequential(Downsampling(dimensions, filters), *(block() for _ in range(blocks)))
            for _ in self.latent_channels
        )
        self.wider_views = nn.ModuleList(
            WiderView(first(_FIRST_KERNEL_OF_WIDER_VIEWS), Merge(dimensions, filters, block))
            for _ in range(1, views)
        )
        # One per level, or none at all; of a blind level's map only the size matters.
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
                blocks,
                variance_map,
                top=level == levels,
                blind=level <= blind_levels,
                posterior_scale=posterior_scale,
            )
            for level, (channels, posterior_scale) in enumerate(
                zip(self.latent_channels, posterior_scales, strict=True), start=1
            )
        )
        self.last = nn.Sequential(*(decoder_block() for _ in range(blocks)))
        self.output = convolution(decoder_dimensions, filters, output_channels)

    @property
    def multiple(self) -> int:
        """Of what number Y and X are multiples inside the network: others are padded."""
        halvings = len(self.latent_channels) - (self.views - 1)
        # the patch is the middle half of the next view: its quarters must be whole pixels
        return 2**halvings if self.views == 1 else max(4, 2**halvings)

    @property
    def outer_convolutions(self) -> tuple[nn.Module, ...]:
        """The convolutions that see pixels: the first of each view, and the output's."""
        of_wider_views = (cast(Any, view).first[0] for view in self.wider_views)
        return self.first[0], *of_wider_views, self.output

    def encode(self, image: Float[Tensor, "batch channels *space"]) -> Features:
        """Run the bottom-up pass once, for as many samples as one likes.

        Parameters
        ----------
        image : Tensor
            Shape (batch, channels, [Z] Y X), normalised; with views, (batch, views · channels,
            [Z] Y X), the patch first. Y and X of any size: they are padded by reflection to a
            `multiple`, and the output is cropped back. Without wider views that happens at the
            far ends. With them it happens on both sides, so that they stay centred, up to half
            a pixel of each where the margin is odd.
        """
        channels = self.views * self.input_channels
        if image.ndim != 2 + self.dimensions or image.shape[1] != channels:
            space = "Z Y X"[-2 * self.dimensions + 1 :]
            views = f" with {self.views} views of the patch as channels" if self.views > 1 else ""
            raise ValueError(
                f"the network takes (batch, {channels}, {space}){views}, "
                f"got an image of shape {tuple(image.shape)}"
            )
        if image.numel() == 0:
            raise ValueError(f"the image is empty: its shape is {tuple(image.shape)}")
        height, width = image.shape[-2:]
        pad = pad_far_ends if self.views == 1 else pad_around
        patch, *wider = pad(image, self.multiple).chunk(self.views, dim=1)

        features = self.first(patch)
        levels = []
        for index, stage in enumerate(self.bottom_up):
            features = stage(features)
            if index < len(wider):
                features = self.wider_views[index](features, wider[index])
            levels.append(self.z_gates[index](features).mean(dim=2) if self.z_gates else features)
        return Features(tuple(levels), (height, width))

    def standard_noise(
        self, features: Features, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "..."], ...]:
        """Draw standard-normal noise for every level, finest first, as `decode` takes it.

        Parameters
        ----------
        features : Features
            From `encode`.
        generator : torch.Generator, optional
            Where the noise comes from, on whatever device; by default torch's own.
        """
        return tuple(
            torch.randn(
                (level.shape[0], channels, *level.shape[2:]),
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
    ) -> Decoded:
        """Run the top-down pass with the latents that the noise picks from the posteriors.

        Parameters
        ----------
        features : Features
            From `encode`; a batch of one is broadcast against a batch of noise.
        noise : sequence of Tensor
            Standard-normal noise for each level, finest first: (batch, latent channels, [Z] Y X).
            Zeros decode the means.
        priors : bool
            Whether the priors of sighted levels are computed too, for the KL. Prediction needs
            none; those of blind levels are what is sampled.
        """
        self._check_levels(noise)
        finer = self._finer_sizes(features.levels)
        above: Any = None
        levels: list[Level] = []
        for index in reversed(range(len(self.rungs))):
            sighted, level_map = index >= self.blind_levels, features.levels[index]
            posterior = self._posterior(index, level_map, above) if sighted else None
            prior = self._prior(index, level_map, above) if priors or not sighted else None
            drawn_from = cast(DiagonalGaussian, posterior if sighted else prior)
            sample = drawn_from.sample(noise[index])
            levels.append(Level(posterior, prior, sample))
            above = self._rung(index).descend(sample, above, finer[index])
        return Decoded(self._finish(above, features.size), tuple(reversed(levels)))

    def sample_prior(self, noise: Sequence[Float[Tensor, "..."]]) -> Decoded:
        """Run the top-down pass with the latents that the noise picks from the priors.

        Parameters
        ----------
        noise : sequence of Tensor
            As in `decode`; its shapes set the size of the image.
        """
        self._check_levels(noise)
        finer = self._finer_sizes(noise)
        above: Any = None
        levels: list[Level] = []
        for index in reversed(range(len(self.rungs))):
            prior = self._prior(index, noise[index], above)
            sample = prior.sample(noise[index])
            levels.append(Level(None, prior, sample))
            above = self._rung(index).descend(sample, above, finer[index])
        return Decoded(self._finish(above, finer[0]), tuple(reversed(levels)))

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
                f"the top level's prior was learned for maps of {learned}, this one is {space}: "
                "give images of the size that it was trained on, or decode without priors"
            )
        return rung.gaussian(self.top_prior)

    def _check_levels(self, noise: Sequence[Tensor]) -> None:
        if len(noise) != len(self.rungs):
            raise ValueError(
                f"noise is needed for each of {len(self.rungs)} levels, got {len(noise)}"
            )

    def _finer_sizes(self, level_maps: Sequence[Tensor]) -> list[tuple[int, int]]:
        """Return the (Y, X) that each level hands its features on to, the image's first."""
        sizes = [(level.shape[-2], level.shape[-1]) for level in level_maps]
        height, width = sizes[0]
        return [(2 * height, 2 * width) if self.views == 1 else sizes[0], *sizes[:-1]]

    def _finish(self, above: Tensor, size: tuple[int, int]) -> Tensor:
        features = self.last(above)
        with torch.autocast(features.device.type, enabled=False):
            output = self.output(features.to(self.output.weight.dtype))
        return output[..., : size[0], : size[1]] if self.views == 1 else centre(output, size)
