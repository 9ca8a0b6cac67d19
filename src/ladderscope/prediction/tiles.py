"""How a plane is cut into tiles: cores that partition it, each seen with a margin around it."""

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
        Side of the square that a tile contributes to the result, in pixels.
    margin : int
        Pixels around the core that the network sees too, fewer at the image's border.

    Raises
    ------
    LadderscopeError
        The core is not positive, or the margin negative.
    """

    core: int = 448
    margin: int = 32

    def __post_init__(self) -> None:
        if self.core < 1 or self.margin < 0:
            raise LadderscopeError(
                f"a tile needs a core of at least 1 pixel and a margin of at least 0, got {self}"
            )


class Tile(NamedTuple):
    """Where a tile lies: what the network sees, and which part of that is kept.

    Attributes
    ----------
    window : (slice, slice)
        Rows and columns of the plane that the network sees.
    core : (slice, slice)
        Rows and columns of the plane that the tile contributes.
    inner : (slice, slice)
        The core, counted from the window's corner.
    """

    window: tuple[slice, slice]
    core: tuple[slice, slice]
    inner: tuple[slice, slice]


def tiles(height: int, width: int, geometry: Geometry, multiple: int) -> Iterator[Tile]:
    """Cut a plane into tiles, row by row.

    Parameters
    ----------
    height, width : int
        Size of the plane, in pixels.
    geometry : Geometry
        Core and margin; both are rounded up to the multiple.
    multiple : int
        2^L for L levels. Windows begin at multiples of it, so that the latents of neighbouring
        tiles lie on one grid.

    Examples
    --------
    >>> [tile.window[1] for tile in tiles(64, 200, Geometry(core=128, margin=16), 16)]
    [slice(0, 144, None), slice(112, 200, None)]
    """
    core, margin = (-(-side // multiple) * multiple for side in (geometry.core, geometry.margin))
    for rows in _cut(height, core, margin):
        for columns in _cut(width, core, margin):
            yield Tile(
                *((of_rows, of_columns) for of_rows, of_columns in zip(rows, columns, strict=True))
            )


def _cut(length: int, core: int, margin: int) -> Iterator[tuple[slice, slice, slice]]:
    for start in range(0, length, core):
        stop = min(start + core, length)
        first = max(0, start - margin)
        last = min(stop + margin, length)
        yield slice(first, last), slice(start, stop), slice(start - first, stop - first)
