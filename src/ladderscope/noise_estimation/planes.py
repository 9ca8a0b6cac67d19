"""Images as they come, read plane by plane: arrays of any axes, or iterables of planes."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ladderscope.mapped import part_of
from ladderscope.noise.entries import NoiseError

FEWEST_PIXELS = 1000

_Plane = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Stack:
    """An array-like whose planes are read one at a time.

    Parameters
    ----------
    array
        Anything that has a shape and can be sliced.
    axes
        One letter of ``STCZYX`` a dimension, upper case.
    """

    array: Any
    axes: str

    def size(self, letter: str) -> int:
        """Return the length of an axis; 1 if there is none of that letter.

        Examples
        --------
        >>> Stack(np.zeros((5, 4, 3)), "TYX").size("T")
        5
        """
        return int(self.array.shape[self.axes.index(letter)]) if letter in self.axes else 1

    def places(self, letters: str) -> Iterator[dict[str, int]]:
        """Yield every position along those of these axes that there are.

        Examples
        --------
        >>> list(Stack(np.zeros((2, 4, 3)), "TYX").places("STZ"))
        [{'T': 0}, {'T': 1}]
        """
        present = [letter for letter in self.axes if letter in letters]
        for place in itertools.product(*(range(self.size(letter)) for letter in present)):
            yield dict(zip(present, place, strict=True))

    def plane(self, place: dict[str, int]) -> _Plane:
        """Read the plane (y, x) at a position.

        Examples
        --------
        >>> Stack(np.zeros((3, 2, 4)), "XCY").plane({"C": 1}).shape
        (4, 3)
        """
        index = tuple(place.get(letter, slice(None)) for letter in self.axes)
        plane = np.asarray(part_of(self.array, index))
        return plane.T if self.axes.index("X") < self.axes.index("Y") else plane


def open_stack(array: Any, axes: str | None, name: str) -> Stack:
    """Name the axes of an array, or refuse it.

    Parameters
    ----------
    array
        Anything that has a shape and can be sliced.
    axes
        One letter of ``STCZYX`` a dimension, in any order and case; None for two dimensions.
    name
        What an error calls the array.

    Raises
    ------
    NoiseError
        If the axes are missing or do not fit the shape.

    Examples
    --------
    >>> open_stack(np.zeros((5, 4, 3)), "tyx", "observation").axes
    'TYX'
    """
    shape = tuple(array.shape)
    if axes is None and len(shape) == 2:
        return Stack(array, "YX")
    if axes is None:
        raise NoiseError(
            f"{name} of shape {shape}: give its axes, one letter of STCZYX a dimension, such as "
            'axes="TYX" for a time series'
        )
    letters = axes.strip().upper()
    if (
        len(letters) != len(shape)
        or len(set(letters)) != len(letters)
        or not set("YX") <= set(letters) <= set("STCZYX")
    ):
        raise NoiseError(
            f'{name} of shape {shape}: axes "{axes}" do not fit; give one letter of STCZYX a '
            "dimension, none twice, Y and X among them"
        )
    return Stack(array, letters)


def signal_stack(signal: Any, observation: Stack) -> Stack:
    """Name the axes of the signal: those of the observation, or these without S and T.

    Parameters
    ----------
    signal
        Anything that has a shape and can be sliced.
    observation
        What it is the signal of.

    Raises
    ------
    NoiseError
        If its shape is neither the observation's nor that of one clean image.

    Examples
    --------
    >>> movie = Stack(np.zeros((5, 4, 3)), "TYX")
    >>> signal_stack(np.zeros((4, 3)), movie).axes
    'YX'
    """
    shape = tuple(signal.shape)
    for axes in (observation.axes, "".join(a for a in observation.axes if a not in "ST")):
        if shape == tuple(observation.size(letter) for letter in axes):
            return Stack(signal, axes)
    raise NoiseError(
        f"the signal has the shape {shape} and the observation {tuple(observation.array.shape)} "
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
        """Count the first plane, and tell whether these have not come together before.

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
                f"only {self.pixels} distinct pixels, where at least {FEWEST_PIXELS:,} are "
                "needed (a plane that is a copy of another one does not count): give more or "
                "larger images"
            )

    def notices(self) -> tuple[str, ...]:
        """Say how many planes were copies.

        Examples
        --------
        >>> Counter(copies=2).notices()
        ('2 planes are copies of others and were counted once.',)
        """
        if not self.copies:
            return ()
        planes = "plane is a copy of another and was" if self.copies == 1 else "planes are copies"
        others = "" if self.copies == 1 else " of others and were"
        return (f"{self.copies} {planes}{others} counted once.",)


def digest(plane: _Plane) -> bytes:
    """Return a fingerprint of a plane's values.

    Examples
    --------
    >>> digest(np.zeros(3)) == digest(np.ones(3))
    False
    """
    return hashlib.blake2b(np.ascontiguousarray(plane).data, digest_size=16).digest()


def is_array(images: Any) -> bool:
    """Tell an array-like from an iterable of planes.

    Examples
    --------
    >>> is_array(np.zeros(3)), is_array([np.zeros((3, 3))])
    (True, False)
    """
    return hasattr(images, "shape") and hasattr(images, "__getitem__")


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
            f"{name}: {len(values)} given for {channels} channels; give one for all, or a list of "
            "one per channel"
        )
    return list(values)
