"""Fields of view, from which patches are cut, and the parts held out for validation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple, overload

import numpy as np
from jaxtyping import Float32, Shaped
from numpy.typing import NDArray

from ladderscope.errors import LadderscopeError
from ladderscope.images import Image
from ladderscope.images.lateral_context import seen_around, views_around
from ladderscope.images.parts import field_of
from ladderscope.images.stored import Pixels

HELD_OUT_IMAGES_FROM = 5
HELD_OUT_FRACTION = 0.1
_TRIES = 50  # to draw a position without padding
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
        The patch and its lateral-context inputs, each twice as wide as the one before, with the
        same number of pixels.
    """

    side: int
    depth: int | None = None
    views: int = 1


@dataclass(frozen=True, eq=False)
class Field:
    """One field of view of one channel, and the square that is held out from training.

    Parameters
    ----------
    pixels : Pixels of shape (Y, X) or (Z, Y, X)
        In camera units, of any real type; in memory, or read where they are asked for.
    channel : int
        Number of the channel, from 0.
    image : int
        Number of the image, from 0.
    reserved : (int, int, int), optional
        First row, first column and side of the square that is held out for validation, in every
        plane. No patch overlaps it, but the lateral context of patches nearby does.
    padding : bool Pixels of the shape of `pixels`, optional
        Where nothing was measured; patches avoid these pixels as far as possible.
    """

    pixels: Pixels
    channel: int = 0
    image: int = 0
    reserved: tuple[int, int, int] | None = None
    padding: Pixels | None = None

    @property
    def is_stored(self) -> bool:
        """Whether its pixels are read where they are asked for."""
        return not isinstance(self.pixels, np.ndarray)

    @cached_property
    def measured(self) -> int:
        """Number of pixels that are not padding."""
        padded = 0 if self.padding is None else sum(map(np.count_nonzero, _planes(self.padding)))
        return prod(self.pixels.shape) - int(padded)

    def padding_in(self, position: "Position", shape: PatchShape) -> int:
        """Count the pixels of a patch that are padding."""
        if self.padding is None:
            return 0
        return int(np.count_nonzero(self.padding[extent(position, shape)]))


class Position(NamedTuple):
    """First plane, row and column of a patch in its field."""

    plane: int
    top: int
    left: int


class HeldOut(NamedTuple):
    """Fields for training and for validation, and a sentence that describes the choice."""

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
        Axes of a field: ``"YX"``, or ``"ZYX"`` for whole stacks.
    """
    fields = []
    for number, image in enumerate(images):
        for position in image.positions(space):
            for channel in range(image.channels):
                where = position, channel, space
                field = Field(field_of(image, image.pixels, *where), channel, number)
                if image.padding is not None:
                    padding = field_of(image, image.padding, *where)
                    if any(plane.any() for plane in _planes(padding)):
                        field = replace(field, padding=padding)
                fields.append(field)
    return fields


class Planes(Sequence[NDArray[Any]]):  # of any sizes, each its own
    """Planes of fields, each read when it is asked for.

    Parameters
    ----------
    places
        The field of each plane, and its index there.
    """

    def __init__(self, places: Sequence[tuple[Field, tuple[int, ...]]]) -> None:
        self._places = places

    def __len__(self) -> int:
        """Give the number of planes."""
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> Shaped[np.ndarray, "Y X"]: ...
    @overload
    def __getitem__(self, number: slice) -> "Planes": ...
    def __getitem__(self, number: int | slice) -> "Shaped[np.ndarray, 'Y X'] | Planes":
        """Read one plane, or list some."""
        if isinstance(number, slice):
            return Planes(self._places[number])
        field, at = self._places[number]
        plane: Shaped[np.ndarray, "Y X"] = field.pixels[at]
        return plane


def planes_of(fields: Sequence[Field], most: int | None = None) -> Planes:
    """List the planes of fields; of more than `most` planes, an evenly spaced selection.

    Examples
    --------
    >>> len(planes_of([Field(np.zeros((7, 4, 4))), Field(np.zeros((4, 4)))], most=4))
    4
    """
    planes = Planes([(field, at) for field in fields for at in np.ndindex(field.pixels.shape[:-2])])
    return planes if most is None else planes[:: -(-len(planes) // most)]


def _planes(pixels: Pixels) -> Iterator[Shaped[np.ndarray, "Y X"]]:
    return (pixels[at] for at in np.ndindex(pixels.shape[:-2]))


def cut(field: Field, position: Position, shape: PatchShape) -> Float32[np.ndarray, "views *space"]:
    """Cut a patch out of a field, with its lateral context.

    Examples
    --------
    >>> cut(Field(np.eye(8)), Position(0, 2, 2), PatchShape(side=4, views=2)).shape
    (2, 4, 4)
    """
    *planes, rows, columns = extent(position, shape)
    if not field.is_stored:
        return views_around(field.pixels[*planes], rows, columns, shape.views)
    size = (field.pixels.shape[-2], field.pixels.shape[-1])
    region = seen_around(rows, columns, size, shape.views)
    seen = field.pixels[*planes, *region]
    return views_around(seen, rows, columns, shape.views, region=region, size=size)


def extent(position: Position, shape: PatchShape) -> tuple[slice, ...]:
    """Give the slices of a field that a patch covers."""
    planes = () if shape.depth is None else (slice(position.plane, position.plane + shape.depth),)
    rows, columns = (slice(start, start + shape.side) for start in (position.top, position.left))
    return (*planes, rows, columns)


def side_for(fields: Sequence[Field], wanted: int, multiple: int) -> int:
    """Return the side of the patches: the requested one, or the largest that fits every field.

    Parameters
    ----------
    fields : sequence of Field
        All fields of the training set.
    wanted : int
        The side in the settings, in pixels.
    multiple : int
        The side is a multiple of this number: 2^L for L levels, 2^(L+1) with lateral context.

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
            f"the shorter side of the smallest training image is {shortest} pixels, and the levels "
            f"of the network need at least {multiple}: train on larger images or with fewer levels "
            "(prediction works on images of any size)"
        )
    return min(wanted, largest)


def hold_out(fields: Sequence[Field], side: int, seed: int) -> HeldOut:
    """Hold out images, or corners of images, for validation.

    Of five or more images, 10 % are held out whole. Of fewer, one corner of each sufficiently large
    field is held out: a square of up to twice the side of a patch. If no field is large enough,
    all fields are used both for training and for validation. The choice depends only on the number
    and sizes of the images, so that it is the same for channels that belong together.

    Parameters
    ----------
    fields : sequence of Field
        All fields of the training set.
    side : int
        Side of the patches, in pixels.
    seed : int
        Determines which images or corners are held out.
    """
    images = sorted({field.image for field in fields})
    if len(images) >= HELD_OUT_IMAGES_FROM:
        count = max(1, round(HELD_OUT_FRACTION * len(images)))
        rng = np.random.default_rng([seed, 1])
        chosen = set(rng.choice(images, size=count, replace=False).tolist())
        return HeldOut(
            tuple(field for field in fields if field.image not in chosen),
            tuple(field for field in fields if field.image in chosen),
            f"validation: {count} of {len(images)} images held out",
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
    return HeldOut(divided, reserved, "validation: one corner of each plane held out")


def validation_positions(field: Field, shape: PatchShape) -> Iterator[Position]:
    """List adjacent positions in the held-out part of a field, or in the whole field.

    In a field with padding, only the positions with the least padding.
    """
    positions = list(_side_by_side(field, shape))
    padded = [field.padding_in(position, shape) for position in positions]
    least = min(padded, default=0)
    yield from (
        position for position, count in zip(positions, padded, strict=True) if count == least
    )


def _side_by_side(field: Field, shape: PatchShape) -> Iterator[Position]:
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
                yield Position(plane, row, column)


def draw_position(field: Field, shape: PatchShape, rng: np.random.Generator) -> Position:
    """Draw a position at which a patch, apart from its lateral context, avoids the held-out part.

    In a field with padding, a position without padding, or the one with the least of many.
    """
    best = _draw_any(field, shape, rng)
    least = field.padding_in(best, shape)
    for _ in range(_TRIES if least else 0):
        position = _draw_any(field, shape, rng)
        padded = field.padding_in(position, shape)
        if padded < least:
            best, least = position, padded
        if least == 0:
            break
    return best


def _draw_any(field: Field, shape: PatchShape, rng: np.random.Generator) -> Position:
    height, width = field.pixels.shape[-2:]
    plane = 0
    if shape.depth is not None:
        plane = int(rng.integers(field.pixels.shape[0] - shape.depth + 1))
    while True:
        top = int(rng.integers(height - shape.side + 1))
        left = int(rng.integers(width - shape.side + 1))
        if not _touches(field.reserved, top, left, shape.side):
            return Position(plane, top, left)


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
        # Enough for the square and, beside or below it, at least three patches for training.
        if max(height, width) >= side + 3 * patch and min(height, width) >= side:
            top = int(at_bottom) * (height - side)
            left = int(at_right) * (width - side)
            if field.padding is None:
                return replace(field, reserved=(top, left, side))
            if found := _least_padded(field, side, patch):
                return replace(field, reserved=(*found, side))
    return field


def _least_padded(field: Field, side: int, step: int) -> tuple[int, int] | None:
    """Return the square with the least padding, or None if it has too much."""
    height, width = field.pixels.shape[-2:]
    padding = [] if field.padding is None else _planes(field.padding)
    padded = sum(padding, np.zeros((height, width))) / prod(field.pixels.shape[:-2])
    fractions = {
        (top, left): float(padded[top : top + side, left : left + side].mean())
        for top in range(0, height - side + 1, step)
        for left in range(0, width - side + 1, step)
    }
    best = min(fractions, key=lambda position: fractions[position])
    return best if fractions[best] <= _MOST_PADDING else None
