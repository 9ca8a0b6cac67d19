"""Foreground: a threshold measured on the images, and the patches that contain structure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Real
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from ladderscope.data.fields import Field, PatchShape, Planes, Position, extent, planes_of
from ladderscope.images.parts import mask_of_planes, packed
from ladderscope.images.stored import Pixels

SMOOTHING = 2.0
LEAST_FRACTION = 0.01
KEPT_BACKGROUND = 0.2
_PLANES_LOOKED_AT = 40
_BINS = 256


class Foreground(NamedTuple):
    """The pixels of each smoothed field that are brighter than a threshold."""

    threshold: float
    masks: tuple[Pixels, ...]

    def seen_in(self, field: int, position: Position, shape: PatchShape) -> bool:
        """Return whether at least 1 % of the pixels of a patch are foreground."""
        inside = self.masks[field][extent(position, shape)]
        return bool(inside.mean() >= LEAST_FRACTION)


def find_foreground(fields: Sequence[Field]) -> Foreground:
    """Measure the threshold between background and structure by Otsu's method on smoothed planes.

    Parameters
    ----------
    fields : sequence of Field
        Of one channel.

    References
    ----------
    Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. Systems, Man,
    and Cybernetics 9 (1979).

    Examples
    --------
    >>> plane = np.zeros((64, 64))
    >>> plane[:32] = 100
    >>> foreground = find_foreground([Field(plane)])
    >>> [foreground.seen_in(0, Position(0, top, 0), PatchShape(16)) for top in (0, 48)]
    [True, False]
    """
    threshold = _threshold(planes_of(fields, _PLANES_LOOKED_AT))
    return Foreground(threshold, tuple(_mask(field, threshold) for field in fields))


def _threshold(planes: Planes) -> float:
    """Give Otsu's threshold, from the histogram of all planes; each is smoothed twice for it."""
    ends = [(part.min(), part.max()) for part in map(_sampled, planes)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if low == high:
        return float(low)
    found = [np.histogram(_sampled(plane), _BINS, (low, high)) for plane in planes]
    counts, edges = sum(count for count, _ in found), found[0][1]
    centres = (edges[:-1] + edges[1:]) / 2
    return float(threshold_otsu(hist=(counts, centres)))  # type: ignore[no-untyped-call]


def _mask(field: Field, threshold: float) -> Pixels:
    """Mark what is brighter; compressed, if the field is not in memory either."""
    marked = (smoothed(plane) > threshold for plane in planes_of([field]))
    shape = field.pixels.shape
    if not field.is_stored:
        return np.stack(list(marked)).reshape(shape)
    places = ((*at, 0) for at in np.ndindex(shape[:-2]))
    masks = {at: packed(mask) for at, mask in zip(places, marked, strict=True)}
    return mask_of_planes(shape, "ZYX"[-len(shape) :], masks)


def _sampled(plane: Real[np.ndarray, "Y X"]) -> Float32[np.ndarray, "rows columns"]:
    return smoothed(plane)[::2, ::2]


def smoothed(plane: Real[np.ndarray, "Y X"]) -> Float32[np.ndarray, "Y X"]:
    """Smooth a plane, so that single noisy pixels have no effect."""
    return gaussian_filter(plane.astype(np.float32), SMOOTHING)
