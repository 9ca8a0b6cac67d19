"""Stored fields as the image that they are of."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from ladderscope.images.stored import Key, Pixels, StoredPixels


def arranged(
    fields: Pixels,
    axes: str,
    shape: tuple[int, ...],
    space: str = "YX",
    channels: Sequence[int] | None = None,
) -> StoredPixels:
    """Give fields the axes and the shape of an image; nothing is read for that.

    Parameters
    ----------
    fields
        Pixels of shape (fields, channels, [Z], Y, X), as `Image.fields` gives them.
    axes, shape
        Those of the image.
    space
        What a field extends over.
    channels
        For each channel of the image, which of the fields' it is; by default the same.

    Examples
    --------
    >>> fields = np.arange(24).reshape(3, 2, 2, 2)
    >>> arranged(fields, "YXCT", (2, 2, 2, 3))[0, 1, :, 2].tolist()
    [17, 21]
    """
    sizes = dict(zip(axes, shape, strict=True))
    outer = [letter for letter in axes if letter not in f"C{space}"]
    inner = [letter for letter in space if letter in axes]
    numbers = np.arange(fields.shape[0]).reshape([sizes[letter] for letter in outer])
    order = np.arange(fields.shape[1]) if channels is None else np.asarray(channels)

    def read(key: Key) -> Shaped[np.ndarray, "..."]:
        at = dict(zip(axes, key, strict=True))
        chosen = numbers[tuple(at[letter] for letter in outer)]
        of_channels = order[at.get("C", 0)]
        region = [at[letter] for letter in inner]
        parts = [
            np.asarray(fields[int(number), int(channel), *region])
            for number in np.ravel(chosen)
            for channel in np.ravel(of_channels)
        ]
        sides = (*np.shape(chosen), *np.shape(of_channels))
        if not parts:
            return np.empty((0,) * sum(isinstance(one, slice) for one in key), fields.dtype)
        whole = np.stack(parts).reshape(*sides, *parts[0].shape)
        have = [one for one in (*outer, "C", *inner) if isinstance(at.get(one), slice)]
        want = [one for one in axes if isinstance(at[one], slice)]
        return whole.transpose([have.index(one) for one in want])

    return StoredPixels(tuple(shape), fields.dtype, read)
