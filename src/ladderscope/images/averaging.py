"""The average of the frames of an image."""

from dataclasses import replace

import numpy as np

from ladderscope.images.image import Image


def average(image: Image, letter: str) -> Image:
    """Average an image over one of its axes, frame by frame.

    Parameters
    ----------
    image
        Its pixels may still be in a file.
    letter
        The axis, one of ``S``, ``T`` and ``Z``.

    Returns
    -------
    Image
        In memory, float32, without that axis, with the number of its frames; padding of any frame
        is padding.

    Examples
    --------
    >>> movie = Image(np.arange(24).reshape(3, 2, 4), "TYX", "movie.tif")
    >>> average(movie, "T").array.tolist()
    [[8.0, 9.0, 10.0, 11.0], [12.0, 13.0, 14.0, 15.0]]
    """
    at, frames = image.axes.index(letter), image.sizes[letter]
    total = np.zeros(image.shape[:at] + image.shape[at + 1 :])
    for number in range(frames):
        total += image.crop({letter: slice(number, number + 1)}).array.squeeze(at)
    return replace(
        image,
        pixels=(total / frames).astype(np.float32),
        axes=image.axes.replace(letter, ""),
        padding=None if image.padding is None else np.logical_or.reduce(image.padding, axis=at),
        frames=image.frames * frames,
        checked=None,
    )
