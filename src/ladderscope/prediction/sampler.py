"""From a normalised field to its restoration: posterior samples and their running moments."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from ladderscope.images.lateral_context import views_around
from ladderscope.network import Features, LadderVAE
from ladderscope.prediction.latent_noise import antithetic_noise, latent_noise
from ladderscope.prediction.spread import (
    SAMPLES_ALONE,
    Law,
    Parts,
    decoder_variance,
    of_posterior,
)
from ladderscope.prediction.tiles import Geometry, Tile, tile_of, tiles

# Decoded together: enough to keep the processor busy on small tiles, and at most so many.
PIXELS_AT_ONCE = 2**18
SAMPLES_AT_ONCE = 8


class Restored(NamedTuple):
    """A restored field: the mean over samples, and its standard deviation if it is known."""

    mean: Float[Tensor, "outputs *space"]
    std: Float[Tensor, "outputs *space"] | None


@torch.inference_mode()
def restore(
    network: LadderVAE,
    field: Float32[np.ndarray, "*space"],
    *,
    samples: int,
    seed: int = 0,
    number: int = 0,
    outputs: int | None = None,
    geometry: Geometry,
    autocast: torch.dtype | None = None,
    law: Law = of_posterior,
    tick: Callable[[], None] = lambda: None,
) -> Restored:
    """Restore one field: the MMSE estimate and the standard deviation of the signal.

    The samples come in antithetic pairs, whose mean is more accurate than that of independent
    ones: see `antithetic_noise`. Memory is that of one tile and of the results, whatever the
    number of samples.

    Parameters
    ----------
    network : LadderVAE
        In evaluation mode. One that restores a plane from a stack is asked for every plane, with
        the geometry's `depth_margin` of planes before and behind it, reflected at the ends.
    field : array of shape (Y, X) or (Z, Y, X)
        Normalised.
    samples : int
        Posterior samples to average; 0 decodes the posterior means once instead. Blind levels
        always give their mean. An unpaired last sample does not contribute to the variance of the
        samples.
    seed, number : int
        Fix the samples: the number is that of the field.
    outputs : int, optional
        How many of the network's first outputs are wanted; all by default.
    geometry : Geometry
        The tiles.
    autocast : torch.dtype, optional
        Type of the network's arithmetic.
    law : callable
        Says what the standard deviation is made of: see `ladderscope.prediction.spread`.
    tick : callable
        Called after each tile's decoding of each batch of samples: see `decodings`.

    Returns
    -------
    Restored
        In normalised units, on the CPU.
    """
    outputs = outputs or network.output_channels
    parts = law(network, outputs, samples)
    asked = _Asked(samples, seed, number, outputs, autocast, antithetic_noise, parts.decoder)
    mean = torch.empty(outputs, *field.shape, dtype=torch.float32)
    std = torch.empty_like(mean) if any(parts) else None
    for tile in _tiles(field.shape, geometry, network):
        moments = _Moments()
        for decoding in _decode_tile(network, field, tile, asked):
            moments.add(*decoding)
            tick()
        mean[:, *tile.core] = moments.mean.cpu()
        if std is not None:
            std[:, *tile.core] = moments.std(parts).cpu()
    return Restored(mean, std)


@torch.inference_mode()
def draw(
    network: LadderVAE,
    field: Float32[np.ndarray, "*space"],
    *,
    samples: int,
    seed: int = 0,
    number: int = 0,
    outputs: int | None = None,
    geometry: Geometry,
    autocast: torch.dtype | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Float[Tensor, "samples outputs *space"]:
    """Draw independent posterior samples of a field; arguments as of `restore`.

    They differ by what the latents leave open; the decoder's variance is not added.
    """
    outputs = outputs or network.output_channels
    asked = _Asked(samples, seed, number, outputs, autocast, latent_noise, False)
    draws = torch.empty(samples, asked.outputs, *field.shape, dtype=torch.float32)
    for tile in _tiles(field.shape, geometry, network):
        first = 0
        for drawn, _ in _decode_tile(network, field, tile, asked):
            draws[first : first + len(drawn), :, *tile.core] = drawn.cpu()
            first += len(drawn)
            tick()
    return draws


@torch.inference_mode()
def draw_part(
    network: LadderVAE,
    field: Float32[np.ndarray, "*space"],
    region: tuple[slice, ...],
    *,
    samples: int,
    seed: int = 0,
    number: int = 0,
    outputs: int | None = None,
    geometry: Geometry,
    autocast: torch.dtype | None = None,
) -> Float[Tensor, "samples outputs *region"]:
    """Draw independent posterior samples of a region of a field.

    Time and memory are those of the region and its margins. The noise of the latents depends on
    their position in the field, so that these are the samples that `draw` draws of the whole.

    Parameters
    ----------
    region : tuple of slice
        [Planes,] rows and columns; a network that restores a plane from a stack takes one plane.
    network, field, samples, seed, number, outputs, geometry, autocast
        As of `restore`.
    """
    outputs = outputs or network.output_channels
    asked = _Asked(samples, seed, number, outputs, autocast, latent_noise, False)
    fixed, flat = network.views > 1, bool(network.z_gates)
    used = replace(geometry, depth_margin=0) if flat else geometry
    tile = tile_of(region, field.shape, used, 2 ** len(network.latent_channels), fixed=fixed)
    if flat:
        tile = _around_plane(tile, geometry.depth_margin)
    decoded = _decode_tile(network, field, tile, asked)
    return torch.cat([drawn.float().cpu() for drawn, _ in decoded])


def decodings(network: LadderVAE, size: tuple[int, ...], samples: int, geometry: Geometry) -> int:
    """Count how many times `restore` ticks for a field of this size."""
    return sum(len(_batches(tile, samples)) for tile in _tiles(size, geometry, network))


class _Asked(NamedTuple):
    samples: int
    seed: int
    number: int
    outputs: int
    autocast: torch.dtype | None
    noise: Callable[..., Float[Tensor, "channels *space"]]
    variance: bool


class _Decoding(NamedTuple):
    """A batch of samples of a tile's core, and the variance that the network predicts for each."""

    drawn: Float[Tensor, "batch outputs *core"]
    variance: Float[Tensor, "batch outputs *core"] | None


def _tiles(size: tuple[int, ...], geometry: Geometry, network: LadderVAE) -> Iterator[Tile]:
    coarsest, fixed = 2 ** len(network.latent_channels), network.views > 1
    if not network.z_gates:
        yield from tiles(size, geometry, coarsest, fixed=fixed)
        return
    # The decoder is 2-D: one plane comes out, the middle one, and the network always sees as many.
    for tile in tiles(size, replace(geometry, depth=1, depth_margin=0), coarsest, fixed=fixed):
        yield _around_plane(tile, geometry.depth_margin)


def _around_plane(tile: Tile, margin: int) -> Tile:
    plane = tile.core[0].start
    around = slice(plane - margin, plane + margin + 1)
    return Tile((around, *tile.window[1:]), tile.core, (slice(0, 1), *tile.inner[1:]))


def _decode_tile(
    network: LadderVAE, field: Float32[np.ndarray, "*space"], tile: Tile, asked: _Asked
) -> Iterator[_Decoding]:
    """Encode a tile once and decode it again and again: the cores, a batch of samples at a time."""
    *planes, rows, columns = tile.window
    device = network.top_prior.device
    seen = field[_reflected(planes[0], len(field))] if network.z_gates else field[*planes]
    observed = torch.from_numpy(views_around(seen, rows, columns, network.views))[None]
    if not planes:
        observed = observed.contiguous(memory_format=torch.channels_last)
    observed = observed.to(device)
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
            decoded = network.decode(features, noise, priors=False, variance=asked.variance)
        variance = decoder_variance(decoded, asked.outputs) if asked.variance else None
        core = partial(_core, tile=tile, of_planes=bool(network.z_gates))
        yield _Decoding(
            core(decoded.output[:, : asked.outputs]), None if variance is None else core(variance)
        )


def _core(
    pixels: Float[Tensor, "batch outputs *space"], tile: Tile, *, of_planes: bool
) -> Float[Tensor, "batch outputs *core"]:
    """Crop a decoded window to what is kept of it; a single plane gets its axis back."""
    return (pixels.unsqueeze(2) if of_planes else pixels)[:, :, *tile.inner]


def _reflected(planes: slice, depth: int) -> Int[np.ndarray, " planes"]:
    """Give the numbers of planes; beyond the first and the last they are reflected."""
    margin = max(0, -planes.start, planes.stop - depth)
    numbers = np.pad(np.arange(depth), margin, mode="reflect")
    return numbers[planes.start + margin : planes.stop + margin]


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
