"""What the noise of each channel is measured on: planes alone, pairs, or repeats of a scene."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from numpy.typing import NDArray

from ladderscope.images import Image
from ladderscope.images.parts import field_of
from ladderscope.images.stored import Pixels
from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.checked import checked_plane, checked_planes
from ladderscope.noise_estimation.planes import MOST_PLANES, Counter, is_image
from ladderscope.noise_estimation.repeats import Pair, repeated_pairs

_Plane = NDArray[Any]
_Item = TypeVar("_Item")
# A plane that is not read yet: its image, and its index along every dimension beside C, Y and X.
PlaneOf: TypeAlias = tuple[Image, dict[str, int]]


@dataclass(frozen=True)
class Source:
    """The images of one channel.

    Parameters
    ----------
    planes
        Noisy ones.
    signals
        Their signals, as many, or the plane that all share; None if there are none.
    repeated
        Instead of both, pairs made of so many repeats.
    count
        Number of planes; None if unknown.
    stacks
        The stacks (z, y, x) that noisy planes are of; none if they are of no stack.
    """

    planes: Iterable[_Plane] = ()
    signals: Iterable[_Plane] | _Plane | None = None
    repeated: Callable[[Counter, list[str]], Iterator[Pair]] | None = None
    repeats: int | None = None
    count: int | None = None
    stacks: Sequence[Pixels] = ()

    @property
    def is_alone(self) -> bool:
        """Whether there are noisy images and nothing else."""
        return self.signals is None and self.repeats is None


def noisy_alone(noisy: Sequence[Image]) -> list[Source]:
    """Take at most 40 planes of the images, evenly chosen.

    Parameters
    ----------
    noisy
        Images with the same channels.

    Examples
    --------
    >>> import numpy as np
    >>> movie = Image(np.zeros((100, 2, 8, 9)), "TCYX", "movie.tif")
    >>> [len(list(source.planes)) for source in noisy_alone([movie])]
    [34, 34]
    """
    chosen = evenly(planes_of(noisy), MOST_PLANES)
    return [
        Source(_read(chosen, channel), count=len(chosen), stacks=stacks_of(noisy, channel))
        for channel in range(noisy[0].channels)
    ]


def stacks_of(images: Sequence[Image], channel: int) -> list[Pixels]:
    """List the stacks (z, y, x) of one channel; nothing is read for that.

    Examples
    --------
    >>> import numpy as np
    >>> stacks = Image(np.zeros((3, 7, 8, 9)), "TZYX", "stacks.tif")
    >>> [stack.shape for stack in stacks_of([stacks], 0)]
    [(7, 8, 9), (7, 8, 9), (7, 8, 9)]
    """
    return [
        field_of(image, image.pixels, position, channel, "ZYX")
        for image in images
        if "Z" in image.axes
        for position in image.positions("ZYX")
    ]


def of_pairs(pairs: Sequence[tuple[Image, Image]]) -> list[Source]:
    """Take every plane with its signal.

    Parameters
    ----------
    pairs
        Noisy images and their signals, which may lack the axes S and T.
    """
    observed = planes_of([image for image, _ in pairs])
    clean = [
        (signal, {letter: position[letter] for letter in signal.others})
        for image, signal in pairs
        for position in image.positions()
    ]
    return [
        Source(_read(observed, channel), _read(clean, channel), count=len(observed))
        for channel in range(pairs[0][0].channels)
    ]


def of_repeats(image: Image, axis: str) -> list[Source]:
    """Take the repeats of each scene of an image.

    Parameters
    ----------
    image
        Read twice, plane by plane.
    axis
        Along which the repeats lie: S, T or Z.

    Raises
    ------
    NoiseError
        If the image has no such axis, or only one repeat along it.
    """
    letter = axis.strip().upper()
    if letter not in image.others or letter not in "STZ":
        raise NoiseError(
            f'repeats="{axis}" is none of the axes "{image.axes}" along which a scene can be '
            "repeated (S, T or Z)"
        )
    if image.sizes[letter] < 2:
        raise NoiseError(
            f"there is only one repeat along {letter}, and at least two are needed; without "
            "repeats=, the noise is measured within the image"
        )
    return [
        Source(
            repeated=functools.partial(repeated_pairs, image, letter, channel),
            repeats=image.sizes[letter],
            count=sum(1 for _ in image.positions()),
        )
        for channel in range(image.channels)
    ]


def of_iterable(
    planes: Iterable[_Plane], signal: Any, axes: str | None, repeats: str | None
) -> Source:
    """Take the planes of an iterable; a signal of one plane goes with all.

    Parameters
    ----------
    planes
        Noisy ones (y, x), of one channel.
    signal
        None; a plane; or as many planes, as an array or an iterable.
    axes, repeats
        As `measure_noise` was given them: neither can be of use here.

    Raises
    ------
    NoiseError
        If repeats are wanted, or axes or signal are none of an iterable of planes.
    """
    if repeats is not None:
        raise NoiseError(
            "repeats need an array with axes, so that each can be read twice: give "
            f'numpy.stack(planes), axes="{repeats}YX", repeats="{repeats}"'
        )
    if axes is not None and axes.strip().upper() not in ("YX", "TYX", "SYX", "ZYX"):
        raise NoiseError(f'axes "{axes}" for an iterable of planes (y, x): omit them')
    if signal is None:
        return Source(checked_planes(planes))
    planes = checked_planes(planes, " of the observation")
    if not is_image(signal):
        return Source(planes, checked_planes(signal, " of the signal"))
    if len(signal.shape) == 2:
        return Source(planes, checked_plane(signal, "the signal"))
    if len(signal.shape) == 3:
        of_planes = (signal[at] for at in range(signal.shape[0]))
        return Source(planes, checked_planes(of_planes, " of the signal"))
    raise NoiseError(
        f"the signal has the shape {tuple(signal.shape)}; with an iterable of planes, give one "
        "image (y, x), or as many planes"
    )


def planes_of(images: Sequence[Image]) -> list[PlaneOf]:
    """List the planes of images; nothing is read for that."""
    return [(image, position) for image in images for position in image.positions()]


def evenly(items: list[_Item], most: int) -> list[_Item]:
    """Choose at most so many items, evenly.

    Examples
    --------
    >>> evenly([0, 1, 2, 3, 4, 5, 6], 3)
    [0, 3, 6]
    """
    return items[:: -(-len(items) // most)] if items else items


def _read(planes: Sequence[PlaneOf], channel: int) -> Iterator[_Plane]:
    return (image.plane(position, channel) for image, position in planes)
