r"""Poisson–Gaussian noise measured on the noisy images alone: local variance against local mean.

Around every pixel, the window of 7×7 is split into a *core* (3×3) and a *ring* (the other 40).

- The core measures. Its second difference F = [1,−2,1] ⊗ [1,−2,1] is blind to every signal that is
  the sum of a part changing along x and one changing along y, so that for white noise

      E[(F∗y)² / 36] = Σ F²/36 · var(y)  +  (F∗s)² / 36,        Σ F² = 36,
                     = gain · E[(F²/36)∗y] + intercept  +  what F sees of the signal.

  The weights F²/36 = [1,4,1] ⊗ [1,4,1] / 36 are used for the mean too, and the line holds
  exactly, on a slope as well.
- The ring decides: its mean says which intensity bin the pixel belongs to, its variance how flat
  the place is, and the flattest third of each bin is kept. It shares no pixel with the core, so
  under white noise of any distribution neither choice can bias a core's variance; and the bin's
  mean, taken from cores too, is not drawn to the middle as it would be had the noise itself
  sorted it (the error in variables that flattens such lines).

The line is fitted to the bins (Foi et al. 2008, section III.C, in a weighted least-squares form):
a variance estimated from n pixels has a variance proportional to variance²/n.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.noise.entries import NoiseError, number
from ladderscope.noise.poisson_gaussian import PoissonGaussian

_RING = 7  # width of the window, pixels
_CORE = 3
_MARGIN = _RING // 2
_FLATTEST = 1 / 3  # share of each bin that is kept
_GROUPS = 32  # pixels are dealt to so many groups, block by block, for the bootstrap
_BLOCKS = 8  # an image is cut into 8×8 blocks
_BINS = 48  # over the first image's range; twice as many when later images are wider
_FINE = 64  # cells of a bin, for percentiles
_CLIPPED_SHARE = 0.02  # a bin with more clipped pixels says nothing about the noise
_FEWEST_PIXELS = 150
_REPLICATES = 200
_CERTAINTY = 1.25  # a gain counts as seen if it exceeds its 95 % half-width so far (99 % level)
# Second differences overlap, so n neighbouring squares are worth n/3.78 independent ones: the sum
# of the squared autocorrelation of [1,−2,1] is 70/36 along each axis.
_OVERLAP = (70 / 36) ** 2
# What is left of the signal in a bin is some per cent of its variance: no bin is trusted beyond
# that, or a dark background of a million pixels would alone decide.
_DISTRUST = 0.03

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PoissonGaussianFit:
    """A calibrated noise model and what it was fitted to.

    Parameters
    ----------
    model
        The noise model. Its gain is zero when no growth of the variance with the signal could be
        seen.
    gain_interval, intercept_interval
        95 % intervals, from a bootstrap over blocks of the images: they cover the chance of the
        noise and uneven structure. They do not cover noise that the signal itself carries
        evenly (fine texture), which no single image can tell from the camera's.
    bin_signals, bin_variances, bin_counts
        The points of the variance-against-mean plot, darkest first: mean signal (camera units),
        variance of the noise (camera units squared) and number of pixels in each.
    signal_range
        1st and 99th percentile of the smoothed images, camera units.
    offset_guess
        A guess of the black level, from the darkest thousandth of the smoothed images; only
        informative, and None when the gain is zero.
    clipped_share
        Share of the pixels left out because they, or their surroundings, were saturated or
        clipped at black.

    Examples
    --------
    >>> noisy = np.random.default_rng(0).normal(np.mgrid[:64, :64][1], 3.0)
    >>> calibrate_poisson_gaussian([noisy]).bin_signals.size > 3
    True
    """

    model: PoissonGaussian
    gain_interval: tuple[float, float]
    intercept_interval: tuple[float, float]
    bin_signals: Float64[np.ndarray, " bins"]
    bin_variances: Float64[np.ndarray, " bins"]
    bin_counts: Float64[np.ndarray, " bins"]
    signal_range: tuple[float, float]
    offset_guess: float | None
    clipped_share: float

    def summary(self) -> str:
        """Say in plain sentences what was found.

        Examples
        --------
        >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
        >>> calibrate_poisson_gaussian([noisy]).summary().split(":")[0]
        'Constant noise'
        """
        dark, bright = self.signal_range
        model = self.model
        if model.gain == 0:
            text = (
                f"Constant noise: standard deviation {_figures(math.sqrt(model.intercept))}. "
                "The variance did not measurably grow with the signal between "
                f"{_figures(dark)} and {_figures(bright)}, so no gain is given."
            )
        else:
            low, high = (
                math.sqrt(max(model.gain * signal + model.intercept, model.variance_floor))
                for signal in self.signal_range
            )
            text = (
                f"Poisson–Gaussian noise: gain {_figures(model.gain)} "
                f"(95 % interval {_interval(self.gain_interval)}), "
                f"intercept {_figures(model.intercept)} ({_interval(self.intercept_interval)}); "
                f"its standard deviation is {_figures(low)} where the image is dark "
                f"({_figures(dark)}) and {_figures(high)} where it is bright ({_figures(bright)})."
            )
            if self.offset_guess is not None:
                read = math.sqrt(max(model.gain * self.offset_guess + model.intercept, 0))
                text += (
                    f" If the darkest pixels show the black level, that is about "
                    f"{_figures(self.offset_guess)} and the read noise about {_figures(read)}."
                )
        if self.clipped_share > 1e-3:
            text += f" {100 * self.clipped_share:.1f} % of the pixels were left out as clipped."
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description, from which `from_dict` makes the same fit.

        Examples
        --------
        >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
        >>> calibrate_poisson_gaussian([noisy]).to_dict()["model"]["kind"]
        'poisson_gaussian'
        """
        return {
            "model": self.model.to_dict(),
            "gain_interval": list(self.gain_interval),
            "intercept_interval": list(self.intercept_interval),
            "bin_signals": self.bin_signals.tolist(),
            "bin_variances": self.bin_variances.tolist(),
            "bin_counts": self.bin_counts.tolist(),
            "signal_range": list(self.signal_range),
            "offset_guess": self.offset_guess,
            "clipped_share": self.clipped_share,
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "PoissonGaussianFit":
        """Return the fit that `to_dict` described.

        Raises
        ------
        NoiseError
            If an entry is missing, has another shape, or holds a number that is not finite.

        Examples
        --------
        >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
        >>> fit = calibrate_poisson_gaussian([noisy])
        >>> PoissonGaussianFit.from_dict(fit.to_dict()).model == fit.model
        True
        """
        if not isinstance(entries.get("model"), Mapping):
            raise NoiseError(f"the stored noise fit lacks its model; it has {sorted(entries)}")
        signals, variances, counts = (
            _numbers(entries, key) for key in ("bin_signals", "bin_variances", "bin_counts")
        )
        if not signals.size == variances.size == counts.size:
            raise NoiseError("the bins of the stored noise fit are of different lengths")
        guess = None if entries.get("offset_guess") is None else number(entries, "offset_guess")
        return cls(
            model=PoissonGaussian.from_dict(entries["model"]),
            gain_interval=_pair(entries, "gain_interval"),
            intercept_interval=_pair(entries, "intercept_interval"),
            bin_signals=signals,
            bin_variances=variances,
            bin_counts=counts,
            signal_range=_pair(entries, "signal_range"),
            offset_guess=guess,
            clipped_share=number(entries, "clipped_share"),
        )


def calibrate_poisson_gaussian(
    planes: Iterable[NDArray[Any]],
) -> PoissonGaussianFit:
    """Measure gain and intercept of the noise on the noisy images themselves.

    The noise must be independent from pixel to pixel; correlated noise is taken for signal and
    underestimated.

    Parameters
    ----------
    planes
        Noisy images of one channel, each of shape (y, x) and of any real type, read once and one
        at a time. Those with no variation at all (blank, or smaller than 7×7) are passed over.

    Returns
    -------
    PoissonGaussianFit
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
    tally = _Tally()
    planes_seen = 0
    for plane in planes:
        tally.add(*_checked(plane, planes_seen), planes_seen)
        planes_seen += 1
    if planes_seen == 0:
        raise NoiseError("there is no image to calibrate the noise on")
    return _fit(tally)


def _checked(plane: NDArray[Any], position: int) -> tuple[_Array, _Array]:
    """Return the plane in float64 and the values at which it is clipped, or refuse it."""
    plane = np.asarray(plane)
    if plane.ndim != 2:
        raise NoiseError(f"plane {position}: expected 2 axes, got shape {plane.shape}")
    if plane.dtype.kind not in "uif":
        raise NoiseError(f"plane {position}: expected real numbers, got {plane.dtype}")
    pixels = plane.astype(np.float64)
    if not np.isfinite(pixels).all():
        raise NoiseError(f"plane {position} holds NaN or infinity")
    clips = list(_pile_ups(pixels)) if pixels.size else []
    if plane.dtype.kind in "ui":
        limits = np.iinfo(plane.dtype)
        clips += [float(limits.max)] if plane.dtype.kind == "i" else [0.0, float(limits.max)]
    return pixels, np.unique(np.array(clips, dtype=np.float64))


def _pile_ups(pixels: _Array) -> Iterable[float]:
    """Yield the plane's least and greatest value where more pixels hold it than the next one.

    A histogram's natural tail thins out; a 12-bit camera in a 16-bit file piles up at 4095.
    """
    for end, inside in ((pixels.min(), np.min), (pixels.max(), np.max)):
        others = pixels[pixels != end]
        held = pixels.size - others.size
        if held >= 10 and others.size and held > np.count_nonzero(others == inside(others)):
            yield float(end)


@dataclass
class _Bin:
    """Sums over the pixels of one intensity bin."""

    # per group: pixels kept, sum of their means, sum of their squared second differences / 36
    sums: _Array = field(default_factory=lambda: np.zeros((_GROUPS, 3)))
    cells: _Array = field(default_factory=lambda: np.zeros(_FINE))  # histogram of all its pixels
    clipped: float = 0.0

    def joined(self, upper: "_Bin") -> "_Bin":
        """Return the bin twice as wide that this one and its upper neighbour make."""
        cells = np.concatenate([self.cells, upper.cells]).reshape(_FINE, 2).sum(axis=1)
        return _Bin(self.sums + upper.sums, cells, self.clipped + upper.clipped)


class _Tally:
    """What is kept of the planes: sums per intensity bin, whose number is bounded."""

    def __init__(self) -> None:
        self.width = 0.0  # of a bin; bin i spans [i·width, (i+1)·width)
        self.bins: dict[int, _Bin] = {}

    def add(self, pixels: _Array, clips: _Array, position: int) -> None:
        """Add the pixels of one plane."""
        if min(pixels.shape) < _RING:
            return
        neighbourhoods = _measure(pixels, clips)
        usable = neighbourhoods.usable
        if not usable.any():
            return
        index = self._place(neighbourhoods, position)
        groups = _groups(pixels.shape, position)[usable]
        means, squares, roughness = (
            values[usable]
            for values in (
                neighbourhoods.means,
                neighbourhoods.squares,
                neighbourhoods.roughness,
            )
        )
        for key, members in _by_value(index[usable]):
            keep = max(1, round(_FLATTEST * members.size))
            flattest = members[np.argpartition(roughness[members], keep - 1)[:keep]]
            flattest = flattest[_not_outlying(squares[flattest])]
            kept = groups[flattest]
            sums = self.bins[key].sums
            sums[:, 0] += np.bincount(kept, minlength=_GROUPS)
            sums[:, 1] += np.bincount(kept, means[flattest], minlength=_GROUPS)
            sums[:, 2] += np.bincount(kept, squares[flattest], minlength=_GROUPS)

    def _place(self, neighbourhoods: "_Neighbourhoods", position: int) -> NDArray[np.int64]:
        """Bin all pixels by their surroundings; return each one's bin."""
        signals = neighbourhoods.signals
        # A hot pixel must not stretch the scale: what lies outside joins the outermost bins.
        low, high = np.percentile(signals, [0.1, 99.9])
        if self.width == 0.0:
            self.width = float(high - low) / _BINS or 1.0
        while not self._fits(low, high):
            self._double()
        first, last = math.floor(low / self.width), math.floor(high / self.width)
        index = np.clip(np.floor(signals / self.width), first, last).astype(np.int64)
        cell = np.clip(np.floor((signals / self.width - index) * _FINE), 0, _FINE - 1)
        for key, members in _by_value(index):
            entry = self.bins.setdefault(key, _Bin())
            entry.cells += np.bincount(cell[members].astype(np.int64), minlength=_FINE)
            entry.clipped += float(np.count_nonzero(neighbourhoods.clipped[members]))
        return index

    def _fits(self, low: float, high: float) -> bool:
        """Whether bins of this width reach over all that was seen and over [low, high]."""
        first, last = math.floor(low / self.width), math.floor(high / self.width)
        first, last = min([first, *self.bins]), max([last, *self.bins])
        return last - first < 2 * _BINS

    def _double(self) -> None:
        """Make every bin twice as wide."""
        self.width *= 2
        self.bins = {
            key: self.bins.get(2 * key, _Bin()).joined(self.bins.get(2 * key + 1, _Bin()))
            for key in {key // 2 for key in self.bins}
        }

    def percentile(self, share: float) -> float:
        """Return the smoothed signal below which this share of all pixels lies."""
        keys = sorted(self.bins)
        cells = np.concatenate([self.bins[key].cells for key in keys])
        step = self.width / _FINE
        lower = np.concatenate([key * self.width + step * np.arange(_FINE) for key in keys])
        below = np.cumsum(cells)
        target = share * below[-1]
        at = int(np.searchsorted(below, target))
        inside = (target - (below[at] - cells[at])) / cells[at] if cells[at] else 0.0
        return float(lower[at] + step * inside)


@dataclass(frozen=True, eq=False)
class _Neighbourhoods:
    """What is known of every pixel that has a whole window around it, as flat arrays."""

    signals: _Array  # mean of the ring
    roughness: _Array  # variance of the ring
    means: _Array  # mean of the core, under the weights F²/36
    squares: _Array  # (F∗y)²/36
    clipped: NDArray[np.bool_]  # the pixel itself is saturated or at black
    usable: NDArray[np.bool_]  # the window is not constant, the core is nowhere saturated


def _measure(pixels: _Array, clips: _Array) -> _Neighbourhoods:
    """Apply ring and core to every pixel."""
    centre = pixels.mean()
    centred = pixels - centre
    ring = _RING**2 - _CORE**2
    signals = (_box(centred, _RING) - _box(centred, _CORE)) / ring
    energy = centred**2
    roughness = (_box(energy, _RING) - _box(energy, _CORE)) / ring - signals**2
    means = _separable(pixels, np.array([1.0, 4.0, 1.0]) / 6)
    squares = _separable(centred, np.array([1.0, -2.0, 1.0])) ** 2 / 36
    clipped = np.isin(pixels, clips)
    saturated = ndimage.maximum_filter(clipped & (pixels == pixels.max()), _CORE)
    # Padding and masked-out regions: nothing was measured there.
    constant = ndimage.maximum_filter(pixels, _RING) == ndimage.minimum_filter(pixels, _RING)
    inner = (slice(_MARGIN, -_MARGIN),) * 2
    return _Neighbourhoods(
        signals=(signals + centre)[inner].ravel(),
        roughness=roughness[inner].ravel(),
        means=means[inner].ravel(),
        squares=squares[inner].ravel(),
        clipped=clipped[inner].ravel(),
        usable=~(saturated | constant)[inner].ravel(),
    )


def _box(values: _Array, width: int) -> _Array:
    """Sum over a square window."""
    smoothed: _Array = ndimage.uniform_filter(values, width)
    return smoothed * width**2


def _separable(values: _Array, kernel: _Array) -> _Array:
    """Correlate with kernel ⊗ kernel."""
    filtered: _Array = ndimage.correlate1d(ndimage.correlate1d(values, kernel, 0), kernel, 1)
    return filtered


def _groups(shape: tuple[int, ...], position: int) -> NDArray[np.int64]:
    """Deal the blocks of a plane to the bootstrap's groups, from another start in each plane."""
    rows, columns = (np.arange(_MARGIN, size - _MARGIN) * _BLOCKS // size for size in shape)
    blocks = rows[:, None] * _BLOCKS + columns[None, :]
    groups: NDArray[np.int64] = (blocks.ravel() + 13 * position) % _GROUPS
    return groups


def _by_value(values: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """List each value with the positions that hold it."""
    order = np.argsort(values, kind="stable")
    keys, starts = np.unique(values[order], return_index=True)
    return list(zip(keys.tolist(), np.split(order, starts[1:]), strict=True))


def _not_outlying(squares: _Array) -> NDArray[np.bool_]:
    """Mark what is no hot pixel: at most six standard deviations from zero.

    The scale comes from the lower 99 %, so it is not made by the outliers themselves; a mean of
    squares below that limit stays unbiased for few photons too, which a median's would not.
    """
    if squares.size < 50:
        return np.ones(squares.size, dtype=bool)
    lower = np.partition(squares, int(0.99 * squares.size))[: int(0.99 * squares.size)]
    inside: NDArray[np.bool_] = squares <= 36 * lower.mean()
    return inside


def _fit(tally: _Tally) -> PoissonGaussianFit:
    """Fit the line to the bins, and again to bootstrapped ones."""
    sums, clipped_share = _points(tally)  # (bins, groups, 3)
    counts, signals, variances = _averages(sums.sum(axis=1))
    if counts.sum() < _FEWEST_PIXELS:
        raise NoiseError(
            f"the noise can be measured at {counts.sum():.0f} pixels only, and "
            f"{_FEWEST_PIXELS} are needed: the images are constant, too small or clipped. Give "
            "larger images, or the noise itself, such as Gaussian(sigma=3.0)"
        )
    if not variances.max() > 0:
        raise NoiseError(
            "the images show no noise at all: they are blank or synthetic. Give noisy images, or "
            "the noise itself, such as Gaussian(sigma=3.0)"
        )

    drawn = np.random.default_rng(0).multinomial(
        _GROUPS, np.full(_GROUPS, 1 / _GROUPS), size=_REPLICATES
    )
    resampled = _averages(np.einsum("rg,bgs->rbs", drawn, sums))
    gain, intercept = (
        value.item() for value in _line(counts[None], signals[None], variances[None])
    )
    gains, intercepts = _line(*resampled)
    gain_spread = _spread(gains)
    gain_interval = (max(0.0, gain - gain_spread), gain + gain_spread)
    if gain < _CERTAINTY * gain_spread:
        gain_interval = (0.0, gain + gain_spread)
        gain, intercept = 0.0, _level(counts[None], variances[None]).item()
        intercepts = _level(resampled[0], resampled[2])
    intercept_spread = _spread(intercepts)

    dark, bright = tally.percentile(0.01), tally.percentile(0.99)
    darkest = gain * dark + intercept
    if not darkest > 0:
        darkest = float(variances[variances > 0].min())
    guess = max(tally.percentile(0.001), -intercept / gain) if gain > 0 else None
    return PoissonGaussianFit(
        model=PoissonGaussian(gain, intercept, floor=darkest / 4),
        gain_interval=gain_interval,
        intercept_interval=(intercept - intercept_spread, intercept + intercept_spread),
        bin_signals=signals,
        bin_variances=variances,
        bin_counts=counts,
        signal_range=(dark, bright),
        offset_guess=guess,
        clipped_share=clipped_share,
    )


def _points(tally: _Tally) -> tuple[_Array, float]:
    """Return the bins' sums, small neighbours merged, and the share left out as clipped.

    In a bin where many pixels are clipped, variance and mean are both wrong. Zeros of a photon
    counter are not, but look the same; they are left out only while a tenth of the image remains.
    """
    bins = [tally.bins[key] for key in sorted(tally.bins)]
    whole = [entry for entry in bins if entry.clipped <= _CLIPPED_SHARE * entry.cells.sum()]
    everything = sum(entry.cells.sum() for entry in bins)
    remaining = sum(entry.cells.sum() for entry in whole)
    if remaining < 0.1 * everything:
        whole, remaining = bins, everything
    if not whole:
        return np.zeros((1, _GROUPS, 3)), 0.0
    kept = np.stack([entry.sums for entry in whole])
    fewest = np.clip(kept[..., 0].sum() / 12, 50, 400)
    merged = [np.zeros((_GROUPS, 3))]
    for sums in kept:
        if merged[-1][:, 0].sum() >= fewest:
            merged.append(np.zeros((_GROUPS, 3)))
        merged[-1] += sums
    if len(merged) > 1 and merged[-1][:, 0].sum() < fewest:
        remainder = merged.pop()
        merged[-1] += remainder
    return np.stack(merged), float(1 - remaining / everything)


def _averages(sums: _Array) -> tuple[_Array, _Array, _Array]:
    """Return count, mean signal and variance of sums (..., 3)."""
    counts = sums[..., 0]
    divisor = np.maximum(counts, 1)
    return counts, sums[..., 1] / divisor, sums[..., 2] / divisor


def _line(counts: _Array, signals: _Array, variances: _Array) -> tuple[_Array, _Array]:
    """Fit variance = gain·signal + intercept, gain not negative, to each row of bins.

    Weighted by 1/variance² of the line itself, not of the points (a point that came out low
    would otherwise pull the harder), and with Huber's weights on the residuals.
    """
    scale = np.median(variances, axis=-1, keepdims=True) + 1e-6 * variances.max()
    relative = np.where(counts > 0, 2 * _OVERLAP / np.maximum(counts, 1) + _DISTRUST**2, np.inf)
    line, trust = np.maximum(variances, 0.05 * scale), np.ones_like(variances)
    gain = intercept = np.zeros(variances.shape[:-1])
    for _ in range(30):
        weights = trust / (relative * line**2)
        gain, intercept = _weighted_line(weights, signals, variances)
        line = np.maximum(gain[..., None] * signals + intercept[..., None], 0.05 * scale)
        residuals = np.abs(variances - line) / (np.sqrt(relative) * line)
        spread = np.maximum(1.0, np.median(residuals, axis=-1, keepdims=True) / 0.6745)
        trust = 1 / np.maximum(1.0, residuals / (1.5 * spread))
    return gain, intercept


def _weighted_line(weights: _Array, signals: _Array, variances: _Array) -> tuple[_Array, _Array]:
    """Weighted least squares, row by row; a falling line is made level."""
    weights = weights / weights.sum(axis=-1, keepdims=True)
    signal = (weights * signals).sum(axis=-1)
    variance = (weights * variances).sum(axis=-1)
    deviation = signals - signal[..., None]
    leverage = (weights * deviation**2).sum(axis=-1)
    slope = (weights * deviation * variances).sum(axis=-1) / np.where(leverage > 0, leverage, 1)
    gain = np.where(leverage > 0, np.maximum(slope, 0.0), 0.0)
    return gain, variance - gain * signal


def _level(counts: _Array, variances: _Array) -> _Array:
    """Return, row by row, the one variance that suits all bins: the fit of a level line."""
    return _line(counts, np.zeros_like(variances), variances)[1]


def _spread(values: _Array) -> float:
    """Half-width of a 95 % interval: Student's t for the 31 degrees of freedom of 32 groups."""
    return 2.04 * math.sqrt(_GROUPS / (_GROUPS - 1)) * float(values.std())


def _numbers(entries: Mapping[str, Any], key: str) -> _Array:
    """Return a stored list of finite numbers."""
    try:
        values = np.array(entries[key], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        raise NoiseError(f"{key!r} of the stored noise fit must be a list of numbers") from None
    if values.ndim != 1 or not np.isfinite(values).all():
        raise NoiseError(f"{key!r} of the stored noise fit must be a list of finite numbers")
    return values


def _pair(entries: Mapping[str, Any], key: str) -> tuple[float, float]:
    """Return a stored pair of finite numbers."""
    values = _numbers(entries, key)
    if values.size != 2:
        raise NoiseError(f"{key!r} of the stored noise fit must be two numbers")
    return float(values[0]), float(values[1])


def _figures(value: float) -> str:
    """Write a number with three significant figures, whole where it is large."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _interval(ends: tuple[float, float]) -> str:
    """Write an interval."""
    return f"{_figures(ends[0])} to {_figures(ends[1])}"
