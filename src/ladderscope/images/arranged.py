"""Stored fields as the image that they are of, and the fields of a stored image."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Shaped

from ladderscope.images.image import Image
from ladderscope.images.stored import Key, Pixels, Read, StoredPixels, in_boxes


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
        sides = [
            len(range(sizes[letter])[one])
            for letter, one in zip(inner, region, strict=True)
            if isinstance(one, slice)
        ]
        whole = np.empty((chosen.size, of_channels.size, *sides), fields.dtype)
        for row, number in enumerate(np.ravel(chosen).tolist()):
            for column, channel in enumerate(np.ravel(of_channels).tolist()):
                whole[row, column] = fields[number, channel, *region]
        have = [one for one in (*outer, "C", *inner) if isinstance(at.get(one), slice)]
        want = [one for one in axes if isinstance(at[one], slice)]
        apart = whole.reshape(*np.shape(chosen), *np.shape(of_channels), *sides)
        return apart.transpose([have.index(one) for one in want])

    return StoredPixels(tuple(shape), fields.dtype, read)


def by_field(
    read: Callable[[int, int, tuple[slice, ...]], Shaped[np.ndarray, "*space"]],
) -> Read:
    """Let what reads a part of one channel of one field read as `arranged` asks for it.

    Examples
    --------
    >>> fields = np.arange(24).reshape(3, 2, 2, 2)
    >>> by_field(lambda number, channel, part: fields[number, channel][part])((2, 1, 0, slice(2)))
    array([20, 21])
    """

    def read_any(key: Key) -> Shaped[np.ndarray, "..."]:
        number, channel, *region = (
            one if isinstance(one, slice) else slice(one, one + 1) for one in key
        )
        part = read(number.start, channel.start, tuple(region))
        within = tuple(slice(None) if isinstance(one, slice) else 0 for one in key[2:])
        found: Shaped[np.ndarray, "..."] = part[within]
        return found

    return read_any


def apart(image: Image, space: str = "YX", channels: Sequence[int] | None = None) -> Pixels:
    """Give the fields of an image, which `arranged` puts together; stored ones are left there.

    Parameters
    ----------
    image
        Of any axes.
    space
        What a field extends over.
    channels
        Those of the fields, as the image counts them; by default the same.

    Returns
    -------
    Pixels of shape (fields, channels, [Z], Y, X)

    Examples
    --------
    >>> movie = Image(np.arange(24).reshape(2, 2, 2, 3), "YXCT", "movie.tif")
    >>> apart(movie, channels=[1])[2, 0].tolist()
    [[5, 11], [17, 23]]
    """
    order = list(range(image.channels)) if channels is None else list(channels)
    if isinstance(image.pixels, np.ndarray):
        return image.fields(space)[:, order]
    positions = list(image.positions(space))

    def read(box: tuple[slice, ...]) -> Shaped[np.ndarray, "fields channels *space"]:
        parts = np.empty([side.stop - side.start for side in box], image.dtype)
        for number, channel in np.ndindex(parts.shape[:2]):
            position = positions[box[0].start + number]
            of_channel = order[box[1].start + channel]
            parts[number, channel] = image.field(position, of_channel, space, box[2:])
        return parts

    shape = len(positions), len(order), *image.field_shape(space)
    return StoredPixels(shape, image.dtype, in_boxes(read, shape))
