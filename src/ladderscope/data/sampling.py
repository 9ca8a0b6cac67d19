"""Batches of patches: which are drawn for training, and which for validation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from torch.utils.data import Dataset

from ladderscope.data.fields import (
    Field,
    PatchShape,
    cut,
    draw_place,
    places_to_validate,
)

MAX_VALIDATION_PATCHES = 64

Patch = Float32[np.ndarray, "views *space"]


class PatchBatch(NamedTuple):
    """Patches with their wider views, in camera units, and the channel each comes from."""

    observation: Float[Tensor, "batch views *space"]
    channel: Int[Tensor, " batch"]


class TrainingPatches(Dataset[PatchBatch]):
    """Batches of random patches, flipped and rotated; batch number k is a function of the seed.

    Parameters
    ----------
    fields : sequence of Field
        What to draw from; larger fields are drawn from more often.
    shape : PatchShape
        Of a patch.
    batch : int
        Patches in a batch.
    seed : int
        Fixes every batch: neither the order in which they are asked for nor the number of
        workers changes one.

    Examples
    --------
    >>> patches = TrainingPatches([Field(np.zeros((40, 50)))], PatchShape(32), batch=4, seed=0)
    >>> patches[7].observation.shape
    torch.Size([4, 1, 32, 32])
    """

    def __init__(self, fields: Sequence[Field], shape: PatchShape, batch: int, seed: int) -> None:
        self.fields, self.shape, self.batch, self.seed = tuple(fields), shape, batch, seed
        self._shares = shares(fields)

    @property
    def batches_per_epoch(self) -> int:
        """How many batches hold as many pixels as the fields do."""
        return batches_per_epoch(self.fields, self.shape, self.batch)

    def __getitem__(self, number: int) -> PatchBatch:
        """Draw batch `number`."""
        rng = np.random.default_rng([self.seed, 0, number])
        chosen = [
            self.fields[index] for index in rng.choice(len(self.fields), self.batch, p=self._shares)
        ]
        return _batch([self._draw(field, rng) for field in chosen], chosen)

    def _draw(self, field: Field, rng: np.random.Generator) -> Patch:
        return turned(cut(field, draw_place(field, self.shape, rng), self.shape), draw_turn(rng))


def validation_batch(fields: Sequence[Field], shape: PatchShape, seed: int) -> PatchBatch:
    """Cut the validation fields into patches, side by side; of many, a random few are kept."""
    rng = np.random.default_rng([seed, 2])
    places = [(field, place) for field in fields for place in places_to_validate(field, shape)]
    if len(places) > MAX_VALIDATION_PATCHES:
        kept = rng.choice(len(places), size=MAX_VALIDATION_PATCHES, replace=False)
        places = [places[index] for index in sorted(kept)]
    return _batch(
        [cut(field, place, shape) for field, place in places], [field for field, _ in places]
    )


def shares(fields: Sequence[Field]) -> Float[np.ndarray, " fields"]:
    """Give each field its share of all pixels that were measured."""
    sizes = np.array([field.measured for field in fields], dtype=float)
    return sizes / sizes.sum()


def batches_per_epoch(fields: Sequence[Field], shape: PatchShape, batch: int) -> int:
    """Count the batches that hold as many pixels as the fields do."""
    pixels = sum(field.measured for field in fields)
    return max(1, round(pixels / (batch * shape.side**2 * (shape.depth or 1))))


def draw_turn(rng: np.random.Generator) -> tuple[int, bool]:
    """Draw one of the eight orientations of a square: quarter turns, and whether it is flipped."""
    return int(rng.integers(4)), bool(rng.integers(2))


def turned(patch: Patch, turn: tuple[int, bool]) -> Patch:
    """Turn a patch and all its views about their centre."""
    quarters, flipped = turn
    rotated = np.rot90(patch, quarters, axes=(-2, -1))
    return rotated.swapaxes(-2, -1) if flipped else rotated


def _batch(patches: Sequence[Patch], fields: Sequence[Field]) -> PatchBatch:
    channels = [field.channel for field in fields]
    return PatchBatch(torch.from_numpy(np.stack(patches)), torch.tensor(channels))
