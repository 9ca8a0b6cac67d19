"""Photons counted and read by a camera: the variance grows linearly with the signal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Real
from torch import Tensor

from ladderscope.losses.precision import at_least_float32
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.normal import NormalNoise
from ladderscope.noise.words import Interval, with_interval
from ladderscope.words import rounded

_PHOTONS_AT_FLOOR = 0.1
_PHOTONS_SHOWN = 100  # of a line that is known by its numbers alone


@dataclass(frozen=True)
class PoissonGaussian(NormalNoise):
    r"""Poisson–Gaussian noise in its Gaussian form: y = s + N(0, max(gain·s + intercept, floor)).

    A camera that turns each photon into `gain` units, adds a black level `offset` and has the
    read noise `read` (a standard deviation) gives var(y | s) = gain·(s − offset) + read², so
    intercept = read² − gain·offset (Foi et al. 2008, eq. 4, with a = gain and b = intercept).
    Images reveal only gain and intercept, and the likelihood needs no more. Draws are Gaussian
    too: gain and intercept leave the offset open, so whole photons cannot be drawn. They lack the
    skewness of photon counts, which is visible below about ten photons.

    The likelihood is finite, with a finite gradient, at negative signals too. Where the floor acts,
    the gradient comes from the residual only, and no longer from the variance.

    Parameters
    ----------
    gain
        Camera units per photon; zero makes the variance constant.
    intercept
        Variance of the line at s = 0, camera units squared; negative when the image has a high
        black level.
    floor
        Least variance, camera units squared. It only matters below the darkest true signal,
        where the line would fall to zero and a network still needs a gradient. If it is too small,
        the likelihood explodes there (its gradient is residual / variance); if too large, dark
        regions count as noisier than they are and are smoothed too much. None takes the shot noise
        of a tenth of a photon, 0.1·gain²: one photon where none was expected then costs 5 nats,
        close to the cost under a Poisson law. Where more is known, the floor is higher:
        `from_camera` uses read², a fit a quarter of the variance at the darkest signal.

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
    >>> import torch
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
                f"gain 0 and intercept {self.intercept} give no positive variance at any signal"
            )
        # The smallest and largest of these are squared or inverted in float32.
        if not 1e-30 < self.variance_floor < 1e30:
            raise NoiseError(
                "the floor of the variance must be a number from 1e-30 to 1e30 grey levels "
                f"squared, not {self.variance_floor:g}; rescale images that are in such units"
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
        """Return the model of a camera with known gain, offset and read noise.

        Parameters
        ----------
        gain
            Camera units per photon.
        offset
            Black level, camera units.
        read_noise
            Standard deviation of the noise in the dark, camera units. Its square is the least
            possible variance and becomes the floor, unless the shot noise of a tenth of a photon is
            larger.

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
            raise NoiseError("a camera with gain 0 and read noise 0 has no noise")
        floor = max(read_noise**2, _PHOTONS_AT_FLOOR * gain**2)
        return cls(gain=gain, intercept=read_noise**2 - gain * offset, floor=floor)

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean s and variance max(gain·s + intercept, floor) of y, each of the signal's shape.

        Examples
        --------
        >>> import torch
        >>> PoissonGaussian(gain=2.0, intercept=9.0).moments(torch.tensor([0.0, 20.0]))
        (tensor([ 0., 20.]), tensor([ 9., 49.]))
        """
        signal = at_least_float32(signal)
        variance = self.gain * signal + self.intercept
        return signal, variance.clamp(min=self.variance_floor)

    def summary(self) -> str:
        """Describe the model in a sentence.

        Examples
        --------
        >>> PoissonGaussian(gain=2.0, intercept=9.0).summary()
        'Poisson–Gaussian noise, variance = 2 × signal + 9, at least 0.4.'
        """
        return (
            f"Poisson–Gaussian noise, variance = {self._line()}, at least "
            f"{self.variance_floor:.4g}."
        )

    def fit_summary(self, signal_range: Interval, intervals: Mapping[str, Interval]) -> str:
        """Report a fit of this model: its gain, or that the variance did not grow."""
        if self.gain > 0:
            gain, intercept = (
                with_interval(getattr(self, name), intervals.get(name))
                for name in ("gain", "intercept")
            )
            return (
                f"Poisson–Gaussian noise: gain {gain}, intercept {intercept}; "
                f"{self.spread_summary(signal_range)}"
            )
        dark, bright = map(rounded, signal_range)
        return (
            f"Constant noise: standard deviation {rounded(math.sqrt(self.intercept))}. "
            f"The variance did not measurably grow with the signal between {dark} and {bright}, "
            "so no gain is given."
        )

    def extrapolated_variance(self, signal: float) -> float:
        """Return the variance of the line, camera units squared; negative beyond its zero.

        Examples
        --------
        >>> PoissonGaussian(gain=2.0, intercept=9.0).extrapolated_variance(-5.0)
        -1.0
        """
        return self.gain * signal + self.intercept

    def signal_range(self) -> Interval:
        """Return the signal at which the variance starts to grow, and a hundred photons more.

        Examples
        --------
        >>> PoissonGaussian.from_camera(gain=2.0, offset=100.0, read_noise=3.0).signal_range()
        (100.0, 300.0)
        """
        if self.gain == 0:
            return super().signal_range()
        dark = (self.variance_floor - self.intercept) / self.gain
        return dark, dark + _PHOTONS_SHOWN * self.gain

    def variance_formula(self) -> str:
        """Name the curve of the variance in a figure's legend."""
        return self._line() if self.gain > 0 else super().variance_formula()

    def _line(self) -> str:
        sign = "+" if self.intercept >= 0 else "−"
        return f"{self.gain:.4g} × signal {sign} {abs(self.intercept):.4g}"
