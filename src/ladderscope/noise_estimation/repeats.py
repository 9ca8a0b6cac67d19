r"""Repeats of one scene as pairs: the signal is their mean.

The mean of n repeats has n-th part of the noise's variance and takes it out of the residuals, so
that these are scaled by √(n/(n−1)). Its noise also moves pixels between signals. Where photons
are counted that changes nothing: given the sum of n counts, their sample variance is on average
gain·mean. Where the camera's own noise prevails, a line through narrow bins of signal would be
flatter than the truth (by the share of the mean's variance that is read noise), and so the bins are
made wide in comparison with the noise of the mean.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images import Image
from ladderscope.images.padding import find_padding
from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.checked import with_clipping
from ladderscope.noise_estimation.clipping import Clipping
from ladderscope.noise_estimation.planes import Counter, digest
from ladderscope.noise_estimation.same_scene import compare_frames, some_frames
from ladderscope.words import percent, to_its_error

_DRIFT = 0.05  # of the noise's variance, from which on repeats are refused
_NOTICEABLE = 0.01
_CERTAIN = 5.0  # standard errors

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pair:
    """One plane of pairs.

    Parameters
    ----------
    observation, signal
        y and s, camera units.
    clipping
        Which pixels are clipped.
    step
        Least difference between two values that the camera gave.
    around
        Where the signal has noise of its own: the mean signal of the eight pixels around.
    recorded
        The observation as the camera gave it, where the residual was scaled; else None.
    """

    observation: _Array
    signal: _Array
    clipping: Clipping
    step: float
    around: _Array | None = None
    recorded: _Array | None = None

    def without(self, padding: NDArray[np.bool_] | None) -> "Pair":
        """Give the pixels that are no padding, as one column; the pair itself if all are."""
        if padding is None or padding.all():
            return self
        keep = ~padding
        return replace(
            self,
            observation=self.observation[keep][:, None],
            signal=self.signal[keep][:, None],
            clipping=replace(self.clipping, marks=self.clipping.marks[keep][:, None]),
            around=None if self.around is None else self.around[keep][:, None],
            recorded=None if self.recorded is None else self.recorded[keep][:, None],
        )


@dataclass
class Drift:
    """What changes over the repeats of one scene, apart from the noise.

    Parameters
    ----------
    signal
        The mean of the repeats.
    name
        What an error calls the scene.
    """

    signal: _Array
    name: str
    means: list[float] = field(default_factory=list)
    squares: float = 0.0
    steps: float = 0.0
    _before: _Array | None = None

    def add(self, residual: _Array) -> None:
        """Add a repeat, less the mean of all."""
        self.means.append(float(residual.mean()))
        self.squares += float(np.vdot(residual, residual))
        if self._before is not None:
            change = residual - self._before
            self.steps += float(np.vdot(change, change))
        self._before = residual

    def notices(self) -> tuple[str, ...]:
        """Report a slight drift; refuse a larger one.

        Raises
        ------
        NoiseError
            If their means scatter by more than their standard error, or frames far apart differ by
            more than neighbouring ones, and this changes the variance.
        """
        brightness, moved = self._of_brightness(), self._of_neighbours()
        fraction = max(brightness, moved)
        if fraction < _NOTICEABLE:
            return ()
        # Light that fades also makes far frames differ; what moves hardly changes the means.
        of_light = brightness > 0.5 * moved
        found = self._bleaching(fraction) if of_light else self._moving(fraction)
        if fraction > _DRIFT:
            raise NoiseError(
                f"{self.name} drift: {found} Record repeats of a fixed, stable scene, or leave out "
                "those that differ; or give no repeats, so that the noise is measured within each "
                "image"
            )
        return (f"Warning: {self.name} drift slightly: {found}",)

    def _variance(self) -> float:
        return self.squares / ((len(self.means) - 1) * self.signal.size)

    def _of_brightness(self) -> float:
        """Return what changing brightness adds to the variance, as a fraction of the noise's.

        The brightness is taken to be multiplied, so that bright pixels change more.
        """
        frames, pixels = len(self.means), self.signal.size
        error = math.sqrt(self._variance() / pixels)
        means = np.array(self.means)
        if np.abs(means).max() < _CERTAIN * error:
            return 0.0
        light = self.signal - np.quantile(self.signal, 0.001)
        relative = float(light.mean()) ** 2
        uneven = max(1.0, float(np.mean(light**2)) / relative) if relative > 0 else 1.0
        added = float((means**2).sum()) / (frames - 1) * uneven
        return added / max(self._variance() - added, 0.1 * self._variance())

    def _of_neighbours(self) -> float:
        """Return by which fraction all frames differ more than successive ones (von Neumann)."""
        frames, pixels = len(self.means), self.signal.size
        if frames < 3 or self.steps == 0:
            return 0.0
        chance = math.sqrt((frames - 2) / ((frames - 1) * (frames + 1)) / pixels)
        fraction = 2 * self.squares / self.steps - 1
        # the noise is not the same in all pixels, so chance has somewhat more room
        return fraction if fraction > 2 * _CERTAIN * chance else 0.0

    def _bleaching(self, fraction: float) -> str:
        level = float(self.signal.mean())
        first, last = (level + self.means[at] for at in (0, -1))
        slope = float(np.corrcoef(np.arange(len(self.means)), self.means)[0, 1])
        why = "bleaching" if slope < -0.7 else "the light becomes brighter"
        why = why if abs(slope) > 0.7 else "the light flickers"
        error = math.sqrt(self._variance() / self.signal.size)
        return (
            f"mean of frame 1 is {to_its_error(first, error)} and of frame {len(self.means)} "
            f"{to_its_error(last, error)}, where noise alone allows ±{error:.1g}: {why}. This adds "
            f"{percent(fraction)} to the variance."
        )

    def _moving(self, fraction: float) -> str:
        return (
            f"frames far apart in time differ more than successive ones, by {percent(fraction)} of "
            "the variance: the stage, the sample or the focus moves."
        )


def repeated_pairs(
    image: Image, letter: str, channel: int, counter: Counter, notices: list[str]
) -> Iterator[Pair]:
    """Yield each repeat with the mean of all, scene by scene; every plane is read twice.

    Parameters
    ----------
    image
        The repeats.
    letter
        The axis along which they lie.
    channel
        Which channel, from 0.
    counter
        Counts n repeats of a pixel as n − 1 pixels.
    notices
        Notices of a slight drift are appended here.

    Raises
    ------
    NoiseError
        If frames are identical, show different scenes, or drift.
    """
    repeats = image.sizes[letter]
    scaling = math.sqrt(repeats / (repeats - 1))
    for scene in image.positions(letter):
        where = "".join(f", {axis} {at}" for axis, at in scene.items())
        planes = [scene | {letter: number} for number in range(repeats)]
        _check_scene([image.plane(position, channel) for position in some_frames(planes)], where)
        total, step = _total(image, planes, channel, where)
        signal = total / repeats
        around = (9 * ndimage.uniform_filter(signal, 3) - signal) / 8
        drift = Drift(signal, f"the repeats{where}")
        for position in planes:
            plane = image.plane(position, channel)
            pixels, clipping = with_clipping(plane)
            residual = pixels - signal
            drift.add(residual)
            pair = Pair(signal + scaling * residual, signal, clipping, step, around, pixels)
            yield pair.without(find_padding(plane))
        counter.pixels += (repeats - 1) * signal.size
        notices.extend(drift.notices())


def _check_scene(planes: Sequence[NDArray[Any]], where: str) -> None:
    """Refuse frames that show different scenes; what cannot be compared is let through."""
    try:
        found = compare_frames(planes)
    except NoiseError:
        return
    if found.is_other:
        raise NoiseError(
            f"the repeats{where} do not show one scene: {found.difference}. Give repeats of one "
            "fixed scene; or give no repeats, so that the noise is measured within each image"
        )


def _total(
    image: Image, planes: Sequence[dict[str, int]], channel: int, where: str
) -> tuple[_Array, float]:
    """Add up the repeats of one scene; refuse identical ones."""
    seen: dict[bytes, int] = {}
    total: _Array | None = None
    step = 0.0
    for number, position in enumerate(planes):
        plane = image.plane(position, channel)
        twin = seen.setdefault(digest(plane), number)
        if twin != number:
            raise NoiseError(
                f"repeats {twin + 1} and {number + 1}{where} are identical, which two exposures "
                "never are: one is a copy of the other; leave out the copies"
            )
        pixels = plane.astype(np.float64)
        if total is None:
            total, step = pixels, least_step(pixels)
        else:
            total += pixels
    if total is None:
        raise NoiseError("there are no repeats")
    return total, step


def least_step(pixels: _Array) -> float:
    """Return the least difference between two values of a plane; 0 if there is one value.

    Examples
    --------
    >>> least_step(np.array([[0.0, 6.0, 2.0]]))
    2.0
    """
    flat = pixels.ravel()
    values = np.unique(flat[:: -(-flat.size // 65_536)])
    return float(np.diff(values).min()) if values.size > 1 else 0.0
