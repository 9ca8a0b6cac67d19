r"""How the noise is correlated between pixels, by the noisy images alone.

In windows of 16×16 pixels a polynomial of third degree is taken away, r = P n, and the covariance C
of the noise is the one that comes nearest to what is left,

    min over C of  ‖ mean(r rᵀ) − P C P ‖²,

so the correlation that taking the polynomial away leaves in r is accounted for exactly. C has one
value for every shift of up to five pixels along each axis, and is zero beyond. That gives unbiased
correlations, but a spectrum that may be negative where the noise has little power, and there a
likelihood is most sensitive. So the spectrum comes from the periodograms of the same windows, under
a Hann taper: positive, and equally exact, relatively, at all frequencies. What taking the
polynomial away lacks at the lowest frequencies is restored by the ratio of the expected
periodograms with and without it, three times.

Structure, too, is correlated. So only the flattest tenth of all windows measures, and a window is
as flat as the windows around it and its own polynomial say: neither shares anything with its
residual, so choosing does not change what is measured. What correlation is left may still be
structure where no region is flat. Structure shows by growing: the rougher the windows, the stronger
the correlation appears, while that of noise is the same in all. What it grows by is not believed.
Texture that is the same everywhere cannot be told from correlated noise.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.noise.averages import averaged
from ladderscope.noise.coloured import Coloured
from ladderscope.noise.gaussian import Gaussian
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.poisson_gaussian import PoissonGaussian
from ladderscope.noise_estimation.along_z import AlongZ
from ladderscope.noise_estimation.checked import CleanPlane, clean_plane
from ladderscope.noise_estimation.colour_basis import (
    REACH,
    WINDOW,
    basis,
    shifts,
    without_polynomials,
)

_STEP = WINDOW // 2  # between windows; as wide as they are where there are very many
_MANY = 8000
_FLATTEST = 0.1  # of all windows measure,
_ROUGHER = 0.4  # and those up to here tell whether structure shows
_OUTLYING = 2.0  # times the usual energy: a hot pixel, or the edge of something
_FEWEST = 12  # windows
_GROUPS = 16  # of windows, for the errors
_CORRECTIONS = 3
_MOST_RESTORED = 10.0  # of the power at a frequency
# Below, colour changes the likelihood of a pixel by less than 0.05 nats, and structure that is left
# in the flattest windows of images without any flat region can look the same. `correlation` warns
# from 0.15 on: a warning that is not needed costs less than a model of correlated noise that takes
# fine structure away.
_CORRELATED = 0.25
_STANDARD_ERRORS = 3
# Noise that is still correlated at the reach, or nearly the same in the next pixel, is taken away
# with the polynomials in part, and measured as less than it is: a tenth at a blur of two pixels.
_NOT_DECAYED = 0.1
_SMOOTH = 0.9
_AT_ONCE = 1024  # windows

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Colour:
    """How the noise of images is correlated between pixels.

    Parameters
    ----------
    autocorrelation
        ρ, 1 at the centre, up to 15 pixels away; its spectrum is positive.
    neighbours
        Correlation with the next pixel along x, and along y.
    error
        Standard error, the greater of the two.
    rougher
        The same correlations in windows that are less flat.
    windows
        Number of windows of 16×16 pixels, half overlapping, that were measured; 0 if none could be.
    inflation
        Variance of the noise over that which the law predicts in these windows. A law that was
        measured on second differences takes correlated noise for less than it is.
    is_broad
        Whether the correlation extends beyond five pixels, or is nearly complete between
        neighbours: such noise is stronger and smoother than what was measured.
    along_z
        Correlation between the planes of stacks; None where that was not measured.
    in_tiles
        Whether `correlation` sees it in small tiles at every brightness, too. Structure of a few
        pixels has no part in those, and larger windows without any flat region are full of it.
    """

    autocorrelation: Float64[np.ndarray, "*z y x"]
    neighbours: tuple[float, float]
    error: float
    rougher: tuple[float, float]
    windows: int
    inflation: float
    is_broad: bool = False
    along_z: AlongZ | None = None
    in_tiles: bool = True

    @property
    def is_noise(self) -> bool:
        """Whether the noise is certainly correlated, so much that it matters; also if only in Z."""
        return self.is_noise_within or self.autocorrelation.ndim == 3

    @property
    def is_noise_within(self) -> bool:
        """Whether it is within a plane."""
        return self.in_tiles and self._matters(grown=True)

    @property
    def is_structure(self) -> bool:
        """Whether there is correlation that is not the same everywhere: that of structure."""
        return self._matters(grown=False) and not self.is_noise_within

    def _matters(self, grown: bool) -> bool:
        """Whether there is correlation beyond chance; beyond what its growth explains, too."""
        least = max(_CORRELATED, _STANDARD_ERRORS * self.error)
        return self.windows >= _FEWEST and any(
            abs(flat) - (max(0.0, rough - flat) if grown else 0.0) > least
            for flat, rough in zip(self.neighbours, self.rougher, strict=True)
        )

    def summary(self) -> str:
        """Say in a sentence or two what was found.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> white = np.random.default_rng(0).normal(100.0, 3.0, (256, 256))
        >>> measure_colour([white], Gaussian(3.0)).summary().split(":")[0]
        'The noise of neighbouring pixels is not noticeably correlated'
        """
        if self.windows < _FEWEST:
            return (
                "The correlation of the noise could not be measured: the images are too small, "
                "constant or clipped."
            )
        along_x, along_y = self.neighbours
        found = f"{along_x:z.2f} along x and {along_y:z.2f} along y"
        if self.autocorrelation.ndim == 3 and self.along_z is not None:
            found = f"{found}, and {self.along_z.next_plane:z.2f} along z"
        if self.is_noise:
            broad = " It extends too far to be measured, and is stronger than that."
            return (
                f"The noise of neighbouring pixels is correlated: {found}."
                f"{broad if self.is_broad else ''}"
            )
        if self.is_structure:
            return (
                f"Neighbouring pixels are correlated ({found}), but not everywhere to the same "
                "extent, so it is probably structure: the images have no flat region that would "
                "show the noise alone."
            )
        return f"The noise of neighbouring pixels is not noticeably correlated: {found}."


class _Windows(NamedTuple):
    """The flatter windows of one plane; everything over the variance that the law predicts."""

    flat: _Array  # (windows, shifts): sums of r r at each shift, in the flattest windows
    rougher: _Array  # and in those that are less flat
    power: _Array  # (32, 32): sum of the periodograms of the flattest


def measure_colour(planes: Iterable[NDArray[Any] | CleanPlane], law: NoiseModel) -> Colour:
    """Measure the autocorrelation of the noise on noisy images alone.

    Parameters
    ----------
    planes
        Noisy images of one channel, each of shape (y, x) and of any real type, read once. Windows
        with clipped pixels or artefacts are left out.
    law
        How the variance grows with the signal; its size does not matter.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> white = np.random.default_rng(0).normal(100.0, 3.0, (256, 256))
    >>> blurred = (np.roll(white, 1, axis=1) + white) / 2
    >>> colour = measure_colour([blurred], Gaussian(2.0))
    >>> colour.is_noise, bool(abs(colour.neighbours[0] - 0.5) < 0.05)
    (True, True)
    """
    found = [
        _windows(plane if isinstance(plane, CleanPlane) else clean_plane(plane), law)
        for plane in planes
    ]
    flat = np.concatenate([one.flat for one in found]) if found else np.zeros((0, 0))
    if not len(flat):
        return Colour(np.ones((1, 1)), (0.0, 0.0), math.inf, (0.0, 0.0), 0, 1.0)
    groups = np.stack([part.sum(axis=0) for part in np.array_split(flat, _GROUPS)])
    total = groups.sum(axis=0)
    neighbours, farthest = _correlations(total, 1), _correlations(total, REACH)
    error = _error([_correlations(total - group, 1) for group in groups])
    far_error = _error([_correlations(total - group, REACH) for group in groups])
    rougher = np.concatenate([one.rougher for one in found]).sum(axis=0)
    return Colour(
        autocorrelation=_autocorrelation(np.sum([one.power for one in found], axis=0)),
        neighbours=neighbours,
        error=error,
        rougher=_correlations(rougher, 1) if rougher.any() else neighbours,
        windows=len(flat),
        inflation=float(basis().solve[0] @ total) / len(flat),
        is_broad=max(neighbours) > _SMOOTH
        or max(farthest) > max(_NOT_DECAYED, _STANDARD_ERRORS * far_error),
    )


def _error(left_out: Sequence[tuple[float, float]]) -> float:
    """Return the greater standard error, by the results without each of the groups."""
    return math.sqrt((_GROUPS - 1) * np.var(left_out, axis=0).max())


def coloured(law: NoiseModel, colour: Colour) -> Coloured:
    """Return the model of correlated noise.

    Parameters
    ----------
    law
        The noise of a single pixel. A variance that was measured as a line or a level, on second
        differences, is multiplied by the inflation.
    colour
        How it is correlated.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> white = np.random.default_rng(0).normal(100.0, 3.0, (256, 256))
    >>> blurred = (np.roll(white, 1, axis=1) + white) / 2  # of standard deviation 3 / √2
    >>> law = Gaussian(1.3)
    >>> abs(coloured(law, measure_colour([blurred], law)).law.sigma - 2.1) < 0.2
    True
    """
    if isinstance(law, Gaussian | PoissonGaussian):
        law = averaged(law, 1 / colour.inflation)  # scales the variance, whichever the law
    return Coloured(law, colour.autocorrelation)


def _windows(plane: CleanPlane, law: NoiseModel) -> _Windows:
    """Measure the flatter windows of a plane."""
    none = np.zeros((0, len(shifts())))
    nothing = _Windows(none, none, np.zeros((2 * WINDOW, 2 * WINDOW)))
    if min(plane.pixels.shape) < 2 * WINDOW:
        return nothing
    step = _STEP if plane.pixels.size < _MANY * _STEP**2 else WINDOW
    cut = np.lib.stride_tricks.sliding_window_view(plane.pixels, (WINDOW, WINDOW))[::step, ::step]
    grid = cut.shape[:2]
    means, energy, own = np.concatenate([_energies(row) for row in cut], axis=1)
    variance = law.moments(torch.from_numpy(means))[1].numpy()
    energy, own = energy / variance, own / variance
    usable = (energy > 0) & ~_touched(plane, step)
    if usable.sum() < _FEWEST:
        return nothing
    around = _around(np.where(usable, energy, np.nan).reshape(grid), WINDOW // step).ravel()
    usable &= np.isfinite(around)
    if usable.sum() < _FEWEST:
        return nothing
    roughness = np.maximum(around / np.median(around[usable]), own / np.median(own[usable]))
    order = np.flatnonzero(usable)
    order = order[np.argsort(roughness[order], kind="stable")]
    flat = max(min(_FEWEST, order.size), math.ceil(_FLATTEST * order.size))
    order = order[: math.ceil(_ROUGHER * order.size)]
    kept = energy[order] <= _OUTLYING * np.median(energy[order[:flat]])
    number = int(np.count_nonzero(kept[:flat]))
    order = order[kept]
    order[:number].sort()  # neighbours in the image go into one group, for the errors
    products, power = np.zeros((order.size, len(shifts()))), nothing.power
    for start in range(0, order.size, _AT_ONCE):
        at = order[start : start + _AT_ONCE]
        chosen = without_polynomials(cut[np.unravel_index(at, grid)])[1]
        chosen = (chosen / np.sqrt(variance[at, None])).reshape(-1, WINDOW, WINDOW)
        products[start : start + _AT_ONCE] = _products(chosen)
        power += _power(chosen[: max(0, number - start)] * _taper()).sum(axis=0)
    return _Windows(products[:number], products[number:], power)


def _energies(windows: Float64[np.ndarray, "windows y x"]) -> Float64[np.ndarray, "3 windows"]:
    """Return each window's mean, and the energies of what is left of it and of its polynomial."""
    means, residuals, smooth = without_polynomials(windows)
    return np.stack([means, (residuals**2).sum(axis=1), (smooth**2).sum(axis=1)])


def _touched(plane: CleanPlane, step: int) -> NDArray[np.bool_]:
    """Mark windows with clipped pixels or artefacts; if that leaves little, with artefacts."""
    clipped = np.isin(plane.pixels, plane.clips)
    artefacts = np.zeros_like(clipped) if plane.artefacts is None else plane.artefacts
    whole, damaged = (
        np.lib.stride_tricks.sliding_window_view(where, (WINDOW, WINDOW))[::step, ::step]
        .any(axis=(2, 3))
        .ravel()
        for where in (clipped | artefacts, artefacts)
    )
    return whole if whole.mean() < 0.9 else damaged


def _around(energy: Float64[np.ndarray, "rows columns"], apart: int) -> _Array:
    """Average over the eight windows that touch each one."""
    touching = np.zeros((2 * apart + 1, 2 * apart + 1))
    touching[::apart, ::apart] = 1
    touching[apart, apart] = 0
    known = np.isfinite(energy)
    sums, counts = (
        ndimage.correlate(part, touching, mode="constant")
        for part in (np.where(known, energy, 0.0), known.astype(np.float64))
    )
    average: _Array = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return average


def _power(windows: Float64[np.ndarray, "windows y x"]) -> _Array:
    """Return the periodograms of windows, on a grid on which no shift wraps around."""
    transformed = np.fft.fft2(windows, (2 * WINDOW, 2 * WINDOW))
    power: _Array = transformed.real**2 + transformed.imag**2
    return power


def _products(windows: Float64[np.ndarray, "windows y x"]) -> _Array:
    """Sum the products of all pairs of pixels at each shift, each pair in both directions."""
    sums = np.fft.ifft2(_power(windows)).real
    products: _Array = np.stack([sums[:, down, right] for down, right in shifts()], axis=1)
    products[:, 1:] *= 2
    return products


def _correlations(products: Float64[np.ndarray, " shifts"], apart: int) -> tuple[float, float]:
    """Give the correlation so far along x and y that makes these sums of products."""
    covariance = basis().solve @ products
    along_x, along_y = (covariance[shifts().index(shift)] for shift in ((0, apart), (apart, 0)))
    variance = max(covariance[0], 1e-300)
    return float(np.clip(along_x / variance, -1, 1)), float(np.clip(along_y / variance, -1, 1))


def _autocorrelation(power: Float64[np.ndarray, "y x"]) -> _Array:
    """Give the autocorrelation whose expected periodograms, without polynomials, are these."""
    y, x = np.divmod(np.arange(WINDOW**2), WINDOW)
    down, right = y[:, None] - y, x[:, None] - x
    frequencies = np.fft.fftfreq(2 * WINDOW)
    phases = np.exp(-2j * np.pi * np.outer(frequencies, np.arange(WINDOW)))
    tapered = np.kron(phases, phases) * _taper().ravel()
    smooth = basis().smooth
    without = tapered - (tapered @ smooth) @ smooth.T
    spectrum = power
    for _ in range(_CORRECTIONS):
        covariance = np.fft.ifft2(spectrum).real[down, right]
        expected, seen = (
            np.einsum("fp,fp->f", part @ covariance, part.conj()).real.reshape(power.shape)
            for part in (tapered, without)
        )
        spectrum = power * np.minimum(expected / seen, _MOST_RESTORED)
    held = np.fft.ifft2(spectrum).real
    side = 2 * WINDOW - 1
    table: _Array = np.roll(held / held[0, 0], (WINDOW - 1, WINDOW - 1), axis=(0, 1))
    return table[:side, :side]


@cache
def _taper() -> _Array:
    """Return a Hann window without zeros at its ends."""
    profile = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW) ** 2
    return np.outer(profile, profile)
