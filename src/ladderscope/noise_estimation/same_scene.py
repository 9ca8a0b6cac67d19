"""Whether frames show the same scene, so that they differ by noise alone.

Frames are compared in blocks of 8×8 pixels. Within a block, the difference between a frame and the
average of all holds hardly anything but noise, and its variance says how much the mean of the block
may differ by chance: by more where noise is correlated, but then everywhere by the same factor.
Structure that comes, goes or moves shows as blocks that differ by far more than the others. A slow
movement of everything shows in the direction of the gradient of the average. A common change of
brightness is no difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Real
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.words import percent, rounded

MOST_FRAMES = 8  # that are compared
_BLOCK = 8
_FEWEST = 32  # blocks
_CONTRAST = 20.0  # of the average over its noise: with less there is nothing to compare
_COMMON = 0.25  # fraction of the contrast by which frames may differ
_CORRELATED = 12.0  # times the variance of white noise that block means have, at most
_OUTLYING = 25.0  # times the usual squared difference
_FEW = 3e-4  # fraction of the blocks that may differ by more
_SHIFT, _SHIFT_ERROR = 0.4, 0.12  # pixels
_OTHER_SHIFT = 1.0  # pixels: an average of such frames is plainly blurred
_MEDIAN_OF_SQUARES = 0.4549  # of a standard normal number

_Array = NDArray[np.float32]
Frame = TypeVar("Frame")


@dataclass(frozen=True)
class SceneComparison:
    """What frames have in common, and in what they differ.

    Parameters
    ----------
    contrast
        Variance of the block means of the average, in units of what white noise gives them.
    residual
        Mean squared difference between a frame and the average, as a fraction of the variance of
        the average: about 1 where frames have nothing in common.
    excess
        Usual squared difference of block means, over that of white noise.
    outlying
        Fraction of the blocks that differ by far more than usual.
    shift, shift_error
        Greatest displacement of a frame from the average, and its standard error, pixels.
    """

    contrast: float
    residual: float
    excess: float
    outlying: float
    shift: float
    shift_error: float

    @property
    def difference(self) -> str:
        """In what frames differ, apart from noise and brightness; empty if in nothing."""
        if self.contrast < _CONTRAST:
            return ""
        if self._is_unrelated:
            return "they have little structure in common"
        if self.shift > max(_SHIFT, 5 * self.shift_error):
            return f"they are displaced by up to {rounded(self.shift)} pixels"
        if self.outlying > _FEW:
            return f"{percent(self.outlying)} of their regions differ by more than the noise"
        return ""

    @property
    def is_other(self) -> bool:
        """Whether the frames show scenes that must not be averaged."""
        displaced = self.shift > max(_OTHER_SHIFT, 5 * self.shift_error)
        return self.contrast >= _CONTRAST and (self._is_unrelated or displaced)

    @property
    def _is_unrelated(self) -> bool:
        return self.residual > _COMMON or self.excess > _CORRELATED

    @property
    def is_same(self) -> bool:
        """Whether the frames show the same scene; False also if they show too little to tell."""
        known = self.contrast >= _CONTRAST and self.shift_error < _SHIFT_ERROR
        return known and not self.difference


def some_frames(frames: Sequence[Frame]) -> list[Frame]:
    """Choose the frames that are compared: at most eight, evenly, from the first to the last.

    Examples
    --------
    >>> some_frames(range(15))
    [0, 2, 4, 6, 8, 10, 12, 14]
    """
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round()
    return [frames[int(number)] for number in chosen]


def compare_frames(planes: Sequence[Real[np.ndarray, "Y X"]]) -> SceneComparison:
    """Compare frames that may show the same scene.

    Parameters
    ----------
    planes
        Two or more frames of one size.

    Raises
    ------
    NoiseError
        There are fewer than two, or they are smaller than a few blocks, or blank.

    Examples
    --------
    >>> rows, columns = np.mgrid[:128, :128]
    >>> light = 50 + 40 * np.sin(rows / 9) * np.sin(columns / 14)
    >>> rng = np.random.default_rng(0)
    >>> compare_frames(rng.poisson([light, light])).is_same
    True
    >>> compare_frames(rng.poisson([light, light.T])).difference
    'they have little structure in common'
    """
    if len(planes) < 2:
        raise NoiseError("give two or more frames to compare")
    frames = np.stack([np.asarray(plane, np.float32) for plane in planes])
    mean: _Array = frames.mean(axis=0)
    signal = _block_means(mean)
    if signal.size < _FEWEST or np.ptp(signal) == 0:
        raise NoiseError("the frames are too small, or blank, to be compared")
    differences: list[NDArray[np.float64]] = []
    variance: NDArray[np.float64] = np.zeros(signal.shape)
    for frame in frames:
        slope, level = np.polyfit(signal.ravel(), _block_means(frame).ravel(), 1)
        residual = frame - np.float32(slope) * mean - np.float32(level)
        differences.append(_block_means(residual))
        variance += _blocks(residual).var(axis=(1, 3), ddof=1) / len(frames)
    used = variance > 0
    if np.count_nonzero(used) < _FEWEST:
        raise NoiseError("too much of the frames is blank to compare them")
    by_chance = variance[used] / _BLOCK**2  # of one frame, less the average
    squares = np.array([one[used] ** 2 for one in differences])
    excess = max(float(np.median(squares / by_chance)) / _MEDIAN_OF_SQUARES, 1.0)
    contrast = float(signal[used].var())
    shifts = [_shift(one, signal, variance, used) for one in differences]
    return SceneComparison(
        contrast / (float(np.median(by_chance)) / (len(frames) - 1)),
        float(squares.mean()) / contrast if contrast else 1.0,
        excess,
        float(np.mean(squares > _OUTLYING * excess * by_chance)),
        max(shift for shift, _ in shifts),
        max(error for _, error in shifts) * excess**0.5,
    )


def _block_means(plane: _Array) -> NDArray[np.float64]:
    means: NDArray[np.float64] = _blocks(plane).mean(axis=(1, 3), dtype=np.float64)
    return means


def _blocks(plane: _Array) -> Float32[np.ndarray, "rows block columns block"]:
    rows, columns = (side // _BLOCK for side in plane.shape)
    cut = plane[: rows * _BLOCK, : columns * _BLOCK]
    return cut.reshape(rows, _BLOCK, columns, _BLOCK)


def _shift(
    difference: NDArray[np.float64],
    signal: NDArray[np.float64],
    variance: NDArray[np.float64],
    used: NDArray[np.bool_],
) -> tuple[float, float]:
    """Estimate how far a frame is displaced from the average, and the standard error, pixels."""
    slopes = np.stack([np.gradient(signal, _BLOCK, axis=axis)[used] for axis in (0, 1)], axis=1)
    weights = 1 / variance[used]
    normal = (slopes * weights[:, None]).T @ slopes
    inverse = np.linalg.pinv(normal)
    found = inverse @ (slopes * weights[:, None]).T @ difference[used]
    error = np.sqrt(np.diag(inverse).max()) / _BLOCK
    return float(np.hypot(*found)), float(error) if np.linalg.matrix_rank(normal) == 2 else np.inf
