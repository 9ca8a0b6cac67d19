"""Photons counted one by one: the noise of photomultipliers, EMCCDs and cameras at low light."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.losses.precision import at_least_float32
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.photon_density import LEAST_RATE, photon_log_density
from ladderscope.noise.words import Interval, with_interval
from ladderscope.words import rounded

_LEAST_SHAPE = 0.5
LEAST_READ_NOISE, _MOST_READ_NOISE = 1e-3, 1e3  # photons
_PHOTONS_SHOWN = 20.0
_KEYS = {"read noise": "read_noise", "pulse shape": "shape"}


@dataclass(frozen=True)
class PhotonCounting(NoiseModel):
    r"""Compound Poisson noise: photons arrive, each makes a pulse, and their sum is read out.

    With the rate λ = (s − offset) / gain, n ~ Poisson(λ) photons make pulses whose heights are
    Gamma-distributed with mean `gain` and shape α, and the electronics add N(0, read_noise²):

        p(y | s) = Σ_k Poisson(k; λ) · [Gamma(kα, gain/α) * N(0, read_noise²)](y − offset),

    so that E[y] = s and Var[y] = gain (1 + 1/α) (s − offset) + read_noise²: the slope of a
    variance-against-mean plot is gain (1 + 1/α). Without a shape, α is infinite and all
    pulses have the same height: a camera, the exact Poisson–Gaussian law. An electron-multiplying
    CCD at high gain has α = 1 (Hirsch et al. 2013); photomultipliers and hybrid detectors lie
    between. Without read noise this is Tweedie's law of a power between 1 and 2 (Jørgensen 1987).

    The sum runs over the photon numbers that are plausible given observation and signal, in log
    space: over all of them where they are few, over evenly spaced ones where they are many. The
    density of k pulses with read noise is a saddlepoint approximation of second order (Daniels
    1954), within 0.04 nats for α = 1 and within 0.004 for α = 3; the sum itself is within 0.0003
    nats, and that is all there is to a camera. For signals
    below the offset the law of an empty pixel is tilted, p(y | s) ∝ p(y | offset) · exp(ty), until
    its mean is s, so that value and gradient stay finite.

    Parameters
    ----------
    gain
        Mean pulse height of a photon, camera units; positive.
    offset
        Black level, camera units.
    read_noise
        Standard deviation that the electronics add, camera units; from a thousandth of the gain to
        a thousand times the gain. Rounding to whole grey levels alone adds 0.29.
    shape
        α of the pulse heights, at least 0.5; None for a camera.

    Raises
    ------
    NoiseError
        If a number is out of range.

    References
    ----------
    Hirsch, Wareham, Martin-Fernandez, Hobson, Rolfe: A stochastic model for electron multiplication
    charge-coupled devices. PLoS ONE 8 (2013). Jørgensen: Exponential dispersion models. J. R.
    Statist. Soc. B 49 (1987). Daniels: Saddlepoint approximations in statistics. Ann. Math.
    Statist. 25 (1954).

    Examples
    --------
    >>> noise = PhotonCounting(gain=16.0, offset=4.0, read_noise=0.5, shape=4.0)
    >>> noise.moments(torch.tensor(20.0))
    (tensor(20.), tensor(320.2500))
    """

    gain: float
    offset: float
    read_noise: float
    shape: float | None = None

    kind: ClassVar[str] = "photon_counting"

    def __post_init__(self) -> None:
        if not 1e-12 < self.gain < 1e12:
            raise NoiseError(
                f"gain must be a number from 1e-12 to 1e12 grey levels per photon, not {self.gain}"
            )
        if not abs(self.offset) < 1e12:
            raise NoiseError(f"offset must be a finite number of grey levels, not {self.offset}")
        least, most = LEAST_READ_NOISE * self.gain, _MOST_READ_NOISE * self.gain
        if not least <= self.read_noise <= most:
            raise NoiseError(
                f"with a gain of {self.gain:g}, read_noise must lie between {least:g} and {most:g} "
                f"grey levels, but is {self.read_noise}. Rounding to whole grey levels alone adds "
                "0.29"
            )
        if self.shape is not None and not _LEAST_SHAPE <= self.shape < 1e6:
            raise NoiseError(
                f"shape must be a number from {_LEAST_SHAPE} to 1e6, not {self.shape}; for a "
                "camera, None (on the command line, camera:GAIN,OFFSET,READ)"
            )

    @classmethod
    def emccd(cls, gain: float, offset: float, read_noise: float) -> "PhotonCounting":
        """Return the model of an electron-multiplying CCD at high gain, whose α is 1.

        Parameters
        ----------
        gain
            Mean pulse height of a photoelectron, camera units: the multiplication gain over the
            electrons per grey level.
        offset, read_noise
            As of the class.

        Examples
        --------
        >>> PhotonCounting.emccd(gain=20.0, offset=100.0, read_noise=4.0).shape
        1.0
        """
        return cls(gain, offset, read_noise, shape=1.0)

    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log p(y | s) of every pixel, in nats, all constants included.

        Parameters
        ----------
        observation, signal
            y and s in camera units; the two broadcast.

        Returns
        -------
        Tensor
            One value per pixel, float32 at least.

        Examples
        --------
        An observation without a photon is the likelier, the darker the signal:

        >>> noise = PhotonCounting(gain=16.0, offset=4.0, read_noise=0.5, shape=4.0)
        >>> noise.log_likelihood(torch.tensor(4.0), torch.tensor([4.0, 20.0])).round(decimals=2)
        tensor([-0.2300, -1.2300])
        """
        rate, lacking = self._rate(signal)
        photons = (at_least_float32(observation) - self.offset) / self.gain
        read_noise = self.read_noise / self.gain
        log_density = photon_log_density(photons, rate, read_noise, self.shape)
        tilt = lacking * (photons - lacking / 2) / read_noise**2
        return log_density + tilt - math.log(self.gain)

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean s and variance gain (1 + 1/α) (s − offset) + read_noise² of y.

        Examples
        --------
        >>> noise = PhotonCounting.emccd(gain=10.0, offset=100.0, read_noise=5.0)
        >>> noise.moments(torch.tensor(101.0))
        (tensor(101.), tensor(45.))
        """
        rate, _ = self._rate(signal)
        return at_least_float32(signal), self._slope * self.gain * rate + self.read_noise**2

    def sample(
        self, signal: Real[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw an observation of the signal: photons, their pulses, and read noise.

        Parameters
        ----------
        signal
            s in camera units.
        generator
            Source of the randomness, on the signal's device; torch's global one if None.

        Examples
        --------
        >>> noise = PhotonCounting(gain=2.0, offset=0.0, read_noise=0.1)
        >>> noise.sample(torch.zeros(2, 5), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 5])
        """
        rate, lacking = self._rate(signal)
        photons = torch.poisson(rate, generator=generator)
        if self.shape is not None:
            pulses = torch._standard_gamma(photons * self.shape, generator=generator) / self.shape
            photons = torch.where(photons > 0, pulses, photons)
        noise = torch.randn(rate.shape, generator=generator, dtype=rate.dtype, device=rate.device)
        return self.offset + self.gain * (photons + lacking) + self.read_noise * noise

    def summary(self) -> str:
        """Describe the model in a sentence.

        Examples
        --------
        >>> PhotonCounting(16.0, 3.5, 0.6, shape=4.0).summary()
        'Photon-counting noise, gain 16, offset 3.5, read noise 0.6, pulse shape 4.'
        """
        pulses = "all pulses have the same height"
        if self.shape is not None:
            pulses = f"pulse shape {rounded(self.shape)}"
        return (
            f"Photon-counting noise, gain {rounded(self.gain)}, offset {rounded(self.offset)}, "
            f"read noise {rounded(self.read_noise)}, {pulses}."
        )

    def fit_summary(self, signal_range: Interval, intervals: Mapping[str, Interval]) -> str:
        """Report a fit of this model: its parameters and their intervals.

        Examples
        --------
        >>> noise = PhotonCounting(16.0, 3.5, 0.6, shape=4.0)
        >>> noise.fit_summary((4.0, 90.0), {"shape": (3.0, 6.0)}).split(", ")[-1][:40]
        'pulse shape 4 (95 % interval 3 to 6); it'
        """
        found = {"gain": self.gain, "offset": self.offset, "read noise": self.read_noise}
        if self.shape is not None:
            found["pulse shape"] = self.shape
        words = [
            f"{name} {with_interval(value, intervals.get(_KEYS.get(name, name)))}"
            for name, value in found.items()
        ]
        words += ["pulses of equal height"] if self.shape is None else []
        return f"Photon-counting noise: {', '.join(words)}; {self.spread_summary(signal_range)}"

    def signal_range(self) -> Interval:
        """Return the offset, and twenty photons more.

        Examples
        --------
        >>> PhotonCounting(16.0, 4.0, 0.6, shape=4.0).signal_range()
        (4.0, 324.0)
        """
        return self.offset, self.offset + _PHOTONS_SHOWN * self.gain

    def variance_formula(self) -> str:
        """Name the curve of the variance in a figure's legend."""
        return f"{self._slope:.4g} × (signal − {self.offset:.4g}) + {self.read_noise**2:.4g}"

    @property
    def _slope(self) -> float:
        return self.gain * (1 if self.shape is None else 1 + 1 / self.shape)

    def _rate(self, signal: Real[Tensor, "*shape"]) -> tuple[Tensor, Tensor]:
        """Give the rate of photons, and the (negative) rest of a signal below the offset."""
        photons = (at_least_float32(signal) - self.offset) / self.gain
        rate = photons.clamp(min=LEAST_RATE)
        return rate, photons - rate
