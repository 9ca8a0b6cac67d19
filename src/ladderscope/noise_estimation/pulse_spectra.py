r"""Probabilities of grey levels where photons are counted, by way of characteristic functions.

In a region whose photon rate varies as a Gamma distribution of mean μ and relative variance q, the
characteristic function of a compound Poisson law is closed:

    φ(t) = exp(i·offset·t − σ²t²/2) · (1 − x)^(−1/q),    x = q μ ψ(t),

where ψ + 1 is the characteristic function of one pulse, (1 − i·gain·t/α)^(−α). With
ψ = i t − slope t²/2 the same formula is that of Poisson–Gaussian noise, μ being in grey levels.
The brightness of real samples is skewed more or less than that: a factor
exp((w − 1) x³ / (3q (1 − x)³)), which is bounded, makes the skewness of the rates w times that of
the Gamma distribution, to leading order. A product with sinc(t·width/2) integrates over the width
of a cell, and a Fourier transform gives the probability of each cell.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Complex128, Float64
from numpy.typing import NDArray

PARAMETERS = 4  # scale, offset, log read noise, 1/α
_VANISHED = 8.0  # standard deviations of the read noise's spectrum, beyond which nothing is left
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

    def unit(self, parameters: Float64[np.ndarray, " 4"]) -> tuple[float, float]:
        """Return the grey levels of a unit of μ, and d log unit / d log scale."""
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

    def unit(self, parameters: _Array) -> tuple[float, float]:
        """Return the gain."""
        return float(np.exp(parameters[0])), 1.0


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

    def unit(self, parameters: _Array) -> tuple[float, float]:
        """Return one grey level."""
        return 1.0, 0.0


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
    law: Law, parameters: Float64[np.ndarray, " 4"], rates: Float64[np.ndarray, " 3"], cells: Cells
) -> Float64[np.ndarray, "8 cells"]:
    """Return the probability of each cell, and its derivatives.

    Parameters
    ----------
    law, parameters
        The noise.
    rates
        log μ, log q and w of the rates.
    cells
        Where to.

    Returns
    -------
    array
        Probabilities; derivatives by the four parameters, by log μ, by log q and by w.

    Examples
    --------
    Half a photon per pixel, pulses 16 grey levels high: exp(−½) of the pixels hold none.

    >>> parameters = np.array([np.log(16.0), 0.0, np.log(0.3), 0.01])
    >>> rates = np.array([np.log(0.5), np.log(1e-4), 1.0])
    >>> found = probabilities(Counting(), parameters, rates, Cells(-20.0, 1.0, 256, 0, 255))
    >>> round(float(found[0, 17:24].sum()), 3)
    0.607
    """
    points = cells.count * _OVERSAMPLED
    variance = np.exp(2 * parameters[2])
    step = 2 * np.pi / (cells.count * cells.width)
    reach = min(points // 2, math.ceil(_VANISHED / (step * math.sqrt(variance))))
    t = step * np.arange(reach + 1)
    psi, by_scale, by_inverse = law.pulse(parameters, t)
    (mean, spread), skew = np.exp(rates[:2]), rates[2]
    varied = spread * mean * psi
    base = 1 - varied
    third = (varied / base) ** 3 / (3 * spread)
    logarithm = (skew - 1) * third - np.log(base) / spread
    spectrum = np.exp(
        1j * t * (parameters[1] - cells.first) - variance * t**2 / 2 + logarithm
    ) * np.sinc(cells.width * t / (2 * np.pi))
    by_psi = spectrum * mean * (1 + (skew - 1) * varied**2 / base**3) / base
    spectra = np.stack(
        [
            spectrum,
            by_psi * by_scale,
            spectrum * 1j * t,
            -spectrum * variance * t**2,
            by_psi * by_inverse,
            by_psi * psi,
            by_psi * psi - spectrum * logarithm,
            spectrum * third,
        ]
    )
    found = np.fft.irfft(spectra.conj(), points)[:, ::_OVERSAMPLED] * _OVERSAMPLED
    counted = found[:, cells.lowest : cells.highest + 1].astype(np.float64)
    counted[:, 0] += found[:, : cells.lowest].sum(axis=1)
    counted[:, -1] += found[:, cells.highest + 1 :].sum(axis=1)
    return counted
