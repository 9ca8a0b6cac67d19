"""Fields of view: what patches are cut from, and what of it is held out for validation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Shaped

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image
from ladderscope.images.wider_views import views_around

HELD_OUT_IMAGES_FROM = 5
HELD_OUT_FRACTION = 0.1
_TRIES = 50  # to draw a place without padding
_MOST_PADDING = 0.1  # of the square that is held out


@dataclass(frozen=True)
class PatchShape:
    """The shape of a training patch.

    Parameters
    ----------
    side : int
        Rows and columns, in pixels.
    depth : int, optional
        Planes of a patch that extends over Z; None for patches of one plane.
    views : int
        The patch and its wider views, each twice as wide as the one before and of as many pixels.
    """

    side: int
    depth: int | None = None
    views: int = 1


@dataclass(frozen=True, eq=False)
class Field:
    """One field of view of one channel, and the square of it that is kept from training.

    Parameters
    ----------
    pixels : array of shape (Y, X) or (Z, Y, X)
        In camera units, of any real type.
    channel : int
        Which channel it belongs to, from 0.
    image : int
        Which image it belongs to, from 0.
    reserved : (int, int, int), optional
        First row, first column and side of the square that is held out for validation, in every
        plane. No patch touches it; wider views of patches beside it do show it.
    padding : bool array of the shape of `pixels`, optional
        Where nothing was measured: patches keep away from there as far as they can.
    """

    pixels: Shaped[np.ndarray, "*depth Y X"]
    channel: int = 0
    image: int = 0
    reserved: tuple[int, int, int] | None = None
    padding: Bool[np.ndarray, "*depth Y X"] | None = None

    @property
    def measured(self) -> int:
        """How many pixels are no padding."""
        padded = 0 if self.padding is None else int(np.count_nonzero(self.padding))
        return self.pixels.size - padded

    def padding_in(self, place: "Place", shape: PatchShape) -> int:
        """Count the pixels of a patch that are padding."""
        if self.padding is None:
            return 0
        return int(np.count_nonzero(self.padding[_extent(place, shape)]))


class Place(NamedTuple):
    """Where a patch begins in its field: the first plane, row and column."""

    plane: int
    top: int
    left: int


class HeldOut(NamedTuple):
    """Fields divided between training and validation, and a sentence on how."""

    training: tuple[Field, ...]
    validation: tuple[Field, ...]
    notice: str


def fields_of(images: Sequence[Image], space: str = "YX") -> list[Field]:
    """List the fields of view of images, channel by channel.

    Parameters
    ----------
    images
        With the same number of channels.
    space
        What a field extends over: ``"YX"``, or ``"ZYX"`` for whole stacks.
    """
    fields = []
    for number, image in enumerate(images):
        for position in image.positions(space):
            for channel in range(image.channels):
                padding = image.padding_of(position, channel, space)
                is_padded = padding is not None and padding.any()
                pixels = image.field(position, channel, space)
                fields.append(
                    Field(pixels, channel, number, padding=padding if is_padded else None)
                )
    return fields


def planes_of(fields: Sequence[Field], most: int | None = None) -> list[Shaped[np.ndarray, "Y X"]]:
    """List the planes of fields, or of more than `most` an even choice.

    Examples
    --------
    >>> len(planes_of([Field(np.zeros((7, 4, 4))), Field(np.zeros((4, 4)))], most=4))
    4
    """
    planes = [
        plane for field in fields for plane in field.pixels.reshape(-1, *field.pixels.shape[-2:])
    ]
    return planes if most is None else planes[:: -(-len(planes) // most)]


def cut(field: Field, place: Place, shape: PatchShape) -> Float32[np.ndarray, "views *space"]:
    """Cut a patch out of a field, with its wider views.

    Examples
    --------
    >>> cut(Field(np.eye(8)), Place(0, 2, 2), PatchShape(side=4, views=2)).shape
    (2, 4, 4)
    """
    *planes, rows, columns = _extent(place, shape)
    return views_around(field.pixels[*planes], rows, columns, shape.views)


def _extent(place: Place, shape: PatchShape) -> tuple[slice, ...]:
    """Give the slices of a field that a patch takes."""
    planes = () if shape.depth is None else (slice(place.plane, place.plane + shape.depth),)
    rows, columns = (slice(start, start + shape.side) for start in (place.top, place.left))
    return (*planes, rows, columns)


def side_for(fields: Sequence[Field], wanted: int, multiple: int) -> int:
    """Find the side of the patches: the wanted one, or the largest that fits every field.

    Parameters
    ----------
    fields : sequence of Field
        All fields of the training set.
    wanted : int
        The side that the settings ask for, in pixels.
    multiple : int
        The side is a multiple of this: 2^L for L levels, twice that with wider views.

    Raises
    ------
    LadderscopeError
        If a field is smaller than one `multiple`.

    Examples
    --------
    >>> side_for([Field(np.zeros((50, 200)))], wanted=64, multiple=16)
    48
    """
    shortest = min(min(field.pixels.shape[-2:]) for field in fields)
    largest = shortest // multiple * multiple
    if largest == 0:
        raise LadderscopeError(
            f"the smallest training image is {shortest} pixels on its shorter side, and the "
            f"network's levels need at least {multiple}: use larger images to train on, or fewer "
            "levels (prediction takes images of any size)"
        )
    return min(wanted, largest)


def hold_out(fields: Sequence[Field], side: int, seed: int) -> HeldOut:
    """Choose what validation sees and training does not.

    Of five images or more, a tenth is held out whole. Of fewer, every image trains, except for
    a square of up to two patches' side in a corner of each field that has room for one. Where
    none has, all fields are used for both. What is chosen depends on the numbers and sizes of
    the images alone: of channels that belong together, the same is held out.

    Parameters
    ----------
    fields : sequence of Field
        All fields of the training set.
    side : int
        Side of the patches, in pixels.
    seed : int
        Decides which images, and which corners.
    """
    images = sorted({field.image for field in fields})
    if len(images) >= HELD_OUT_IMAGES_FROM:
        count = max(1, round(HELD_OUT_FRACTION * len(images)))
        rng = np.random.default_rng([seed, 1])
        chosen = set(rng.choice(images, size=count, replace=False).tolist())
        return HeldOut(
            tuple(field for field in fields if field.image not in chosen),
            tuple(field for field in fields if field.image in chosen),
            f"validation: {count} of {len(images)} images, held out whole",
        )
    divided = tuple(_reserve_corner(field, side, seed) for field in fields)
    reserved = tuple(field for field in divided if field.reserved)
    if not reserved:
        return HeldOut(
            tuple(fields),
            tuple(fields),
            f"validation: the images are too small to hold out patches of {side}×{side} pixels; "
            "the validation loss is measured on training patches",
        )
    return HeldOut(divided, reserved, "validation: one corner of each plane, held out")


def places_to_validate(field: Field, shape: PatchShape) -> Iterator[Place]:
    """List places side by side in the held-out part of a field, or in all of it.

    Of a field with padding, those that hold the least of it.
    """
    places = list(_side_by_side(field, shape))
    padded = [field.padding_in(place, shape) for place in places]
    least = min(padded, default=0)
    yield from (place for place, count in zip(places, padded, strict=True) if count == least)


def _side_by_side(field: Field, shape: PatchShape) -> Iterator[Place]:
    height, width = field.pixels.shape[-2:]
    top, left = 0, 0
    if field.reserved is not None:
        top, left, height = field.reserved
        width = height
    depth = shape.depth or 1
    planes = field.pixels.shape[0] if shape.depth is not None else 1
    for plane in range(0, planes - depth + 1, depth):
        for row in range(top, top + height - shape.side + 1, shape.side):
            for column in range(left, left + width - shape.side + 1, shape.side):
                yield Place(plane, row, column)


def draw_place(field: Field, shape: PatchShape, rng: np.random.Generator) -> Place:
    """Draw a place for a patch that, but for its wider views, touches nothing held out.

    Of a field with padding, one that holds none, or the least of many.
    """
    best = _draw_any(field, shape, rng)
    least = field.padding_in(best, shape)
    for _ in range(_TRIES if least else 0):
        place = _draw_any(field, shape, rng)
        padded = field.padding_in(place, shape)
        if padded < least:
            best, least = place, padded
        if least == 0:
            break
    return best


def _draw_any(field: Field, shape: PatchShape, rng: np.random.Generator) -> Place:
    height, width = field.pixels.shape[-2:]
    plane = 0
    if shape.depth is not None:
        plane = int(rng.integers(field.pixels.shape[0] - shape.depth + 1))
    while True:
        top = int(rng.integers(height - shape.side + 1))
        left = int(rng.integers(width - shape.side + 1))
        if not _touches(field.reserved, top, left, shape.side):
            return Place(plane, top, left)


def _touches(reserved: tuple[int, int, int] | None, top: int, left: int, side: int) -> bool:
    if reserved is None:
        return False
    first_row, first_column, length = reserved
    return (
        first_row - side < top < first_row + length
        and first_column - side < left < first_column + length
    )


def _reserve_corner(field: Field, patch: int, seed: int) -> Field:
    height, width = field.pixels.shape[-2:]
    at_bottom, at_right = np.random.default_rng([seed, 1, field.image]).integers(2, size=2)
    for side in (2 * patch, patch):
        # Room for the square and, beside or below it, at least three patches' worth to train on.
        if max(height, width) >= side + 3 * patch and min(height, width) >= side:
            top = int(at_bottom) * (height - side)
            left = int(at_right) * (width - side)
            if field.padding is None:
                return replace(field, reserved=(top, left, side))
            if found := _least_padded(field, side, patch):
                return replace(field, reserved=(*found, side))
    return field


def _least_padded(field: Field, side: int, step: int) -> tuple[int, int] | None:
    """Find the square with the least padding, if it holds little of it."""
    height, width = field.pixels.shape[-2:]
    padding = np.zeros((height, width)) if field.padding is None else field.padding
    padded = padding.reshape(-1, height, width).mean(axis=0)
    shares = {
        (top, left): float(padded[top : top + side, left : left + side].mean())
        for top in range(0, height - side + 1, step)
        for left in range(0, width - side + 1, step)
    }
    best = min(shares, key=lambda place: shares[place])
    return best if shares[best] <= _MOST_PADDING else None
