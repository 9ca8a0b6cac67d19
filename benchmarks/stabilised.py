"""Denoising after the generalised Anscombe transform, which makes noise nearly white and normal.

The noise is given as a line: variance = gain · signal + intercept. See Mäkitalo and Foi, "Optimal
inversion of the generalized Anscombe transformation for Poisson-Gaussian noise", IEEE Transactions
on Image Processing 22 (2013).
"""

from typing import NamedTuple

import numpy as np
from skimage.restoration import denoise_nl_means

LEAST_GAIN = 1e-3  # relative to the standard deviation: the transform of constant noise is a limit
WINDOW = 32  # side of the squares whose spectra are averaged
REACH = 8  # pixels over which noise is taken to be correlated


class Line(NamedTuple):
    """How the variance of the noise depends on the signal, in grey levels."""

    gain: float
    intercept: float

    def variance(self, signal):
        """Give the variance of the noise at a signal."""
        return np.maximum(self.gain * signal + self.intercept, 0)


def oracle_line(raw, truth):
    """Fit the line to noisy minus clean, without what a change of brightness contributes."""
    error = residual(raw, truth)
    return usable(*np.polyfit(truth.ravel(), np.square(error).ravel(), 1), truth)


def residual(raw, truth):
    """Subtract the truth, scaled to the brightness of the frame."""
    return raw - np.polyval(np.polyfit(truth.ravel(), raw.ravel(), 1), truth)


def usable(gain, intercept, signal):
    """Keep the gain above zero, through the mean variance."""
    middle = float(np.mean(signal))
    variance = gain * middle + intercept
    gain = max(float(gain), LEAST_GAIN * float(np.sqrt(variance)))
    return Line(gain, variance - gain * middle)


def stabilise(image, line):
    """Transform to noise of variance 1."""
    gain, intercept = line
    return 2 / gain * np.sqrt(np.maximum(gain * image + 0.375 * gain**2 + intercept, 0))


def restore_units(stabilised, line):
    """Transform a denoised image back: the closed form of the exact unbiased inverse."""
    gain, intercept = line
    d = np.maximum(stabilised, 2 * np.sqrt(0.375))
    root = np.sqrt(1.5)
    photons = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8
    return gain * photons - intercept / gain


def oracle_spectrum(raw, truth, line):
    """Power spectrum of the stabilised noise, as BM3D takes it: sums of squares over the image."""
    noise = stabilise(raw, line) - stabilise(raw - residual(raw, truth), line)
    rows, columns = (side // WINDOW for side in noise.shape)
    squares = (noise - noise.mean())[: rows * WINDOW, : columns * WINDOW]
    squares = squares.reshape(rows, WINDOW, columns, WINDOW).swapaxes(1, 2)
    power = np.square(np.abs(np.fft.fft2(squares))).mean(axis=(0, 1)) / WINDOW**2
    covariance = np.fft.ifft2(power).real
    kernel = np.zeros(noise.shape)
    near = np.arange(-REACH, REACH + 1)
    kernel[np.ix_(near, near)] = covariance[np.ix_(near, near)]
    return np.maximum(np.fft.fft2(kernel).real, 1e-3) * noise.size


def non_local_means(stabilised):
    """Denoise with scikit-image, with the settings of its example for a known noise."""
    return denoise_nl_means(
        stabilised, patch_size=5, patch_distance=6, h=0.6, sigma=1.0, fast_mode=True
    )
