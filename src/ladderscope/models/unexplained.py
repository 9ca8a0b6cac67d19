"""What the channels of a split leave unexplained."""

import numpy as np
from jaxtyping import Float32

from ladderscope.data import Mixing
from ladderscope.images import Image
from ladderscope.images.arranged import arranged
from ladderscope.images.stored import Key, Pixels, StoredPixels


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

    def of_field(number: int, region: tuple[slice, ...] | None) -> Float32[np.ndarray, "..."]:
        observed = image.field(positions[number], 0, space, region)
        channels = np.asarray(mean[number] if region is None else mean[number, :, *region])
        residual: Float32[np.ndarray, "..."] = observed.astype(np.float32)
        residual -= mixing.mixed(channels)
        padding = image.padding_of(positions[number], 0, space, region)
        if padding is not None:
            residual[padding] = 0
        return residual

    if isinstance(mean, np.ndarray):
        fields = np.stack([of_field(number, None) for number in range(len(positions))])
        return image.from_fields(fields[:, None], space)

    def read(key: Key) -> Float32[np.ndarray, "..."]:
        number, _, *sides = key
        region = tuple(one if isinstance(one, slice) else slice(one, one + 1) for one in sides)
        residual = of_field(number, region)  # type: ignore[arg-type]  # `arranged` asks so
        within = tuple(slice(None) if isinstance(one, slice) else 0 for one in sides)
        return np.asarray(residual[within])

    stored = StoredPixels((mean.shape[0], 1, *mean.shape[2:]), np.dtype(np.float32), read)
    return arranged(stored, image.axes, image.shape, space)
