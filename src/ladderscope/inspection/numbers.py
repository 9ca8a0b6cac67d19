"""What a first look measures in one image, plane by plane."""

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64, Shaped
from numpy.typing import NDArray

from ladderscope.images import Acquisition, Image
from ladderscope.images.artefacts import Artefacts, find_artefacts
from ladderscope.inspection.outlying import NAMED, Outlier, first_marked

# Finds the artefacts of the plane at a position, of a channel.
Find: TypeAlias = Callable[[Mapping[str, int], int, Shaped[np.ndarray, "Y X"]], Artefacts]

_FEWEST = 10  # pixels of the greatest value that count as saturated
_SAMPLED = 2**14  # pixels of a plane, for percentiles
MOST_SATURATED = 0.05  # of the pixels of a plane
_REPEATED = 0.1  # of the usual difference between frames: less is a repeated frame
_FEWEST_STEPS = 3


@dataclass(frozen=True, eq=False)
class ImageLook:
    """Measurements of one image; those of channels are lists with one entry per channel.

    Parameters
    ----------
    name, axes, dtype, pixel_size, channel_names, acquisition
        As of the image.
    padding
        Fraction of the pixels that are padding, excluding blank planes.
    blank
        For each channel, the positions of planes in which all pixels have the same value.
    outliers
        Number of pixels that stand out from their surroundings.
    outliers_at
        Positions of the first of them along the image's axes, and their values.
    saturated, ceiling
        For each channel, the fraction of the pixels at its greatest value, if values pile up
        there, and that value.
    saturated_planes
        For each channel, the positions of planes of which more than 5 % is at that value.
    levels
        For each channel, the 1st, 50th and 99th percentile of its pixels.
    copies
        Positions of planes that repeat an earlier one: exactly, or, in a movie, with almost no
        difference from the frame before where other frames differ.
    brightness
        For each channel, the mean of every frame; empty if there is no time axis.
    """

    name: str
    axes: str
    dtype: np.dtype[Any]
    pixel_size: tuple[float, float] | None
    channel_names: tuple[str, ...] | None
    acquisition: Acquisition
    padding: float
    blank: list[list[tuple[int, ...]]]
    outliers: int
    outliers_at: list[Outlier]
    saturated: list[float]
    ceiling: list[float]
    saturated_planes: list[list[tuple[int, ...]]]
    levels: list[Float64[np.ndarray, " 3"]]
    copies: list[tuple[int, ...]]
    brightness: list[Float64[np.ndarray, " frames"]]

    @property
    def others(self) -> str:
        """The axes other than C, Y and X, along which positions are counted."""
        return "".join(letter for letter in self.axes if letter not in "CYX")


def measure(
    image: Image, artefacts: Artefacts | Find | None = None, most: int | None = None
) -> ImageLook:
    """Measure an image, plane by plane; one that is still in its file stays there.

    Parameters
    ----------
    image
        As it was read.
    artefacts
        What was found in it, or what finds it in a plane; by default, `find_artefacts` does.
    most
        Number of planes to look at per channel, the first ones; by default all.

    Examples
    --------
    >>> movie = np.random.default_rng(0).poisson(100, (5, 32, 32))
    >>> movie[3] = movie[2]
    >>> measure(Image(movie, "TYX", "movie.tif")).copies
    [(3,)]
    """
    find = artefacts if callable(artefacts) else _finder(image, artefacts)
    per_channel = [_Channel() for _ in range(image.channels)]
    repeats = _Repeats(image)
    seen: dict[int, tuple[dict[str, int], int]] = {}
    copies, filled, pixels, standing_out = [], 0, 0, 0
    first: list[Outlier] = []
    for position in islice(image.positions(), most):
        at = tuple(position.values())
        for number, channel in enumerate(per_channel):
            plane = image.plane(position, number)
            found = find(position, number, plane)
            if number == 0:
                repeats.add(position, plane)
            if found.outliers is not None:
                standing_out += int(np.count_nonzero(found.outliers))
                at_first = first_marked(
                    image.axes, {**position, "C": number}, found.outliers, plane
                )
                first = sorted([*first, *at_first])[:NAMED]
            if found.is_blank:
                channel.blank.append(at)
                continue
            pixels += plane.size
            filled += 0 if found.padding is None else int(np.count_nonzero(found.padding))
            channel.add(plane if found.padding is None else plane[~found.padding], at)
            key = zlib.crc32(np.ascontiguousarray(plane).data)
            if key in seen and np.array_equal(image.plane(*seen[key]), plane):
                copies.append(at)
            seen.setdefault(key, (position, number))
    return ImageLook(
        name=image.name,
        axes=image.axes,
        dtype=image.dtype,
        pixel_size=image.pixel_size,
        channel_names=image.channel_names,
        acquisition=image.acquisition,
        padding=filled / pixels if pixels else 0.0,
        blank=[channel.blank for channel in per_channel],
        outliers=standing_out,
        outliers_at=first,
        saturated=[channel.saturated for channel in per_channel],
        ceiling=[channel.greatest for channel in per_channel],
        saturated_planes=[channel.saturated_planes for channel in per_channel],
        levels=[channel.levels() for channel in per_channel],
        copies=sorted({*copies, *repeats.positions()}),
        brightness=[_in_time(image, channel.means) for channel in per_channel],
    )


def _finder(image: Image, artefacts: Artefacts | None) -> Find:
    """Find the artefacts of a plane among those of the image, or by looking."""
    if artefacts is None:
        return lambda _, __, plane: find_artefacts(plane)
    masks = [
        None if mask is None else Image(mask, image.axes, image.name)
        for mask in (artefacts.padding, artefacts.outliers)
    ]
    return lambda position, channel, _: Artefacts(
        *(None if mask is None else mask.plane(position, channel) for mask in masks)
    )


class _Channel:
    """Measurements of one channel, plane by plane."""

    def __init__(self) -> None:
        self.blank: list[tuple[int, ...]] = []
        self.means: list[float] = []
        self.greatest = -np.inf
        self.at_end = self.below_end = self.pixels = 0
        self.full = False
        self._samples: list[NDArray[np.float64]] = []
        self._ends: list[tuple[tuple[int, ...], float, float]] = []

    def add(self, plane: Shaped[np.ndarray, "..."], at: tuple[int, ...]) -> None:
        values = plane.ravel()
        self.means.append(float(values.mean(dtype=np.float64)))
        self._samples.append(values[:: max(1, values.size // _SAMPLED)].astype(np.float64))
        self.pixels += values.size
        greatest = float(values.max())
        self._ends.append((at, greatest, float(np.mean(values == greatest))))
        if greatest > self.greatest:
            self.greatest, self.at_end, self.below_end = greatest, 0, 0
            integers = plane.dtype.kind in "iu"
            self.full = integers and greatest == np.iinfo(plane.dtype).max
        if greatest == self.greatest:
            self.at_end += int(np.count_nonzero(values == greatest))
            others = values[values < greatest]
            if others.size:
                self.below_end += int(np.count_nonzero(others == others.max()))

    @property
    def saturated(self) -> float:
        """Fraction of the pixels at the greatest value, if values pile up there."""
        piled = self.full or self.at_end > self.below_end
        return self.at_end / self.pixels if piled and self.at_end >= _FEWEST else 0.0

    @property
    def saturated_planes(self) -> list[tuple[int, ...]]:
        """Positions of planes that are saturated in a large part."""
        if not self.saturated:
            return []
        return [
            at
            for at, greatest, fraction in self._ends
            if greatest == self.greatest and fraction > MOST_SATURATED
        ]

    def levels(self) -> NDArray[np.float64]:
        if not self._samples:
            return np.zeros(3)
        found: NDArray[np.float64] = np.percentile(np.concatenate(self._samples), (1, 50, 99))
        return found


class _Repeats:
    """Frames that repeat the one before, as in compressed movies, found while frames go by."""

    def __init__(self, image: Image) -> None:
        self._along = list(image.others).index("T") if "T" in image.others else None
        sizes = list(image.others.values())
        frames = 1 if self._along is None else sizes.pop(self._along)
        self._stride = max(1, int(np.sqrt(image.sizes["Y"] * image.sizes["X"] / _SAMPLED)))
        self._steps = np.zeros((frames - 1, *sizes))
        self._known = np.zeros(self._steps.shape, dtype=bool)
        self._before: dict[tuple[int, ...], NDArray[np.float64]] = {}

    def add(self, position: Mapping[str, int], plane: Shaped[np.ndarray, "Y X"]) -> None:
        if self._along is None:
            return
        rest = tuple(at for letter, at in position.items() if letter != "T")
        after = plane[:: self._stride, :: self._stride].astype(np.float64)
        if (before := self._before.get(rest)) is not None:
            step = position["T"] - 1, *rest
            self._steps[step] = ((after - before) ** 2).mean()
            # a step to or from a blank frame is not counted
            self._known[step] = np.ptp(before) > 0 and np.ptp(after) > 0
        self._before[rest] = after

    def positions(self) -> list[tuple[int, ...]]:
        enough = self._known.sum(axis=0) >= _FEWEST_STEPS
        if self._along is None or not enough.any():
            return []
        usual = np.nanmedian(np.where(self._known | ~enough, self._steps, np.nan), axis=0)
        few = self._known & enough & (self._steps <= _REPEATED * usual) & (self._steps > 0)
        return [
            (*rest[: self._along], int(number) + 1, *rest[self._along :])
            for number, *rest in np.argwhere(few).tolist()
        ]


def _in_time(image: Image, means: list[float]) -> NDArray[np.float64]:
    """Average the plane means over all but time; empty without time, or if planes are blank."""
    sizes = tuple(image.others.values())
    if "T" not in image.others or len(means) != math.prod(sizes):
        return np.zeros(0)
    others = tuple(at for at, letter in enumerate(image.others) if letter != "T")
    frames: NDArray[np.float64] = np.reshape(means, sizes).mean(axis=others)
    return frames
