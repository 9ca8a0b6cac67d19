"""The small picture in a model file: a detail of a training image, before and after."""

import io
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Real
from matplotlib.image import imsave

from ladderscope.images import Image
from ladderscope.images.artefacts import with_padding
from ladderscope.models.restoration import Restoration

_LARGEST = {"Z": 8, "Y": 192, "X": 192}


def middle_of(image: Image) -> Image:
    """Cut a detail from the middle of an image: all its channels, at one time of one sample."""
    keep = []
    for letter, size in zip(image.axes, image.pixels.shape, strict=True):
        if letter in _LARGEST:
            side = min(size, _LARGEST[letter])
            keep.append(slice((size - side) // 2, (size - side) // 2 + side))
        else:
            keep.append(slice(None) if letter == "C" else slice(0, 1))
    return Image(np.array(image.pixels[tuple(keep)]), image.axes, "detail")


def thumbnail(detail: Image, restore: Callable[[Image], Restoration]) -> bytes:
    """Draw a detail and its restoration side by side, as a PNG."""
    restored = restore(with_padding(detail))
    before = _middle_planes(detail.pixels, detail.axes)[0]
    after = _middle_planes(restored.mean, restored.axes)
    png = io.BytesIO()
    shown = [_greys(before, after[0] if len(after) == 1 else before), *map(_greys, after)]
    imsave(png, np.hstack(shown), vmin=0, vmax=1, cmap="gray", format="png")
    return png.getvalue()


def _middle_planes(pixels: Real[np.ndarray, "..."], axes: str) -> list[Float32[np.ndarray, "Y X"]]:
    """Give the middle plane of every channel."""
    planes = Image(pixels, axes, "detail").planes()
    return list(planes[len(planes) // 2].astype(np.float32))


def _greys(
    plane: Float32[np.ndarray, "Y X"], like: Float32[np.ndarray, "Y X"] | None = None
) -> Float32[np.ndarray, "Y X"]:
    low, high = np.percentile(plane if like is None else like, (0.5, 99.8))
    greys: Float32[np.ndarray, "Y X"] = (plane - low) / max(high - low, 1e-6)
    return greys
