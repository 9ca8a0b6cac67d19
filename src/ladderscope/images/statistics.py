"""Mean and standard deviation of every channel over a set of images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ladderscope.images.axes import planes_last
from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of one channel, in the units of its pixels."""

    mean: float
    std: float


def channel_statistics(images: Sequence[Image]) -> tuple[Statistics, ...]:
    """Measure every channel over all pixels of all images.

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
        One a channel. The standard deviation is the population's (divided by n).

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
    for image in images:
        observations = planes_last(image.pixels, image.axes)[..., channel, :, :]
        for index in np.ndindex(observations.shape[:-2]):
            plane = observations[index].astype(np.float64)
            plane_mean = float(plane.mean())
            plane -= plane_mean
            difference, total = plane_mean - mean, count + plane.size
            deviations += float(np.vdot(plane, plane)) + difference**2 * count * plane.size / total
            mean += difference * plane.size / total
            count = total
    return Statistics(mean, float(np.sqrt(deviations / count)))
