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
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.noise.coloured import Coloured
from ladderscope.noise.gaussian import Gaussian
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.poisson_gaussian import PoissonGaussian
from ladderscope.noise_estimation.checked import CleanPlane, clean_plane

WINDOW = 16  # pixels
REACH = 5  # pixels: noise farther apart is taken as independent
_DEGREE = 3
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
# in the flattest windows of images without any flat region can look the same.
_CORRELATED = 0.25
_STANDARD_ERRORS = 3

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
    """

    autocorrelation: Float64[np.ndarray, "y x"]
    neighbours: tuple[float, float]
    error: float
    rougher: tuple[float, float]
    windows: int
    inflation: float

    @property
    def is_noise(self) -> bool:
        """Whether the noise is certainly correlated, so much that it matters."""
        return self._matters(grown=True)

    @property
    def is_structure(self) -> bool:
        """Whether there is correlation that grows with the roughness, as that of structure does."""
        return self._matters(grown=False) and not self.is_noise

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
        found = f"{along_x:.2f} along x and {along_y:.2f} along y"
        if self.is_noise:
            return f"The noise of neighbouring pixels is correlated: {found}."
        if self.is_structure:
            return (
                f"Neighbouring pixels are correlated ({found}), but this grows from the flattest "
                "regions to rougher ones, so it is probably structure: the images have no flat "
                "region that would show the noise alone."
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
    left_out = np.array([_neighbours(total - group) for group in groups])
    spread = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    rougher = np.concatenate([one.rougher for one in found]).sum(axis=0)
    return Colour(
        autocorrelation=_autocorrelation(np.sum([one.power for one in found], axis=0)),
        neighbours=_neighbours(total),
        error=math.sqrt((_GROUPS - 1) / _GROUPS * spread.max()),
        rougher=_neighbours(rougher) if rougher.any() else _neighbours(total),
        windows=len(flat),
        inflation=float(_basis().solve[0] @ total) / len(flat),
    )


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
    if isinstance(law, Gaussian):
        law = Gaussian(law.sigma * math.sqrt(colour.inflation))
    elif isinstance(law, PoissonGaussian):
        law = PoissonGaussian(
            law.gain * colour.inflation,
            law.intercept * colour.inflation,
            law.variance_floor * colour.inflation,
        )
    return Coloured(law, colour.autocorrelation)


def _windows(plane: CleanPlane, law: NoiseModel) -> _Windows:
    """Measure the flatter windows of a plane."""
    none = np.zeros((0, len(_shifts())))
    nothing = _Windows(none, none, np.zeros((2 * WINDOW, 2 * WINDOW)))
    if min(plane.pixels.shape) < 2 * WINDOW:
        return nothing
    step = _STEP if plane.pixels.size < _MANY * _STEP**2 else WINDOW
    cut = np.lib.stride_tricks.sliding_window_view(plane.pixels, (WINDOW, WINDOW))[::step, ::step]
    grid = cut.shape[:2]
    windows = cut.reshape(-1, WINDOW**2)
    means = windows.mean(axis=1)
    contrast = windows - means[:, None]
    smooth = contrast @ _basis().smooth
    residuals = contrast - smooth @ _basis().smooth.T
    variance = law.moments(torch.from_numpy(means))[1].numpy()
    energy = (residuals**2).sum(axis=1) / variance
    usable = (energy > 0) & ~_touched(plane, step)
    if usable.sum() < _FEWEST:
        return nothing
    around = _around(np.where(usable, energy, np.nan).reshape(grid), WINDOW // step).ravel()
    own = (smooth**2).sum(axis=1) / variance
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
    chosen = residuals[order].reshape(-1, WINDOW, WINDOW)
    chosen /= np.sqrt(variance[order, None, None])
    products = _products(chosen)
    power = _power(chosen[:number] * _taper()).sum(axis=0)
    return _Windows(products[:number], products[number:], power)


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


@cache
def _shifts() -> tuple[tuple[int, int], ...]:
    """List (down, right), without those that mirror others."""
    return tuple(
        (down, right)
        for down in range(REACH + 1)
        for right in range(-REACH, REACH + 1)
        if down > 0 or right >= 0
    )


@dataclass(frozen=True, eq=False)
class _Basis:
    smooth: _Array  # (256, 10): orthonormal polynomials
    solve: _Array  # (shifts, shifts): from the sums of products to the covariance


@cache
def _basis() -> _Basis:
    y, x = np.divmod(np.arange(WINDOW**2), WINDOW) - np.array((WINDOW - 1) / 2)
    y, x = y / WINDOW, x / WINDOW
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    smooth, _ = np.linalg.qr(np.stack([y**i * x**j for i, j in powers], axis=1))
    projection = np.eye(WINDOW**2) - smooth @ smooth.T
    # ⟨P B P, P C P⟩ of any two shifts, by the sums of products of P C P alone.
    parts = [_at_shift(*shift) for shift in _shifts()]
    projected = np.stack([(projection @ part @ projection).ravel() for part in parts])
    gram = np.stack([part.ravel() for part in parts]) @ projected.T
    return _Basis(smooth, np.linalg.inv(gram))


def _at_shift(down: int, right: int) -> _Array:
    """Mark the pairs of pixels of a window that lie so far apart."""
    y, x = np.divmod(np.arange(WINDOW**2), WINDOW)
    lower, righter = y[None, :] - y[:, None], x[None, :] - x[:, None]
    apart = ((lower == down) & (righter == right)) | ((lower == -down) & (righter == -right))
    marked: _Array = apart.astype(np.float64)
    return marked


def _power(windows: Float64[np.ndarray, "windows y x"]) -> _Array:
    """Return the periodograms of windows, on a grid on which no shift wraps around."""
    transformed = np.fft.fft2(windows, (2 * WINDOW, 2 * WINDOW))
    power: _Array = transformed.real**2 + transformed.imag**2
    return power


def _products(windows: Float64[np.ndarray, "windows y x"]) -> _Array:
    """Sum the products of all pairs of pixels at each shift, each pair in both directions."""
    sums = np.fft.ifft2(_power(windows)).real
    products: _Array = np.stack([sums[:, down, right] for down, right in _shifts()], axis=1)
    products[:, 1:] *= 2
    return products


def _neighbours(products: Float64[np.ndarray, " shifts"]) -> tuple[float, float]:
    """Give the correlation with the next pixel along x and y that makes these sums of products."""
    covariance = _basis().solve @ products
    along_x, along_y = (covariance[_shifts().index(shift)] for shift in ((0, 1), (1, 0)))
    variance = max(covariance[0], 1e-300)
    return float(np.clip(along_x / variance, -1, 1)), float(np.clip(along_y / variance, -1, 1))


def _autocorrelation(power: Float64[np.ndarray, "y x"]) -> _Array:
    """Give the autocorrelation whose expected periodograms, without polynomials, are these."""
    y, x = np.divmod(np.arange(WINDOW**2), WINDOW)
    down, right = y[:, None] - y, x[:, None] - x
    frequencies = np.fft.fftfreq(2 * WINDOW)
    phases = np.exp(-2j * np.pi * np.outer(frequencies, np.arange(WINDOW)))
    tapered = np.kron(phases, phases) * _taper().ravel()
    smooth = _basis().smooth
    without = tapered - (tapered @ smooth) @ smooth.T
    spectrum = power
    for _ in range(_CORRECTIONS):
        covariance = np.fft.ifft2(spectrum).real[down, right]
        expected, seen = (
            np.einsum("fp,fp->f", part @ covariance, part.conj()).real.reshape(power.shape)
            for part in (tapered, without)
        )
        spectrum = power * np.minimum(expected / seen, _MOST_RESTORED)
    shifts = np.fft.ifft2(spectrum).real
    side = 2 * WINDOW - 1
    table: _Array = np.roll(shifts / shifts[0, 0], (WINDOW - 1, WINDOW - 1), axis=(0, 1))
    return table[:side, :side]


@cache
def _taper() -> _Array:
    """Return a Hann window without zeros at its ends."""
    profile = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW) ** 2
    return np.outer(profile, profile)
