"""How far an image is from those that a model was trained on.

A model knows its training images by what it keeps of them: quantiles of their intensities, and how
much they vary from one size of structure to the next,

    e_k = variance of means over 2^k×2^k pixels within means over twice as many.

Where an image has much more of one size than they had, or other intensities, the network is asked
about what it has not seen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Real
from numpy.typing import NDArray

from ladderscope.evaluation.checks.check import Check, graded, is_graver
from ladderscope.images import Statistics
from ladderscope.words import percent, rounded

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
OCTAVES = 6
_MOST_PIXELS = 2**16  # of a plane, for its quantiles
_AMBER_SHIFT, _RED_SHIFT = 1.75, 3.5  # standard deviations of the training images
_AMBER_BEYOND, _RED_BEYOND = 0.002, 0.05  # of the pixels, beyond all those that trained
_AMBER_DETAIL, _RED_DETAIL = 6.0, 20.0  # times the variance at one size of structure
NAME = "training images"
_REMEDY = "Train on images like this one, or record images as those for training were recorded."


@dataclass(frozen=True)
class Appearance:
    """What a model keeps of the training images of one channel.

    Attributes
    ----------
    quantiles : tuple of float
        Of the intensities, at 1, 5, 25, 50, 75, 95 and 99 %.
    detail : tuple of float
        The variance of pixels within pairs of 2×2 pixels, of their means within 4×4, and so on;
        as many as the planes are large enough for, at most six.
    """

    quantiles: tuple[float, ...]
    detail: tuple[float, ...]


def appearance(planes: Iterable[Real[np.ndarray, "Y X"]]) -> Appearance:
    """Describe the planes of one channel.

    Parameters
    ----------
    planes
        Without padding; read once.

    Examples
    --------
    >>> planes = np.random.default_rng(0).normal(100.0, 3.0, (2, 64, 64))
    >>> found = appearance(planes)
    >>> round(found.quantiles[3]), [round(one, 1) for one in found.detail[:2]]
    (100, [6.8, 1.6])
    """
    return averaged([_of_plane(plane.astype(np.float64)) for plane in planes])


def _of_plane(pixels: Float64[np.ndarray, "Y X"]) -> Appearance:
    step = max(1, pixels.size // _MOST_PIXELS)
    quantiles = np.quantile(pixels.ravel()[::step], LEVELS)
    return Appearance(tuple(quantiles.tolist()), tuple(_detail(pixels)))


def without_padding(
    plane: Real[np.ndarray, "Y X"], padding: Bool[np.ndarray, "Y X"] | None
) -> Float64[np.ndarray, "Y X"]:
    """Give padding the mean of the rest of a plane.

    Examples
    --------
    >>> without_padding(np.array([[4.0, 6.0, 0.0]]), np.array([[False, False, True]]))
    array([[4., 6., 5.]])
    """
    pixels = plane.astype(np.float64)
    if padding is not None and padding.any() and not padding.all():
        pixels[padding] = pixels[~padding].mean()
    return pixels


def averaged(found: Sequence[Appearance]) -> Appearance:
    """Average what was found of several planes.

    Examples
    --------
    >>> averaged([Appearance((1.0,), (2.0, 3.0)), Appearance((3.0,), (4.0,))])
    Appearance(quantiles=(2.0,), detail=(3.0,))
    """
    octaves = min(len(one.detail) for one in found)
    return Appearance(
        tuple(np.mean([one.quantiles for one in found], axis=0).tolist()),
        tuple(np.mean([one.detail[:octaves] for one in found], axis=0).tolist()),
    )


def check_likeness(
    found: Appearance, seen: Appearance | None, trained: Statistics, beyond: float = 0.0
) -> Check:
    """Say whether an image is like the training images.

    Parameters
    ----------
    found
        Of the image.
    seen
        Of the training images; None if the model does not know, as models of earlier versions.
    trained
        Mean and standard deviation of the training images.
    beyond
        The fraction of its pixels that are darker or brighter than all those that trained.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> known, bright = (appearance([rng.normal(mean, 30.0, (64, 64))]) for mean in (100.0, 160.0))
    >>> check_likeness(bright, known, Statistics(100.0, 30.0)).light
    'amber'
    """
    mean = float(np.average(found.quantiles, weights=_WEIGHTS))
    if seen is None:
        shift = abs(mean - trained.mean) / trained.std
        return _of_intensities(shift, beyond, mean, trained.mean)
    differences = np.abs(np.subtract(found.quantiles, seen.quantiles))
    shift = float(np.average(differences, weights=_WEIGHTS)) / trained.std
    intensities = _of_intensities(shift, beyond, mean, trained.mean)
    floor = 1e-9 * trained.std**2
    ratios = [
        one / max(other, floor) for one, other in zip(found.detail, seen.detail, strict=False)
    ]
    strongest = int(np.argmax(ratios)) if ratios else 0
    ratio = ratios[strongest] if ratios else 0.0
    light = graded(ratio, _AMBER_DETAIL, _RED_DETAIL)
    if not is_graver(light, intensities.light):
        return intensities
    return Check(
        light,
        NAME,
        f"Structures of about {2**strongest} pixels vary {rounded(ratio)} times as much as in the "
        "training images: the network has not seen such images.",
        _REMEDY,
    )


_WEIGHTS = np.diff([0.0, *(np.add(LEVELS[1:], LEVELS[:-1]) / 2), 1.0])


def _of_intensities(shift: float, beyond: float, mean: float, trained: float) -> Check:
    light = graded(shift, _AMBER_SHIFT, _RED_SHIFT)
    of_beyond = graded(beyond, _AMBER_BEYOND, _RED_BEYOND)
    if is_graver(of_beyond, light):
        reason = (
            f"{percent(beyond)} of the pixels are darker or brighter than all those that trained"
        )
        return Check(of_beyond, NAME, f"{reason}: the network has not seen such images.", _REMEDY)
    reason = (
        f"The intensities differ from those of the training images by {shift:.2f} of their "
        f"standard deviations (mean {rounded(mean)}, in training {rounded(trained)})"
    )
    if light == "green":
        return Check(light, NAME, f"{reason}.")
    return Check(light, NAME, f"{reason}: the network has not seen such images.", _REMEDY)


def _detail(pixels: NDArray[np.float64]) -> list[float]:
    found: list[float] = []
    while min(pixels.shape) >= 4 and len(found) < OCTAVES:
        rows, columns = (side // 2 * 2 for side in pixels.shape)
        squares = pixels[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
        means = squares.mean(axis=(1, 3))
        found.append(float(np.mean((squares - means[:, None, :, None]) ** 2)))
        pixels = means
    return found
