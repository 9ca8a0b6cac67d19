"""From the planes that a file has to a whole block of them: what is read, and what is left out."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from ladderscope.words import counted

Position: TypeAlias = tuple[int, ...]

_NOUNS = {"T": "frames", "Z": "slices", "C": "channels"}


@dataclass(frozen=True)
class Block:
    """A part of a recording that has a plane at every position.

    Parameters
    ----------
    axes
        The dimensions beside those of a plane, the slowest first.
    kept
        Which positions along each of them it has, in ascending order.
    """

    axes: str
    kept: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of positions along each dimension."""
        return tuple(map(len, self.kept))

    @property
    def planes(self) -> int:
        """The number of planes."""
        return prod(self.shape)


def position_of(number: int, sizes: Sequence[int]) -> Position:
    """Give the position of the plane of a number, the last dimension running fastest.

    Examples
    --------
    >>> position_of(5, (4, 3))
    (1, 2)
    """
    position = []
    for size in reversed(sizes):
        number, at = divmod(number, size)
        position.append(at)
    return tuple(reversed(position))


def whole_block(axes: str, positions: Collection[Position]) -> Block | None:
    """Find the largest whole block among the planes of a recording that may be incomplete.

    A recording that was stopped early lacks the last planes of its last frame, say: then all
    frames but this one are the block. At most one dimension is cut.

    Parameters
    ----------
    axes
        The dimensions, the slowest first.
    positions
        Where along them there is a plane.

    Returns
    -------
    Block or None
        None if cutting no dimension makes the rest whole.

    Examples
    --------
    >>> whole_block("TZ", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]).kept
    ((0, 1), (0, 1))
    """
    along = [sorted({position[at] for position in positions}) for at in range(len(axes))]
    blocks = [_of(axes, along)]
    if blocks[0].planes == len(positions):
        return blocks[0]
    blocks = [
        _of(axes, [*along[:at], _complete(positions, along, at), *along[at + 1 :]])
        for at in range(len(axes))
    ]
    largest = max(blocks, key=lambda block: block.planes)
    return largest if largest.planes else None


def what_is_there(
    axes: str, sizes: tuple[int, ...], positions: Collection[Position], block: Block, elsewhere: int
) -> str:
    """Count the planes of a recording that are in a file, and those left out, in a sentence.

    Parameters
    ----------
    axes, sizes
        The dimensions, and their lengths as announced.
    positions
        Where along them the file has a plane.
    block
        What is read of these.
    elsewhere
        How many planes are said to be in other files.

    Returns
    -------
    str
        Empty if all that was announced is there.

    Examples
    --------
    >>> positions = [(time, 0) for time in range(6)]
    >>> what_is_there("TC", (10, 1), positions, whole_block("TC", positions), 0)
    '6 of 10 frames are present; the recording may have been stopped early.'
    """
    announced, here = prod(sizes), len(positions)
    if announced == here:
        return ""
    long = [axis for axis, size in zip(axes, sizes, strict=True) if size > 1]
    noun = _NOUNS[long[0]] if len(long) == 1 else "planes"
    missing = announced - here - elsewhere
    said = f"{here} of {announced} {noun} are {'in this file' if elsewhere else 'present'}"
    if elsewhere:
        said += f", {min(elsewhere, announced - here)} in other files"
    if missing > 0:
        said += f", {missing} missing" if elsewhere else ""
        said += "; the recording may have been stopped early"
    if here > block.planes:
        left = here - block.planes
        said += (
            f"; reading {counted(block.planes, 'plane')}, and leaving out "
            f"{counted(left, 'plane')} of incomplete {_cut(block, positions)}"
        )
    return said + "."


def _of(axes: str, kept: Iterable[Iterable[int]]) -> Block:
    return Block(axes, tuple(map(tuple, kept)))


def _complete(positions: Collection[Position], along: list[list[int]], at: int) -> list[int]:
    """List the positions along one dimension where the others lack nothing."""
    expected = prod(len(values) for other, values in enumerate(along) if other != at)
    counts = Counter(position[at] for position in positions)
    return [value for value in along[at] if counts[value] == expected]


def _cut(block: Block, positions: Collection[Position]) -> str:
    for at, axis in enumerate(block.axes):
        if len(block.kept[at]) < len({position[at] for position in positions}):
            return _NOUNS[axis]
    return "planes"
