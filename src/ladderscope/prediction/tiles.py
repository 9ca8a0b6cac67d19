"""How a field is cut into tiles: cores that partition it, each seen with an overlap around it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ladderscope.errors import LadderscopeError


@dataclass(frozen=True)
class Geometry:
    """The one shape of tile that a model predicts with.

    Parameters
    ----------
    core : int
        Side of the square that a tile contributes to the result at most, in pixels. At the image's
        border, where no margin is needed, it may be larger by as much.
    margin : int
        Pixels around the core that the network sees too.
    depth, depth_margin : int
        Of a network that looks across Z: the planes of a core, and how many it sees before and
        behind them.

    Raises
    ------
    LadderscopeError
        The core is not positive, or the margin negative.
    """

    core: int = 496
    margin: int = 32
    depth: int = 16
    depth_margin: int = 4

    def __post_init__(self) -> None:
        if min(self.core, self.depth) < 1 or min(self.margin, self.depth_margin) < 0:
            raise LadderscopeError(
                f"tiles need a core of at least 1 pixel and a margin of at least 0, not {self}"
            )


class Tile(NamedTuple):
    """Where a tile lies: what the network sees, and which part of that is kept.

    Attributes
    ----------
    window : tuple of slice
        [Planes,] rows and columns of the field that the network sees. A window of fixed size may
        begin before the field and end behind it.
    core : tuple of slice
        [Planes,] rows and columns of the field that the tile contributes.
    inner : tuple of slice
        The core, counted from the window's corner.
    """

    window: tuple[slice, ...]
    core: tuple[slice, ...]
    inner: tuple[slice, ...]


def tiles(
    size: tuple[int, ...], geometry: Geometry, multiple: int, *, fixed: bool = False
) -> Iterator[Tile]:
    """Cut a field into tiles, row by row.

    Parameters
    ----------
    size : tuple of int
        Of the field: (Y, X) or (Z, Y, X), in pixels.
    geometry : Geometry
        Core and margin; in rows and columns both are rounded up to the multiple.
    multiple : int
        2^L for L levels. Windows begin at multiples of it, so that the latents of neighbouring
        tiles lie on one grid.
    fixed : bool
        Whether all windows have one size, whose sides are multiples of 2^(L+1): with wider views
        the latents of a window are on the grid only then.

    Examples
    --------
    >>> [tile.window[1] for tile in tiles((64, 200), Geometry(core=128, margin=16), 16)]
    [slice(0, 128, None), slice(96, 200, None)]
    >>> [tile.window for tile in tiles((64, 64), Geometry(core=128, margin=16), 16, fixed=True)]
    [(slice(-16, 80, None), slice(-16, 80, None))]
    """
    core, margin = (_up(side, multiple) for side in (geometry.core, geometry.margin))
    sides = [_cut(length, core, margin, multiple, fixed=fixed) for length in size[-2:]]
    planes = [_cut(length, geometry.depth, geometry.depth_margin) for length in size[:-2]]
    for parts in itertools.product(*planes, *sides):
        yield Tile(*zip(*parts, strict=True))


def tile_of(
    region: tuple[slice, ...],
    size: tuple[int, ...],
    geometry: Geometry,
    multiple: int,
    *,
    fixed: bool = False,
) -> Tile:
    """Give the one tile whose core is a region of a field, with the margins of any tile.

    Parameters
    ----------
    region : tuple of slice
        [Planes,] rows and columns of the field.
    size, geometry, multiple, fixed
        As of `tiles`.

    Examples
    --------
    >>> tile_of((slice(40, 72), slice(0, 32)), (200, 200), Geometry(margin=16), 16).window
    (slice(16, 96, None), slice(0, 48, None))
    """
    margin = _up(geometry.margin, multiple)
    parts = [
        _part(
            max(0, side.start - geometry.depth_margin),
            min(length, side.stop + geometry.depth_margin),
            side.start,
            side.stop,
        )
        for side, length in zip(region[:-2], size[:-2], strict=True)
    ]
    for side, length in zip(region[-2:], size[-2:], strict=True):
        first = (side.start - margin) // multiple * multiple
        last = first + _up(side.stop + margin - first, 2 * multiple if fixed else multiple)
        if not fixed:
            first, last = max(0, first), min(length, last)
        parts.append(_part(first, last, side.start, side.stop))
    return Tile(*zip(*parts, strict=True))


def _cut(
    length: int, core: int, margin: int, multiple: int = 1, *, fixed: bool = False
) -> list[tuple[slice, slice, slice]]:
    """Cut one axis into windows as equal as can be: of one size, memory is used again and again."""
    # At the border no margin is needed: there the core takes its place.
    own = length if fixed else max(1, length - 2 * margin)
    core = _up(-(-own // -(-own // core)), multiple)
    if fixed:
        size = _up(core + 2 * margin, 2 * multiple)
        starts = range(0, length, core)
        return [_part(k - margin, k - margin + size, k, min(k + core, length)) for k in starts]
    parts, stop = [], 0
    for first in range(0, own, core):
        last = min(first + core + 2 * margin, length)
        start, stop = stop, last if last == length else last - margin
        parts.append(_part(first, last, start, stop))
    return parts


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _part(first: int, last: int, start: int, stop: int) -> tuple[slice, slice, slice]:
    return slice(first, last), slice(start, stop), slice(start - first, stop - first)
