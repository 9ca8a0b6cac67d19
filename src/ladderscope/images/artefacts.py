"""Pixels that hold no measurement, found and filled: padding, and hot or dead pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int, Shaped
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images.image import Image
from ladderscope.images.outliers import find_outliers
from ladderscope.images.padding import find_padding
from ladderscope.images.parts import mask_of_planes, packed


@dataclass(frozen=True, eq=False)
class Artefacts:
    """What in a plane, or in a whole image, was not measured.

    Parameters
    ----------
    padding
        The pixels that were filled in by software; None if there are none.
    outliers
        Hot and dead pixels; None if there are none.
    """

    padding: Bool[np.ndarray, "..."] | None = None
    outliers: Bool[np.ndarray, "..."] | None = None

    @property
    def mask(self) -> Bool[np.ndarray, "..."] | None:
        """Both together."""
        if self.padding is None or self.outliers is None:
            return self.outliers if self.padding is None else self.padding
        both: NDArray[np.bool_] = self.padding | self.outliers
        return both

    @property
    def is_blank(self) -> bool:
        """Whether everything is padding."""
        return self.padding is not None and bool(self.padding.all())


def find_artefacts(plane: Shaped[np.ndarray, "Y X"]) -> Artefacts:
    """Find the padding, and the hot and dead pixels, of a plane.

    Parameters
    ----------
    plane : array of shape (Y, X)
        Finite values of any real type.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (64, 64))
    >>> plane[:, :16], plane[40, 40] = 0, 60000
    >>> found = find_artefacts(plane)
    >>> int(found.padding.sum()), np.argwhere(found.outliers).tolist()
    (1024, [[40, 40]])
    """
    padding = find_padding(plane)
    return Artefacts(padding, find_outliers(plane, padding))


def filled(plane: Shaped[np.ndarray, "Y X"], artefacts: Artefacts) -> Shaped[np.ndarray, "Y X"]:
    """Put plausible values in the place of artefacts: what a network can look at.

    Outliers become the median of their surroundings. Padding is filled by reflecting the image
    at its border.

    Parameters
    ----------
    plane : array of shape (Y, X)
        Of any real type.
    artefacts
        What `find_artefacts` found in it.

    Returns
    -------
    array of the same shape and type
        The plane itself if there is nothing to fill.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (64, 64))
    >>> plane[:, :16], plane[40, 40] = 0, 60000
    >>> stand_in = filled(plane, find_artefacts(plane))
    >>> bool(stand_in[30, 15] == plane[30, 17]), bool(stand_in.max() < 200)
    (True, True)
    """
    padding, outliers = artefacts.padding, artefacts.outliers
    if artefacts.is_blank or artefacts.mask is None:
        return plane
    result = plane.copy()
    if outliers is not None:
        result[outliers] = without_outliers(plane, artefacts)
    if padding is not None:
        result[padding] = result[mirrored(padding)]
    return result


def without_outliers(
    plane: Shaped[np.ndarray, "Y X"], artefacts: Artefacts
) -> Shaped[np.ndarray, " outliers"]:
    """Give what takes the place of a plane's outliers: the median of their surroundings."""
    outliers, unusable = artefacts.outliers, artefacts.mask
    if outliers is None or unusable is None:
        return plane[:0, 0]
    values = np.empty(np.count_nonzero(outliers), plane.dtype)
    for number, (row, column) in enumerate(np.argwhere(outliers)):
        around = tuple(slice(max(0, at - 2), at + 3) for at in (row, column))
        usable = plane[around][~unusable[around]]
        values[number] = np.median(usable) if usable.size else np.median(plane)
    return values


def mirrored(
    padding: Bool[np.ndarray, "Y X"],
) -> tuple[Int[np.ndarray, " padded"], Int[np.ndarray, " padded"]]:
    """Give the rows and columns of the pixels that take the place of padding: its reflection."""
    rows, columns = np.nonzero(padding)
    nearest = ndimage.distance_transform_edt(padding, return_distances=False, return_indices=True)[
        :, rows, columns
    ]
    reflected = [
        np.clip(2 * at - here, 0, size - 1)
        for at, here, size in zip(nearest, (rows, columns), padding.shape, strict=True)
    ]
    inside = ~padding[reflected[0], reflected[1]]
    down, across = (np.where(inside, one, at) for one, at in zip(reflected, nearest, strict=True))
    return down, across


def blank_filled(
    planes: Shaped[np.ndarray, "planes Y X"], padding: Bool[np.ndarray, "planes Y X"] | None
) -> Shaped[np.ndarray, "planes Y X"]:
    """Put the nearest plane that was measured in the place of each that is padding alone.

    Parameters
    ----------
    planes : array of shape (planes, Y, X)
        Of any real type.
    padding : bool array of the same shape, optional
        Where nothing was measured.

    Returns
    -------
    array of the same shape and type
        The planes themselves if none is blank, or all are.

    Examples
    --------
    >>> stack, padding = np.arange(4)[:, None, None] * np.ones((1, 8, 8)), np.zeros((4, 8, 8), bool)
    >>> padding[1:3] = True
    >>> blank_filled(stack, padding)[:, 0, 0].tolist()
    [0.0, 0.0, 3.0, 3.0]
    """
    blank: NDArray[np.bool_] = np.zeros(len(planes), bool)
    if padding is not None:
        blank |= padding.all(axis=(1, 2))
    if not blank.any() or blank.all():
        return planes
    result: Shaped[np.ndarray, "planes Y X"] = planes[nearest_measured(blank)]
    return result


def nearest_measured(blank: Bool[np.ndarray, " planes"]) -> Int[np.ndarray, " planes"]:
    """Give the nearest plane that is not blank; if all are, each plane itself.

    Examples
    --------
    >>> nearest_measured(np.array([False, True, True, False])).tolist()
    [0, 0, 3, 3]
    """
    numbers = np.arange(len(blank))
    measured = numbers if blank.all() else np.flatnonzero(~blank)
    nearest: Int[np.ndarray, " planes"] = measured[
        np.abs(numbers[:, None] - measured).argmin(axis=1)
    ]
    return nearest


def outliers_of(image: Image) -> Bool[np.ndarray, "..."] | None:
    """Mark the hot and dead pixels of an image whose padding is marked; None if it has none.

    Parameters
    ----------
    image
        Finite values of any real type.

    Examples
    --------
    >>> movie = np.random.default_rng(0).poisson(100, (3, 32, 32))
    >>> movie[1, 5, 6] = 60000
    >>> np.argwhere(outliers_of(Image(movie, "TYX", "movie.tif"))).tolist()
    [[1, 5, 6]]
    """
    return _marked(
        image,
        lambda position, channel: find_outliers(
            image.plane(position, channel), image.padding_of(position, channel)
        ),
    )


def with_padding(image: Image) -> Image:
    """Mark the padding of an image; the image itself if it has none.

    Parameters
    ----------
    image
        Finite values of any real type.

    Examples
    --------
    >>> movie = np.random.default_rng(0).poisson(100, (3, 32, 32))
    >>> movie[1] = 0
    >>> with_padding(Image(movie, "TYX", "movie.tif")).padding.sum(axis=(1, 2)).tolist()
    [0, 1024, 0]
    """
    if isinstance(image.pixels, np.ndarray):
        marked = _marked(image, lambda *where: find_padding(image.plane(*where)))
        return image if marked is None else replace(image, padding=marked)
    masks = {
        (*position.values(), channel): packed(padding)
        for position in image.positions()
        for channel in range(image.channels)
        if (padding := find_padding(image.plane(position, channel))) is not None
    }
    return (
        replace(image, padding=mask_of_planes(image.shape, image.axes, masks)) if masks else image
    )


def _marked(
    image: Image,
    find: Callable[[Mapping[str, int], int], Bool[np.ndarray, "Y X"] | None],
) -> Bool[np.ndarray, "..."] | None:
    """Put together what is found in the planes of an image; None if it is nothing."""
    marked: Image | None = None
    for position in image.positions():
        for channel in range(image.channels):
            if (found := find(position, channel)) is not None:
                if marked is None:
                    marked = Image(np.zeros(image.shape, dtype=bool), image.axes, image.name)
                marked.plane(position, channel)[...] = found
    return None if marked is None else marked.array
