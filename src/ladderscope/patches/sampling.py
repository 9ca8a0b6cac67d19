"""Square patches of image planes: which are drawn for training, and which are held out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.utils.data import Dataset

from ladderscope.errors import LadderscopeError

HELD_OUT_IMAGES_FROM = 5
HELD_OUT_FRACTION = 0.1
MAX_VALIDATION_PATCHES = 64


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane of one channel, and the square of it that training may not see.

    Parameters
    ----------
    pixels : array of shape (Y, X)
        In camera units, of any real type.
    channel : int
        Which channel it belongs to, from 0.
    image : int
        Which image it belongs to, from 0.
    reserved : (int, int, int), optional
        First row, first column and side of the square that is held out for validation.
    """

    pixels: Shaped[np.ndarray, "Y X"]
    channel: int = 0
    image: int = 0
    reserved: tuple[int, int, int] | None = None


class PatchBatch(NamedTuple):
    """Patches in camera units and the channel each comes from."""

    observation: Float[Tensor, "batch 1 Y X"]
    channel: Int[Tensor, " batch"]


class HeldOut(NamedTuple):
    """Planes divided between training and validation, and a sentence on how."""

    training: tuple[Plane, ...]
    validation: tuple[Plane, ...]
    notice: str


def patch_size_for(planes: Sequence[Plane], wanted: int, multiple: int) -> int:
    """Find the side of the patches: the wanted one, or the largest that fits every plane.

    Parameters
    ----------
    planes : sequence of Plane
        All planes of the training set.
    wanted : int
        The side that the settings ask for, in pixels.
    multiple : int
        The side is a multiple of this: 2^L for L levels.

    Raises
    ------
    LadderscopeError
        If a plane is smaller than one `multiple`.

    Examples
    --------
    >>> patch_size_for([Plane(np.zeros((50, 200)))], wanted=64, multiple=16)
    48
    """
    shortest = min(min(plane.pixels.shape) for plane in planes)
    largest = shortest // multiple * multiple
    if largest == 0:
        raise LadderscopeError(
            f"the smallest training image is {shortest} pixels on its shorter side, and the "
            f"network's levels need at least {multiple}: use larger images to train on, or fewer "
            "levels (prediction takes images of any size)"
        )
    return min(wanted, largest)


def hold_out(planes: Sequence[Plane], patch: int, seed: int) -> HeldOut:
    """Choose what validation sees and training does not.

    Of five images or more, a tenth is held out whole. Of fewer, every image trains, except for
    a square of up to two patches' side in a corner of each plane that has room for one. Where
    none has, all planes are used for both.

    Parameters
    ----------
    planes : sequence of Plane
        All planes of the training set.
    patch : int
        Side of the patches, in pixels.
    seed : int
        Decides which images, and which corners.
    """
    rng = np.random.default_rng([seed, 1])
    images = sorted({plane.image for plane in planes})
    if len(images) >= HELD_OUT_IMAGES_FROM:
        count = max(1, round(HELD_OUT_FRACTION * len(images)))
        chosen = set(rng.choice(images, size=count, replace=False).tolist())
        return HeldOut(
            tuple(plane for plane in planes if plane.image not in chosen),
            tuple(plane for plane in planes if plane.image in chosen),
            f"validation: {count} of {len(images)} images, held out whole",
        )
    divided = [_reserve_corner(plane, patch, rng) for plane in planes]
    reserved = [plane for plane in divided if plane.reserved]
    if not reserved:
        return HeldOut(
            tuple(planes),
            tuple(planes),
            f"validation: the images are too small to hold out patches of {patch}×{patch} pixels; "
            "the validation loss is measured on training patches",
        )
    shown = tuple(
        replace(plane, pixels=plane.pixels[top : top + side, left : left + side], reserved=None)
        for plane in reserved
        if plane.reserved is not None
        for top, left, side in [plane.reserved]
    )
    return HeldOut(tuple(divided), shown, "validation: one corner of each plane, held out")


def _reserve_corner(plane: Plane, patch: int, rng: np.random.Generator) -> Plane:
    height, width = plane.pixels.shape
    at_bottom, at_right = rng.integers(2, size=2)
    for side in (2 * patch, patch):
        # Room for the square and, beside or below it, at least three patches' worth to train on.
        if max(height, width) >= side + 3 * patch and min(height, width) >= side:
            top = int(at_bottom) * (height - side)
            left = int(at_right) * (width - side)
            return replace(plane, reserved=(top, left, side))
    return plane


def validation_batch(planes: Sequence[Plane], patch: int, seed: int) -> PatchBatch:
    """Cut the validation planes into patches, side by side; of many, a random few are kept."""
    rng = np.random.default_rng([seed, 2])
    places = [
        (plane, top, left)
        for plane in planes
        for top in range(0, plane.pixels.shape[0] - patch + 1, patch)
        for left in range(0, plane.pixels.shape[1] - patch + 1, patch)
    ]
    if len(places) > MAX_VALIDATION_PATCHES:
        kept = rng.choice(len(places), size=MAX_VALIDATION_PATCHES, replace=False)
        places = [places[index] for index in sorted(kept)]
    return _batch(
        [plane.pixels[top : top + patch, left : left + patch] for plane, top, left in places],
        [plane.channel for plane, _, _ in places],
    )


class TrainingPatches(Dataset[PatchBatch]):
    """Batches of random patches, flipped and rotated; batch number k is a function of the seed.

    Parameters
    ----------
    planes : sequence of Plane
        What to draw from; larger planes are drawn from more often.
    patch, batch : int
        Side of a patch in pixels, and patches in a batch.
    seed : int
        Fixes every batch: neither the order in which they are asked for nor the number of
        workers changes one.

    Examples
    --------
    >>> patches = TrainingPatches([Plane(np.zeros((40, 50)))], patch=32, batch=4, seed=0)
    >>> patches[7].observation.shape
    torch.Size([4, 1, 32, 32])
    """

    def __init__(self, planes: Sequence[Plane], patch: int, batch: int, seed: int) -> None:
        self.planes, self.patch, self.batch, self.seed = tuple(planes), patch, batch, seed
        areas = np.array([plane.pixels.size for plane in planes], dtype=float)
        self._shares = areas / areas.sum()

    @property
    def batches_per_epoch(self) -> int:
        """How many batches hold as many pixels as the planes do."""
        pixels = sum(plane.pixels.size for plane in self.planes)
        return max(1, round(pixels / (self.batch * self.patch**2)))

    def __getitem__(self, number: int) -> PatchBatch:
        """Draw batch `number`."""
        rng = np.random.default_rng([self.seed, 0, number])
        chosen = [
            self.planes[index] for index in rng.choice(len(self.planes), self.batch, p=self._shares)
        ]
        return _batch(
            [self._turned(self._crop(plane, rng), rng) for plane in chosen],
            [plane.channel for plane in chosen],
        )

    def _crop(self, plane: Plane, rng: np.random.Generator) -> Shaped[np.ndarray, "side side"]:
        height, width = plane.pixels.shape
        while True:
            top = int(rng.integers(height - self.patch + 1))
            left = int(rng.integers(width - self.patch + 1))
            if not self._touches(plane.reserved, top, left):
                return plane.pixels[top : top + self.patch, left : left + self.patch]

    def _touches(self, reserved: tuple[int, int, int] | None, top: int, left: int) -> bool:
        if reserved is None:
            return False
        first_row, first_column, side = reserved
        return (
            first_row - self.patch < top < first_row + side
            and first_column - self.patch < left < first_column + side
        )

    def _turned(
        self, patch: Shaped[np.ndarray, "side side"], rng: np.random.Generator
    ) -> Shaped[np.ndarray, "side side"]:
        turned = np.rot90(patch, int(rng.integers(4)))
        return turned.T if rng.integers(2) else turned


def _batch(patches: Sequence[Shaped[np.ndarray, "side side"]], channels: list[int]) -> PatchBatch:
    observation = np.stack(patches)[:, None].astype(np.float32)
    return PatchBatch(torch.from_numpy(observation), torch.tensor(channels))
