"""From a normalised plane to its restoration: posterior samples and their running moments."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.network import Features, LadderVAE
from ladderscope.prediction.latent_noise import latent_noise
from ladderscope.prediction.tiles import Geometry, Tile, tiles

# Decoded together: enough to keep the processor busy on small tiles, and at most so many.
PIXELS_AT_ONCE = 2**18
SAMPLES_AT_ONCE = 8


class Restored(NamedTuple):
    """A restored plane: the mean over samples, and their standard deviation."""

    mean: Float[Tensor, "outputs Y X"]
    std: Float[Tensor, "outputs Y X"] | None


@torch.inference_mode()
def restore_plane(
    network: LadderVAE,
    plane: Float[Tensor, "channels Y X"],
    *,
    samples: int,
    seed: int = 0,
    plane_number: int = 0,
    geometry: Geometry,
    autocast: torch.dtype | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Restored:
    """Restore one plane: the MMSE estimate and the spread of posterior samples.

    Memory is that of one tile and two planes, whatever the number of samples.

    Parameters
    ----------
    network : LadderVAE
        In evaluation mode.
    plane : Tensor
        Normalised, shape (channels, Y, X), on any device.
    samples : int
        Posterior samples to average; 0 decodes the posterior means once instead, and fewer than
        2 leave the standard deviation None. Blind levels always give their mean.
    seed, plane_number : int
        Fix the samples.
    geometry : Geometry
        The tiles.
    autocast : torch.dtype, optional
        Type of the network's arithmetic.
    tick : callable
        Called after each tile's decoding of each batch of samples: see `decodings`.

    Returns
    -------
    Restored
        In normalised units, on the CPU.
    """
    mean = torch.empty(network.output_channels, *plane.shape[1:])
    std = torch.empty_like(mean) if samples > 1 else None
    height, width = plane.shape[1:]
    for tile in tiles(height, width, geometry, network.multiple):
        moments = _Moments()
        for drawn in _decode_tile(network, plane, tile, samples, seed, plane_number, autocast):
            moments.add(drawn)
            tick()
        mean[:, *tile.core] = moments.mean.cpu()
        if std is not None:
            std[:, *tile.core] = moments.std().cpu()
    return Restored(mean, std)


@torch.inference_mode()
def draw_plane(
    network: LadderVAE,
    plane: Float[Tensor, "channels Y X"],
    *,
    samples: int,
    seed: int = 0,
    plane_number: int = 0,
    geometry: Geometry,
    autocast: torch.dtype | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Float[Tensor, "samples outputs Y X"]:
    """Draw posterior samples of a plane; arguments as of `restore_plane`, which averages them."""
    draws = torch.empty(samples, network.output_channels, *plane.shape[1:])
    height, width = plane.shape[1:]
    for tile in tiles(height, width, geometry, network.multiple):
        first = 0
        for drawn in _decode_tile(network, plane, tile, samples, seed, plane_number, autocast):
            draws[first : first + len(drawn), :, *tile.core] = drawn.cpu()
            first += len(drawn)
            tick()
    return draws


def decodings(height: int, width: int, samples: int, geometry: Geometry, multiple: int) -> int:
    """Count how many times `restore_plane` ticks for a plane of this size."""
    return sum(len(_batches(tile, samples)) for tile in tiles(height, width, geometry, multiple))


def _decode_tile(
    network: LadderVAE,
    plane: Float[Tensor, "channels Y X"],
    tile: Tile,
    samples: int,
    seed: int,
    plane_number: int,
    autocast: torch.dtype | None,
) -> Iterator[Float[Tensor, "batch outputs Y X"]]:
    """Encode a tile once and decode it again and again: the cores, a batch of samples at a time."""
    observed = plane[:, *tile.window][None].contiguous(memory_format=torch.channels_last)
    precision = partial(torch.autocast, plane.device.type, autocast, enabled=autocast is not None)
    with precision():
        features = network.encode(observed)
    for batch in _batches(tile, samples):
        noise = [
            _level_noise(
                features,
                tile,
                level,
                channels,
                # HDN takes a blind level's mean: nothing in the image could tell draws apart.
                batch if level > network.blind_levels else range(0),
                seed,
                plane_number,
            )
            for level, channels in enumerate(network.latent_channels, start=1)
        ]
        with precision():
            output = network.decode(features, noise, priors=False).output
        yield output[:, :, *tile.inner]


def _batches(tile: Tile, samples: int) -> list[range]:
    """Divide sample numbers into batches; no samples at all is one batch, of the means."""
    if samples == 0:
        return [range(0)]
    rows, columns = tile.window
    pixels = (rows.stop - rows.start) * (columns.stop - columns.start)
    together = max(1, min(SAMPLES_AT_ONCE, PIXELS_AT_ONCE // pixels))
    return [range(first, min(first + together, samples)) for first in range(0, samples, together)]


def _level_noise(
    features: Features,
    tile: Tile,
    level: int,
    channels: int,
    batch: range,
    seed: int,
    plane_number: int,
) -> Float[Tensor, "batch channels rows columns"]:
    """Make the noise of one level for some samples; for none, the zeros that pick the mean."""
    level_map = features.levels[level - 1]
    height, width = level_map.shape[-2:]
    if not batch:
        return torch.zeros(1, channels, height, width, device=level_map.device)
    top, left = (side.start >> level for side in tile.window)
    where = slice(top, top + height), slice(left, left + width)
    return torch.stack(
        [latent_noise(seed, plane_number, sample, level, channels, *where) for sample in batch]
    ).to(level_map.device)


class _Moments:
    """Mean and standard deviation of samples that come in batches and are not kept (Chan 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = torch.zeros(())

    def add(self, drawn: Float[Tensor, "batch outputs Y X"]) -> None:
        """Take in a batch of samples."""
        drawn_mean = drawn.mean(dim=0)
        drawn_squares = (drawn - drawn_mean).square().sum(dim=0)
        total = self.count + len(drawn)
        shift = drawn_mean - self.mean.to(drawn.device)
        self.mean = drawn_mean - shift * (self.count / total)
        self.squares = (
            self.squares.to(drawn.device)
            + drawn_squares
            + shift.square() * (self.count * len(drawn) / total)
        )
        self.count = total

    def std(self) -> Float[Tensor, "outputs Y X"]:
        """Give the standard deviation over the samples so far, of which there are two or more."""
        return (self.squares / (self.count - 1)).sqrt()
