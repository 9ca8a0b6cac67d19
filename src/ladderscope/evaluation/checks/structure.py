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

from ladderscope.evaluation.checks.check import LIGHTS, Check, Light, graded, is_graver
from ladderscope.words import percent

# Half octaves of frequency, cycles per pixel.
_EDGES = 0.5 / 2 ** (np.arange(11)[::-1] / 2)
_FEWEST_MODES = 24
_INDEPENDENT = 0.5  # of the modes, under the window
# Structure is judged where its power is so many times that of the noise: what is weaker cannot be
# told from it, and what is stronger is kept even where finer structure is lost.
_SEEN, _STRONG = 0.25, 10.0
_STRONG_NOISE = 0.2  # times the mean power of the noise: where there is less, its shape is guessed
_ERRORS, _ERRORS_OF_LOSS = 4.0, 2.5  # standard errors that are left to chance
_AMBER_LOST, _RED_LOST = 0.15, 0.25
_AMBER_MORE, _RED_MORE = 0.15, 0.3


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
    def surplus(self) -> float:
        """By how much the re-noised restoration exceeds the power of the image, as a fraction."""
        return self.renoised / max(self.image, 1e-300) - 1

    @property
    def contrast(self) -> float:
        """The power of the structure, relative to that of the noise."""
        return self.image / self.noise - 1

    @property
    def chance(self) -> float:
        """Standard error of a mean power, relative to it."""
        return 1 / math.sqrt(_INDEPENDENT * self.modes)

    @property
    def light_of_surplus(self) -> Light:
        """How much too much there is, beyond chance."""
        # both powers fluctuate together, but for the noise of each
        error = 2 * self.chance * math.sqrt(self.noise / max(self.image, 1e-300))
        return graded(self.surplus - _ERRORS * error, _AMBER_MORE, _RED_MORE)


class Lost(NamedTuple):
    """The fraction of structure that was removed with the noise, in bands taken together."""

    fraction: float
    error: float
    finest: float
    coarsest: float

    @property
    def light(self) -> Light:
        """How much it is, beyond chance."""
        return graded(self.fraction - _ERRORS_OF_LOSS * self.error, _AMBER_LOST, _RED_LOST)


def lost_structure(found: Sequence[Band]) -> Lost | None:
    """Measure how much structure was removed with the noise; None if the noise hides it all."""
    seen = [one for one in found if one.contrast >= _SEEN]
    judged = [one for one in seen if one.contrast <= _STRONG] or seen
    if not judged:
        return None
    # each mode counts by how far it stands out of its noise
    structure = sum(one.modes * one.contrast for one in judged)
    removed = sum(one.modes * (one.shared / one.noise - 1) for one in judged)
    variance = sum(
        (one.modes * one.chance) ** 2 * (one.residual * one.image / one.noise**2 + 1)
        for one in judged
    )
    sizes = [one.size for one in judged]
    return Lost(removed / structure, math.sqrt(variance) / structure, min(sizes), max(sizes))


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
    >>> check_bands([found]).light, round(lost_structure(found).fraction, 1)
    ('red', 1.0)
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
    if not judged:
        return Check("green", name, "The planes are too small for their spectra to be compared.")
    lost = lost_structure(judged)
    more = max(judged, key=lambda one: (LIGHTS.index(one.light_of_surplus), one.surplus))
    of_loss: Light = "green" if lost is None else lost.light
    if is_graver(more.light_of_surplus, of_loss):
        return Check(
            more.light_of_surplus,
            name,
            f"With noise added, the restoration has {percent(more.surplus)} more power than the "
            f"image in structures of about {more.size:.2g} pixels: it shows structure that was not "
            "recorded, or the noise model overestimates the noise.",
            'Measure the noise on these images (noise="auto") and train on images like this one.',
        )
    if lost is None:
        return Check("green", name, "No structure stands out of the noise, and none was added.")
    fraction = percent(max(0.0, lost.fraction))
    sizes = f"structures of {lost.finest:.2g} to {lost.coarsest:.2g} pixels"
    if of_loss == "green":
        return Check(
            of_loss,
            name,
            f"Of {sizes} that stand out of the noise, {fraction} was removed with it.",
        )
    return Check(
        of_loss,
        name,
        f"Of {sizes} that stand out of the noise, {fraction} was removed with it: the restoration "
        "is too smooth.",
        'Train longer (minutes, --minutes) or a larger network (preset="paper"), with the noise '
        'measured on these images (noise="auto").',
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
