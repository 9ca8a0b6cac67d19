"""The average of the frames of an image."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from ladderscope.images.image import Image
from ladderscope.images.stored import StoredPixels, in_boxes
from ladderscope.mapped import part_of


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
        Float32, without that axis, with the number of its frames; padding of any frame is padding.
        Where the frames are in a file, parts of them are read and averaged when asked for.

    Examples
    --------
    >>> movie = Image(np.arange(24).reshape(3, 2, 4), "TYX", "movie.tif")
    >>> average(movie, "T").array.tolist()
    [[8.0, 9.0, 10.0, 11.0], [12.0, 13.0, 14.0, 15.0]]
    """
    at, frames = image.axes.index(letter), image.sizes[letter]
    shape = image.shape[:at] + image.shape[at + 1 :]

    def read(box: tuple[slice, ...]) -> Float32[np.ndarray, "..."]:
        total = np.zeros([side.stop - side.start for side in box])
        for number in range(frames):
            total += np.asarray(part_of(image.pixels, (*box[:at], number, *box[at:])))
        return (total / frames).astype(np.float32)

    stored = StoredPixels(shape, np.dtype(np.float32), in_boxes(read, shape))
    padding = None if image.padding is None else np.asarray(image.padding)
    return replace(
        image,
        pixels=np.asarray(stored) if isinstance(image.pixels, np.ndarray) else stored,
        axes=image.axes.replace(letter, ""),
        padding=None if padding is None else np.logical_or.reduce(padding, axis=at),
        frames=image.frames * frames,
        checked=None,
    )
