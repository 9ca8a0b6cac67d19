"""What fitting a noise model gives: the model, how sure it is, and the points it was fitted to."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np
from jaxtyping import Float64

from ladderscope.noise.model import NoiseModel
from ladderscope.noise.words import Interval
from ladderscope.words import percent, rounded

_NOTICEABLE = 1e-3  # fraction of clipped pixels

_Parameters = ParamSpec("_Parameters")
_Returned = TypeVar("_Returned")


@dataclass(frozen=True, eq=False)
class NoiseFit:
    """A fitted noise model and what it was fitted to.

    Parameters
    ----------
    model
        The noise model. A Poisson–Gaussian one has zero gain if the variance does not measurably
        grow with the signal.
    intervals
        95 % intervals by the names of the model's parameters; none for a mixture or a histogram.
        Gaussian noise has that of its variance, `intercept`. From noisy images alone they come
        from a bootstrap over blocks of the images: they cover random errors and uneven structure,
        but not fine texture that is everywhere in the signal, which a single image cannot
        distinguish from noise. From pairs and repeats they cover random errors, and bins that
        scatter more than these explain.
    bin_signals, bin_variances, bin_counts
        The points of the variance-against-mean plot, darkest first: mean signal (camera units),
        variance of the noise (camera units squared) and number of pixels in each.
    signal_range
        1st and 99th percentile of the signal (of the smoothed images where there are only noisy
        ones), camera units.
    offset_guess
        A guess of the black level, from the darkest thousandth of the signal; only
        informative, and None when the variance does not grow with the signal.
    clipped_share
        Fraction of the pixels left out because they, or their surroundings, were saturated or
        clipped at black.
    offset, read_noise
        Black level and standard deviation in the dark, camera units: only where an offset or a
        dark frame was given, else None.
    advantage, advantage_error
        By how much photon-counting noise explains the flat regions better than Poisson–Gaussian
        noise, nats per pixel, and the standard error of that; None if the two were not compared.
    notices
        What a user should know about this fit, in plain sentences.
    doubt
        Why the images do not show photon-counting noise, a clause; empty if they do, or if it was
        not looked for. Model files hold it only as a notice.
    compared_share
        Fraction of the flat pixels that the advantage comes from; the others are too bright for
        single photons to show. Model files do not hold it.

    Examples
    --------
    >>> from ladderscope.noise_estimation import measure_noise
    >>> signal = np.mgrid[:64, :64][1]
    >>> fit = measure_noise(np.random.default_rng(0).normal(signal, 3.0), signal, "gaussian")
    >>> abs(fit.model.sigma - 3.0) < 0.1
    True
    """

    model: NoiseModel
    intervals: Mapping[str, Interval]
    bin_signals: Float64[np.ndarray, " bins"]
    bin_variances: Float64[np.ndarray, " bins"]
    bin_counts: Float64[np.ndarray, " bins"]
    signal_range: Interval
    offset_guess: float | None
    clipped_share: float
    offset: float | None = None
    read_noise: float | None = None
    advantage: float | None = None
    advantage_error: float | None = None
    notices: tuple[str, ...] = ()
    doubt: str = ""
    compared_share: float = 1.0

    @property
    def gain_interval(self) -> Interval | None:
        """95 % interval of the gain; None if the model has none."""
        return self.intervals.get("gain")

    @property
    def intercept_interval(self) -> Interval | None:
        """95 % interval of the variance at the signal zero; None if the model has none."""
        return self.intervals.get("intercept")

    def summary(self) -> str:
        """Return in plain sentences what was found.

        Examples
        --------
        >>> from ladderscope.noise_estimation import measure_noise
        >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
        >>> measure_noise(noisy).summary().split(":")[0]
        'Constant noise'
        """
        sentences = [self.model.fit_summary(self.signal_range, self.intervals)]
        if self.offset is not None and self.read_noise is not None:
            sentences.append(
                f"The black level is {rounded(self.offset)} and the read noise "
                f"{rounded(self.read_noise)}."
            )
        elif self.offset_guess is not None:
            read = self.model.deviation_at(self.offset_guess)
            sentences.append(
                "If the darkest pixels show the black level, that is about "
                f"{rounded(self.offset_guess)} and the read noise about {rounded(read)}."
            )
        if self.clipped_share > _NOTICEABLE:
            sentences.append(
                f"{percent(self.clipped_share)} of the pixels were left out because they are "
                "clipped; the likelihood does not model clipping."
            )
        return " ".join([*sentences, *self.notices])

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description, as model files hold it.

        Examples
        --------
        >>> from ladderscope.noise_estimation import measure_noise
        >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
        >>> measure_noise(noisy).to_dict()["model"]["kind"]
        'poisson_gaussian'
        """
        return {
            "model": self.model.to_dict(),
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "bin_signals": self.bin_signals.tolist(),
            "bin_variances": self.bin_variances.tolist(),
            "bin_counts": self.bin_counts.tolist(),
            "signal_range": list(self.signal_range),
            "offset_guess": self.offset_guess,
            "clipped_share": self.clipped_share,
            "offset": self.offset,
            "read_noise": self.read_noise,
            "advantage": self.advantage,
            "advantage_error": self.advantage_error,
            "notices": list(self.notices),
        }


def models_of(found: NoiseFit | list[NoiseFit]) -> NoiseModel | list[NoiseModel]:
    """Return the model of a fit, or those of a list of them.

    Examples
    --------
    >>> from ladderscope.noise_estimation import measure_noise
    >>> fit = measure_noise(np.random.default_rng(0).normal(100.0, 3.0, (64, 64)))
    >>> models_of([fit, fit]) == [fit.model, fit.model]
    True
    """
    return [fit.model for fit in found] if isinstance(found, list) else found.model


def with_arguments_of(
    other: Callable[_Parameters, Any],
) -> Callable[[Callable[..., _Returned]], Callable[_Parameters, _Returned]]:
    """Give a function that hands on all its arguments the signature of the one that takes them.

    Examples
    --------
    >>> def measure(image: str, axes: str = "YX") -> float: ...
    >>> @with_arguments_of(measure)
    ... def describe(*given: Any, **named: Any) -> str: ...
    >>> print(inspect.signature(describe))
    (image: str, axes: str = 'YX') -> str
    """

    def signed(function: Callable[..., _Returned]) -> Callable[_Parameters, _Returned]:
        returned = inspect.signature(function).return_annotation
        signature = inspect.signature(other).replace(return_annotation=returned)
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return signed
