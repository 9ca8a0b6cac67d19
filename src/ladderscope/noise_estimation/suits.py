r"""Whether a noise model suits the images: size, tails and correlation of the noise that they hold.

Three things are looked at, where the images are flat, and none needs a clean image.

- *Size.* The energy of second differences, as it is measured in `noise_estimation.calibrate`,
  against the variance that the model predicts at the same signal.
- *Tails.* The share of those differences beyond three of their own standard deviations, against
  the share among differences drawn from the model.
- *Correlation* of neighbouring pixels: see `noise_estimation.correlation`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise.model import NoiseModel
from ladderscope.noise_estimation.calibrate import (
    _by_value,
    _measure,
    _Neighbourhoods,
    _not_outlying,
    calibrate_poisson_gaussian,
    inspect_measured,
)
from ladderscope.noise_estimation.clipping import CEILING, CLIPPED_SHARE, Clipping, clipped_counts
from ladderscope.noise_estimation.correlation import (
    FEWEST_TILES,
    TILE,
    NeighbourCorrelation,
    solve_correlation,
    tile_products,
)
from ladderscope.noise_estimation.planes import Stack, is_array, open_stack, per_channel

Verdict = Literal["about right", "too weak", "too strong", "correlated between neighbouring pixels"]

# 15 % of the standard deviation is a third of the variance: what a denoiser then takes for noise,
# or leaves as signal, shows. An end of the intensities is seen through fewer pixels and, where it
# is bright, through more structure.
_TOLERANCE = 0.15
_TOLERANCE_AT_AN_END = 0.25
_STANDARD_ERRORS = 3  # what is said must also be beyond chance
_OUTLYING = 3.0  # standard deviations
_HEAVY = 2.0  # so many times the predicted share of outliers are heavy tails
_REPEATED = 0.1  # a frame repeats if it differs by less than this share of what noise alone makes

_PLANES = 20  # at most so many are measured
_BINS = 48
_FLATTEST = 1 / 3
_PIXELS_A_BIN = 1500  # at most so many a plane, or the background alone would decide
_FEWEST_PIXELS = 150
_ENOUGH = 900  # pixels: where so many are not clipped, those that are can be left out
_DRAWN = 100_000  # second differences that the model is asked to draw
_OVERLAP = (70 / 36) ** 2  # neighbouring second differences share pixels: see `calibrate`
_SECOND_DIFFERENCE = torch.tensor(
    [[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]], dtype=torch.float64
)


_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseCheck:
    """What the noise of the images is like, beside what a model says of it.

    Parameters
    ----------
    model
        The noise model that was checked; the one calibrated on the images if none was given.
    verdict
        The gravest finding: correlation before size, size before ``"about right"``. The noise is
        too weak if the model predicts less of it than the images hold.
    deviation_ratio
        Standard deviation of the noise in the images over the predicted one, from second
        differences.
    deviation_ratio_dark, deviation_ratio_bright
        The same within the lowest and the highest quarter of the intensities.
    outlier_share, outlier_share_predicted
        Share of second differences beyond three of their own standard deviations: in the
        images, and drawn from the model.
    heavy_tails
        Whether the first is well above the second: hot pixels, telegraph noise, spikes.
    correlation
        Of the noise of one pixel with that of the next: horizontally and vertically. Where the
        noise is correlated over several pixels, a lower bound. Where it is not correlated at
        every brightness, that of the brightness at which fine structure adds least to it.
    correlation_diagonal
        The mean over both diagonals.
    correlation_error
        Standard error of these correlations, the greatest of them.
    repeated_frames
        Frames, counted from 0, that are the frame before them over again.
    frames
        Number of frames; 0 where there is no time.
    bin_signals, bin_observed, bin_predicted, bin_counts
        For a plot, darkest first: mean signal, standard deviation of the noise observed and
        predicted (camera units), and number of pixels in each bin.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (128, 128))
    >>> check(noisy, Gaussian(3.0)).verdict
    'about right'
    """

    model: NoiseModel
    verdict: Verdict
    deviation_ratio: float
    deviation_ratio_dark: float
    deviation_ratio_bright: float
    outlier_share: float
    outlier_share_predicted: float
    heavy_tails: bool
    correlation: tuple[float, float]
    correlation_diagonal: float
    correlation_error: float
    repeated_frames: tuple[int, ...]
    frames: int
    bin_signals: Float64[np.ndarray, " bins"]
    bin_observed: Float64[np.ndarray, " bins"]
    bin_predicted: Float64[np.ndarray, " bins"]
    bin_counts: Float64[np.ndarray, " bins"]

    def summary(self) -> str:
        """Say in plain sentences what was found and what can be done.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (128, 128))
        >>> check(noisy, Gaussian(2.0)).summary().split(":")[0]
        'The noise is too weak in the model'
        """
        sentences = [_about_correlation(self), _about_size(self)]
        if self.verdict != "correlated between neighbouring pixels":
            sentences.reverse()
        if self.heavy_tails:
            sentences.append(
                f"Its tails are heavier than the model's: {_percent(self.outlier_share)} of the "
                f"pixels stand out by more than {_OUTLYING:.0f} standard deviations, where the "
                f"model expects {_percent(self.outlier_share_predicted)}. That is the mark of hot "
                "pixels, telegraph noise or few photons; a mixture or a histogram, fitted to "
                "pairs, describes such tails."
            )
        if self.repeated_frames:
            sentences.append(_about_frames(self))
        return " ".join(sentences)


def check(
    images: Any,
    model: NoiseModel | Sequence[NoiseModel] | None = None,
    *,
    axes: str | None = None,
) -> NoiseCheck | list[NoiseCheck]:
    """Check that a noise model suits noisy images, by the images alone.

    A pixel-wise model takes pixels to be independent and cannot see noise that lies over several
    of them: the correlation between neighbours is therefore measured beside it.

    Parameters
    ----------
    images
        An array or anything that has a shape and can be sliced (memory map, Zarr), read plane by
        plane; or an iterable of planes (y, x) of one channel, read once. At most 20 planes,
        evenly chosen, are measured; all are looked at for repeated frames.
    model
        The noise model; if `axes` holds C, a list of one per channel, or the same for all. None
        calibrates a Poisson–Gaussian model on the images, whose size then agrees with them unless
        they depart from a straight line.
    axes
        One letter of ``STCZYX`` a dimension, in any order; 2-D images need none. Frames are
        compared with their predecessors along T. An iterable of planes runs along T unless
        `axes` says otherwise (``"ZYX"``, ``"SYX"``).

    Returns
    -------
    NoiseCheck
        Or a list of them, one per channel, exactly when `axes` holds C.

    Raises
    ------
    NoiseError
        If the axes do not fit the shape; there are more or fewer models than channels; a plane is
        not 2-D, not real, or holds NaN or infinity; or no noise can be measured because the images
        are constant, too small, or saturated.

    References
    ----------
    Prakash, Delbracio, Milanfar, Jug: Interpretable Unsupervised Diversity Denoising and Artefact
    Removal. ICLR 2022 (what to do about noise that is correlated).

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> white = np.random.default_rng(0).normal(100.0, 3.0, (256, 256))
    >>> blurred = (np.roll(white, 1, axis=1) + white) / 2
    >>> check(blurred, Gaussian(3.0)).verdict
    'correlated between neighbouring pixels'
    """
    if not is_array(images):
        return _check_planes(_from_iterable(images, axes), 1, _one(model))
    stack = open_stack(images, axes, "images")
    planes = math.prod(stack.size(letter) for letter in "STZ")
    if "C" not in stack.axes:
        return _check_planes(_from_stack(stack, 0), planes, _one(model))
    return [
        _check_planes(_from_stack(stack, channel), planes, one)
        for channel, one in enumerate(per_channel(model, stack.size("C"), "noise models"))
    ]


def _one(model: NoiseModel | Sequence[NoiseModel] | None) -> NoiseModel | None:
    """Return the model of images of one channel, or refuse a list."""
    if isinstance(model, Sequence):
        raise NoiseError(
            f"a list of {len(model)} noise models, for images of one channel; give one model, or "
            'axes that hold a C, such as axes="CYX"'
        )
    return model


_Frame = tuple[NDArray[Any], int | None]  # a plane and its number in time, where there is time


def _from_iterable(planes: Iterable[NDArray[Any]], axes: str | None) -> Iterator[_Frame]:
    """Give the planes of an iterable their number in time, unless they run along something else."""
    letters = "TYX" if axes is None or axes.upper() == "YX" else axes.upper()
    if letters not in ("TYX", "SYX", "ZYX"):
        raise NoiseError(
            f'axes "{axes}" for an iterable of planes of one channel: it can run along T, S or Z, '
            'as "TYX" says; give an array for anything else'
        )
    for position, plane in enumerate(planes):
        yield np.asarray(plane), position if letters[0] == "T" else None


def _from_stack(stack: Stack, channel: int) -> Iterator[_Frame]:
    """Read the planes of one channel, one at a time, T running fastest."""
    for place in stack.places("SZ"):
        for time in stack.places("T"):
            yield stack.plane({"C": channel} | place | time), time.get("T")


@dataclass(frozen=True, eq=False)
class _Look:
    """What is kept of one plane."""

    signals: _Array  # of the pixels in flat places: mean of the ring around each,
    means: _Array  # mean of its core,
    differences: _Array  # and |second difference| of its core / 6, of the noise's own deviation
    products: _Array  # (parts, groups, 49, 49): sum of r rᵀ over flat tiles, darkest part first
    tiles: int  # so many tiles


@dataclass
class _Survey:
    """What is gathered while the planes go by, each of them once."""

    stride: int
    looks: list[_Look] = field(default_factory=list)
    frames: int = 0
    steps: list[tuple[int, float]] = field(default_factory=list)  # frame, mean squared difference

    def watch(self, planes: Iterable[_Frame]) -> Iterator[NDArray[Any]]:
        """Look at the planes and hand on those that were measured."""
        before: NDArray[Any] | None = None
        for position, (plane, frame) in enumerate(planes):
            self.frames = max(self.frames, 0 if frame is None else frame + 1)
            if frame and before is not None and before.shape == plane.shape:
                self._compare(frame, before, plane)
            before = None if frame is None else plane
            if len(self.looks) == _PLANES and position % self.stride == 0:
                # There are more than was known: look at every other one, the past ones too.
                self.looks, self.stride = self.looks[::2], 2 * self.stride
            if position % self.stride == 0:
                self.looks.append(_look(plane, position))
                yield plane

    def _compare(self, frame: int, before: NDArray[Any], plane: NDArray[Any]) -> None:
        difference = plane.astype(np.float64) - before
        if np.ptp(plane) > 0:  # a blank frame repeats nothing
            self.steps.append((frame, float(np.mean(difference**2))))


def _check_planes(planes: Iterator[_Frame], count: int, model: NoiseModel | None) -> NoiseCheck:
    """Check the planes of one channel."""
    survey = _Survey(stride=max(1, math.ceil(count / _PLANES)))
    passing = survey.watch(planes)
    if model is None:
        model = calibrate_poisson_gaussian(passing).model  # reads them, and so the survey is made
    else:
        for _ in passing:
            pass
    looks = survey.looks
    pixels, tiles = sum(look.signals.size for look in looks), sum(look.tiles for look in looks)
    if pixels < _FEWEST_PIXELS or tiles < FEWEST_TILES:
        raise NoiseError(
            f"the noise can be measured at {pixels} pixels and in {tiles} tiles of {TILE}×{TILE} "
            f"only, and {_FEWEST_PIXELS} and {FEWEST_TILES} are needed: the images are constant, "
            "too small, saturated, or none. Give larger images, of 64×64 pixels or more"
        )
    size = _size(looks, model)
    correlation = solve_correlation(np.sum([look.products for look in looks], axis=0))
    quietest = float(size.observed.min()) ** 2  # two frames with noise differ by twice its variance
    return NoiseCheck(
        model=model,
        verdict=_verdict(correlation, size),
        deviation_ratio=size.ratio(),
        deviation_ratio_dark=size.ratio(size.dark),
        deviation_ratio_bright=size.ratio(size.bright),
        outlier_share=size.outliers,
        outlier_share_predicted=size.outliers_predicted,
        heavy_tails=size.heavy_tails,
        correlation=(correlation.horizontal, correlation.vertical),
        correlation_diagonal=correlation.diagonal,
        correlation_error=correlation.error,
        repeated_frames=tuple(
            sorted({frame for frame, step in survey.steps if step <= _REPEATED * 2 * quietest})
        ),
        frames=survey.frames,
        bin_signals=size.signals,
        bin_observed=size.observed,
        bin_predicted=size.predicted,
        bin_counts=size.counts,
    )


def _look(plane: NDArray[Any], position: int) -> _Look:
    """Measure one plane."""
    pixels, clipping, artefacts = inspect_measured(plane, f"plane {position}")
    ends = np.array(clipping.values)
    products, tiles = tile_products(pixels, ends, artefacts)
    nothing = _Look(np.zeros(0), np.zeros(0), np.zeros(0), products, tiles)
    if min(pixels.shape) < TILE:
        return nothing
    around = _measure(pixels, ends, artefacts)
    if not around.usable.any():
        return nothing
    chosen = []
    for members in _whole_bins(around, clipping):
        here = members[around.usable[members]]
        keep = math.ceil(_FLATTEST * here.size)
        flattest = here[np.argsort(around.roughness[here])[:keep]]
        chosen.append(np.sort(flattest)[:: max(1, math.ceil(keep / _PIXELS_A_BIN))])
    flat = np.concatenate(chosen)
    return _Look(
        signals=around.signals[flat],
        means=around.means[flat],
        differences=np.sqrt(around.squares[flat]),
        products=products,
        tiles=tiles,
    )


def _whole_bins(around: _Neighbourhoods, clipping: Clipping) -> list[NDArray[np.int64]]:
    """List the pixels of each intensity bin, without the bins in which many are clipped.

    There the noise is less than the camera's, and no model is to blame. If hardly anything would
    remain, all bins stay, as in calibration.
    """
    margin = TILE // 2
    marks = clipping.marks[margin:-margin, margin:-margin].ravel()
    if around.whole is not None:
        marks = marks[around.whole]
    signals = around.signals
    bins = [members for _, members in _by_value(_even(signals, _BINS))]
    counts = [np.bincount(marks[members], minlength=CEILING + 1) for members in bins]
    clipped = clipped_counts(np.stack(counts).astype(np.float64))
    whole = [
        members
        for members, lost in zip(bins, clipped, strict=True)
        if lost <= CLIPPED_SHARE * members.size
    ]
    enough = min(0.1 * signals.size, _ENOUGH)
    return whole if sum(members.size for members in whole) >= enough else bins


def _even(values: _Array, bins: int) -> NDArray[np.int64]:
    """Return each value's bin, even in width; a few far ones join the outermost bins."""
    low, high = np.percentile(values, [0.1, 99.9])
    width = float(high - low) / bins or 1.0
    index: NDArray[np.int64] = np.clip((values - low) // width, 0, bins - 1).astype(np.int64)
    return index


@dataclass(frozen=True, eq=False)
class _Size:
    """The noise's standard deviation bin by bin, and its tails."""

    signals: _Array
    observed: _Array
    predicted: _Array
    counts: _Array
    outliers: float
    outliers_predicted: float
    heavy_tails: bool

    @property
    def dark(self) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = self.signals <= self.signals[0] + np.ptp(self.signals) / 4
        return inside

    @property
    def bright(self) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = self.signals >= self.signals[-1] - np.ptp(self.signals) / 4
        return inside

    def ratio(self, where: NDArray[np.bool_] | slice = slice(None)) -> float:
        """Return observed over predicted standard deviation in these bins."""
        squares = (self.observed[where] / self.predicted[where]) ** 2
        return math.sqrt(np.average(squares, weights=self.counts[where]))

    def departure(self, tolerance: float, where: NDArray[np.bool_] | slice = slice(None)) -> float:
        """Return the logarithm of the ratio, or zero where it is tolerable or may be chance."""
        error = math.sqrt(_OVERLAP / (2 * self.counts[where].sum()))
        departure = math.log(max(self.ratio(where), 1e-9))
        tolerable = max(math.log1p(tolerance), _STANDARD_ERRORS * error)
        return departure if abs(departure) > tolerable else 0.0


def _size(looks: list[_Look], model: NoiseModel) -> _Size:
    """Compare the second differences of all looks with the model, intensity by intensity."""
    means = np.concatenate([look.means for look in looks])
    differences = np.concatenate([look.differences for look in looks])
    bins = _merged(_even(np.concatenate([look.signals for look in looks]), _BINS))
    members = [indices for _, indices in _by_value(bins)]
    signals = np.array([means[here].mean() for here in members])
    observed = np.array([_root_mean_square(differences[here]) for here in members])
    if not observed.max() > 0:
        raise NoiseError("the images show no noise at all: they are blank or synthetic")
    predicted = model.moments(torch.from_numpy(signals))[1].sqrt().numpy().astype(np.float64)

    scale = np.maximum(observed, 1e-3 * observed.max())
    outliers = float(np.mean(differences > _OUTLYING * scale[bins]))
    drawn = bins[np.linspace(0, bins.size - 1, _DRAWN).astype(np.int64)]
    outliers_predicted = _outliers_drawn(model, signals[drawn], predicted[drawn])
    chance = math.sqrt(_OVERLAP * outliers_predicted / bins.size)
    return _Size(
        signals=signals,
        observed=observed,
        predicted=predicted,
        counts=np.array([float(here.size) for here in members]),
        outliers=outliers,
        outliers_predicted=outliers_predicted,
        heavy_tails=outliers > _HEAVY * outliers_predicted + _STANDARD_ERRORS * chance,
    )


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
    return math.sqrt(squares[_not_outlying(squares)].mean())


def _outliers_drawn(model: NoiseModel, signals: _Array, deviations: _Array) -> float:
    """Return the share of outlying second differences among those that the model draws."""
    nine = torch.from_numpy(signals)[:, None].expand(-1, 9)
    draws = model.sample(nine, torch.Generator().manual_seed(0)).to(torch.float64)
    differences = (draws @ _SECOND_DIFFERENCE.ravel()).abs().numpy() / 6
    return float(np.mean(differences > _OUTLYING * deviations))


def _verdict(correlation: NeighbourCorrelation, size: _Size) -> Verdict:
    if correlation.is_certain:
        return "correlated between neighbouring pixels"
    departures = [
        size.departure(_TOLERANCE),
        size.departure(_TOLERANCE_AT_AN_END, size.dark),
        size.departure(_TOLERANCE_AT_AN_END, size.bright),
    ]
    worst = max(departures, key=abs)
    if worst == 0:
        return "about right"
    return "too weak" if worst > 0 else "too strong"


def _about_size(found: NoiseCheck) -> str:
    dark, bright = found.deviation_ratio_dark, found.deviation_ratio_bright
    ratios = (
        f"the images hold {found.deviation_ratio:.2f} times the standard deviation that the model "
        f"predicts ({dark:.2f} times where they are dark, {bright:.2f} times where they are bright)"
    )
    if found.verdict == "about right":
        return f"The noise is about right: {ratios}."
    if found.verdict == "correlated between neighbouring pixels":
        return (
            f"From pixel to pixel, {ratios}; of correlated noise that is only the part that "
            "changes so quickly, and a model calibrated on the images knows no more."
        )
    tolerable = 1 + _TOLERANCE_AT_AN_END
    if min(dark, bright) < 1 / tolerable and max(dark, bright) > tolerable:
        effect = "It does not grow with the signal as the model has it"
    elif found.verdict == "too weak":
        effect = "A denoiser would keep some of the noise"
    else:
        effect = "A denoiser would remove detail with the noise"
    return (
        f"The noise is {found.verdict} in the model: {ratios}. {effect}: fit the model anew, to "
        "these images or to pairs from the same camera with the same settings."
    )


def _about_correlation(found: NoiseCheck) -> str:
    horizontal, vertical = found.correlation
    strongest = max(horizontal, vertical, found.correlation_diagonal, key=abs)
    numbers = (
        f"{_hundredths(horizontal)} with the next pixel horizontally, {_hundredths(vertical)} "
        f"vertically and {_hundredths(found.correlation_diagonal)} diagonally, standard error "
        f"{found.correlation_error:.1g}"
    )
    if found.verdict != "correlated between neighbouring pixels":
        return f"Neighbouring pixels are as good as independent: correlation {numbers}."
    text = (
        f"The noise is correlated between neighbouring pixels: {numbers}. A pixel-wise noise model "
        "cannot see that, whatever its parameters, and a denoiser takes such noise for structure "
        "and keeps it. "
    )
    if strongest < 0:
        return text + (
            "Where neighbours go against each other the images were sharpened: take them as the "
            "camera gave them."
        )
    return text + (
        "Denoiser(blind_levels=2) hides the image from its finest levels, so that what only they "
        "could carry is not reproduced (HDN; Prakash et al. 2022). If it reaches farther than the "
        "next pixel, these are lower bounds; if the images hold hardly any noise, it may also be "
        "their own finest structure that is seen."
    )


def _about_frames(found: NoiseCheck) -> str:
    repeated = found.repeated_frames
    listed = ", ".join(map(str, repeated[:10])) + (", …" if len(repeated) > 10 else "")
    return (
        f"{len(repeated)} of {found.frames} frames ({_percent(len(repeated) / found.frames)}) "
        f"repeat the one before them, counted from 0: {listed}. They add nothing, and the "
        "same noise seen twice looks like signal: drop them before training."
    )


def _hundredths(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0 turns −0.0 into 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
