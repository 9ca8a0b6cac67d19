"""What the channels of a split leave unexplained."""

import numpy as np
from jaxtyping import Float32

from ladderscope.data import Mixing
from ladderscope.images import Image
from ladderscope.images.arranged import arranged, by_field
from ladderscope.images.stored import Pixels, StoredPixels


def unexplained(image: Image, mean: Pixels, mixing: Mixing, space: str) -> Pixels:
    """Give a mixed image minus its channels as they mix; zero in its padding.

    Parameters
    ----------
    image
        The mixed image; its padding is marked.
    mean
        Its restored channels, of shape (fields, channels, [Z], Y, X). What is left of stored ones
        is computed where it is read.
    mixing
        How the channels add up.
    space
        What a field extends over.

    Returns
    -------
    Pixels
        In the shape of the image.
    """
    positions = list(image.positions(space))

    def of_field(
        number: int, channel: int, region: tuple[slice, ...]
    ) -> Float32[np.ndarray, "*space"]:
        observed = image.field(positions[number], channel, space, region)
        residual: Float32[np.ndarray, "*space"] = observed.astype(np.float32)
        residual -= mixing.mixed(np.asarray(mean[number, :, *region]))
        padding = image.padding_of(positions[number], channel, space, region)
        if padding is not None:
            residual[padding] = 0
        return residual

    shape = mean.shape[0], 1, *mean.shape[2:]
    fields = StoredPixels(shape, np.dtype(np.float32), by_field(of_field))
    found = arranged(fields, image.axes, image.shape, space)
    return np.asarray(found) if isinstance(mean, np.ndarray) else found
