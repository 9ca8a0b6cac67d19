r"""Whether the restoration keeps the structure of the image, size by size of the structures.

Two exact facts about the mean of a posterior, E[s|y], need no clean image. Noise has the mean zero
given the signal, so the cross spectrum of the residual and the image is the spectrum of the noise,

    ⟨(y − E[s|y]) · y⟩ = P_n,

in every band of frequencies: what exceeds it is signal that was removed. Divided by the power of
the signal, P_y − P_n, it is the fraction of structures of that size that the restoration lacks; a
blurred restoration lacks 1 − the transfer function of the blur. And the restoration with new noise
added cannot have more power than the image: what exceeds that is structure that was invented, or
noise that is not there.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy import signal

from ladderscope.evaluation.checks.check import LIGHTS, Check, Light
from ladderscope.words import percent

# Half octaves of frequency, cycles per pixel.
_EDGES = 0.5 / 2 ** (np.arange(11)[::-1] / 2)
_FEWEST_MODES = 24
_INDEPENDENT = 0.5  # of the modes, under the window
_SEEN = 0.5  # times the power of the noise: weaker structure cannot be told from it
_STRONG_NOISE = 0.2  # times the mean power of the noise: where there is less, its shape is guessed
_ERRORS = 5.0  # standard errors
_AMBER_LOST, _RED_LOST = 0.2, 0.35
_AMBER_MORE, _RED_MORE = 0.2, 0.4


class Band(NamedTuple):
    """Power in one band of frequencies, per mode.

    Attributes
    ----------
    size : float
        Of the structures, in pixels: half a period at the middle of the band.
    image, noise, residual : float
        Power of the image, of the noise and of the residual.
    renoised : float
        Power of the restoration with new noise.
    shared : float
        Cross spectrum of the residual and the image.
    modes : float
        How many there are.
    """

    size: float
    image: float
    noise: float
    residual: float
    renoised: float
    shared: float
    modes: float

    @property
    def lost(self) -> float:
        """The fraction of the structure that was removed with the noise; 0 where none is seen."""
        structure = self.image - self.noise
        return (self.shared - self.noise) / structure if structure > 0 else 0.0

    @property
    def surplus(self) -> float:
        """By how much the re-noised restoration exceeds the power of the image, as a fraction."""
        return self.renoised / max(self.image, 1e-300) - 1

    @property
    def _chance(self) -> float:
        """Standard error of a mean power, relative to it."""
        return 1 / math.sqrt(_INDEPENDENT * self.modes)

    @property
    def light_of_loss(self) -> Light:
        """How much of what noise does not hide is lacking, beyond chance."""
        error = self._chance * math.sqrt(self.residual * self.image + self.noise**2)
        if self.image < (1 + _SEEN) * self.noise or self.shared - self.noise < _ERRORS * error:
            return "green"
        return "red" if self.lost > _RED_LOST else "amber" if self.lost > _AMBER_LOST else "green"

    @property
    def light_of_surplus(self) -> Light:
        """How much too much there is, beyond chance."""
        # both powers fluctuate together, but for the noise of each
        error = 2 * self._chance * math.sqrt(self.noise / max(self.image, 1e-300))
        surplus = self.surplus - _ERRORS * error
        return "red" if surplus > _RED_MORE else "amber" if surplus > _AMBER_MORE else "green"


def bands(
    image: Float64[np.ndarray, "Y X"],
    expected: Float64[np.ndarray, "Y X"],
    noise: Float64[np.ndarray, "Y X"],
) -> list[Band]:
    """Measure power by the size of structures, finest last.

    Parameters
    ----------
    image
        As recorded.
    expected
        The mean of what would be recorded of the restoration, E[y|s].
    noise
        A draw of the noise of the restoration.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> from scipy.ndimage import gaussian_filter
    >>> clean = 40 * gaussian_filter(rng.normal(size=(256, 256)), 3)
    >>> noisy, new = clean + rng.normal(size=(2, 256, 256))
    >>> blurred = gaussian_filter(clean, 3)
    >>> found = bands(noisy, blurred, new - clean)
    >>> check_bands([found]).light, round(max(one.lost for one in found[3:6]), 1)
    ('red', 0.9)
    """
    window = np.outer(*(signal.windows.hann(side, sym=False) for side in image.shape))
    transformed = [_transformed(one, window) for one in (image, expected, noise)]
    of_image, of_expected, of_noise = transformed
    frequency = np.hypot(
        np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None]
    )
    twice = np.full(frequency.shape, 2.0)  # each stands for its mirror image too
    twice[:, 0] = 1.0
    if image.shape[1] % 2 == 0:
        twice[:, -1] = 1.0
    at = np.digitize(frequency, _EDGES)
    inside = (at > 0) & (at < len(_EDGES))
    modes = _summed(at, inside, twice)
    residual, renoised = of_image - of_expected, of_expected + of_noise
    powers = np.stack(
        [
            _summed(at, inside, twice * (one * other.conj()).real)
            for one, other in (
                (of_image, of_image),
                (of_noise, of_noise),
                (residual, residual),
                (renoised, renoised),
                (residual, of_image),
            )
        ]
    )
    return [
        Band(0.5 / math.sqrt(low * high), *_five(powers[:, number] / count), count)
        for number, (low, high) in enumerate(pairwise(_EDGES))
        if (count := float(modes[number])) >= _FEWEST_MODES
    ]


def check_bands(planes: Sequence[Sequence[Band]]) -> Check:
    """Say whether structures of every size are kept, and none are added.

    Parameters
    ----------
    planes
        The bands of every plane.
    """
    found = list(_summed_over(planes))
    name = "structure"
    judged = [one for one in found if one.noise >= _STRONG_NOISE * _mean_noise(found)]
    lost = max(judged, key=lambda one: (LIGHTS.index(one.light_of_loss), one.lost), default=None)
    more = max(
        judged, key=lambda one: (LIGHTS.index(one.light_of_surplus), one.surplus), default=None
    )
    if lost is None or more is None:
        return Check("green", name, "The planes are too small for their spectra to be compared.")
    if LIGHTS.index(more.light_of_surplus) > LIGHTS.index(lost.light_of_loss):
        return Check(
            more.light_of_surplus,
            name,
            f"With noise added, the restoration has {percent(more.surplus)} more power than the "
            f"image in structures of about {more.size:.2g} pixels: it shows structure that was not "
            "recorded, or the noise model overestimates the noise.",
            'Measure the noise on these images (noise="auto") and train on images like this one.',
        )
    if lost.light_of_loss != "green":
        return Check(
            lost.light_of_loss,
            name,
            f"Of structures of about {lost.size:.2g} pixels that stand out of the noise, "
            f"{percent(lost.lost)} was removed with it: the restoration is too smooth.",
            'Train longer (minutes, --minutes) or a larger network (preset="paper"), with the '
            'noise measured on these images (noise="auto").',
        )
    seen = [one for one in judged if one.image >= (1 + _SEEN) * one.noise]
    if not seen:
        return Check("green", name, "No structure stands out of the noise, and none was added.")
    finest = min(one.size for one in seen)
    return Check(
        "green",
        name,
        f"Structures of {finest:.2g} pixels and more stand out of the noise, and at most "
        f"{percent(max(0.0, *(one.lost for one in seen)))} of them was removed with it.",
    )


def _five(powers: Float64[np.ndarray, " five"]) -> tuple[float, float, float, float, float]:
    image, noise, residual, renoised, shared = powers.tolist()
    return image, noise, residual, renoised, shared


def _transformed(
    pixels: Float64[np.ndarray, "Y X"], window: Float64[np.ndarray, "Y X"]
) -> np.ndarray:
    centred = pixels - np.average(pixels, weights=window)
    return np.fft.rfft2(centred * window)


def _summed(
    at: np.ndarray, inside: np.ndarray, values: Float64[np.ndarray, "Y X"]
) -> Float64[np.ndarray, " bands"]:
    sums: Float64[np.ndarray, " bands"] = np.bincount(
        at[inside] - 1, values[inside], minlength=len(_EDGES) - 1
    )
    return sums


def _summed_over(planes: Sequence[Sequence[Band]]) -> Iterator[Band]:
    for size in sorted({one.size for plane in planes for one in plane}, reverse=True):
        here = [one for plane in planes for one in plane if one.size == size]
        modes = np.array([one.modes for one in here])
        powers = np.average([one[1:-1] for one in here], axis=0, weights=modes)
        yield Band(size, *_five(powers), float(modes.sum()))


def _mean_noise(found: Sequence[Band]) -> float:
    counts = [one.modes for one in found]
    return float(np.average([one.noise for one in found], weights=counts)) if counts else 0.0
