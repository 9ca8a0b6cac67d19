"""What prediction is made of: the pieces of a restoration, one per tile and run of the network."""

from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float32

from ladderscope.prediction import Tile

Mask: TypeAlias = Bool[np.ndarray, "*core"] | None


class Place(NamedTuple):
    """Where a piece belongs: the field, the job of it, and which of its tiles.

    Attributes
    ----------
    number, job, part : int
        Counted from 0.
    tile : Tile
        Its core is what the piece restores of the field.
    """

    number: int
    job: int
    part: int
    tile: Tile


class Piece(NamedTuple):
    """What became of the core of one tile, in camera units.

    Attributes
    ----------
    place : Place
        Where it belongs.
    values : array of shape (copies, outputs, [Z], Y, X)
        The mean and then the samples, if these were asked for; or samples alone.
    spread : array of shape (outputs, [Z], Y, X), optional
        The standard deviation of the mean.
    padding, beyond, failed : bool array of shape ([Z], Y, X), optional
        Where nothing was measured, what the network did not get, and where restoring failed.
    is_blank : bool
        Whether the field is padding alone, and was not restored.
    """

    place: Place
    values: Float32[np.ndarray, "copies outputs *core"]
    spread: Float32[np.ndarray, "outputs *core"] | None = None
    padding: Mask = None
    beyond: Mask = None
    failed: Mask = None
    is_blank: bool = False
