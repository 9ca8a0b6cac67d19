"""All checks of a restored channel, plane by plane."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Real
from torch import Tensor

from ladderscope.evaluation.checks.check import Check
from ladderscope.evaluation.checks.likeness import (
    Appearance,
    appearance,
    averaged,
    check_likeness,
    without_padding,
)
from ladderscope.evaluation.checks.noise import check_noise
from ladderscope.evaluation.checks.regions import Region, check_regions, departing_regions
from ladderscope.evaluation.checks.size import Removed, check_removed, removed_by_brightness
from ladderscope.evaluation.checks.structure import Band, bands, check_bands
from ladderscope.evaluation.checks.whiteness import Products, check_sum, check_whiteness, products
from ladderscope.images import Statistics
from ladderscope.noise import NoiseModel
from ladderscope.noise.within_planes import within_planes

_NOISE_PLANES = 4  # on which the noise is measured
_FEWEST = 16  # pixels on the shorter side


class RestoredPlane(NamedTuple):
    """A plane before and after.

    Attributes
    ----------
    observed, restored : array of shape (Y, X)
        In grey levels. A split has the sum of its channels as `restored`.
    padding : bool array of the same shape, optional
        Where nothing was measured.
    where : (int, int, int)
        The number of the plane, and the row and column from which this part of it begins.
    """

    observed: Real[np.ndarray, "Y X"]
    restored: Real[np.ndarray, "Y X"]
    padding: Bool[np.ndarray, "Y X"] | None = None
    where: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, eq=False)
class Known:
    """What a model knows of the images of one channel.

    Attributes
    ----------
    statistics : Statistics
        Of the training images.
    noise : NoiseModel or None
        Of their camera.
    appearance : Appearance or None
        Of the training images; None in models of earlier versions.
    """

    statistics: Statistics
    noise: NoiseModel | None = None
    appearance: Appearance | None = None


def restoration_checks(
    planes: Iterable[RestoredPlane], count: int, known: Known
) -> tuple[Check, ...]:
    """Check the restoration of one channel, without a clean image.

    Parameters
    ----------
    planes
        Read once, one after the other.
    count
        How many there are; parts of planes count each.
    known
        What the model knows of such images.

    Returns
    -------
    tuple of Check
        Empty where all planes are blank or very small. Without a noise model, only the likeness
        to the training images is checked.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> rng = np.random.default_rng(0)
    >>> clean = 100 + 40 * np.sin(np.mgrid[:128, :128].sum(0) / 9)
    >>> noisy = clean + rng.normal(0, 5, clean.shape)
    >>> known = Known(Statistics(100.0, 30.0), Gaussian(5.0))
    >>> [check.light for check in restoration_checks([RestoredPlane(noisy, clean)], 1, known)]
    ['green', 'green', 'green', 'green', 'green', 'green']
    """
    looks: list[_Look] = []
    shown: list[_Shown] = []
    measured: list[np.ndarray[Any, Any]] = []
    step = math.ceil(count / _NOISE_PLANES)
    noise = None if known.noise is None else within_planes(known.noise)
    planes_seen = 0
    for number, plane in enumerate(planes):
        planes_seen = 1 + plane.where[0]
        if not _is_checked(plane):
            continue
        shown.append(_shown(plane, known.statistics))
        if noise is not None:
            looks.append(_look(plane, noise, number))
            if number % step == 0:
                measured.append(plane.observed)
    if not shown:
        return ()
    checks = [_likeness(shown, known)]
    if noise is not None:
        of_noise = check_noise(measured, noise) if measured else None
        checks = [
            check_regions([one for look in looks for one in look.regions], planes_seen),
            check_bands([look.bands for look in looks]),
            check_removed([one for look in looks for one in look.removed]),
            check_whiteness([look.products for look in looks]),
            *([] if of_noise is None else [of_noise]),
            *checks,
        ]
    return tuple(checks)


def split_checks(planes: Iterable[RestoredPlane], count: int, known: Known) -> tuple[Check, ...]:
    """Check what the channels of a split add up to, without knowing the channels.

    A structure in the wrong channel changes no sum, and the noise of a recorded mixed image is not
    that of the sums that trained: neither can be checked.

    Parameters
    ----------
    planes
        The mixed image, and the sum of the restored channels.
    count, known
        As `restoration_checks` takes them; the noise is not used.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mixed = 100 + 40 * np.sin(np.mgrid[:128, :128].sum(0) / 9)
    >>> known = Known(Statistics(100.0, 30.0))
    >>> [one.light for one in split_checks([RestoredPlane(mixed, 0.5 * mixed)], 1, known)]
    ['red', 'green']
    """
    shown: list[_Shown] = []
    sums: list[tuple[Products, float]] = []
    for plane in planes:
        if _is_checked(plane):
            shown.append(_shown(plane, known.statistics))
            counts = _counts(plane)
            residual = plane.observed.astype(np.float64) - plane.restored
            residual = residual if counts is None else np.where(counts, residual, 0.0)
            sums.append((products(residual, counts), float(plane.observed.var(dtype=np.float64))))
    if not shown:
        return ()
    return check_sum(sums), _likeness(shown, known)


class _Look(NamedTuple):
    """What is kept of one plane."""

    regions: list[Region]
    bands: list[Band]
    removed: list[Removed]
    products: Products


def _look(plane: RestoredPlane, noise: NoiseModel, number: int) -> _Look:
    observed = plane.observed.astype(np.float64)
    signal = torch.from_numpy(plane.restored.astype(np.float64))
    mean, variance = noise.moments(signal)
    expected, deviation = mean.numpy(), variance.sqrt().numpy()
    drawn = _drawn(noise, signal, deviation, number)
    counts = _counts(plane)
    if counts is not None:
        observed = np.where(counts, observed, expected)
        drawn = np.where(counts, drawn, 0.0)
    residual = (observed - expected) / deviation
    whitened = noise.whitened(torch.from_numpy(residual)).numpy()
    inside = slice(None) if counts is None else counts
    number, row, column = plane.where
    regions = departing_regions(whitened, deviation, float(plane.restored.std()), counts, number)
    return _Look(
        [one._replace(row=one.row + row, column=one.column + column) for one in regions],
        bands(observed, expected, drawn),
        removed_by_brightness(signal.numpy()[inside].ravel(), residual[inside].ravel()),
        products(whitened, counts),
    )


def _is_checked(plane: RestoredPlane) -> bool:
    """Leave out planes that are blank or very small."""
    if plane.padding is not None and plane.padding.all():
        return False
    return min(plane.observed.shape) >= _FEWEST and float(np.ptp(plane.observed)) > 0


class _Shown(NamedTuple):
    """What a plane looks like, and the fraction of it beyond all that trained."""

    appearance: Appearance
    beyond: float


def _shown(plane: RestoredPlane, trained: Statistics) -> _Shown:
    pixels = without_padding(plane.observed, plane.padding)
    beyond = 0.0
    if trained.darkest is not None and trained.brightest is not None:
        beyond = float(np.mean((pixels < trained.darkest) | (pixels > trained.brightest)))
    return _Shown(appearance([pixels]), beyond)


def _likeness(shown: list[_Shown], known: Known) -> Check:
    found = averaged([one.appearance for one in shown])
    beyond = float(np.mean([one.beyond for one in shown]))
    return check_likeness(found, known.appearance, known.statistics, beyond)


def _counts(plane: RestoredPlane) -> Bool[np.ndarray, "Y X"] | None:
    return None if plane.padding is None or not plane.padding.any() else ~plane.padding


def _drawn(
    noise: NoiseModel, signal: Tensor, deviation: Float64[np.ndarray, "Y X"], seed: int
) -> Float64[np.ndarray, "Y X"]:
    """Draw noise with the variance and the correlation of a model: a spectrum shows no more."""
    if noise.pixelwise is noise:
        return deviation * np.random.default_rng(seed).standard_normal(deviation.shape)
    generator = torch.Generator().manual_seed(seed)
    drawn: Float64[np.ndarray, "Y X"] = (
        noise.sample(signal, generator) - noise.moments(signal)[0]
    ).numpy()
    return drawn
