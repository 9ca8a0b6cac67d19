"""Batches of patches for training and for validation."""

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from ladderscope.data.cuts import TURNS, Ahead, Cut, Patch, Turn, draw_turn
from ladderscope.data.fields import (
    Field,
    PatchShape,
    cut,
    draw_position,
    validation_positions,
)

MAX_VALIDATION_PATCHES = 64


class PatchBatch(NamedTuple):
    """Patches with their lateral context, in camera units, and the channel of each."""

    observation: Float[Tensor, "batch views *space"]
    channel: Int[Tensor, " batch"]


class TrainingPatches(Dataset[PatchBatch]):
    """Batches of random patches, flipped and rotated, as a function of their number and the seed.

    Parameters
    ----------
    fields : sequence of Field
        The fields to draw from, in proportion to their size.
    shape : PatchShape
        The shape of a patch.
    batch : int
        Patches per batch.
    seed : int
        Random seed. Neither the order in which batches are requested nor the number of workers
        changes them.
    turns : sequence of (int, bool)
        The orientations that patches may have: all eight of a square, unless the noise differs
        between them.

    Examples
    --------
    >>> patches = TrainingPatches([Field(np.zeros((40, 50)))], PatchShape(32), batch=4, seed=0)
    >>> patches[7].observation.shape
    torch.Size([4, 1, 32, 32])
    """

    def __init__(
        self,
        fields: Sequence[Field],
        shape: PatchShape,
        batch: int,
        seed: int,
        turns: Sequence[Turn] = TURNS,
    ) -> None:
        self.fields, self.shape, self.batch, self.seed = tuple(fields), shape, batch, seed
        self.turns, self.rows = turns, slice(None)
        self._fractions = fractions(fields)
        self._ahead = Ahead(self._plan, shape)

    def part(self, rows: slice) -> "TrainingPatches":
        """Give the same batches, of which only some patches are cut.

        Examples
        --------
        >>> patches = TrainingPatches([Field(np.eye(8))], PatchShape(2), batch=4, seed=0)
        >>> odd = patches.part(slice(1, None, 2))
        >>> torch.equal(odd[0].observation, patches[0].observation[1::2])
        True
        """
        chosen = copy(self)
        chosen.rows, chosen._ahead = rows, Ahead(chosen._plan, self.shape)
        return chosen

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches with as many pixels as the fields."""
        return batches_per_epoch(self.fields, self.shape, self.batch)

    @property
    def steps_per_view(self) -> float:
        """Number of steps in which each pixel of the fields is seen once, on average."""
        return _batches_for(self.fields, self.shape, self.batch)

    def __getitem__(self, number: int) -> PatchBatch:
        """Draw batch `number`."""
        fields, patches = self._ahead[number]
        return _batch(patches, fields)

    def _plan(self, number: int) -> tuple[list[Field], list[Cut]]:
        rng = np.random.default_rng([self.seed, 0, number])
        chosen = [
            self.fields[index]
            for index in rng.choice(len(self.fields), self.batch, p=self._fractions)
        ]
        return chosen[self.rows], [self._draw(field, rng) for field in chosen][self.rows]

    def _draw(self, field: Field, rng: np.random.Generator) -> Cut:
        return Cut(field, draw_position(field, self.shape, rng), draw_turn(rng, self.turns))


def validation_batch(fields: Sequence[Field], shape: PatchShape, seed: int) -> PatchBatch:
    """Cut the validation fields into adjacent patches, of which at most 64 are kept at random."""
    rng = np.random.default_rng([seed, 2])
    positions = [
        (field, position) for field in fields for position in validation_positions(field, shape)
    ]
    if len(positions) > MAX_VALIDATION_PATCHES:
        kept = rng.choice(len(positions), size=MAX_VALIDATION_PATCHES, replace=False)
        positions = [positions[index] for index in sorted(kept)]
    return _batch(
        [cut(field, position, shape) for field, position in positions],
        [field for field, _ in positions],
    )


def fractions(fields: Sequence[Field]) -> Float[np.ndarray, " fields"]:
    """Return, for each field, its fraction of all measured pixels."""
    sizes = np.array([field.measured for field in fields], dtype=float)
    return sizes / sizes.sum()


def batches_per_epoch(fields: Sequence[Field], shape: PatchShape, batch: int) -> int:
    """Return the number of batches with as many pixels as the fields."""
    return max(1, round(_batches_for(fields, shape, batch)))


def _batches_for(fields: Sequence[Field], shape: PatchShape, batch: int) -> float:
    pixels = sum(field.measured for field in fields)
    return pixels / (batch * shape.side**2 * (shape.depth or 1))


def _batch(patches: Sequence[Patch], fields: Sequence[Field]) -> PatchBatch:
    channels = [field.channel for field in fields]
    return PatchBatch(torch.from_numpy(np.stack(patches)), torch.tensor(channels))
