"""Noise measured on the noisy images alone: local variance against local mean.

The variance comes from the flattest regions of each intensity (`neighbourhoods`, `intensity_bins`).
The line is fitted to the bins (Foi et al. 2008, section III.C, in a weighted least-squares form):
a variance estimated from n pixels has a variance proportional to variance²/n.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.checked import CleanPlane, checked_planes, clean_plane
from ladderscope.noise_estimation.dark import Darkness
from ladderscope.noise_estimation.evidence import Variances
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.flat_pixels import FlatPixels
from ladderscope.noise_estimation.intensity_bins import GROUPS, IntensityBins
from ladderscope.noise_estimation.kinds import FITTABLE, USUAL
from ladderscope.noise_estimation.line import Points, fit_level, fit_line
from ladderscope.noise_estimation.line_fit import line_notices
from ladderscope.noise_estimation.neighbourhoods import OVERLAP

_FEWEST_PIXELS = 150
_REPLICATES = 200
# Student's t for the 31 degrees of freedom of 32 groups
_WIDENING = 2.04 * math.sqrt(GROUPS / (GROUPS - 1))
# What is left of the signal in a bin is some per cent of its variance: no bin is trusted beyond
# that, or a dark background of a million pixels would alone decide.
_DISTRUST = 0.03

_CLIPPED_EVERYWHERE = (
    "Warning: nearly all pixels look clipped. Unless single photons are counted, this is what "
    "clipping left of the noise. Give images with a higher offset or a shorter exposure, as the "
    "camera recorded them."
)

_Array = NDArray[np.float64]


def calibrate_poisson_gaussian(
    planes: Iterable[NDArray[Any]],
) -> NoiseFit:
    """Measure gain and intercept of the noise on the noisy images themselves.

    The noise must be independent from pixel to pixel; correlated noise is taken for signal and
    underestimated.

    Parameters
    ----------
    planes
        Noisy images of one channel, each of shape (y, x) and of any real type, read once and one
        at a time. Those without any variation (blank, or smaller than 7×7) are skipped, and so are
        padding, hot and dead pixels.

    Returns
    -------
    NoiseFit
        The model, 95 % intervals, and the points that the line was fitted to. Where the images
        span too little intensity to show a gain, the variance is constant, and `summary` says so.

    Raises
    ------
    NoiseError
        If there is no plane; a plane is not 2-D, not real, or holds NaN or infinity; or no noise
        can be measured (all planes constant, too small, saturated).

    References
    ----------
    Foi, Trimeche, Katkovnik, Egiazarian: Practical Poissonian-Gaussian noise modeling and
    fitting for single-image raw-data. IEEE Trans. Image Processing 17 (2008).

    Examples
    --------
    >>> signal = np.linspace(10, 200, 256) * np.ones((256, 1))
    >>> noisy = 2.0 * np.random.default_rng(0).poisson(signal / 2.0)
    >>> fit = calibrate_poisson_gaussian([noisy])
    >>> abs(fit.model.gain - 2.0) < 0.2
    True
    """
    return fit_images(checked_planes(planes), "poisson_gaussian")


def fit_images(
    planes: Iterable[NDArray[Any] | CleanPlane], kind: str, darkness: Darkness | None = None
) -> NoiseFit:
    """Measure the noise on the noisy images themselves.

    Parameters
    ----------
    planes
        As `calibrate_poisson_gaussian` takes them, checked already, perhaps cleaned too.
    kind
        One that needs no signal.
    darkness
        What is known of the camera without light, where a kind makes use of it.

    Raises
    ------
    NoiseError
        As `calibrate_poisson_gaussian` does.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
    >>> abs(fit_images([noisy], "gaussian").model.sigma - 3.0) < 0.2
    True
    """
    return fit_kinds(planes, [kind], darkness)[kind]


def fit_kinds(
    planes: Iterable[NDArray[Any] | CleanPlane],
    kinds: Sequence[str],
    darkness: Darkness | None = None,
    every: int = 1,
) -> dict[str, NoiseFit]:
    """Measure several kinds of noise on the same images, which are read once.

    Parameters
    ----------
    planes, kinds, darkness
        As `fit_images` takes them.
    every
        Single photons are looked for in every so many planes.

    Raises
    ------
    NoiseError
        As `calibrate_poisson_gaussian` does.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
    >>> [*fit_kinds([noisy], ["gaussian", "poisson_gaussian"])]
    ['gaussian', 'poisson_gaussian']
    """
    of_pixels = any(FITTABLE[kind].of_pixels for kind in kinds)
    bins, pixels = IntensityBins(), FlatPixels()
    number = -1
    for number, plane in enumerate(planes):
        if not isinstance(plane, CleanPlane):
            plane = clean_plane(plane)
        bins.add(plane, number)
        if of_pixels and number % every == 0:
            pixels.add(plane, number)
    if number < 0:
        raise NoiseError("there is no image to measure the noise on")
    return {kind: _fit_kind(bins, pixels, kind, darkness) for kind in kinds}


def _fit_kind(
    bins: IntensityBins, pixels: FlatPixels, kind: str, darkness: Darkness | None
) -> NoiseFit:
    how = FITTABLE[kind]
    if how.of_pixels:
        fit: NoiseFit = how.load()(_fit(bins, USUAL), pixels, darkness)
        return fit
    return _fit(bins, kind)


def _fit(bins: IntensityBins, kind: str) -> NoiseFit:
    """Fit the line to the bins, and again to bootstrapped ones."""
    found = bins.unclipped()
    counts, points = _averages(found.sums.sum(axis=1)[None])
    order = np.argsort(points.signals[0])  # thin bins may overtake each other
    sums, counts = found.sums[order], counts[0, order]
    points = Points(*(part[:, order] for part in (points.signals, points.variances, points.errors)))
    signals, variances = points.signals[0], points.variances[0]
    if counts.sum() < _FEWEST_PIXELS:
        raise NoiseError(
            f"the noise can be measured at only {counts.sum():.0f} pixels, and "
            f"{_FEWEST_PIXELS} are needed: the images are constant, too small or clipped. Give "
            "larger images, or the noise itself, such as Gaussian(sigma=3.0)"
        )
    if not variances.max() > 0:
        raise NoiseError(
            "the images show no noise at all: they are blank or synthetic. Give noisy images, or "
            "the noise itself, such as Gaussian(sigma=3.0)"
        )

    drawn = np.random.default_rng(0).multinomial(
        GROUPS, np.full(GROUPS, 1 / GROUPS), size=_REPLICATES
    )
    chosen, resampled = _averages(np.einsum("rg,bgs->rbs", drawn, sums))
    seen = chosen.any(axis=1)  # few groups may hold all pixels
    resampled = Points(
        *(p[seen] for p in (resampled.signals, resampled.variances, resampled.errors))
    )
    dark, bright = bins.percentile(0.01), bins.percentile(0.99)
    line = fit_line(points, resampled, _WIDENING, darkest=dark)
    how = FITTABLE[kind]
    notices = line_notices(line, how.constant, dark)
    if found.clipped > 0:
        notices += bins.ends.notices(bins.marks)
    if found.all_clipped:
        notices += (_CLIPPED_EVERYWHERE,)
    if how.constant:
        line = fit_level(points, resampled, _WIDENING)
    guess = None
    if line.gain > 0:
        guess = max(bins.percentile(0.001), -line.intercept / line.gain)
    return NoiseFit(
        model=how.load()(Variances(line, variances, dark)),
        intervals=line.intervals(how.constant),
        bin_signals=signals,
        bin_variances=variances,
        bin_counts=counts,
        signal_range=(dark, bright),
        offset_guess=guess,
        clipped_share=found.clipped,
        notices=notices,
    )


def _averages(sums: _Array) -> tuple[_Array, Points]:
    """Return counts and points of sums (rows, bins, 3)."""
    counts = sums[..., 0]
    divisor = np.maximum(counts, 1)
    errors = np.where(counts > 0, 2 * OVERLAP / divisor + _DISTRUST**2, np.inf)
    return counts, Points(sums[..., 1] / divisor, sums[..., 2] / divisor, errors)
