"""Pixels of a plane that hold no measurement: padding, and hot or dead pixels.

*Padding* is what software wrote where no camera looked: borders after registration, wedges after
deskewing, masks, gaps of a mosaic, dropped frames. It is exactly constant, while a camera's pixels
differ even in the dark. A region counts as padding if it is constant and solid, or a long row or
column; if nearby pixels seldom hold its value (the zeros of a dark, clipped background are
everywhere); if the image does not run gently into it (as a background that was set to zero, or a
saturated spot, does); if it is not the brightest, surrounded by the image, as what is saturated is;
and if it leaves a field and not islands.

*Outliers* are hot pixels, dead pixels and cosmic rays. No lens makes a spot of a single pixel: an
outlier stands out from all of its neighbours by many times their own scatter, and from the contrast
of the whole plane. A few outliers side by side look like an undersampled spot; they are taken for
outliers only if nothing in the plane compares with them and they have no skirt at all.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Shaped
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images.axes import planes_last
from ladderscope.images.image import Image

_BLOCK = 4  # pixels: constant blocks of this side give padding away
_RUN, _SHORTEST = 32, 12  # pixels of one value in a row or column do as well, fewer in small planes
_FEWEST = 6  # of either
_SOLID = ((3, 3), (1, 8), (8, 1))  # constant blocks; padding holds one of these shapes
_VALUES = 4  # as many constant values are looked at
_COMMON = 0.5  # a value that so many pixels nearby hold is no padding,
_STRAY = 1.5  # times the pixels in constant blocks: a value that more hold elsewhere is none,
_ALWAYS = 1000  # but so few may always;
_RARE = 0.1  # and runs count only of one that fewer hold
_FIELD = 16  # blocks: the side of what is left to measure, where the plane is large enough
_GENTLE = 0.5  # of the difference nearby: pixels next to padding differ from it by more,
_SATURATED = 0.75  # and by still more where it is the brightest
_PLATEAU = 0.25  # by less where others are darker and brighter:
_BETWEEN = 0.05  # of the pixels nearby at least

_SAMPLED = 2**16  # pixels, for percentiles
_CONTRAST = (8.0, 2.5)  # times the plane's, which a bright and a dark outlier exceeds
_ALONE = 0.2  # of its height, which no neighbour of a single outlier reaches
_SCATTER = 7.0  # times that of its surroundings, from the 10th to the 90th percentile
_BEYOND_COMPARE = 50.0  # times the plane's contrast, which outliers side by side exceed;
_SKIRT = 0.05  # of their height, which at most one other pixel around them reaches
_MOST_TOGETHER = 9
_MOST_OUTLIERS = 5e-3  # of the pixels: more are the noise of single photons
_MOST_CANDIDATES = 50_000
_REACH = 3  # pixels around an outlier that it is compared with


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
        unusable = artefacts.mask
        for row, column in np.argwhere(outliers):
            around = tuple(slice(max(0, at - 2), at + 3) for at in (row, column))
            usable = plane[around][~unusable[around]]
            result[row, column] = np.median(usable) if usable.size else np.median(plane)
    if padding is not None:
        rows, columns = np.nonzero(padding)
        nearest = ndimage.distance_transform_edt(
            padding, return_distances=False, return_indices=True
        )[:, rows, columns]
        mirrored = [
            np.clip(2 * at - here, 0, size - 1)
            for at, here, size in zip(nearest, (rows, columns), plane.shape, strict=True)
        ]
        inside = ~padding[mirrored[0], mirrored[1]]
        source = [np.where(inside, one, at) for one, at in zip(mirrored, nearest, strict=True)]
        result[rows, columns] = result[source[0], source[1]]
    return result


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
    blank = np.zeros(len(planes), bool) if padding is None else padding.all(axis=(1, 2))
    if not blank.any() or blank.all():
        return planes
    measured = np.flatnonzero(~blank)
    nearest = measured[np.abs(np.arange(len(planes))[:, None] - measured).argmin(axis=1)]
    result: Shaped[np.ndarray, "planes Y X"] = planes[nearest]
    return result


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
    planes, marked = planes_last(image.pixels, image.axes), None
    padding = None if image.padding is None else planes_last(image.padding, image.axes)
    for at in np.ndindex(planes.shape[:-2]):
        found = find_outliers(planes[at], None if padding is None else padding[at])
        if found is not None:
            marked = np.zeros(image.pixels.shape, dtype=bool) if marked is None else marked
            planes_last(marked, image.axes)[at] = found
    return marked


class Cleaned(NamedTuple):
    """An image whose artefacts were filled, and what they were.

    Attributes
    ----------
    image : Image
        With plausible values in the place of artefacts, of which padding is marked as such; of
        the same pixels if it has none.
    artefacts : Artefacts
        In the shape of the image's pixels.
    """

    image: Image
    artefacts: Artefacts


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
    planes, marked = planes_last(image.pixels, image.axes), None
    for at in np.ndindex(planes.shape[:-2]):
        if (found := find_padding(planes[at])) is not None:
            marked = np.zeros(image.pixels.shape, dtype=bool) if marked is None else marked
            planes_last(marked, image.axes)[at] = found
    return image if marked is None else replace(image, padding=marked)


def cleaned(image: Image) -> Cleaned:
    """Find and fill the artefacts of every plane of an image.

    Parameters
    ----------
    image
        Finite values of any real type.

    Examples
    --------
    >>> movie = np.random.default_rng(0).poisson(100, (3, 32, 32))
    >>> movie[1] = 0
    >>> clean, artefacts = cleaned(Image(movie, "TYX", "movie.tif"))
    >>> artefacts.padding.mean(axis=(1, 2)).tolist(), clean.padding is artefacts.padding
    ([0.0, 1.0, 0.0], True)
    """
    planes = planes_last(image.pixels, image.axes)
    pixels = image.pixels
    masks: dict[str, NDArray[np.bool_]] = {}
    for at in np.ndindex(planes.shape[:-2]):
        found = find_artefacts(planes[at])
        if found.mask is None:
            continue
        if pixels is image.pixels:
            pixels = image.pixels.copy()
        planes_last(pixels, image.axes)[at] = filled(planes[at], found)
        for name, mask in (("padding", found.padding), ("outliers", found.outliers)):
            if mask is not None:
                whole = masks.setdefault(name, np.zeros(pixels.shape, dtype=bool))
                planes_last(whole, image.axes)[at] = mask
    artefacts = Artefacts(**masks)
    if artefacts.padding is not None:
        if pixels is image.pixels:
            pixels = image.pixels.copy()
        stacks, marks = (planes_last(of, image.axes) for of in (pixels, artefacts.padding))
        for at in np.ndindex(stacks.shape[-3]):
            of_channel = stacks[..., *at, :, :]
            flat = (-1, *stacks.shape[-2:])
            marked = marks[..., *at, :, :].reshape(flat)
            of_channel[...] = blank_filled(of_channel.reshape(flat), marked).reshape(
                of_channel.shape
            )
    return Cleaned(replace(image, pixels=pixels, padding=artefacts.padding), artefacts)


def find_padding(plane: Shaped[np.ndarray, "Y X"]) -> Bool[np.ndarray, "Y X"] | None:
    """Find the padding of a plane; None if there is none.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (64, 64))
    >>> plane[:8] = 0
    >>> int(find_padding(plane).sum())
    512
    """
    lowest, highest = _block_ends(plane)
    constant = lowest == highest
    if constant.all() and plane.min() == plane.max():
        return np.ones(plane.shape, dtype=bool)
    of_runs = _values_of_runs(plane)
    held = np.concatenate([lowest[constant], of_runs])
    if held.size < _FEWEST:
        return None
    values, counts = np.unique(held, return_counts=True)
    padding = np.zeros(plane.shape, dtype=bool)
    for at in np.argsort(counts)[::-1][:_VALUES]:
        if counts[at] < _FEWEST:
            break
        blocks, runs = constant & (lowest == values[at]), bool(np.any(of_runs == values[at]))
        padding |= _region(plane, values[at], blocks, with_runs=runs)
    return padding if padding.any() and _leaves_a_field(padding) else None


def _block_ends(
    plane: Shaped[np.ndarray, "Y X"],
) -> tuple[Shaped[np.ndarray, "rows columns"], Shaped[np.ndarray, "rows columns"]]:
    """Return the least and the greatest value of each block; an incomplete last one is left out."""
    rows, columns = (size // _BLOCK for size in plane.shape)
    whole = plane[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns * _BLOCK)
    ends = []
    for extreme in (np.minimum, np.maximum):
        of_rows = extreme.reduce(whole, axis=1).reshape(rows, columns, _BLOCK)
        ends.append(extreme.reduce(of_rows, axis=2))
    return ends[0], ends[1]


def _region(
    plane: Shaped[np.ndarray, "Y X"],
    value: np.generic,
    blocks: Bool[np.ndarray, "rows columns"],
    *,
    with_runs: bool,
) -> Bool[np.ndarray, "Y X"]:
    """Return the padding of one value, which these blocks hold; nothing if it is none."""
    nothing = np.zeros(plane.shape, dtype=bool)
    held = plane == value
    in_blocks = np.count_nonzero(blocks) * _BLOCK**2
    elsewhere, of_all = np.count_nonzero(held) - in_blocks, plane.size - in_blocks
    in_lines = with_runs and elsewhere < max(_RARE * of_all, _ALWAYS)
    most = min(_COMMON * of_all, max(_STRAY * in_blocks, _ALWAYS))
    if not in_lines and elsewhere > most:
        return nothing
    runs = _runs(held) if in_lines else nothing
    solid = _block_ends(runs)[1]
    for shape in _SOLID:
        solid |= _opened(blocks, shape)
    if not solid.any():
        return nothing
    blocks = blocks | solid
    near, far = (_widened(blocks, steps) for steps in (1, 3))
    nearby = plane[_pixels(far & ~near, plane.shape)].astype(np.float64)
    if nearby.size and np.mean(nearby == value) > _COMMON:
        return nothing
    parts, _ = ndimage.label(blocks, np.ones((3, 3)))
    solid = np.isin(parts, np.unique(parts[solid]))
    # opened: single pixels that hold the value by chance are not part of the region
    held &= _pixels(_widened(solid, 2), plane.shape)
    reached = _widened(runs | _opened(held, (_BLOCK, _BLOCK)), 2)
    region: NDArray[np.bool_] = held & reached
    if _runs_gently(plane[reached & ~held].astype(np.float64), nearby, float(value)):
        return nothing
    return nothing if value == plane.max() and not _at_edge(region) else region


def _at_edge(region: Bool[np.ndarray, "Y X"]) -> bool:
    """Tell whether most of a region is connected with the edge; saturated spots are not."""
    parts, _ = ndimage.label(region, np.ones((3, 3)))
    edge = np.unique(np.concatenate([parts[[0, -1]].ravel(), parts[:, [0, -1]].ravel()]))
    connected = np.count_nonzero(np.isin(parts, edge[edge > 0]))
    return bool(connected >= 0.5 * np.count_nonzero(region))


def _values_of_runs(plane: Shaped[np.ndarray, "Y X"]) -> Shaped[np.ndarray, " runs"]:
    """Return the values that many pixels in a row, or in a column, hold."""
    found = []
    for along in (plane, plane.T):
        equal = np.ones(along.shape, dtype=bool)
        equal[:, 1:] = along[:, 1:] == along[:, :-1]
        length = _run(plane.shape) // 2
        equal[:, ::length] = True
        whole = _whole(equal, length)
        found.append(along[:, : whole.shape[1] * length : length][whole])
    return np.concatenate(found)


def _runs(held: Bool[np.ndarray, "Y X"]) -> Bool[np.ndarray, "Y X"]:
    """Mark the pixels in long rows, or columns, of such."""
    found = np.zeros(held.shape, dtype=bool)
    length = _run(held.shape)
    # the window of an even length is not centred: seen from the other side, it is not again
    origin = -1 if length % 2 == 0 else 0
    for along, marked in ((held, found), (held.T, found.T)):
        rows = _whole(along, length // 2).any(axis=1)
        least = ndimage.minimum_filter1d(along[rows].view(np.uint8), length, mode="constant")
        whole = ndimage.maximum_filter1d(least, length, mode="constant", origin=origin)
        marked[rows] |= whole.view(bool)
    return found


def _whole(marked: Bool[np.ndarray, "Y X"], length: int) -> Bool[np.ndarray, "Y parts"]:
    """Tell which parts of each row are marked as a whole; every run twice as long holds one."""
    parts = marked.shape[1] // length
    whole: NDArray[np.bool_] = np.all(
        marked[:, : parts * length].reshape(len(marked), parts, length), axis=2
    )
    return whole


def _run(shape: tuple[int, ...]) -> int:
    return min(max(_SHORTEST, min(shape) // 4), _RUN)


def _runs_gently(
    beside: Float64[np.ndarray, " pixels"], nearby: Float64[np.ndarray, " pixels"], level: float
) -> bool:
    """Tell whether an image runs gently into a level."""
    beside, nearby = (others[others != level] for others in (beside, nearby))
    if beside.size == 0 or nearby.size == 0:
        return False
    steps, above = np.abs(beside - level), np.mean(nearby > level)
    share = _GENTLE if above > 1 - _BETWEEN else _SATURATED if above < _BETWEEN else _PLATEAU
    return bool(np.median(steps) <= max(steps.min(), share * np.median(np.abs(nearby - level))))


def _leaves_a_field(region: Bool[np.ndarray, "Y X"]) -> bool:
    """Tell whether the rest is one field, or a few, rather than islands in a background."""
    measured = ~_block_ends(region)[1]
    side = max(1, min(_FIELD, min(measured.shape) // 4))
    field = _opened(measured, (side, side))
    return bool(field.any() and np.count_nonzero(field) >= 0.5 * np.count_nonzero(measured))


def _widened(mask: Bool[np.ndarray, "..."], steps: int) -> Bool[np.ndarray, "..."]:
    """Add the pixels within so many steps in all eight directions."""
    size = 2 * steps + 1
    wider: NDArray[np.bool_] = ndimage.maximum_filter(
        mask.view(np.uint8), size, mode="constant"
    ).view(bool)
    return wider


def _opened(mask: Bool[np.ndarray, "..."], shape: tuple[int, int]) -> Bool[np.ndarray, "..."]:
    """Keep what rectangles of this shape cover that lie within the mask."""
    opened: NDArray[np.bool_] = ndimage.grey_opening(
        mask.view(np.uint8), shape, mode="constant"
    ).view(bool)
    return opened


def _pixels(
    blocks: Bool[np.ndarray, "rows columns"], shape: tuple[int, ...]
) -> Bool[np.ndarray, "Y X"]:
    """Mark the pixels of these blocks."""
    whole = blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
    missing = [(0, size - have) for size, have in zip(shape, whole.shape, strict=True)]
    mask: NDArray[np.bool_] = np.pad(whole, missing, mode="edge")
    return mask


def find_outliers(
    plane: Shaped[np.ndarray, "Y X"], padding: Bool[np.ndarray, "Y X"] | None = None
) -> Bool[np.ndarray, "Y X"] | None:
    """Find the hot and dead pixels of a plane, beside its padding; None if there are none.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (64, 64))
    >>> plane[40, 40] = 60000
    >>> np.argwhere(find_outliers(plane)).tolist()
    [[40, 40]]
    """
    measured = plane[~padding] if padding is not None else plane.ravel()
    sampled = measured[:: max(1, measured.size // _SAMPLED)]
    if sampled.size == 0:
        return None
    dark, middle, bright = np.percentile(sampled, (1, 50, 99)).astype(float)
    outliers = np.zeros(plane.shape, dtype=bool)
    for sign, contrast in ((1, bright - middle), (-1, middle - dark)):
        if contrast > 0:
            outliers |= _one_sided(plane, middle, contrast, sign)
    if padding is not None:
        outliers &= ~padding
    count = np.count_nonzero(outliers)
    return outliers if 0 < count <= max(1, _MOST_OUTLIERS * measured.size) else None


def _one_sided(
    plane: Shaped[np.ndarray, "Y X"], middle: float, contrast: float, sign: int
) -> Bool[np.ndarray, "Y X"]:
    """Find the outliers that are brighter than the rest, or with `sign` −1 darker."""
    further, furthest = (np.greater, np.maximum) if sign > 0 else (np.less, np.minimum)
    found = np.zeros(plane.shape, dtype=bool)
    candidates = further(plane, middle + sign * _CONTRAST[sign < 0] * contrast)
    if not candidates.any():
        return found
    beyond = further(plane, middle + sign * _BEYOND_COMPARE * contrast)
    padded = np.pad(plane, 1, mode="reflect") if min(plane.shape) > 1 else np.pad(plane, 1, "edge")
    inner = slice(1, -1)
    beside = furthest(padded[inner, :-2], padded[inner, 2:])
    beside = furthest(beside, furthest(padded[:-2, inner], padded[2:, inner]))
    candidates = (candidates & further(plane, beside)) | beyond
    rows, columns = np.nonzero(candidates)
    if rows.size <= _MOST_CANDIDATES:
        found[rows, columns] = _stands_out(plane, rows, columns, sign, beyond[rows, columns])
    return found


def _stands_out(
    plane: Shaped[np.ndarray, "Y X"],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    sign: int,
    beyond: Bool[np.ndarray, " pixels"],
) -> Bool[np.ndarray, " pixels"]:
    """Compare pixels with those around them; `beyond` are those that nothing compares with."""
    steps = np.arange(-_REACH, _REACH + 1)
    down, across = (at.ravel() for at in np.meshgrid(steps, steps, indexing="ij"))
    elsewhere = (down != 0) | (across != 0)
    down, across = down[elsewhere], across[elsewhere]
    surroundings = sign * plane[
        _reflected(rows[:, None] + down, plane.shape[0]),
        _reflected(columns[:, None] + across, plane.shape[1]),
    ].astype(np.float64)
    low, middle, high = np.percentile(surroundings, (10, 50, 90), axis=1)
    values = sign * plane[rows, columns].astype(np.float64)
    own = values - middle
    heights = surroundings - middle[:, None]
    neighbours = heights[:, (abs(down) <= 1) & (abs(across) <= 1)].max(axis=1)
    alone = (neighbours < _ALONE * own) & (own - neighbours > _SCATTER * (high - low))
    together, skirt = ((heights > share * own[:, None]).sum(axis=1) for share in (0.5, _SKIRT))
    few = beyond & (together < _MOST_TOGETHER) & (skirt - together <= 1)
    result: NDArray[np.bool_] = (alone | few) & (own > 0)
    return result


def _reflected(positions: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    folded = np.abs(positions)
    return np.clip(np.where(folded >= size, 2 * (size - 1) - folded, folded), 0, size - 1)
