"""The noise's standard deviation in images against the one that a model predicts, and the tails."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.within_planes import in_plane
from ladderscope.noise_estimation.neighbourhoods import OVERLAP, by_value, not_outlying, seen_share
from ladderscope.noise_estimation.noise_check import OUTLYING

_BINS = 48
_STANDARD_ERRORS = 3  # a departure must also be beyond chance
_LEAST_SHARE = 1e-6  # of the variance that second differences see, not to divide by nothing
_TELLING_SHARE = 5e-3  # where they see less, no spectrum is measured well enough to compare sizes
_HEAVY = 2.0  # so many times the predicted fraction of outliers are heavy tails
_DRAWN = 316  # squared: second differences that the model is asked to draw
_SECOND_DIFFERENCE = torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)

_Array = NDArray[np.float64]
_Bins = Bool[np.ndarray, " bins"]


class Differences(NamedTuple):
    """What is compared: pixels in flat regions.

    Attributes
    ----------
    signals, means
        Mean around each pixel, and mean of its core.
    magnitudes
        |Second difference| / 6 of its core: on average the standard deviation of white noise.
    """

    signals: Float64[np.ndarray, " pixels"]
    means: Float64[np.ndarray, " pixels"]
    magnitudes: Float64[np.ndarray, " pixels"]


@dataclass(frozen=True, eq=False)
class Deviations:
    """The noise's standard deviation bin by bin, observed and predicted, and its tails.

    Parameters
    ----------
    signals, observed, predicted, counts
        Of each bin, darkest first: mean signal, the two standard deviations, number of pixels.
    outliers, outliers_predicted
        Fraction of second differences beyond three of their own standard deviations.
    heavy_tails
        Whether the first is well above the second.
    """

    signals: Float64[np.ndarray, " bins"]
    observed: Float64[np.ndarray, " bins"]
    predicted: Float64[np.ndarray, " bins"]
    counts: Float64[np.ndarray, " bins"]
    outliers: float
    outliers_predicted: float
    heavy_tails: bool

    @property
    def dark(self) -> _Bins:
        """The bins in the lowest quarter of the intensities."""
        inside: NDArray[np.bool_] = self.signals <= self.signals[0] + np.ptp(self.signals) / 4
        return inside

    @property
    def bright(self) -> _Bins:
        """The bins in the highest quarter of the intensities."""
        inside: NDArray[np.bool_] = self.signals >= self.signals[-1] - np.ptp(self.signals) / 4
        return inside

    def ratio(self, where: _Bins | slice = slice(None)) -> float:
        """Return observed over predicted standard deviation in these bins."""
        squares = (self.observed[where] / self.predicted[where]) ** 2
        return math.sqrt(np.average(squares, weights=self.counts[where]))

    def departure(self, tolerance: float, where: _Bins | slice = slice(None)) -> float:
        """Return the logarithm of the ratio, or zero where it is tolerable or may be chance."""
        error = math.sqrt(OVERLAP / (2 * self.counts[where].sum()))
        departure = math.log(max(self.ratio(where), 1e-9))
        tolerable = max(math.log1p(tolerance), _STANDARD_ERRORS * error)
        return departure if abs(departure) > tolerable else 0.0


def sees_size(model: NoiseModel) -> bool:
    """Return whether second differences see enough of the noise to compare its size.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> sees_size(Gaussian(2.0))
    True
    """
    return seen_share(in_plane(model)) >= _TELLING_SHARE


def compared(differences: Differences, model: NoiseModel) -> Deviations:
    """Compare second differences with a model, intensity by intensity.

    Parameters
    ----------
    differences
        Of all planes.
    model
        The noise model.

    Raises
    ------
    NoiseError
        If all differences are zero.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> noise = np.random.default_rng(0).normal(0.0, 3.0, 10_000)
    >>> around = np.linspace(10.0, 100.0, 10_000)
    >>> round(compared(Differences(around, around, abs(noise)), Gaussian(2.0)).ratio(), 1)
    1.5
    """
    bins = _merged(even_bins(differences.signals))
    members = [indices for _, indices in by_value(bins)]
    signals = np.array([differences.means[here].mean() for here in members])
    share = math.sqrt(max(seen_share(in_plane(model)), _LEAST_SHARE))
    magnitudes = differences.magnitudes / share
    observed = np.array([_root_mean_square(magnitudes[here]) for here in members])
    if not observed.max() > 0:
        raise NoiseError("the images show no noise at all: they are blank or synthetic")
    predicted = model.moments(torch.from_numpy(signals))[1].sqrt().numpy().astype(np.float64)

    scale = np.maximum(observed, 1e-3 * observed.max())
    outliers = float(np.mean(magnitudes > OUTLYING * scale[bins]))
    drawn = bins[np.linspace(0, bins.size - 1, _DRAWN**2).astype(np.int64)]
    outliers_predicted = _outliers_drawn(model, signals[drawn], share * predicted[drawn])
    chance = math.sqrt(OVERLAP * outliers_predicted / bins.size)
    return Deviations(
        signals=signals,
        observed=observed,
        predicted=predicted,
        counts=np.array([float(here.size) for here in members]),
        outliers=outliers,
        outliers_predicted=outliers_predicted,
        heavy_tails=outliers > _HEAVY * outliers_predicted + _STANDARD_ERRORS * chance,
    )


def even_bins(signals: Float64[np.ndarray, " pixels"]) -> Int64[np.ndarray, " pixels"]:
    """Return each signal's bin, of 48 of one width; a few far ones join the outermost bins.

    Examples
    --------
    >>> np.unique(even_bins(np.linspace(0.0, 1.0, 10_000))).size
    48
    """
    low, high = np.percentile(signals, [0.1, 99.9])
    width = float(high - low) / _BINS or 1.0
    index: NDArray[np.int64] = np.clip((signals - low) // width, 0, _BINS - 1).astype(np.int64)
    return index


def _merged(bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join neighbouring bins until each holds enough pixels; number them from 0."""
    counts = np.bincount(bins)
    fewest = min(max(bins.size / 12, 50), 400)
    number, held, numbers = 0, 0, np.zeros(counts.size, dtype=np.int64)
    for at, count in enumerate(counts):
        if held >= fewest and counts[at:].sum() >= fewest:
            number, held = number + 1, 0
        numbers[at] = number
        held += count
    merged: NDArray[np.int64] = numbers[bins]
    return merged


def _root_mean_square(differences: _Array) -> float:
    squares = differences**2
    return math.sqrt(squares[not_outlying(squares)].mean())


def _outliers_drawn(model: NoiseModel, signals: _Array, deviations: _Array) -> float:
    """Return the fraction of outlying second differences among those that the model draws."""
    blocks = torch.from_numpy(np.kron(signals.reshape(_DRAWN, _DRAWN), np.ones((3, 3))))
    draws = model.sample(blocks[None], torch.Generator().manual_seed(0)).to(torch.float64)
    differences = torch.einsum(
        "yixj,i,j->yx",
        draws.reshape(_DRAWN, 3, _DRAWN, 3),
        _SECOND_DIFFERENCE,
        _SECOND_DIFFERENCE,
    )
    return float(np.mean(differences.abs().numpy().ravel() / 6 > OUTLYING * deviations))
