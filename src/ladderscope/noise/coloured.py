"""Noise that is correlated between pixels: any law of its size, and an autocorrelation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64, Real
from torch import Tensor

from ladderscope.losses.gaussian_likelihood import log_density
from ladderscope.losses.precision import at_least_float32
from ladderscope.noise.entries import NoiseError, Table, finite, numbers
from ladderscope.noise.model import NoiseModel, noise_model_from_dict
from ladderscope.noise.spectrum import (
    LONGEST_SIDE,
    cautious_spectrum,
    colouring_kernel,
    regular_spectrum,
)
from ladderscope.noise.whitening import Whitening, whitening
from ladderscope.noise.words import Interval

_ALIKE = 0.1  # correlations differ by less: then turned images have the same noise


@dataclass(frozen=True)
class Coloured(NoiseModel):
    r"""Correlated noise: Gaussian, with the mean and variance of a law, and an autocorrelation.

    The residual r = (y − E[y|s]) / sd(y|s), with the moments of the law, is stationary Gaussian
    noise of the spectrum S. A short filter, the inverse square root of S, whitens it, w = r * S^−½,
    and

        Σ log p(y | s) = Σ log N(w; 0, 1) − log sd(y|s) − ½ mean(log S),

    one term per pixel. Terms of single pixels have no meaning of their own; their sum is the
    likelihood of the image. At the borders the residual is continued by zeros, and w is divided by
    the standard deviation that it then has.

    Smoothed noise has hardly any power at the finest scales. S is at least a hundredth of its mean,
    as if the noise had a white part of 1 % of its variance, as rounding to grey levels gives it.
    In the likelihood it is at least 4 % of its maximum: cameras that interpolate colours leave
    errors at the finest scales that are not Gaussian, and a network that is told they are takes
    them for signal.

    Parameters
    ----------
    law
        The noise of a single pixel. Its mean and variance count; its shape does not, since this
        model is Gaussian, as its draws are: for photon counting at fewer than about five photons
        per pixel that is a coarse approximation.
    autocorrelation
        ρ of shape (y, x) or (z, y, x), of odd sides of at most 31, with ρ = 1 at the centre; it
        acts on the last two or three axes of an image. Correlation with planes of other Z is zero
        if ρ is 2-D.

    Raises
    ------
    NoiseError
        If the autocorrelation has another shape, is not 1 at its centre, exceeds 1, or differs from
        its point reflection; or the law is itself correlated.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> noise = Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]])
    >>> draw = noise.sample(torch.zeros(256, 256), torch.Generator().manual_seed(0)) / 3
    >>> round(float((draw[:, 1:] * draw[:, :-1]).mean()), 1)
    0.5
    """

    law: NoiseModel
    autocorrelation: Table
    _whitening: Whitening = field(init=False, repr=False, compare=False)
    _cautious: Whitening = field(init=False, repr=False, compare=False)
    _kernel: Tensor = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "coloured"

    def __post_init__(self) -> None:
        if not isinstance(self.law, NoiseModel) or isinstance(self.law, Coloured):
            raise NoiseError(
                "the law of correlated noise must be a noise model of single pixels, not "
                f"{self.law!r}"
            )
        correlation = _checked(finite(self.autocorrelation, "autocorrelation"))
        spectrum = regular_spectrum(correlation)
        derived = {
            "autocorrelation": _nested_tuples(correlation.tolist()),
            "_whitening": whitening(spectrum),
            "_cautious": whitening(cautious_spectrum(spectrum)),
            "_kernel": torch.from_numpy(colouring_kernel(spectrum)),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def pixelwise(self) -> NoiseModel:
        """The law of a single pixel."""
        return self.law

    def log_likelihood(
        self, observation: Real[Tensor, "..."], signal: Real[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Share of every pixel in log p(y | s) of the image, in nats, all constants included.

        Parameters
        ----------
        observation, signal
            y and s in camera units; the two broadcast. The last axes are those of the
            autocorrelation.

        Returns
        -------
        Tensor
            One value per pixel, float32 at least; their sum counts.

        Raises
        ------
        NoiseError
            If there are fewer axes than the autocorrelation has.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> noise = Coloured(Gaussian(1.0), [[0.6, 1.0, 0.6]])
        >>> flat, ragged = torch.ones(2, 1, 64, 64)
        >>> ragged = ragged * torch.tensor([-1.0, 1.0]).repeat(32)  # alternates from pixel to pixel
        >>> flat, ragged = (noise.log_likelihood(y, torch.zeros(1)).mean() for y in (flat, ragged))
        >>> bool(flat > ragged)
        True
        """
        mean, variance = self.law.moments(signal)
        residual = (at_least_float32(observation) - mean) / variance.sqrt()
        whitened, deviation = self._cautious.apply(residual)
        return log_density(whitened.square(), variance.log()) + (
            self._cautious.log_determinant - deviation.log()
        )

    def whitened(self, residual: Real[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Filter standardised noise so that it becomes white.

        Parameters
        ----------
        residual
            (y − E[y|s]) / sd(y|s).

        Returns
        -------
        Tensor
            Of the same shape; of unit variance and uncorrelated if the residual is such noise.

        Raises
        ------
        NoiseError
            If there are fewer axes than the autocorrelation has.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> noise = Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]])
        >>> draw = noise.sample(torch.zeros(256, 256), torch.Generator().manual_seed(0))
        >>> white = noise.whitened(draw / 3)
        >>> bool((white[:, 1:] * white[:, :-1]).mean().abs() < 0.05)
        True
        """
        return self._whitening.apply(residual)[0]

    def moments(
        self, signal: Real[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Mean and variance of y given s: those of the law.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]]).moments(torch.tensor([7.0]))
        (tensor([7.]), tensor([9.]))
        """
        return self.law.moments(signal)

    def sample(
        self, signal: Real[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw an observation of the signal, Gaussian whatever the law.

        Parameters
        ----------
        signal
            s in camera units. The last axes are those of the autocorrelation.
        generator
            Source of the randomness, on the signal's device; torch's global one if None.

        Raises
        ------
        NoiseError
            If there are fewer axes than the autocorrelation has.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]]).sample(torch.zeros(2, 5)).shape
        torch.Size([2, 5])
        """
        mean, variance = self.law.moments(signal)
        axes = self._kernel.ndim
        if mean.ndim < axes:
            raise NoiseError(
                f"noise that is correlated along {axes} axes needs images of as many; found the "
                f"shape {tuple(mean.shape)}"
            )
        # Longer by the kernel, so that no border touches the opposite one.
        sides = [
            size + side - 1
            for size, side in zip(mean.shape[-axes:], self._kernel.shape, strict=True)
        ]
        white = torch.randn(
            (*mean.shape[:-axes], *sides), generator=generator, dtype=mean.dtype, device=mean.device
        )
        along = tuple(range(-axes, 0))
        response = torch.fft.rfftn(self._kernel.to(mean), sides, along)
        drawn = torch.fft.irfftn(torch.fft.rfftn(white, sides, along) * response, sides, along)
        inner = tuple(slice(side - 1, None) for side in self._kernel.shape)
        observation: Tensor = mean + variance.sqrt() * drawn[(..., *inner)]
        return observation

    def survives(self, quarters: int, flipped: bool) -> bool:
        """Say whether images that are turned have the same noise, within a correlation of 0.1.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> noise = Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]])
        >>> noise.survives(2, flipped=False), noise.survives(1, flipped=False)
        (True, False)
        """
        correlation = np.asarray(self.autocorrelation)
        turned = np.rot90(correlation, quarters, axes=(-2, -1))
        turned = turned.swapaxes(-2, -1) if flipped else turned
        if turned.shape != correlation.shape:
            side = max(correlation.shape[-2:])
            turned, correlation = _squared(turned, side), _squared(correlation, side)
        return float(np.abs(turned - correlation).max()) < _ALIKE

    def summary(self) -> str:
        """Describe the model in a sentence.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]]).summary()[-65:]
        'neighbouring pixels is correlated: 0.50 along x and 0.00 along y.'
        """
        return f"{self.law.summary().rstrip('.')}; {self._correlation_summary()}"

    def fit_summary(self, signal_range: Interval, intervals: Mapping[str, Interval]) -> str:
        """Report a fit of this model in a sentence."""
        law = self.law.fit_summary(signal_range, intervals).rstrip(".")
        return f"{law}; {self._correlation_summary()}"

    def extrapolated_variance(self, signal: float) -> float | None:
        """Return the variance that the law gives beyond the signals it was fitted to."""
        return self.law.extrapolated_variance(signal)

    def signal_range(self) -> Interval:
        """Return the darkest and brightest signal that figures of the law show."""
        return self.law.signal_range()

    def variance_formula(self) -> str:
        """Name the curve of the variance in a figure's legend, as the law does."""
        return self.law.variance_formula()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description, with that of the law in it.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]]).to_dict()["law"]
        {'kind': 'gaussian', 'sigma': 3.0}
        """
        return {
            "kind": self.kind,
            "law": self.law.to_dict(),
            "autocorrelation": np.asarray(self.autocorrelation).tolist(),
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "Coloured":
        """Return the model that `to_dict` described.

        Raises
        ------
        NoiseError
            If an entry is missing, or no such model can have it.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian
        >>> noise = Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]])
        >>> Coloured.from_dict(noise.to_dict()) == noise
        True
        """
        law = entries.get("law")
        if not isinstance(law, Mapping) or law.get("kind") == cls.kind:
            raise NoiseError("the stored correlated noise lacks 'law', the noise of single pixels")
        return cls(noise_model_from_dict(law), numbers(entries, "autocorrelation"))

    def _correlation_summary(self) -> str:
        along_x, along_y, along_z = neighbours(np.asarray(self.autocorrelation))
        planes = f", and {along_z:z.2f} along z" if along_z else ""
        return (
            "the noise of neighbouring pixels is correlated: "
            f"{along_x:z.2f} along x and {along_y:z.2f} along y{planes}."
        )


def neighbours(autocorrelation: Float64[np.ndarray, "*z y x"]) -> tuple[float, float, float]:
    """Return the correlation with the next pixel along x, y and z; 0 where none is held.

    Examples
    --------
    >>> neighbours(np.array([[0.5, 1.0, 0.5]]))
    (0.5, 0.0, 0.0)
    """
    volume = autocorrelation.reshape((1, *autocorrelation.shape)[-3:])
    centre = [side // 2 for side in volume.shape]
    found = []
    for axis in (2, 1, 0):
        at = list(centre)
        at[axis] += 1
        inside = at[axis] < volume.shape[axis]
        found.append(float(volume[tuple(at)]) if inside else 0.0)
    return found[0], found[1], found[2]


def _checked(correlation: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Return an autocorrelation that is one, made exactly symmetric."""
    sides = correlation.shape
    if len(sides) not in (2, 3) or not all(side % 2 and side <= LONGEST_SIDE for side in sides):
        raise NoiseError(
            "an autocorrelation must have 2 or 3 axes with odd sides of at most "
            f"{LONGEST_SIDE}, but its shape is {sides}"
        )
    centre = float(correlation[tuple(side // 2 for side in sides)])
    if abs(centre - 1) > 1e-6 or np.abs(correlation).max() > 1 + 1e-6:
        raise NoiseError(
            "an autocorrelation must be 1 at its centre and nowhere exceed it; its centre is "
            f"{centre:g}, and its largest magnitude {np.abs(correlation).max():g}"
        )
    difference = float(np.abs(correlation - np.flip(correlation)).max())
    if difference > 1e-6:
        raise NoiseError(
            "an autocorrelation must equal its reflection at the centre; it differs from it by up "
            f"to {difference:g}"
        )
    symmetric: Float64[np.ndarray, "..."] = (correlation + np.flip(correlation)) / 2
    return symmetric


def _squared(
    correlation: Float64[np.ndarray, "*z y x"], side: int
) -> Float64[np.ndarray, "*z side side"]:
    """Continue an autocorrelation with zeros, to that many rows and columns."""
    missing = [(0, 0)] * (correlation.ndim - 2)
    missing += [((side - size) // 2,) * 2 for size in correlation.shape[-2:]]
    return np.pad(correlation, missing)


def _nested_tuples(values: Any) -> Any:
    return tuple(map(_nested_tuples, values)) if isinstance(values, list) else values
