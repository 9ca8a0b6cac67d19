"""From a tile of a normalised field to its restoration: posterior samples, and their moments."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.network import Features, LadderVAE
from ladderscope.prediction.latent_noise import antithetic_noise, latent_noise
from ladderscope.prediction.seen import Part, views_of
from ladderscope.prediction.spread import (
    SAMPLES_ALONE,
    Law,
    Parts,
    decoder_variance,
    of_posterior,
)
from ladderscope.prediction.tiles import Tile

# Decoded together: enough to keep the processor busy on small tiles, and at most so many.
PIXELS_AT_ONCE = 2**18
SAMPLES_AT_ONCE = 8


class Sampling(NamedTuple):
    """Which samples are asked for.

    Attributes
    ----------
    samples : int
        How many; 0 decodes the posterior means once instead. Blind levels always give their mean.
    seed, number : int
        Fix the samples: the number is that of the field.
    outputs : int, optional
        How many of the network's first outputs are wanted; all by default.
    autocast : torch.dtype, optional
        Type of the network's arithmetic.
    """

    samples: int
    seed: int = 0
    number: int = 0
    outputs: int | None = None
    autocast: torch.dtype | None = None


class RestoredTile(NamedTuple):
    """The core of a tile: the mean over samples, its standard deviation, and the samples.

    What is not known, or was not asked for, is None.
    """

    mean: Float[Tensor, "outputs *core"]
    std: Float[Tensor, "outputs *core"] | None
    samples: Float[Tensor, "samples outputs *core"] | None


@torch.inference_mode()
def restore_tile(
    network: LadderVAE,
    part: Part,
    tile: Tile,
    sampling: Sampling,
    *,
    law: Law = of_posterior,
    keep: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> RestoredTile:
    """Restore one tile: the MMSE estimate and the standard deviation of the signal.

    The samples come in antithetic pairs, whose mean is more accurate than that of independent
    ones: see `antithetic_noise`. Memory is that of one tile, whatever the number of samples,
    unless these are kept.

    Parameters
    ----------
    network : LadderVAE
        In evaluation mode. One that restores a plane from a stack takes the planes around it,
        reflected at the ends.
    part : Part
        At least what `seen_by` names.
    tile : Tile
        One of `tiles_of`.
    sampling : Sampling
        The samples. An unpaired last one does not contribute to their variance.
    law : callable
        Says what the standard deviation is made of: see `ladderscope.prediction.spread`.
    keep : bool
        Whether the samples are wanted too.
    tick : callable
        Called after each decoding of a batch of samples: see `decodings`.

    Returns
    -------
    RestoredTile
        In normalised units, on the CPU.
    """
    outputs = sampling.outputs or network.output_channels
    parts = law(network, outputs, sampling.samples)
    asked = _asked(sampling, outputs, antithetic_noise, variance=parts.decoder)
    moments, kept = _Moments(), []
    for decoding in _decode_tile(network, part, tile, asked):
        moments.add(*decoding)
        if keep:
            kept.append(decoding.drawn.float().cpu())
        tick()
    return RestoredTile(
        moments.mean.float().cpu(),
        moments.std(parts).float().cpu() if any(parts) else None,
        torch.cat(kept) if keep else None,
    )


@torch.inference_mode()
def draw_tile(
    network: LadderVAE,
    part: Part,
    tile: Tile,
    sampling: Sampling,
    *,
    tick: Callable[[], None] = lambda: None,
) -> Float[Tensor, "samples outputs *core"]:
    """Draw independent posterior samples of a tile; arguments as of `restore_tile`.

    They differ by what the latents leave open; the decoder's variance is not added. The noise of
    the latents depends on their position in the field, so that any tile shows the same samples.
    """
    outputs = sampling.outputs or network.output_channels
    asked, drawn = _asked(sampling, outputs, latent_noise), []
    for decoding in _decode_tile(network, part, tile, asked):
        drawn.append(decoding.drawn.float().cpu())
        tick()
    return torch.cat(drawn)


def decodings(tile: Tile, samples: int) -> int:
    """Count how many times `restore_tile` ticks for a tile."""
    return len(_batches(tile, samples))


class _Asked(NamedTuple):
    samples: int
    seed: int
    number: int
    outputs: int
    autocast: torch.dtype | None
    noise: Callable[..., Float[Tensor, "channels *space"]]
    variance: bool


def _asked(
    sampling: Sampling,
    outputs: int,
    noise: Callable[..., Float[Tensor, "channels *space"]],
    *,
    variance: bool = False,
) -> _Asked:
    samples, seed, number, _, autocast = sampling
    return _Asked(samples, seed, number, outputs, autocast, noise, variance)


class _Decoding(NamedTuple):
    """A batch of samples of a tile's core, and the variance that the network predicts for each."""

    drawn: Float[Tensor, "batch outputs *core"]
    variance: Float[Tensor, "batch outputs *core"] | None


def _decode_tile(network: LadderVAE, part: Part, tile: Tile, asked: _Asked) -> Iterator[_Decoding]:
    """Encode a tile once and decode it again and again: the cores, a batch of samples at a time."""
    device = network.top_prior.device
    observed = torch.from_numpy(views_of(network, part, tile))[None]
    if observed.ndim == 4:
        observed = observed.contiguous(memory_format=torch.channels_last)
    observed = observed.to(device)
    inner = tile.inner[-2], tile.inner[-1]
    precision = partial(
        torch.autocast, device.type, asked.autocast, enabled=asked.autocast is not None
    )
    with precision():
        features = network.encode(observed)
    for batch in _batches(tile, asked.samples):
        noise = [
            _level_noise(
                network,
                features,
                tile,
                level,
                # HDN takes a blind level's mean: nothing in the image could tell draws apart.
                batch if level > network.blind_levels else range(0),
                asked,
            )
            for level in range(1, len(network.latent_channels) + 1)
        ]
        with precision():
            decoded = network.decode(
                features, noise, priors=False, variance=asked.variance, wanted=inner
            )
        variance = (
            decoder_variance(decoded, asked.outputs, asked.samples) if asked.variance else None
        )
        core = partial(_core, tile=tile, of_planes=bool(network.z_gates))
        yield _Decoding(
            core(decoded.output[:, : asked.outputs]), None if variance is None else core(variance)
        )


def _core(
    pixels: Float[Tensor, "batch outputs *space"], tile: Tile, *, of_planes: bool
) -> Float[Tensor, "batch outputs *core"]:
    """Crop what was decoded to the core's planes; a single plane gets its axis back."""
    return (pixels.unsqueeze(2) if of_planes else pixels)[:, :, *tile.inner[:-2]]


def _batches(tile: Tile, samples: int) -> list[range]:
    """Divide sample numbers into batches; no samples at all is one batch, of the means."""
    if samples == 0:
        return [range(0)]
    pixels = math.prod(side.stop - side.start for side in tile.window)
    together = max(1, min(SAMPLES_AT_ONCE, PIXELS_AT_ONCE // pixels))
    return [range(first, min(first + together, samples)) for first in range(0, samples, together)]


def _level_noise(
    network: LadderVAE,
    features: Features,
    tile: Tile,
    level: int,
    batch: range,
    asked: _Asked,
) -> Float[Tensor, "batch channels *space"]:
    """Make the noise of one level for some samples; for none, the zeros that pick the mean."""
    level_map, channels = features.levels[level - 1], network.latent_channels[level - 1]
    space = level_map.shape[2:]
    if not batch:
        return torch.zeros(1, channels, *space, dtype=torch.float32, device=level_map.device)
    *planes, rows, columns = tile.window
    # A level that wider views have joined begins before the window.
    halves = 2 ** min(level, network.views - 1) - 1
    where = list(tile.core[:-2]) if network.z_gates else planes
    for side, length in zip((rows, columns), space[-2:], strict=True):
        start = (side.start - halves * (side.stop - side.start) // 2) >> level
        where.append(slice(start, start + length))
    return torch.stack(
        [
            asked.noise(asked.seed, asked.number, sample, level, channels, *where).reshape(
                channels, *space
            )
            for sample in batch
        ]
    ).to(level_map.device)


class _Moments:
    """Mean and standard deviation of samples that come in antithetic pairs and are not kept.

    The variance is that of the pairs' means (Welford 1962) plus the mean square of half the
    difference within a pair, which is unbiased however the two are correlated.
    """

    def __init__(self) -> None:
        self.pairs = 0
        self.middle = self.between = self.within = torch.zeros((), dtype=torch.float32)
        self.unpaired: Tensor | None = None
        self.decoded, self.variance = 0, self.middle

    def add(
        self,
        drawn: Float[Tensor, "batch outputs *space"],
        variance: Float[Tensor, "batch outputs *space"] | None = None,
    ) -> None:
        """Take in a batch of samples, and the variance of the decoder for each."""
        if variance is not None:
            self.decoded += len(variance)
            self.variance = self.variance.to(variance.device) + variance.sum(dim=0)
        for sample in drawn:
            if self.unpaired is None:
                self.unpaired = sample
            else:
                self._add_pair(self.unpaired, sample)
                self.unpaired = None

    def _add_pair(
        self, first: Float[Tensor, "outputs *space"], second: Float[Tensor, "outputs *space"]
    ) -> None:
        self.pairs += 1
        middle = (first + second) / 2
        shift = middle - self.middle.to(first.device)
        self.middle = middle - shift * (1 - 1 / self.pairs)
        self.between = self.between.to(first.device) + shift * (middle - self.middle)
        self.within = self.within.to(first.device) + ((first - second) / 2).square()

    @property
    def mean(self) -> Float[Tensor, "outputs *space"]:
        """The mean over the samples so far, of which there is one at least."""
        if self.unpaired is None:
            return self.middle
        middle = self.middle.to(self.unpaired.device)
        return middle + (self.unpaired - middle) / (2 * self.pairs + 1)

    def std(self, parts: Parts = SAMPLES_ALONE) -> Float[Tensor, "outputs *space"]:
        """Give the standard deviation that follows from the samples so far."""
        total = torch.zeros((), device=self.mean.device)
        if parts.samples:
            total = total + self.within / self.pairs + self.between / max(1, self.pairs - 1)
        if parts.decoder:
            total = total + self.variance / self.decoded
        return total.sqrt()
