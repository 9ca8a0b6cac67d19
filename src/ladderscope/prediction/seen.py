"""Which tiles a network restores of a field, and what it sees of the field for each."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from ladderscope.images.lateral_context import seen_around, views_around
from ladderscope.network import LadderVAE
from ladderscope.prediction.tiles import Geometry, Tile, tile_of, tiles


class Part(NamedTuple):
    """What a network sees of a field for one tile.

    Attributes
    ----------
    pixels : array
        Those of the region, normalised.
    region : tuple of slice
        [Planes,] rows and columns of the field.
    size : tuple of int
        Of the field.
    """

    pixels: Float32[np.ndarray, "*region"]
    region: tuple[slice, ...]
    size: tuple[int, ...]

    @classmethod
    def of_whole(cls, field: Float32[np.ndarray, "*space"]) -> "Part":
        """Give a field as the part that is all of it."""
        return cls(field, tuple(slice(0, length) for length in field.shape), field.shape)


def tiles_of(network: LadderVAE, size: tuple[int, ...], geometry: Geometry) -> Iterator[Tile]:
    """Cut a field of some size into the tiles that a network restores one by one."""
    coarsest, fixed = 2 ** len(network.latent_channels), network.views > 1
    if not network.z_gates:
        yield from tiles(size, geometry, coarsest, fixed=fixed)
        return
    # The decoder is 2-D: one plane comes out, the middle one, and the network always sees as many.
    for tile in tiles(size, replace(geometry, depth=1, depth_margin=0), coarsest, fixed=fixed):
        yield _around_plane(tile, geometry.depth_margin)


def tile_at(
    network: LadderVAE, region: tuple[slice, ...], size: tuple[int, ...], geometry: Geometry
) -> Tile:
    """Give the one tile whose core is a region of a field.

    Parameters
    ----------
    region : tuple of slice
        [Planes,] rows and columns; a network that restores a plane from a stack takes one plane.
    network, size, geometry
        As of `tiles_of`.
    """
    fixed, flat = network.views > 1, bool(network.z_gates)
    used = replace(geometry, depth_margin=0) if flat else geometry
    tile = tile_of(region, size, used, 2 ** len(network.latent_channels), fixed=fixed)
    return _around_plane(tile, geometry.depth_margin) if flat else tile


def seen_by(network: LadderVAE, tile: Tile, size: tuple[int, ...]) -> tuple[slice, ...]:
    """Name the region of a field that a network sees for a tile, the wider views included."""
    *planes, rows, columns = tile.window
    if network.z_gates:
        numbers = _reflected(planes[0], size[0])
        planes = [slice(int(numbers.min()), int(numbers.max()) + 1)]
    return *planes, *seen_around(rows, columns, (size[-2], size[-1]), network.views)


def views_of(network: LadderVAE, part: Part, tile: Tile) -> Float32[np.ndarray, "views *space"]:
    """Cut what the network sees out of a part, reflected at the borders of the field.

    The window comes first, then the wider views.
    """
    *planes, rows, columns = tile.window
    *depths, down, across = part.region
    pixels = part.pixels
    if network.z_gates:
        pixels = pixels[_reflected(planes[0], part.size[0]) - depths[0].start]
    elif planes:
        pixels = pixels[planes[0].start - depths[0].start : planes[0].stop - depths[0].start]
    size = part.size[-2], part.size[-1]
    return views_around(pixels, rows, columns, network.views, region=(down, across), size=size)


def _around_plane(tile: Tile, margin: int) -> Tile:
    plane = tile.core[0].start
    around = slice(plane - margin, plane + margin + 1)
    return Tile((around, *tile.window[1:]), tile.core, (slice(0, 1), *tile.inner[1:]))


def _reflected(planes: slice, depth: int) -> Int[np.ndarray, " planes"]:
    """Give the numbers of planes; beyond the first and the last they are reflected."""
    margin = max(0, -planes.start, planes.stop - depth)
    numbers = np.pad(np.arange(depth), margin, mode="reflect")
    return numbers[planes.start + margin : planes.stop + margin]
