"""Images as they come, read plane by plane: arrays of any axes, or iterables of planes."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ladderscope.images import Image, ImageError, open_image
from ladderscope.images.stored import Array
from ladderscope.noise.entries import NoiseError
from ladderscope.words import counted

MOST_PLANES = 40  # on which noisy images alone are measured: half a second for each megapixel
FEWEST_PIXELS = 1000

_Plane = NDArray[Any]


def opened(images: Any, axes: str | None, name: str) -> Image:
    """Open an array as an image that is checked while it is read.

    Parameters
    ----------
    images
        A NumPy or Zarr array or the like, or an `Image`.
    axes
        One letter of ``STCZYX`` per dimension, in any order and case; two dimensions need none.
    name
        What an error calls the array.

    Raises
    ------
    NoiseError
        If the axes are missing or do not fit the shape, or it does not hold real numbers.

    Examples
    --------
    >>> opened(np.zeros((5, 4, 3)), "tyx", "observation").axes
    'TYX'
    """
    try:
        return open_image(images, axes, name=name)
    except ImageError as error:
        raise NoiseError(str(error).removesuffix(".")) from None


def signal_of(signal: Any, observation: Image) -> Image:
    """Name the axes of a signal: those of the observation, or these without S and T.

    Parameters
    ----------
    signal
        A NumPy or Zarr array or the like, or an `Image`.
    observation
        The noisy images.

    Raises
    ------
    NoiseError
        If its shape is neither the observation's nor that of one clean image.

    Examples
    --------
    >>> movie = Image(np.zeros((5, 4, 3)), "TYX", "movie.tif")
    >>> signal_of(np.zeros((4, 3)), movie).axes
    'YX'
    """
    if not is_image(signal):
        raise NoiseError(
            "the signal must be an array, as the observation is: of the same shape, or one clean "
            "image"
        )
    shape = tuple(signal.shape)
    for axes in (observation.axes, "".join(a for a in observation.axes if a not in "ST")):
        if shape == tuple(observation.sizes[letter] for letter in axes):
            return opened(signal, axes, "the signal")
    raise NoiseError(
        f"the signal has the shape {shape} and the observation {observation.shape} "
        f"({observation.axes}): give both the same shape, or one clean image without S and T"
    )


@dataclass
class Counter:
    """Counts distinct pixels: those of a plane that repeats another one count once.

    Parameters
    ----------
    pixels
        Distinct ones so far.
    copies
        Planes so far that are copies of another.
    """

    pixels: int = 0
    copies: int = 0
    _seen: set[bytes] = field(default_factory=set)

    def is_new(self, *planes: _Plane) -> bool:
        """Count the first plane, and return whether these have not come together before.

        Examples
        --------
        >>> counter, plane = Counter(), np.zeros((4, 3))
        >>> counter.is_new(plane), counter.is_new(plane), counter.pixels
        (True, False, 12)
        """
        key = b"".join(digest(plane) for plane in planes)
        if key in self._seen:
            self.copies += 1
            return False
        self._seen.add(key)
        self.pixels += planes[0].size
        return True

    def check(self) -> None:
        """Refuse to measure noise on next to nothing.

        Raises
        ------
        NoiseError
            If there were fewer than 1,000 distinct pixels.
        """
        if self.pixels < FEWEST_PIXELS:
            raise NoiseError(
                f"there are only {self.pixels} distinct pixels, and at least {FEWEST_PIXELS:,} "
                "are needed (a plane that is a copy of another does not count): give more or "
                "larger images"
            )

    def notices(self) -> tuple[str, ...]:
        """Report how many planes were copies.

        Examples
        --------
        >>> Counter(copies=2).notices()
        ('2 planes are copies of others and were counted once.',)
        """
        if not self.copies:
            return ()
        are = (
            "is a copy of another and was" if self.copies == 1 else "are copies of others and were"
        )
        return (f"{counted(self.copies, 'plane')} {are} counted once.",)


def digest(plane: _Plane) -> bytes:
    """Return a fingerprint of a plane's values.

    Examples
    --------
    >>> digest(np.zeros(3)) == digest(np.ones(3))
    False
    """
    return hashlib.blake2b(np.ascontiguousarray(plane).data, digest_size=16).digest()


def is_image(images: Any) -> bool:
    """Return whether images are an array, or an `Image`, and not an iterable of planes.

    Examples
    --------
    >>> is_image(np.zeros(3)), is_image([np.zeros((3, 3))])
    (True, False)
    """
    return isinstance(images, Image | Array)


def paired(
    observations: Iterable[_Plane], signals: Iterable[_Plane] | _Plane
) -> Iterator[tuple[_Plane, _Plane]]:
    """Yield each observation with its signal, or all of them with the one that they share.

    Parameters
    ----------
    observations
        Planes (y, x).
    signals
        As many, or an array that is one plane.

    Raises
    ------
    NoiseError
        If there are more of the one than of the other.

    Examples
    --------
    >>> len(list(paired([np.zeros((3, 3))] * 2, np.ones((3, 3)))))
    2
    """
    if isinstance(signals, np.ndarray):
        yield from ((np.asarray(plane), signals) for plane in observations)
        return
    missing = object()
    for plane, signal in itertools.zip_longest(observations, signals, fillvalue=missing):
        if plane is missing or signal is missing:
            fewer, more = "observation", "signal"
            if signal is missing:
                fewer, more = more, fewer
            raise NoiseError(f"the {fewer} has fewer planes than the {more}; give as many of both")
        yield np.asarray(plane), np.asarray(signal)


def per_channel(values: Any, channels: int, name: str) -> list[Any]:
    """Return one value per channel: those of a list, or the same one for all.

    Raises
    ------
    NoiseError
        If a list has another length.

    Examples
    --------
    >>> per_channel(100.0, 2, "offset"), per_channel([90.0, 110.0], 2, "offset")
    ([100.0, 100.0], [90.0, 110.0])
    """
    if not isinstance(values, (list, tuple)):
        return [values] * channels
    if len(values) != channels:
        raise NoiseError(
            f"{name}: {len(values)} given for {channels} channels; give one for all, or a list "
            "with one per channel"
        )
    return list(values)
