"""Where pixels stand out from their surroundings, also in planes too large for memory."""

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Shaped

from ladderscope.images import Image
from ladderscope.images.large import blocks
from ladderscope.images.outliers import find_outliers

# Its position along the axes of the image, and its value.
Outlier: TypeAlias = tuple[tuple[int, ...], float]

NAMED = 3
_AROUND = 4  # pixels around a block that are looked at with it


class Outlying(NamedTuple):
    """How many pixels of an image stand out, and the first of them."""

    total: int
    first: list[Outlier]


def outlying(image: Image) -> Outlying:
    """Find the hot and dead pixels of an image block by block, and keep the first ones only.

    Pixels of a large plane are compared with the contrast of their block.

    Parameters
    ----------
    image
        Its padding is marked.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (64, 64))
    >>> plane[40, 50] = 60000
    >>> outlying(Image(plane, "YX", "a.tif"))
    Outlying(total=1, first=[((40, 50), 60000.0)])
    """
    total, first = 0, list[Outlier]()
    parts = product(image.positions(), range(image.channels), blocks(image.field_shape()))
    for position, channel, block in parts:
        around = tuple(slice(max(0, side.start - _AROUND), side.stop + _AROUND) for side in block)
        plane = image.field(position, channel, region=around)
        found = find_outliers(plane, image.padding_of(position, channel, region=around))
        if found is None:
            continue
        inside = tuple(
            slice(side.start - wide.start, side.stop - wide.start)
            for side, wide in zip(block, around, strict=True)
        )
        total += int(np.count_nonzero(found[inside]))
        at, corner = {**position, "C": channel}, (block[0].start, block[1].start)
        in_block = first_marked(image.axes, at, found[inside], plane[inside], corner)
        first = sorted([*first, *in_block])[:NAMED]
    return Outlying(total, first)


def first_marked(
    axes: str,
    position: Mapping[str, int],
    marked: Bool[np.ndarray, "Y X"],
    plane: Shaped[np.ndarray, "Y X"],
    corner: tuple[int, int] = (0, 0),
) -> list[Outlier]:
    """List the first pixels marked in a plane, or in the part of it that has this corner.

    Examples
    --------
    >>> first_marked("YX", {"C": 0}, np.eye(2, dtype=bool), 5 * np.eye(2), corner=(10, 20))
    [((10, 20), 5.0), ((11, 21), 5.0)]
    """
    rows_first = axes.index("Y") < axes.index("X")
    found = []
    for pair in np.argwhere(marked if rows_first else marked.T)[:NAMED].tolist():
        row, column = pair if rows_first else pair[::-1]
        at = {**position, "Y": corner[0] + row, "X": corner[1] + column}
        found.append((tuple(at[letter] for letter in axes), float(plane[row, column])))
    return found
