"""A training as it can be watched: its losses, and a detail as the network restores it by now."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ladderscope.images import Image
from ladderscope.models.restoration import Restoration
from ladderscope.training import Record


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A training at one of its validations.

    Attributes
    ----------
    history : tuple of Record
        One line per validation so far.
    detail : Image
        The middle of the first training image; for a splitter, of the sum of its channels.
    restored : Restoration
        That detail in one pass, by the best weights so far: those that are kept if the training
        ends now. It has no standard deviation yet.
    """

    history: tuple[Record, ...]
    detail: Image
    restored: Restoration


# Called in the thread that trains.
Watch: TypeAlias = Callable[[Snapshot], None]
