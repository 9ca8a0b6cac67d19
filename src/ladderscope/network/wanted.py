"""Which part of each level's map the top-down pass needs for a part of the output."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from jaxtyping import Float
from torch import Tensor

Rectangle: TypeAlias = tuple[slice, slice]  # rows and columns

# Pixels by which a convolution on each side could bring in the border: two in a residual block,
# and one in any other convolution. Those of the output, and those of a level: to the posterior,
# from the sample, and a residual block in each merge.
_OF_BLOCK, _OF_UPSAMPLING, _OF_OUTPUT, _OF_LEVEL = 2, 1, 1, 6


class Part(NamedTuple):
    """The part of a level's map that is computed, and within it what the next finer level needs."""

    computed: Rectangle
    kept: Rectangle


class Course(NamedTuple):
    """What a top-down pass computes.

    Attributes
    ----------
    levels : sequence of Part
        For each level, finest first.
    kept : rows and columns
        Of the finest features, those that are the output.
    """

    levels: Sequence[Part]
    kept: Rectangle


def course_for(
    wanted: Rectangle | None,
    sizes: Sequence[tuple[int, int]],
    image: tuple[int, int],
    *,
    views: int,
    blocks: int,
) -> Course:
    """Compute as much as makes the wanted part of the output what it is when all is computed.

    With more than one view, everything is computed.

    Parameters
    ----------
    wanted : rows and columns, optional
        Of the output; all by default.
    sizes : sequence of (Y, X)
        Of each level's map, finest level first.
    image : (Y, X)
        The size of the image.
    views : int
        The patch and its lateral-context inputs.
    blocks : int
        Residual blocks per level.

    Examples
    --------
    >>> course = course_for(
    ...     (slice(40, 60), slice(0, 60)), [(50, 50), (25, 25)], (100, 100), views=1, blocks=1
    ... )
    >>> course.kept[0], course.levels[0].kept[0], course.levels[0].computed[0]
    (slice(6, 26, None), slice(9, 25, None), slice(8, 42, None))
    """
    finest = (2 * sizes[0][0], 2 * sizes[0][1]) if views == 1 else sizes[0]
    if wanted is not None and views == 1:
        return _of_part(wanted, sizes, finest, blocks)
    output = _whole(image) if views == 1 else _centre(finest, image)
    if wanted is not None:
        output = _within(wanted, (slice(-output[0].start, None), slice(-output[1].start, None)))
    levels = [
        Part(_whole(size), _centre(size, (finer[0] // 2, finer[1] // 2)))
        for size, finer in zip(sizes, [finest, *sizes], strict=False)
    ]
    return Course(levels, output)


def cropped(
    pixels: Float[Tensor, "batch channels *space"], part: Rectangle
) -> Float[Tensor, "batch channels *part"]:
    """Crop a map to some of its rows and columns."""
    return pixels[..., part[0], part[1]]


def _of_part(
    wanted: Rectangle, sizes: Sequence[tuple[int, int]], finest: tuple[int, int], blocks: int
) -> Course:
    of_blocks = blocks * _OF_BLOCK + _OF_UPSAMPLING
    computed = first = _around(wanted, _OF_OUTPUT + blocks * _OF_BLOCK + of_blocks, finest)
    levels = []
    for size in sizes:
        needed = _half(computed[0]), _half(computed[1])
        computed = _around(needed, _OF_LEVEL + of_blocks, size)
        levels.append(Part(computed, _within(needed, computed)))
    return Course(levels, _within(wanted, first))


def _within(part: Rectangle, whole: Rectangle) -> Rectangle:
    """Count a part from the corner of what it is a part of."""
    rows, columns = (
        slice(side.start - outer.start, side.stop - outer.start)
        for side, outer in zip(part, whole, strict=True)
    )
    return rows, columns


def _centre(size: tuple[int, int], kept: tuple[int, int]) -> Rectangle:
    rows, columns = (
        slice((length - part) // 2, (length - part) // 2 + part)
        for length, part in zip(size, kept, strict=True)
    )
    return rows, columns


def _around(part: Rectangle, margin: int, size: tuple[int, int]) -> Rectangle:
    """Add a margin, out to even positions: the corner must be one of the next coarser map."""
    rows, columns = (
        slice(max(0, side.start - margin) // 2 * 2, min(length, -(-(side.stop + margin) // 2) * 2))
        for side, length in zip(part, size, strict=True)
    )
    return rows, columns


def _half(side: slice) -> slice:
    return slice(side.start // 2, -(-side.stop // 2))


def _whole(size: tuple[int, int]) -> Rectangle:
    return slice(0, size[0]), slice(0, size[1])
