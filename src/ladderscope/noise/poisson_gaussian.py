"""Photons counted and then read by a camera: variance grows in a straight line with the signal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.noise.entries import NoiseError, number
from ladderscope.noise.gaussian import draw, gaussian_log_density, wide
from ladderscope.noise.model import NoiseModel

_PHOTONS_AT_FLOOR = 0.1


@dataclass(frozen=True)
class PoissonGaussian(NoiseModel):
    r"""Poisson–Gaussian noise in its Gaussian form: y = s + N(0, max(gain·s + intercept, floor)).

    A camera that turns each photon into `gain` units, adds a black level `offset` and reads with
    a standard deviation `read` gives var(y | s) = gain·(s − offset) + read², so
    intercept = read² − gain·offset (Foi et al. 2008, eq. 4, with a = gain and b = intercept).
    Images show gain and intercept alone, and the likelihood needs no more.

    Parameters
    ----------
    gain
        Camera units per photon; zero makes the variance constant.
    intercept
        Variance that the line has at s = 0, camera units squared; negative when a black level
        lifts the image.
    floor
        Least variance, camera units squared. It only matters below the darkest true signal,
        where the line would fall to zero and a network still has to be told the way back. If it
        is too small, the likelihood there explodes (its gradient is residual / variance); if too
        large, dark regions count as noisier than they are and are smoothed too much. None takes
        the shot noise of a tenth of a photon, 0.1·gain²: one photon seen where none was expected
        then costs 5 nats, near to what a Poisson law would charge. Where more is known the floor
        is set higher: `from_camera` uses read², calibration a quarter of the variance at the
        darkest signal.

    Raises
    ------
    NoiseError
        If a number is not finite, the gain is negative, the floor is not positive, or the
        variance is positive nowhere.

    References
    ----------
    Foi, Trimeche, Katkovnik, Egiazarian: Practical Poissonian-Gaussian noise modeling and
    fitting for single-image raw-data. IEEE Trans. Image Processing 17 (2008).

    Examples
    --------
    >>> noise = PoissonGaussian(gain=2.0, intercept=9.0)
    >>> noise.moments(torch.tensor([-100.0, 0.0, 20.0]))[1]
    tensor([ 0.4000,  9.0000, 49.0000])
    """

    gain: float
    intercept: float
    floor: float | None = None

    kind: ClassVar[str] = "poisson_gaussian"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gain) and math.isfinite(self.intercept)):
            raise NoiseError(
                f"gain and intercept must be finite, not {self.gain} and {self.intercept}"
            )
        if self.gain < 0:
            raise NoiseError(f"gain must not be negative, but is {self.gain}")
        if self.gain == 0 and self.intercept <= 0:
            raise NoiseError(
                f"the variance is positive nowhere: gain 0 and intercept {self.intercept}"
            )
        # The smallest and largest of these are squared or inverted in float32.
        if not 1e-30 < self.variance_floor < 1e30:
            raise NoiseError(
                "the floor of the variance must be a number from 1e-30 to 1e30 grey levels "
                f"squared, not {self.variance_floor:g}; if the images are in such units, rescale "
                "them"
            )

    @property
    def variance_floor(self) -> float:
        """The floor in effect: the one given, or its default.

        Examples
        --------
        >>> PoissonGaussian(gain=2.0, intercept=0.0).variance_floor
        0.4
        """
        if self.floor is not None:
            return self.floor
        return _PHOTONS_AT_FLOOR * self.gain**2 if self.gain > 0 else self.intercept

    @classmethod
    def from_camera(
        cls, gain: float, offset: float = 0.0, read_noise: float = 0.0
    ) -> "PoissonGaussian":
        """Return the model of a camera whose three numbers are known.

        Parameters
        ----------
        gain
            Camera units per photon.
        offset
            Black level, camera units.
        read_noise
            Standard deviation of the noise in the dark, camera units. Its square is the
            least variance there can be and becomes the floor, unless a tenth of a photon's shot
            noise is more.

        Raises
        ------
        NoiseError
            If a number is not finite, or the gain or read noise is negative, or both are zero.

        Examples
        --------
        >>> PoissonGaussian.from_camera(gain=2.0, offset=100.0, read_noise=3.0)
        PoissonGaussian(gain=2.0, intercept=-191.0, floor=9.0)
        """
        if not (math.isfinite(offset) and math.isfinite(read_noise)) or read_noise < 0:
            raise NoiseError(
                "the offset must be finite and the read noise finite and not negative, "
                f"not {offset} and {read_noise}"
            )
        if gain == 0 and read_noise == 0:
            raise NoiseError("a camera with gain 0 and read noise 0 has no noise to model")
        floor = max(read_noise**2, _PHOTONS_AT_FLOOR * gain**2)
        return cls(gain=gain, intercept=read_noise**2 - gain * offset, floor=floor)

    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log p(y | s) of every pixel, in nats, the constant ½ log 2π included.

        Finite, with a finite gradient, for every observation and every signal, negative ones
        included. Where the floor acts, the signal still feels the residual but no longer the
        variance.

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
        >>> noise = PoissonGaussian(gain=2.0, intercept=0.0)
        >>> value = noise.log_likelihood(torch.tensor(4.0), torch.tensor(2.0))
        >>> round(float(value), 4)
        -2.1121
        """
        mean, variance = self.moments(signal)
        return gaussian_log_density(wide(observation), mean, variance)

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean s and variance max(gain·s + intercept, floor) of y, each of the signal's shape.

        Examples
        --------
        >>> PoissonGaussian(gain=2.0, intercept=9.0).moments(torch.tensor([0.0, 20.0]))
        (tensor([ 0., 20.]), tensor([ 9., 49.]))
        """
        signal = wide(signal)
        variance = self.gain * signal + self.intercept
        return signal, variance.clamp(min=self.variance_floor)

    def sample(
        self, signal: Real[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw an observation of the signal, Gaussian with the model's own moments.

        Whole photons cannot be drawn: their number is (s − offset) / gain, and gain and intercept
        leave the offset open. The Gaussian draw is exactly what `log_likelihood` describes;
        it lacks a photon count's skewness, which is visible below some ten photons.

        Parameters
        ----------
        signal
            s in camera units.
        generator
            Source of the randomness, on the signal's device; torch's global one if None.

        Examples
        --------
        >>> noise = PoissonGaussian(gain=2.0, intercept=9.0)
        >>> noise.sample(torch.zeros(2, 5), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 5])
        """
        return draw(*self.moments(signal), generator)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description, from which `from_dict` makes the same model.

        Examples
        --------
        >>> PoissonGaussian(gain=2.0, intercept=9.0).to_dict()
        {'kind': 'poisson_gaussian', 'gain': 2.0, 'intercept': 9.0, 'floor': None}
        """
        return {
            "kind": self.kind,
            "gain": float(self.gain),
            "intercept": float(self.intercept),
            "floor": None if self.floor is None else float(self.floor),
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "PoissonGaussian":
        """Return the model that `to_dict` described; an absent floor is the default one.

        Raises
        ------
        NoiseError
            If an entry is missing or is no finite number.

        Examples
        --------
        >>> PoissonGaussian.from_dict({"gain": 2.0, "intercept": 9.0})
        PoissonGaussian(gain=2.0, intercept=9.0, floor=None)
        """
        floor = None if entries.get("floor") is None else number(entries, "floor")
        return cls(number(entries, "gain"), number(entries, "intercept"), floor)
