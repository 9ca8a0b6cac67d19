"""From the autocorrelation of noise to its spectrum, and to the filters that whiten and colour it.

Arrays have two or three axes. Spectra and their filters are periodic, with the origin at the first
element, on 64 points along each axis that is correlated.
"""

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

LONGEST_SIDE = 31  # of an autocorrelation
_POINTS = 64  # of a spectrum, along each axis: twice the longest side
_LEAST_POWER = 0.01  # of the mean power
_LEAST_TRUSTED = 0.04  # of the greatest power
_LONGEST_REACH = 5  # of the whitening filter, pixels,
_SHORTEST_REACH_ENERGY = 1e-5  # and its energy beyond a shorter reach that suffices

_Array = NDArray[np.float64]


def regular_spectrum(
    autocorrelation: Float64[np.ndarray, "..."],
) -> Float64[np.ndarray, "..."]:
    """Return the power spectrum, of mean 1, no part of it below a hundredth of that.

    Parameters
    ----------
    autocorrelation
        Of odd sides, 1 at the centre, point-symmetric. It need not be positive definite, as a
        truncated or a measured one often is not.

    Returns
    -------
    array
        Axes along which nothing is correlated (side 1) have one point.

    Examples
    --------
    >>> regular_spectrum(np.array([[1.0]]))
    array([[1.]])
    """
    points = [1 if side == 1 else _POINTS for side in autocorrelation.shape]
    grid = np.zeros(points)
    grid[tuple(map(slice, autocorrelation.shape))] = autocorrelation
    shift = tuple(-(side // 2) for side in autocorrelation.shape)
    power = np.fft.fftn(np.roll(grid, shift, axis=tuple(range(grid.ndim)))).real
    power = np.maximum(power, _LEAST_POWER)
    spectrum: _Array = power / power.mean()
    return spectrum


def cautious_spectrum(spectrum: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Return the spectrum, with more power where it has hardly any: 4 % of its maximum.

    At these scales hardly anything of the noise is left, nor of the signal, and what is there is
    neither Gaussian nor stationary: the errors of interpolation, and rounding.

    Parameters
    ----------
    spectrum
        As `regular_spectrum` gives it.

    Examples
    --------
    >>> cautious_spectrum(np.array([0.01, 2.0])).tolist()
    [0.08, 2.0]
    """
    cautious: _Array = np.maximum(spectrum, _LEAST_TRUSTED * spectrum.max())
    return cautious


def whitening_filter(spectrum: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Return the filter S^−½, cut to what is worth its cost, that gives noise unit variance.

    Parameters
    ----------
    spectrum
        Positive: see `regular_spectrum` and `cautious_spectrum`.

    Returns
    -------
    array
        Of odd sides of at most 11, its origin at the centre.

    Examples
    --------
    >>> whitening_filter(regular_spectrum(np.array([[0.2, 1.0, 0.2]]))).shape[0]
    1
    """
    whole = np.fft.fftshift(np.fft.ifftn(spectrum**-0.5).real)
    energy = float((whole**2).sum())
    sides = []
    for axis in range(whole.ndim):
        others = tuple(other for other in range(whole.ndim) if other != axis)
        profile, middle = (whole**2).sum(axis=others), whole.shape[axis] // 2
        reach = min(_LONGEST_REACH, middle)
        while reach and _beyond(profile, middle, reach - 1) < _SHORTEST_REACH_ENERGY * energy:
            reach -= 1
        sides.append(slice(middle - reach, middle + reach + 1))
    taps: _Array = whole[tuple(sides)].copy()
    taps /= np.sqrt(np.mean(_response(taps, spectrum.shape) ** 2 * spectrum))
    return taps


def log_determinant(taps: Float64[np.ndarray, "..."]) -> float:
    """Return the logarithm of a filter's determinant per pixel: the mean of log|response|.

    Examples
    --------
    >>> log_determinant(np.array([[1.0]]))
    0.0
    """
    sides = tuple(1 if side == 1 else _POINTS for side in taps.shape)
    return float(np.log(np.maximum(np.abs(_response(taps, sides)), 1e-6)).mean())


def border_deviations(
    taps: Float64[np.ndarray, "..."], spectrum: Float64[np.ndarray, "..."]
) -> Float64[np.ndarray, "..."]:
    """Return the standard deviation of the whitened noise where the filter lacks taps.

    Parameters
    ----------
    taps
        The whitening filter.
    spectrum
        Of the noise.

    Returns
    -------
    array
        Of the shape of the filter: along each axis, the first element holds for the first pixel,
        the last for the last, and the one in the middle (1) for all that are far from the borders.

    Examples
    --------
    >>> spectrum = regular_spectrum(np.array([[0.4, 1.0, 0.4]]))
    >>> border = border_deviations(whitening_filter(spectrum), spectrum)
    >>> bool(border[0, 0] > 1), round(float(border[0, border.size // 2]), 6)
    (True, 1.0)
    """
    correlation = np.fft.ifftn(spectrum).real
    at = np.indices(taps.shape).reshape(taps.ndim, -1)
    shifts = at[:, :, None] - at[:, None, :]
    covariance = correlation[
        tuple(shift % side for shift, side in zip(shifts, correlation.shape, strict=True))
    ]
    present = np.ones((at.shape[1], at.shape[1]), dtype=bool)
    for axis, side in enumerate(taps.shape):
        place, tap, middle = at[axis][:, None], at[axis][None, :], side // 2
        present &= (place + tap >= middle) & (place + tap <= middle + side - 1)
    masked = present * taps.ravel()
    variance = np.einsum("pt,pt->p", masked @ covariance, masked)
    deviations: _Array = np.sqrt(variance).reshape(taps.shape)
    return deviations


def colouring_kernel(spectrum: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Return the kernel √S, whose energy is 1: white noise filtered with it has the spectrum S.

    Examples
    --------
    >>> colouring_kernel(np.array([[1.0]]))
    array([[1.]])
    """
    kernel: _Array = np.fft.fftshift(np.fft.ifftn(np.sqrt(spectrum)).real)
    return kernel


def _beyond(profile: _Array, middle: int, reach: int) -> float:
    inside = profile[middle - reach : middle + reach + 1]
    return float(profile.sum() - inside.sum())


def _response(taps: _Array, points: tuple[int, ...]) -> _Array:
    """Return the real frequency response of a symmetric filter on a grid of at least its size."""
    grid = np.zeros(points)
    grid[tuple(map(slice, taps.shape))] = taps
    shift = tuple(-(side // 2) for side in taps.shape)
    response: _Array = np.fft.fftn(np.roll(grid, shift, axis=tuple(range(taps.ndim)))).real
    return response
