"""The small picture in a model file: a detail of a training image, before and after."""

from collections.abc import Callable

import numpy as np

from ladderscope.images import Image
from ladderscope.images.artefacts import with_padding
from ladderscope.models.restoration import Restoration
from ladderscope.pictures import encoded, grey_range, scaled

_LARGEST = {"Z": 8, "Y": 192, "X": 192}


def middle_of(image: Image) -> Image:
    """Cut a detail from the middle of an image: all its channels, at one time of one sample."""
    extent = {letter: slice(1) for letter in image.others}
    for letter in image.sizes.keys() & _LARGEST:
        size = image.sizes[letter]
        side = min(size, _LARGEST[letter])
        extent[letter] = slice((size - side) // 2, (size - side) // 2 + side)
    return Image(np.array(image.crop(extent).array), image.axes, "detail")


def thumbnail(detail: Image, restore: Callable[[Image], Restoration]) -> bytes:
    """Draw a detail and its restoration side by side, as a PNG."""
    restored = restore(with_padding(detail))
    before, *_ = detail.middle_planes().astype(np.float32)
    after = Image(restored.mean, restored.axes, "detail").middle_planes()
    shown = [(before, after[0] if len(after) == 1 else before), *zip(after, after, strict=True)]
    greys = [scaled(plane, *grey_range(like)) for plane, like in shown]
    return encoded(np.hstack(greys), 0, 1)
