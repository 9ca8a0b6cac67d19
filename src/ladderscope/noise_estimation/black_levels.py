"""Whether all files have one black level, as one noise model for all of them assumes.

At a gain g, the variance v = g·(s − offset) + read² of the noise at a signal s says where it would
be zero: at s − v/g, which lies at offset − read²/g whatever the file shows. If that differs between
files, and their darkest pixels differ likewise, then so do their black levels.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePath
from typing import Any

import numpy as np
from jaxtyping import Real
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.from_images import fit_images
from ladderscope.noise_estimation.kinds import USUAL
from ladderscope.noise_estimation.neighbourhoods import OVERLAP
from ladderscope.words import rounded

MOST_FILES = 6  # at most so many are measured, evenly chosen
PLANES_OF_A_FILE = 2
_MATTERS = 0.3  # of the variance in the dark: 15 % of the standard deviation
_STANDARD_ERRORS = 5
_DISTRUST = 0.05  # of a variance: structure that is left in it


def about_black_levels(files: Mapping[str, Sequence[Real[np.ndarray, "y x"]]]) -> str | None:
    """Report two files whose black levels differ; None if all are alike, or it cannot be seen.

    Parameters
    ----------
    files
        The name of each file, and planes of it, as recorded.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = np.linspace(0, 200, 128) * np.ones((128, 1))
    >>> one, other = (2.0 * rng.poisson(signal / 2) + offset for offset in (100, 140))
    >>> about_black_levels({"a.tif": [one], "b.tif": [one + 1]}) is None
    True
    >>> print(about_black_levels({"a.tif": [one], "b.tif": [other]})[:33])
    the black level of b.tif is about
    """
    names = list(files)[:: -(-len(files) // MOST_FILES)]
    fits = {name: fit for name in names if (fit := _fit(files[name])) is not None}
    gains = [gain for fit in fits.values() if (gain := getattr(fit.model, "gain", 0.0)) > 0]
    if len(fits) < 2 or not gains:
        return None
    gain = float(np.median(gains))
    levels = {name: _level(fit, gain) for name, fit in fits.items()}
    worst = ("", "", 0.0)
    for low, high in combinations(sorted(levels, key=lambda name: levels[name][0]), 2):
        shift = levels[high][0] - levels[low][0]
        certain = shift > _STANDARD_ERRORS * math.hypot(levels[low][1], levels[high][1])
        darkest = fits[high].signal_range[0] - fits[low].signal_range[0]
        matters = gain * shift > _MATTERS * float(fits[low].bin_variances.min())
        if certain and matters and darkest > shift / 2 and shift > worst[2]:
            worst = low, high, shift
    low, high, shift = worst
    if not shift:
        return None
    return (
        f"the black level of {high} is about {rounded(shift)} grey levels above that of {low}, as "
        "the noise and the darkest pixels show: one noise model cannot describe both. Subtract "
        "its own black level from each file (the mean of a dark frame), or train one model per "
        "black level"
    )


def told_apart(files: Sequence[str]) -> Sequence[str]:
    """Name files by their names; if these are alike, by their paths, or by their places too.

    Examples
    --------
    >>> told_apart(["day1/a.tif", "day1/b.tif"]), told_apart(["day1/a.tif", "day2/a.tif"])
    (['a.tif', 'b.tif'], ['day1/a.tif', 'day2/a.tif'])
    """
    names = [PurePath(file).name for file in files]
    placed = [f"image {number} ({file})" for number, file in enumerate(files, start=1)]
    return next(found for found in (names, files, placed) if len(set(found)) == len(files))


def _fit(planes: Sequence[NDArray[Any]]) -> NoiseFit | None:
    try:
        return fit_images(planes, USUAL)
    except NoiseError:
        return None


def _level(fit: NoiseFit, gain: float) -> tuple[float, float]:
    """Return the signal at which the noise would vanish, and its standard error."""
    at = fit.bin_signals - fit.bin_variances / gain
    errors = fit.bin_variances / gain * np.sqrt(2 * OVERLAP / fit.bin_counts + _DISTRUST**2)
    weights = 1 / np.maximum(errors, 1e-9 * errors.max()) ** 2
    level = float(np.average(at, weights=weights))
    scatter = float(np.average((at - level) ** 2, weights=weights)) / max(1, at.size - 1)
    return level, math.sqrt(max(scatter, 1 / float(weights.sum())))
