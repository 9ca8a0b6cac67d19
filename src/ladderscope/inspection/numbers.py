"""What a first look measures in one image, plane by plane."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped
from numpy.typing import NDArray

from ladderscope.images import Acquisition, Image
from ladderscope.images.artefacts import Artefacts
from ladderscope.images.axes import planes_last

_FEWEST = 10  # pixels of the greatest value that count as saturated
_SAMPLED = 2**14  # pixels of a plane, for percentiles
_NAMED = 3
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
    outliers_at: list[tuple[tuple[int, ...], float]]
    saturated: list[float]
    ceiling: list[float]
    levels: list[Float64[np.ndarray, " 3"]]
    copies: list[tuple[int, ...]]
    brightness: list[Float64[np.ndarray, " frames"]]

    @property
    def others(self) -> str:
        """The axes other than C, Y and X, along which positions are counted."""
        return "".join(letter for letter in self.axes if letter not in "CYX")


def measure(image: Image, artefacts: Artefacts) -> ImageLook:
    """Measure an image.

    Parameters
    ----------
    image
        As it was read.
    artefacts
        What `ladderscope.images.cleaned` found in it.

    Examples
    --------
    >>> movie = np.random.default_rng(0).poisson(100, (5, 32, 32))
    >>> movie[3] = movie[2]
    >>> measure(Image(movie, "TYX", "movie.tif"), Artefacts()).copies
    [(3,)]
    """
    planes = planes_last(image.array, image.axes)
    padded = artefacts.padding
    padding = None if padded is None else planes_last(padded, image.axes)
    outer = planes.shape[:-3]
    per_channel = [_Channel() for _ in range(image.channels)]
    seen: dict[int, NDArray[Any]] = {}
    copies, filled, pixels = [], 0, 0
    for at in np.ndindex(outer):
        for number, channel in enumerate(per_channel):
            plane = planes[*at, number]
            mask = None if padding is None else padding[*at, number]
            if mask is not None and mask.all():
                channel.blank.append(at)
                continue
            pixels += plane.size
            filled += 0 if mask is None else int(np.count_nonzero(mask))
            channel.add(plane if mask is None else plane[~mask])
            key = zlib.crc32(np.ascontiguousarray(plane).data)
            if key in seen and np.array_equal(seen[key], plane):
                copies.append(at)
            seen.setdefault(key, plane)
    copies += _repeated(image, planes)
    outliers = artefacts.outliers
    places = [] if outliers is None else np.argwhere(outliers)[:_NAMED].tolist()
    return ImageLook(
        name=image.name,
        axes=image.axes,
        dtype=image.dtype,
        pixel_size=image.pixel_size,
        channel_names=image.channel_names,
        acquisition=image.acquisition,
        padding=filled / pixels if pixels else 0.0,
        blank=[channel.blank for channel in per_channel],
        outliers=0 if outliers is None else int(np.count_nonzero(outliers)),
        outliers_at=[(tuple(at), float(image.pixels[tuple(at)])) for at in places],
        saturated=[channel.saturated for channel in per_channel],
        ceiling=[channel.greatest for channel in per_channel],
        levels=[channel.levels() for channel in per_channel],
        copies=sorted(set(copies)),
        brightness=[_in_time(image, channel.means, outer) for channel in per_channel],
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

    def add(self, plane: Shaped[np.ndarray, "..."]) -> None:
        values = plane.ravel()
        self.means.append(float(values.mean(dtype=np.float64)))
        self._samples.append(values[:: max(1, values.size // _SAMPLED)].astype(np.float64))
        self.pixels += values.size
        greatest = float(values.max())
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

    def levels(self) -> NDArray[np.float64]:
        if not self._samples:
            return np.zeros(3)
        found: NDArray[np.float64] = np.percentile(np.concatenate(self._samples), (1, 50, 99))
        return found


def _repeated(image: Image, planes: Shaped[np.ndarray, "*others_channels Y X"]) -> list[Any]:
    """Find frames that repeat the one before, as in compressed movies."""
    letters = [letter for letter in image.axes if letter not in "CYX"]
    if "T" not in letters:
        return []
    along = letters.index("T")
    in_time = np.moveaxis(planes, along, 0)
    stride = max(1, int(np.sqrt(planes.shape[-1] * planes.shape[-2] / _SAMPLED)))
    steps = np.zeros((max(0, len(in_time) - 1), *in_time.shape[1:-3]))
    known = np.zeros(steps.shape, dtype=bool)  # a step to or from a blank frame is not counted
    for number in range(len(steps)):
        before, after = (
            in_time[at][..., 0, ::stride, ::stride].astype(np.float64)
            for at in (number, number + 1)
        )
        steps[number] = ((after - before) ** 2).mean(axis=(-2, -1))
        known[number] = (np.ptp(before, axis=(-2, -1)) > 0) & (np.ptp(after, axis=(-2, -1)) > 0)
    enough = known.sum(axis=0) >= _FEWEST_STEPS
    if not enough.any():
        return []
    usual = np.nanmedian(np.where(known | ~enough, steps, np.nan), axis=0)
    few = known & enough & (steps <= _REPEATED * usual) & (steps > 0)
    return [
        (*rest[:along], int(number) + 1, *rest[along:])
        for number, *rest in np.argwhere(few).tolist()
    ]


def _in_time(image: Image, means: list[float], outer: tuple[int, ...]) -> NDArray[np.float64]:
    """Average the plane means over all but time; empty without time, or if planes are blank."""
    letters = [letter for letter in image.axes if letter not in "CYX"]
    if "T" not in letters or len(means) != int(np.prod(outer)):
        return np.zeros(0)
    others = tuple(at for at, letter in enumerate(letters) if letter != "T")
    frames: NDArray[np.float64] = np.reshape(means, outer).mean(axis=others)
    return frames
