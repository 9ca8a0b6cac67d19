"""Hot pixels, dead pixels and cosmic rays of a plane.

*Outliers* are hot pixels, dead pixels and cosmic rays. No lens makes a spot of a single pixel: an
outlier stands out from all of its neighbours by many times their own scatter, and from the contrast
of the whole plane. A few outliers side by side look like an undersampled spot; they are taken for
outliers only if nothing in the plane compares with them and they have no skirt at all.
"""

import numpy as np
from jaxtyping import Bool, Shaped
from numpy.typing import NDArray

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
