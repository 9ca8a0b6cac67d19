"""Foreground: a threshold measured on the images, and the patches that contain structure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Real
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from ladderscope.data.fields import Field, PatchShape, Position, planes_of

SMOOTHING = 2.0
LEAST_FRACTION = 0.01
KEPT_BACKGROUND = 0.2
_PLANES_LOOKED_AT = 40


class Foreground(NamedTuple):
    """The pixels of each smoothed field that are brighter than a threshold."""

    threshold: float
    masks: tuple[Bool[np.ndarray, "*space"], ...]

    def seen_in(self, field: int, position: Position, shape: PatchShape) -> bool:
        """Return whether at least 1 % of the pixels of a patch are foreground."""
        mask = self.masks[field]
        if shape.depth is not None:
            mask = mask[position.plane : position.plane + shape.depth]
        inside = mask[
            ...,
            position.top : position.top + shape.side,
            position.left : position.left + shape.side,
        ]
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
    looked_at = planes_of(fields, _PLANES_LOOKED_AT)
    brightness = np.concatenate([smoothed(plane)[::2, ::2].ravel() for plane in looked_at])
    threshold = float(threshold_otsu(brightness))  # type: ignore[no-untyped-call]
    masks = []
    for field in fields:
        mask = np.stack([smoothed(plane) > threshold for plane in planes_of([field])])
        masks.append(mask.reshape(field.pixels.shape))
    return Foreground(threshold, tuple(masks))


def smoothed(plane: Real[np.ndarray, "Y X"]) -> Float32[np.ndarray, "Y X"]:
    """Smooth a plane, so that single noisy pixels have no effect."""
    return gaussian_filter(plane.astype(np.float32), SMOOTHING)
