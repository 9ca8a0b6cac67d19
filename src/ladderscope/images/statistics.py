"""Mean and standard deviation of every channel over a set of images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of one channel, in the units of its pixels.

    Parameters
    ----------
    mean, std
        The standard deviation is the population's (divided by n).
    darkest, brightest
        The least and the greatest pixel; None where it is not known.
    """

    mean: float
    std: float
    darkest: float | None = field(default=None, repr=False)
    brightest: float | None = field(default=None, repr=False)


def channel_statistics(images: Sequence[Image]) -> tuple[Statistics, ...]:
    """Measure every channel over all pixels of all images, without padding.

    One plane at a time is taken to float64, and its count, mean and sum of squared deviations are
    merged into those of the planes before it [1]_. Nothing overflows, a large offset costs no
    digits, and the memory needed is that of a plane.

    Parameters
    ----------
    images
        At least one image; all with the same number of channels. Their sizes may differ.

    Returns
    -------
    tuple of Statistics
        One per channel. That of a channel with no pixels left has the standard deviation 0.

    Raises
    ------
    ImageError
        If there is no image, or if the numbers of channels differ.

    References
    ----------
    .. [1] Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
       variances", 1979, equation 2.1.

    Examples
    --------
    >>> dim, bright = np.zeros((2, 2), np.uint8), np.full((2, 2), 200, np.uint8)
    >>> channel_statistics([Image(dim, "YX", "a.tif"), Image(bright, "YX", "b.tif")])
    (Statistics(mean=100.0, std=100.0),)
    """
    if not images:
        raise ImageError("there are no images to take the mean and standard deviation of.")
    first = images[0]
    for image in images:
        if image.channels != first.channels:
            raise ImageError(
                f"{image.name} has {image.channels} channels and {first.name} has "
                f"{first.channels}; give images with the same channels."
            )
    return tuple(_one_channel(images, channel) for channel in range(first.channels))


def _one_channel(images: Sequence[Image], channel: int) -> Statistics:
    count, mean, deviations = 0, 0.0, 0.0
    darkest, brightest = math.inf, -math.inf
    for image in images:
        for position in image.positions():
            plane = image.plane(position, channel).astype(np.float64)
            padding = image.padding_of(position, channel)
            if padding is not None:
                plane = plane[~padding]
            if plane.size == 0:
                continue
            darkest, brightest = (
                min(darkest, float(plane.min())),
                max(brightest, float(plane.max())),
            )
            plane_mean = float(plane.mean())
            plane -= plane_mean
            difference, total = plane_mean - mean, count + plane.size
            deviations += float(np.vdot(plane, plane)) + difference**2 * count * plane.size / total
            mean += difference * plane.size / total
            count = total
    if count == 0:
        blank = float(next(images[0].planes(channel)).flat[0])
        return Statistics(blank, 0.0, blank, blank)
    return Statistics(mean, float(np.sqrt(deviations / count)), darkest, brightest)
