"""Whether the noise of an image is that which its denoiser was told of."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ladderscope.evaluation.checks.check import Check, Light, graded, gravest
from ladderscope.noise import NoiseError, NoiseModel
from ladderscope.noise_estimation.checking import check_planes
from ladderscope.noise_estimation.neighbourhoods import OVERLAP
from ladderscope.noise_estimation.noise_check import CORRELATED, NoiseCheck

NAME = "noise"
# Amber and red: ratios of standard deviations, of the whole image, where it is dark, and where it
# is bright, which is seen through more structure. Of correlated noise, little is seen.
_RATIOS = np.log([[1.08, 1.12], [1.12, 1.16], [1.25, 1.4]])
_RATIOS_IF_CORRELATED = np.log([[1.3, 1.45], [1.6, 2.0], [1.6, 2.0]])
_ERRORS = 3.0  # standard errors that are left to chance
_RED_CORRELATION = 0.2
_AGAIN = 'Measure the noise on these images (noise="auto") and train again.'


def check_noise(planes: Sequence[NDArray[Any]], model: NoiseModel) -> Check | None:
    """Say whether a noise model describes the noise of planes; None if that cannot be measured.

    Parameters
    ----------
    planes
        Of one channel, as recorded, each (Y, X).
    model
        The noise model of that channel.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> planes = [np.random.default_rng(0).normal(100.0, 3.0, (128, 128))]
    >>> [check_noise(planes, Gaussian(sigma)).light for sigma in (3.0, 2.0)]
    ['green', 'red']
    """
    try:
        found = check_planes(planes, model)
    except NoiseError:
        return None
    return _correlation(found) or _size(found)


def _correlation(found: NoiseCheck) -> Check | None:
    if found.verdict != CORRELATED:
        return None
    measured = np.array([*found.correlation, found.correlation_diagonal])
    excess = measured - found.correlation_predicted
    strongest = int(np.argmax(np.abs(excess)))
    where = ("horizontal", "vertical", "diagonal")[strongest]
    light: Light = "red" if abs(excess[strongest]) > _RED_CORRELATION else "amber"
    reason = (
        f"The noise of {where} neighbours has a correlation of {measured[strongest]:.2f} and the "
        f"model expects {found.correlation_predicted[strongest]:.2f}: a denoiser takes such noise "
        "for structure."
    )
    if excess[strongest] < 0:
        return Check(
            light, NAME, reason, "Use the images as the camera recorded them, unsharpened."
        )
    return Check(
        light,
        NAME,
        reason,
        'Train again with noise="auto", which describes correlated noise, or with blind_levels=2 '
        "against lines and patterns.",
    )


def _size(found: NoiseCheck) -> Check:
    if not found.size_seen:
        return Check(
            "green",
            NAME,
            "The noise is correlated as the model expects; its strength cannot be measured here.",
        )
    correlated = found.model.pixelwise is not found.model
    signals = found.bin_signals
    reach = np.ptp(signals) / 4
    light = gravest(
        graded(abs(math.log(max(ratio, 1e-9))) - _chance(found.bin_counts[where]), *limits)
        for ratio, where, limits in zip(
            (found.deviation_ratio, found.deviation_ratio_dark, found.deviation_ratio_bright),
            (np.isfinite(signals), signals <= signals[0] + reach, signals >= signals[-1] - reach),
            _RATIOS_IF_CORRELATED if correlated else _RATIOS,
            strict=True,
        )
    )
    numbers = (
        f"The noise has {found.deviation_ratio:.2f} times the standard deviation that the model "
        f"expects ({found.deviation_ratio_dark:.2f} times where the image is dark, "
        f"{found.deviation_ratio_bright:.2f} times where it is bright)"
    )
    if light == "green":
        return Check(light, NAME, f"{numbers}.")
    effect = (
        "part of the noise is kept" if found.deviation_ratio > 1 else "detail is removed with it"
    )
    return Check(light, NAME, f"{numbers}: {effect}.", _AGAIN)


def _chance(counts: NDArray[np.float64]) -> float:
    return _ERRORS * math.sqrt(OVERLAP / (2 * counts.sum()))
