"""Padding: the pixels of a plane that software filled in.

*Padding* is what software wrote where no camera looked: borders after registration, wedges after
deskewing, masks, gaps of a mosaic, dropped frames. It is exactly constant, while a camera's pixels
differ even in the dark. A region counts as padding if it is constant and solid, or a long row or
column; if nearby pixels seldom hold its value (the zeros of a dark, clipped background are
everywhere); if the image does not run gently into it (as a background that was set to zero, or a
saturated spot, does); if it is not the brightest, surrounded by the image, as what is saturated is;
and if it leaves a field and not islands.
"""

import numpy as np
from jaxtyping import Bool, Float64, Shaped
from numpy.typing import NDArray
from scipy import ndimage

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
    rare = min(2 * _RARE * of_all, max(_RARE * of_all, _ALWAYS))
    in_lines = with_runs and elsewhere < rare
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
    """Return whether most of a region is connected with the edge; saturated spots are not."""
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
    """Mark which parts of each row are marked as a whole; every run twice as long holds one."""
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
    """Return whether an image runs gently into a level."""
    beside, nearby = (others[others != level] for others in (beside, nearby))
    if beside.size == 0 or nearby.size == 0:
        return False
    steps, above = np.abs(beside - level), np.mean(nearby > level)
    share = _GENTLE if above > 1 - _BETWEEN else _SATURATED if above < _BETWEEN else _PLATEAU
    return bool(np.median(steps) <= max(steps.min(), share * np.median(np.abs(nearby - level))))


def _leaves_a_field(region: Bool[np.ndarray, "Y X"]) -> bool:
    """Return whether the rest is one field, or a few, rather than islands in a background."""
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
