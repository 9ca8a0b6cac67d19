r"""Whether a noise model fits images: size, tails and correlation of the noise that they hold.

All three are measured where the images are flat, and none needs a clean image.

- *Size.* The energy of second differences (`noise_estimation.neighbourhoods`), against the variance
  that the model predicts at the same signal.
- *Tails.* The fraction of those differences beyond three of their own standard deviations, against
  the fraction among differences drawn from the model.
- *Correlation* of neighbouring pixels: see `noise_estimation.correlation`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ladderscope.images import Image
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.within_planes import in_plane, within_planes
from ladderscope.noise_estimation.checked import CleanPlane, checked_planes, clean_plane
from ladderscope.noise_estimation.clipping import CEILING, CLIPPED_SHARE, clipped_counts
from ladderscope.noise_estimation.correlation import (
    FEWEST_TILES,
    TILE,
    NeighbourCorrelation,
    solve_correlation,
    tile_products,
)
from ladderscope.noise_estimation.deviations import (
    Deviations,
    Differences,
    compared,
    even_bins,
    sees_size,
)
from ladderscope.noise_estimation.from_images import fit_images
from ladderscope.noise_estimation.neighbourhoods import (
    FLATTEST,
    WINDOW,
    Neighbourhoods,
    by_value,
    neighbourhoods,
)
from ladderscope.noise_estimation.noise_check import (
    CORRELATED,
    TOLERANCE_AT_AN_END,
    NoiseCheck,
    Verdict,
)
from ladderscope.noise_estimation.planes import is_image, opened, per_channel

# 15 % of the standard deviation is a third of the variance: what a denoiser then takes for noise,
# or leaves as signal, shows. An end of the intensities is seen through fewer pixels and, where it
# is bright, through more structure.
_TOLERANCE = 0.15
# Second differences see a small part of correlated noise, which no spectrum gives exactly.
_LEEWAY_IF_CORRELATED = 2.0
_REPEATED = 0.1  # a frame repeats if it differs by less than this fraction of what noise alone does

MOST_CHECKED = 20  # at most so many are measured
_PIXELS_PER_BIN = 1500  # at most so many per plane, or the background alone would decide
_FEWEST_PIXELS = 150
_ENOUGH = 900  # pixels: where so many are not clipped, those that are can be left out


def check(
    images: Any,
    model: NoiseModel | Sequence[NoiseModel | None] | None = None,
    *,
    axes: str | None = None,
) -> NoiseCheck | list[NoiseCheck]:
    """Check whether a noise model fits noisy images, using these images alone.

    A pixel-wise model assumes independent pixels and cannot describe noise that extends over
    several of them, so the correlation between neighbours is measured as well.

    Parameters
    ----------
    images
        An `Image` or an array (of NumPy, in a memory map, of Zarr, or the like), read plane by
        plane; or an iterable of planes (y, x) of one channel, read once. At most 20
        planes, evenly chosen, are measured; repeated frames are searched for in all.
    model
        The noise model; with a C axis, a list with one per channel, or the same for all. For
        None, a Poisson–Gaussian model is fitted to the images; its noise then has the right size,
        unless the variance departs from a straight line.
    axes
        One letter of ``STCZYX`` per dimension, in any order; 2-D images need none. Frames are
        compared with the frame before them along T. An iterable of planes runs along T unless
        `axes` says otherwise (``"ZYX"``, ``"SYX"``).

    Returns
    -------
    NoiseCheck
        Or a list of them, one per channel, exactly when there is a C axis.

    Raises
    ------
    NoiseError
        If the axes do not fit the shape; the number of models is not that of channels; a plane is
        not 2-D, not real, or holds NaN or infinity; or no noise can be measured because the images
        are constant, too small or saturated, or there are none.
    ImageError
        If an array or an image holds NaN or infinity.

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
    if not is_image(images):
        return _check_planes(_from_iterable(images, axes), 1, _one(model))
    image = opened(images, axes, "images")
    planes = math.prod(image.others.values())
    if "C" not in image.axes:
        return _check_planes(_from_image(image, 0), planes, _one(model))
    return [
        _check_planes(_from_image(image, channel), planes, one)
        for channel, one in enumerate(per_channel(model, image.channels, "noise models"))
    ]


def check_planes(planes: Sequence[NDArray[Any]], model: NoiseModel) -> NoiseCheck:
    """Check whether a noise model fits the planes (y, x) of one channel, as `check` does.

    Raises
    ------
    NoiseError
        As `check` does.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> planes = np.random.default_rng(0).normal(100.0, 3.0, (2, 128, 128))
    >>> check_planes(list(planes), Gaussian(3.0)).verdict
    'about right'
    """
    return _check_planes(((plane, None) for plane in planes), len(planes), model)


def _one(model: NoiseModel | Sequence[NoiseModel | None] | None) -> NoiseModel | None:
    """Return the model of images of one channel, or refuse a list."""
    if isinstance(model, Sequence):
        raise NoiseError(
            f"{len(model)} noise models in a list, for images without a C axis; give one model, or "
            'axes with a C, such as axes="CYX"'
        )
    return model


_Frame = tuple[NDArray[Any], int | None]  # a plane and its number in time, where there is time


def _from_iterable(planes: Iterable[NDArray[Any]], axes: str | None) -> Iterator[_Frame]:
    """Give the planes of an iterable their number in time, unless they run along another axis."""
    letters = "TYX" if axes is None or axes.upper() == "YX" else axes.upper()
    if letters not in ("TYX", "SYX", "ZYX"):
        raise NoiseError(
            f'axes "{axes}" do not fit an iterable of planes, which runs along T, S or Z, as in '
            '"TYX"; give an array for anything else'
        )
    for position, plane in enumerate(checked_planes(planes)):
        yield plane, position if letters[0] == "T" else None


def _from_image(image: Image, channel: int) -> Iterator[_Frame]:
    """Read the planes of one channel, one at a time, T running fastest."""
    for scene in image.positions("T"):
        for frame in range(image.sizes["T"]) if "T" in image.axes else (None,):
            at = {} if frame is None else {"T": frame}
            yield image.plane(scene | at, channel), frame


@dataclass(frozen=True, eq=False)
class _Look:
    """What is kept of one plane."""

    differences: Differences
    products: NDArray[np.float64]  # see `tile_products`,
    tiles: int  # of so many tiles


@dataclass
class _Survey:
    """What is gathered while the planes stream past, each of them once."""

    stride: int
    looks: list[_Look] = field(default_factory=list)
    frames: int = 0
    steps: list[tuple[int, float]] = field(default_factory=list)  # frame, mean squared difference

    def watch(self, planes: Iterable[_Frame]) -> Iterator[CleanPlane]:
        """Look at the planes and hand on those that were measured."""
        before: NDArray[Any] | None = None
        for position, (plane, frame) in enumerate(planes):
            self.frames = max(self.frames, 0 if frame is None else frame + 1)
            if frame and before is not None and before.shape == plane.shape:
                self._compare(frame, before, plane)
            before = None if frame is None else plane
            if len(self.looks) == MOST_CHECKED and position % self.stride == 0:
                # There are more than was known: keep every other one, of the past ones too.
                self.looks, self.stride = self.looks[::2], 2 * self.stride
            if position % self.stride == 0:
                clean = clean_plane(plane)
                self.looks.append(_look(clean))
                yield clean

    def _compare(self, frame: int, before: NDArray[Any], plane: NDArray[Any]) -> None:
        difference = plane.astype(np.float64) - before
        if np.ptp(plane) > 0:  # a blank frame repeats nothing
            self.steps.append((frame, float(np.mean(difference**2))))


def _check_planes(planes: Iterator[_Frame], count: int, model: NoiseModel | None) -> NoiseCheck:
    """Check the planes of one channel."""
    survey = _Survey(stride=max(1, math.ceil(count / MOST_CHECKED)))
    passing = survey.watch(planes)
    if model is None:
        model = fit_images(passing, "poisson_gaussian").model  # reads them, so the survey is made
    else:
        for _ in passing:
            pass
    looks = survey.looks
    pixels = sum(look.differences.signals.size for look in looks)
    tiles = sum(look.tiles for look in looks)
    if pixels < _FEWEST_PIXELS or tiles < FEWEST_TILES:
        raise NoiseError(
            f"the noise can be measured at only {pixels} pixels and in only {tiles} tiles of "
            f"{TILE}×{TILE} pixels, and {_FEWEST_PIXELS} and {FEWEST_TILES} are needed: the images "
            "are constant, too small or saturated, or there are none. Give larger images, of 64×64 "
            "pixels or more"
        )
    parts = zip(*(look.differences for look in looks), strict=True)
    found = compared(Differences(*map(np.concatenate, parts)), within_planes(model))
    correlation = solve_correlation(
        np.sum([look.products for look in looks], axis=0), in_plane(model)
    )
    size_seen = sees_size(model)
    # two frames with noise differ by twice its variance
    repeated = _REPEATED * 2 * float(found.observed.min()) ** 2
    return NoiseCheck(
        model=model,
        verdict=_verdict(correlation, found, model, size_seen),
        deviation_ratio=found.ratio(),
        deviation_ratio_dark=found.ratio(found.dark),
        deviation_ratio_bright=found.ratio(found.bright),
        outlier_share=found.outliers,
        outlier_share_predicted=found.outliers_predicted,
        heavy_tails=size_seen and found.heavy_tails,
        correlation=(correlation.horizontal, correlation.vertical),
        correlation_diagonal=correlation.diagonal,
        correlation_error=correlation.error,
        correlation_predicted=correlation.predicted,
        repeated_frames=tuple(sorted({frame for frame, step in survey.steps if step <= repeated})),
        frames=survey.frames,
        bin_signals=found.signals,
        bin_observed=found.observed,
        bin_predicted=found.predicted,
        bin_counts=found.counts,
        size_seen=size_seen,
    )


def _look(plane: CleanPlane) -> _Look:
    """Measure one plane."""
    products, tiles = tile_products(plane)
    nothing = _Look(Differences(*np.zeros((3, 0))), products, tiles)
    if min(plane.pixels.shape) < WINDOW:
        return nothing
    around = neighbourhoods(plane.pixels, plane.clips, plane.artefacts)
    if not around.usable.any():
        return nothing
    chosen = []
    for members in _unclipped_bins(around, around.inner(plane.clipping.marks)):
        here = members[around.usable[members]]
        keep = math.ceil(FLATTEST * here.size)
        flattest = here[np.argsort(around.roughness[here])[:keep]]
        chosen.append(np.sort(flattest)[:: max(1, math.ceil(keep / _PIXELS_PER_BIN))])
    flat = np.concatenate(chosen)
    magnitudes = np.sqrt(around.squares[flat])
    return _Look(Differences(around.signals[flat], around.means[flat], magnitudes), products, tiles)


def _unclipped_bins(around: Neighbourhoods, marks: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
    """List the pixels of each intensity bin, without the bins in which many are clipped.

    There the noise is less than the camera's, which is not the model's fault. If hardly anything
    would remain, all bins stay, as when a model is fitted.
    """
    bins = [members for _, members in by_value(even_bins(around.signals))]
    counts = [np.bincount(marks[members], minlength=CEILING + 1) for members in bins]
    clipped = clipped_counts(np.stack(counts).astype(np.float64))
    whole = [
        members
        for members, lost in zip(bins, clipped, strict=True)
        if lost <= CLIPPED_SHARE * members.size
    ]
    enough = min(0.1 * around.signals.size, _ENOUGH)
    return whole if sum(members.size for members in whole) >= enough else bins


def _verdict(
    correlation: NeighbourCorrelation, found: Deviations, model: NoiseModel, size_seen: bool
) -> Verdict:
    if correlation.is_certain:
        return CORRELATED
    if not size_seen:
        return "about right"
    leeway = 1.0 if model.pixelwise is model else _LEEWAY_IF_CORRELATED
    departures = [
        found.departure(leeway * _TOLERANCE),
        found.departure(leeway * TOLERANCE_AT_AN_END, found.dark),
        found.departure(leeway * TOLERANCE_AT_AN_END, found.bright),
    ]
    worst = max(departures, key=abs)
    if worst == 0:
        return "about right"
    return "too weak" if worst > 0 else "too strong"
