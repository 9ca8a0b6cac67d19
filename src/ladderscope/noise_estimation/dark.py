"""The black level and the read noise, measured on dark frames."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.checked import checked_plane, with_clipping
from ladderscope.noise_estimation.clipping import CLIPPED_SHARE, clipped_counts
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.line import Points, fit_line
from ladderscope.words import percent, rounded

_FEWEST = 100
_HOT = 6.0  # standard deviations: what lies farther out is a hot pixel
_STRUCTURE = 0.3  # correlation of neighbours, from which on a dark frame shows something
_TOO_NOISY = 2.0  # times the variance that the images have where they are dark
_DISAGREE = 1.25  # ratio of two read noises that is reported
_DISTRUST = 0.03  # no variance of a bin is trusted beyond that

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Darkness:
    """What a camera gives without light.

    Parameters
    ----------
    offset
        Black level, camera units.
    read_noise
        Standard deviation, camera units; None if only the offset is known.
    structure
        Correlation of neighbouring pixels in the dark frames.
    """

    offset: float
    read_noise: float | None = None
    structure: float = 0.0


def measure_darkness(dark: Any) -> Darkness:
    """Measure black level and read noise on dark frames.

    Hot pixels, more than six standard deviations off, are left out. The read noise of several
    frames is what changes from frame to frame; that of one frame includes what is fixed.

    Parameters
    ----------
    dark
        One frame (y, x), or several (n, y, x).

    Raises
    ------
    NoiseError
        If it is neither, holds NaN, is too small, is clipped at black, or repeats one frame.

    Examples
    --------
    >>> dark = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
    >>> found = measure_darkness(dark)
    >>> abs(found.offset - 100) < 0.2, abs(found.read_noise - 3) < 0.2
    (True, True)
    """
    shape = tuple(getattr(dark, "shape", ()))
    if len(shape) not in (2, 3) or math.prod(shape[-2:]) < _FEWEST or shape[0] == 0:
        raise NoiseError(
            f"the dark frames have the shape {shape}; give one frame (y, x) or a stack "
            f"(n, y, x), of at least {_FEWEST} pixels"
        )
    frames = 1 if len(shape) == 2 else shape[0]
    means, variances, structures = [], [], []
    before: _Array | None = None
    for number in range(frames):
        name = f"dark frame {number + 1}"
        frame = _frame(dark if len(shape) == 2 else dark[number], name)
        kept = frame[_inliers(frame)]
        means.append(kept.mean())
        structures.append(_neighbour_correlation(frame))
        if before is None:
            variances.append(kept.var())
        elif np.array_equal(frame, before) and np.ptp(frame) > 0:
            raise NoiseError(
                f"{name} is identical to the one before it: record each frame separately"
            )
        else:
            change = frame - before
            variances.append(change[_inliers(change)].var() / 2)
        before = frame
    if frames > 1:
        variances = variances[1:]
    return Darkness(
        offset=float(np.mean(means)),
        read_noise=math.sqrt(float(np.mean(variances))),
        structure=float(np.mean(structures)),
    )


def with_darkness(fit: NoiseFit, darkness: Darkness) -> NoiseFit:
    """Return the fit with black level and read noise.

    Parameters
    ----------
    fit
        A fit without them.
    darkness
        What is known of the camera without light. If its read noise is not, it is the standard
        deviation that the line through the images' variances has at the black level.

    Raises
    ------
    NoiseError
        If the images are darker than the black level, or noisier in the dark frames than in the
        images: the frames are not dark, or are another camera's.

    Examples
    --------
    >>> from ladderscope.noise_estimation import measure_noise
    >>> generator = np.random.default_rng(0)
    >>> signal = 100 + np.mgrid[:64, :64][1]
    >>> observation = 100.0 + generator.poisson(signal - 100) + generator.normal(0, 3, (64, 64))
    >>> fit = with_darkness(measure_noise(observation, signal), Darkness(100.0))
    >>> fit.offset, abs(fit.read_noise - 3) < 0.5
    (100.0, True)
    """
    offset, model, dark = darkness.offset, fit.model, fit.signal_range[0]
    what = "offset" if darkness.read_noise is None else "dark frame"
    at_dark = model.deviation_at(dark)
    if darkness.structure > _STRUCTURE:
        raise NoiseError(
            "the dark frame is not dark: its neighbouring pixels are correlated by "
            f"{darkness.structure:.2f}, so it shows structure; record it with the shutter closed"
        )
    if offset > dark + at_dark:
        raise NoiseError(
            f"the {what} is not dark: {rounded(offset)}, while the darkest 1 % of the images lie "
            f"at {rounded(dark)} or below (noise {rounded(at_dark)}); record dark frames with the "
            "shutter closed and the settings of the images"
        )
    expected, error = _variance_in_the_dark(fit, offset)
    if darkness.read_noise is None:
        negative = (
            f"At the offset {rounded(offset)} the fitted variance would be negative: the read "
            "noise cannot be measured, or the offset is wrong."
        )
        read_noise = math.sqrt(max(expected, 0.0))
        return _with(fit, offset, read_noise, negative if read_noise == 0 else None)
    read_noise = darkness.read_noise
    if read_noise**2 > _TOO_NOISY * at_dark**2:
        raise NoiseError(
            f"the dark frame is not dark: its standard deviation is {rounded(read_noise)}, the "
            f"images' only {rounded(at_dark)} where they are dark ({rounded(dark)}); record dark "
            "frames with the shutter closed and the settings of the images"
        )
    variance, notice = read_noise**2, None
    if expected - error > _DISAGREE**2 * variance:
        notice = (
            "At this black level the images suggest a read noise of "
            f"{rounded(math.sqrt(expected))}; they may contain noise that the dark frame lacks."
        )
    elif expected + error < variance / _DISAGREE**2:
        notice = (
            f"Warning: at this black level the images suggest a variance of {rounded(expected)}, "
            f"and the dark frame's is {rounded(variance)}; was it recorded with the settings of "
            "the images?"
        )
    return _with(fit, offset, read_noise, notice)


def _with(fit: NoiseFit, offset: float, read_noise: float, notice: str | None) -> NoiseFit:
    notices = fit.notices if notice is None else (*fit.notices, notice)
    return dataclasses.replace(fit, offset=offset, read_noise=read_noise, notices=notices)


def _variance_in_the_dark(fit: NoiseFit, offset: float) -> tuple[float, float]:
    """Return the variance that the images' own line has at the offset, and its uncertainty.

    The offset lies nearer to the signals than zero does, so the line is surer of itself there
    than its intercept is. Where a model says nothing beyond its signals, a line stands in.
    """
    beyond = fit.model.extrapolated_variance(offset)
    if beyond is not None:
        low, high = fit.intercept_interval or (0.0, 0.0)
        return beyond, (high - low) / 2
    errors = 2 / fit.bin_counts + _DISTRUST**2
    points = Points(*(part[None] for part in (fit.bin_signals, fit.bin_variances, errors)))
    line = fit_line(points, points, 0.0, darkest=offset)
    variance = line.gain * offset + line.intercept
    return variance, _DISTRUST * float(fit.bin_variances.mean())


def _frame(frame: Any, name: str) -> _Array:
    """Return one dark frame, or refuse it."""
    pixels, clipping = with_clipping(checked_plane(frame, name))
    marks = np.bincount(clipping.marks.ravel(), minlength=5).astype(np.float64)
    clipped = float(clipped_counts(marks[None])[0])
    if np.ptp(pixels) > 0 and clipped > CLIPPED_SHARE * pixels.size:
        raise NoiseError(
            f"{name} is clipped: {percent(clipped / pixels.size)} of its pixels lie at "
            f"{' or '.join(f'{value:g}' for value in clipping.values)}, so it has no black level "
            "to measure; raise the camera's offset"
        )
    return pixels


def _inliers(pixels: _Array) -> NDArray[np.bool_]:
    """Mark what is no hot pixel."""
    inside = np.ones(pixels.shape, dtype=bool)
    for _ in range(10):
        kept = pixels[inside]
        before, inside = inside, np.abs(pixels - kept.mean()) <= _HOT * kept.std()
        if np.array_equal(before, inside):
            break
    return inside


def _neighbour_correlation(pixels: _Array) -> float:
    """Return the correlation of next neighbours, the mean of both directions."""
    inside = _inliers(pixels)
    centred = np.where(inside, pixels - pixels[inside].mean(), 0.0)
    variance = float(np.mean(centred**2))
    if variance == 0:
        return 0.0
    right = float(np.mean(centred[:, 1:] * centred[:, :-1]))
    down = float(np.mean(centred[1:] * centred[:-1]))
    return (right + down) / (2 * variance)
