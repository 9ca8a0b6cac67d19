"""Patches, planned before they are cut: which, and then in the order in which they lie on disk."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float32

from ladderscope.data.fields import Field, PatchShape, Position, cut

_MOST_AHEAD = 2**27  # bytes of patches

Patch = Float32[np.ndarray, "views *space"]
Turn: TypeAlias = tuple[int, bool]  # quarter turns, and whether to flip
TURNS: tuple[Turn, ...] = tuple((quarters, flip) for quarters in range(4) for flip in (False, True))


class Cut(NamedTuple):
    """A patch that is to be cut out of a field, and how it is turned then."""

    field: Field
    position: Position
    turn: Turn = (0, False)


Known = TypeVar("Known")


class Ahead(Generic[Known]):
    """Cuts the patches of batches; where they are on disk, those of later batches at once.

    What a batch holds depends on its number alone. So the patches of many batches can be cut in the
    order in which they lie in the files: each page is then read and decoded once for all of them.
    Each time, twice as many batches are taken together, up to 128 MB of patches.

    Parameters
    ----------
    plan
        Gives what is known of the batch of a number, and its cuts.
    shape
        That of a patch.

    Examples
    --------
    >>> field = Field(np.eye(8))
    >>> cut_at = lambda row: Cut(field, Position(0, row, 0))
    >>> ahead = Ahead(lambda number: ("eye", [cut_at(number)]), PatchShape(4))
    >>> name, [patch] = ahead[2]
    >>> name, patch.shape
    ('eye', (1, 4, 4))
    """

    def __init__(self, plan: Callable[[int], tuple[Known, list[Cut]]], shape: PatchShape) -> None:
        self._plan, self._shape = plan, shape
        self._kept: dict[int, tuple[Known, list[Patch]]] = {}
        self._together, self._last = 1, -1

    def __getitem__(self, number: int) -> tuple[Known, list[Patch]]:
        """Give what is known of a batch, and its patches."""
        if number not in self._kept:
            self._cut_from(number)
        self._last = number
        return self._kept.pop(number)

    def _cut_from(self, number: int) -> None:
        step = number - self._last if self._last < number else 1
        plans = {number: self._plan(number)}
        first = plans[number][1]
        if any(one.field.is_stored for one in first):
            end = number + step * self._together
            plans |= {later: self._plan(later) for later in range(number + step, end, step)}
            most = _MOST_AHEAD // (len(first) * _bytes_of(self._shape))
            self._together = min(2 * self._together, max(1, most))
        cuts = [one for _, of_batch in plans.values() for one in of_batch]
        patches = iter(patches_at(cuts, self._shape))
        self._kept = {
            of: (known, [next(patches) for _ in of_batch])
            for of, (known, of_batch) in plans.items()
        }


def patches_at(cuts: Sequence[Cut], shape: PatchShape) -> list[Patch]:
    """Cut patches, field by field and from top to bottom; they are given in the order of `cuts`."""
    places = {field: place for place, field in enumerate(dict.fromkeys(one.field for one in cuts))}
    order = sorted(range(len(cuts)), key=lambda at: (places[cuts[at].field], cuts[at].position))
    found = {
        at: turned(cut(cuts[at].field, cuts[at].position, shape), cuts[at].turn) for at in order
    }
    return [found[at] for at in range(len(cuts))]


def draw_turn(rng: np.random.Generator, turns: Sequence[Turn] = TURNS) -> Turn:
    """Draw one of the orientations."""
    number = 2 * int(rng.integers(4)) + int(rng.integers(2))
    return turns[number % len(turns)]


def turned(patch: Patch, turn: Turn) -> Patch:
    """Rotate and flip a patch and its lateral context."""
    quarters, flipped = turn
    rotated = np.rot90(patch, quarters, axes=(-2, -1))
    return rotated.swapaxes(-2, -1) if flipped else rotated


def _bytes_of(shape: PatchShape) -> int:
    return 4 * shape.views * shape.side**2 * (shape.depth or 1)
