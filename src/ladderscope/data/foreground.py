"""Where there is something to see: a threshold found from the data, and patches above it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Real
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from ladderscope.data.fields import Field, PatchShape, Place, planes_of

SMOOTHING = 2.0
LEAST_SHARE = 0.01
KEPT_BACKGROUND = 0.2
_PLANES_LOOKED_AT = 40


class Foreground(NamedTuple):
    """The pixels of each field that are brighter than a threshold, once smoothed."""

    threshold: float
    masks: tuple[Bool[np.ndarray, "*space"], ...]

    def seen_in(self, field: int, place: Place, shape: PatchShape) -> bool:
        """Tell whether a patch shows more than background: a hundredth of its pixels."""
        mask = self.masks[field]
        if shape.depth is not None:
            mask = mask[place.plane : place.plane + shape.depth]
        inside = mask[..., place.top : place.top + shape.side, place.left : place.left + shape.side]
        return bool(inside.mean() >= LEAST_SHARE)


def find_foreground(fields: Sequence[Field]) -> Foreground:
    """Find the threshold between background and structure, by Otsu's method on smoothed planes.

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
    >>> [foreground.seen_in(0, Place(0, top, 0), PatchShape(16)) for top in (0, 48)]
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
    """Smooth a plane, so that single noisy pixels decide nothing."""
    return gaussian_filter(plane.astype(np.float32), SMOOTHING)
