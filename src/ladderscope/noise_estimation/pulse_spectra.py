r"""Probabilities of grey levels where photons are counted, by way of characteristic functions.

In a region whose photon rate varies as a Gamma distribution of mean μ and relative variance q, the
characteristic function of a compound Poisson law is closed:

    φ(t) = exp(i·offset·t − σ²t²/2) · (1 − q μ ψ(t))^(−1/q),

where ψ + 1 is the characteristic function of one pulse, (1 − i·gain·t/α)^(−α). With
ψ = i t − slope t²/2 the same formula is that of Poisson–Gaussian noise, μ being in grey levels. A
product with sinc(t·width/2) integrates over the width of a cell, and a Fourier transform gives the
probability of each cell.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Complex128, Float64
from numpy.typing import NDArray

PARAMETERS = 4  # scale, offset, log read noise, 1/α
_OVERSAMPLED = 6  # so that a read noise of a sixth of a cell is resolved

_Array = NDArray[np.float64]
_Spectrum = Complex128[np.ndarray, " frequencies"]


class Law(Protocol):
    """A law of noise with the parameters (log scale, offset, log read noise, 1/α)."""

    def pulse(
        self, parameters: Float64[np.ndarray, " 4"], t: Float64[np.ndarray, " frequencies"]
    ) -> tuple[_Spectrum, _Spectrum, _Spectrum]:
        """Return ψ and its derivatives by the log scale and by 1/α."""
        ...

    def slope(self, parameters: Float64[np.ndarray, " 4"]) -> tuple[float, _Array]:
        """Return d variance / d signal, and its derivatives by the parameters."""
        ...

    def rate(self, signal: float, parameters: Float64[np.ndarray, " 4"]) -> float:
        """Return μ of a signal above the offset."""
        ...


class Counting:
    """Photons with Gamma-distributed pulses; the scale is the gain.

    Examples
    --------
    >>> slope, _ = Counting().slope(np.array([np.log(16.0), 0.0, 0.0, 0.25]))
    >>> round(slope, 6)
    20.0
    """

    def pulse(self, parameters: _Array, t: _Array) -> tuple[_Spectrum, _Spectrum, _Spectrum]:
        """Return ψ and its derivatives by the log gain and by 1/α."""
        gain, inverse = np.exp(parameters[0]), parameters[3]
        base = 1 - 1j * gain * inverse * t
        logarithm = np.log(base)
        pulse = np.exp(-logarithm / inverse)
        by_gain = pulse * 1j * gain * t / base
        by_inverse = pulse * (logarithm / inverse**2 + 1j * gain * t / (inverse * base))
        return pulse - 1, by_gain, by_inverse

    def slope(self, parameters: _Array) -> tuple[float, _Array]:
        """Return gain (1 + 1/α)."""
        gain = float(np.exp(parameters[0]))
        slope = gain * (1 + float(parameters[3]))
        return slope, np.array([slope, 0.0, 0.0, gain])

    def rate(self, signal: float, parameters: _Array) -> float:
        """Return the mean number of photons."""
        return float((signal - parameters[1]) / np.exp(parameters[0]))


class Line:
    """Poisson–Gaussian noise; the scale is the slope of its variance.

    Examples
    --------
    >>> round(Line().slope(np.array([np.log(20.0), 0.0, 0.0, 0.0]))[0], 6)
    20.0
    """

    def pulse(self, parameters: _Array, t: _Array) -> tuple[_Spectrum, _Spectrum, _Spectrum]:
        """Return ψ and its derivatives by the log slope and by 1/α, which is not used."""
        by_slope = -np.exp(parameters[0]) * t**2 / 2
        return 1j * t + by_slope, by_slope.astype(np.complex128), np.zeros(t.size, np.complex128)

    def slope(self, parameters: _Array) -> tuple[float, _Array]:
        """Return the scale."""
        slope = float(np.exp(parameters[0]))
        return slope, np.array([slope, 0.0, 0.0, 0.0])

    def rate(self, signal: float, parameters: _Array) -> float:
        """Return the grey levels above the offset."""
        return float(signal - parameters[1])


@dataclass(frozen=True)
class Cells:
    """Cells of equal width, of which the outer ones are counted together.

    Parameters
    ----------
    first, width
        Centre of the first cell, and the width of all, camera units.
    count
        Number of cells, even: the Fourier transform is periodic over all of them.
    lowest, highest
        What lies below the first of these cells is counted there, and likewise above.
    """

    first: float
    width: float
    count: int
    lowest: int
    highest: int

    def indices(self, values: Float64[np.ndarray, " n"]) -> NDArray[np.int64]:
        """Return the cell of each value, counted from the lowest.

        Examples
        --------
        >>> Cells(0.0, 2.0, 64, 10, 50).indices(np.array([0.0, 22.0, 23.5]))
        array([0, 1, 2])
        """
        cells = np.floor((values - self.first) / self.width + 0.5).astype(np.int64)
        return np.clip(cells, self.lowest, self.highest) - self.lowest

    def centres(self) -> Float64[np.ndarray, " cells"]:
        """Return the centres of the cells that are counted."""
        centres: _Array = self.first + self.width * np.arange(
            self.lowest, self.highest + 1, dtype=np.float64
        )
        return centres


def probabilities(
    law: Law, parameters: Float64[np.ndarray, " 4"], mean: float, spread: float, cells: Cells
) -> Float64[np.ndarray, "7 cells"]:
    """Return the probability of each cell, and its derivatives.

    Parameters
    ----------
    law, parameters
        The noise.
    mean, spread
        μ and q of the rates.
    cells
        Where to.

    Returns
    -------
    array
        Probabilities; derivatives by the four parameters, by log μ and by log q.

    Examples
    --------
    Half a photon per pixel, pulses 16 grey levels high: exp(−½) of the pixels hold none.

    >>> parameters = np.array([np.log(16.0), 0.0, np.log(0.3), 0.01])
    >>> found = probabilities(Counting(), parameters, 0.5, 1e-4, Cells(-20.0, 1.0, 256, 0, 255))
    >>> round(float(found[0, 17:24].sum()), 3)
    0.607
    """
    points = cells.count * _OVERSAMPLED
    t = 2 * np.pi * np.arange(points // 2 + 1) / (cells.count * cells.width)
    psi, by_scale, by_inverse = law.pulse(parameters, t)
    variance = np.exp(2 * parameters[2])
    base = 1 - spread * mean * psi
    logarithm = np.log(base)
    spectrum = np.exp(
        1j * t * (parameters[1] - cells.first) - variance * t**2 / 2 - logarithm / spread
    ) * np.sinc(cells.width * t / (2 * np.pi))
    by_psi = spectrum * mean / base
    spectra = np.stack(
        [
            spectrum,
            by_psi * by_scale,
            spectrum * 1j * t,
            -spectrum * variance * t**2,
            by_psi * by_inverse,
            by_psi * psi,
            spectrum * logarithm / spread + by_psi * psi,
        ]
    )
    found = np.fft.irfft(spectra.conj(), points)[:, ::_OVERSAMPLED] * _OVERSAMPLED
    counted = found[:, cells.lowest : cells.highest + 1].astype(np.float64)
    counted[:, 0] += found[:, : cells.lowest].sum(axis=1)
    counted[:, -1] += found[:, cells.highest + 1 :].sum(axis=1)
    return counted
