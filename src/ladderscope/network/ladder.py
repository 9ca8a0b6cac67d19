"""The ladder variational autoencoder: a bottom-up pass, a latent on every level, and back down."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ladderscope.network.blocks import Activation, Downsampling, ResidualBlock, convolution
from ladderscope.network.latent import DiagonalGaussian, Level, Rung


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

    Parameters
    ----------
    input_channels, output_channels : int
        Channels of the image and of the output.
    latent_channels : sequence of int
        Latent channels of each level, finest first; its length is the number of levels.
    filters : int
        Channels of every feature map.
    blocks : int
        Residual blocks per level, in both directions.
    first_kernel : int
        Side of the first convolution, odd.
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

    Raises
    ------
    ValueError
        An argument is out of range; an image is empty or has other channels than the network.

    References
    ----------
    Sønderby et al., "Ladder variational autoencoders", NeurIPS 2016; Prakash et al.,
    "Interpretable unsupervised diversity denoising and artefact removal", ICLR 2022.

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
    ) -> None:
        super().__init__()
        if dimensions not in (2, 3):
            raise ValueError(f"dimensions must be 2 (Y X) or 3 (Z Y X), not {dimensions}")
        if not latent_channels or min(latent_channels) < 1:
            raise ValueError(
                f"latent_channels needs one positive number a level, got {latent_channels!r}"
            )
        if min(input_channels, output_channels, filters, blocks) < 1:
            raise ValueError("input_channels, output_channels, filters and blocks start at 1")
        if first_kernel < 1 or first_kernel % 2 == 0:
            raise ValueError(f"first_kernel must be odd and positive, not {first_kernel}")

        self.dimensions = dimensions
        self.input_channels, self.output_channels = input_channels, output_channels
        self.latent_channels = tuple(latent_channels)
        block = partial(
            ResidualBlock, dimensions, filters, activation, batch_norm=batch_norm, dropout=dropout
        )
        variance_map = nn.Identity() if variance_map is None else variance_map

        self.first = nn.Sequential(
            convolution(dimensions, input_channels, filters, first_kernel),
            activation(),
            *(block(gated=False) for _ in range(blocks)),
        )
        self.bottom_up = nn.ModuleList(
            nn.Sequential(Downsampling(dimensions, filters), *(block() for _ in range(blocks)))
            for _ in self.latent_channels
        )
        self.top_prior = nn.Parameter(
            torch.zeros(1, 2 * self.latent_channels[-1], *(1,) * dimensions)
        )
        self.rungs = nn.ModuleList(
            Rung(
                dimensions,
                filters,
                channels,
                block,
                blocks,
                variance_map,
                top=level == len(self.latent_channels),
            )
            for level, channels in enumerate(self.latent_channels, start=1)
        )
        self.last = nn.Sequential(*(block() for _ in range(blocks)))
        self.output = convolution(dimensions, filters, output_channels)

    @property
    def multiple(self) -> int:
        """Of what number Y and X are multiples inside the network."""
        return 2 ** len(self.latent_channels)

    def encode(self, image: Float[Tensor, "batch channels *space"]) -> Features:
        """Run the bottom-up pass once, for as many samples as one likes.

        Parameters
        ----------
        image : Tensor
            Shape (batch, channels, [Z] Y X), normalised. Y and X of any size: they are padded at
            their far ends to what the levels need, and the output is cropped back.
        """
        if image.ndim != 2 + self.dimensions or image.shape[1] != self.input_channels:
            space = "Z Y X"[-2 * self.dimensions + 1 :]
            raise ValueError(
                f"the network takes (batch, {self.input_channels}, {space}), "
                f"got an image of shape {tuple(image.shape)}"
            )
        if image.numel() == 0:
            raise ValueError(f"the image is empty: its shape is {tuple(image.shape)}")
        height, width = image.shape[-2:]
        features = self.first(_pad_far_ends(image, self.multiple))
        levels = []
        for stage in self.bottom_up:
            features = stage(features)
            levels.append(features)
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
            Zeros decode the posterior means.
        priors : bool
            Whether the levels' priors are computed too, for the KL. Prediction needs none.
        """
        if len(noise) != len(self.rungs):
            raise ValueError(f"decode takes noise for {len(self.rungs)} levels, got {len(noise)}")
        above: Any = None
        levels: list[Level] = []
        for index in reversed(range(len(self.rungs))):
            rung, level_noise = self._rung(index), noise[index]
            bottom_up = features.levels[index]
            if above is not None:
                bottom_up = bottom_up.expand(above.shape[0], *bottom_up.shape[1:])
            posterior = rung.posterior(bottom_up, above)
            prior = self._prior(index, above) if priors else None
            sample = posterior.sample(level_noise)
            levels.append(Level(posterior, prior, sample))
            above = rung.descend(sample, above)
        return Decoded(self._finish(above, features.size), tuple(reversed(levels)))

    def sample_prior(self, noise: Sequence[Float[Tensor, "..."]]) -> Decoded:
        """Run the top-down pass with the latents that the noise picks from the priors.

        Parameters
        ----------
        noise : sequence of Tensor
            As in `decode`; its shapes set the size of the image.
        """
        above: Any = None
        levels: list[Level] = []
        for index in reversed(range(len(self.rungs))):
            prior = self._prior(index, above)
            sample = prior.sample(noise[index])
            levels.append(Level(None, prior, sample))
            above = self._rung(index).descend(sample, above)
        height, width = (2 * side for side in noise[0].shape[-2:])
        return Decoded(self._finish(above, (height, width)), tuple(reversed(levels)))

    def forward(self, image: Float[Tensor, "batch channels *space"]) -> Decoded:
        """Encode an image and decode one posterior sample, as a training step does."""
        features = self.encode(image)
        return self.decode(features, self.standard_noise(features))

    def _rung(self, index: int) -> Rung:
        return cast(Rung, self.rungs[index])

    def _prior(self, index: int, above: Tensor | None) -> DiagonalGaussian:
        rung = self._rung(index)
        return rung.gaussian(self.top_prior) if above is None else rung.prior(above)

    def _finish(self, above: Tensor, size: tuple[int, int]) -> Tensor:
        features = self.last(above)
        with torch.autocast(features.device.type, enabled=False):
            output = self.output(features.to(self.output.weight.dtype))
        return output[..., : size[0], : size[1]]


def _pad_far_ends(image: Tensor, multiple: int) -> Tensor:
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not (bottom or right):
        return image
    mode = "reflect" if bottom < height and right < width else "replicate"
    depth = (0, 0) * (image.ndim - 4)
    return functional.pad(image, (0, right, 0, bottom, *depth), mode=mode)
