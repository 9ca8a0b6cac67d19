"""The kinds of noise model that can be fitted: what each one needs, and which function fits it.

Checks, messages and the command line look a kind up here and name none themselves. The table loads
no torch: the file of a fit function is loaded when the function is needed.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

USUAL = "poisson_gaussian"  # suits most cameras, and is suggested where another kind does not suit


@dataclass(frozen=True)
class Fittable:
    """How a kind of noise model is fitted.

    Parameters
    ----------
    module, function
        What fits it: a function of `Pairs`, or of `Variances` where no signal is needed, that
        returns the noise model; or, `of_pixels`, of a fitted line,
        the flat pixels and what is known of the camera without light.
    needs_signal
        Whether noisy images alone do not suffice.
    of_shape
        Whether the model describes the shape of the noise's distribution, beyond its variance.
    constant
        Whether its variance is the same at every signal, so that it needs no range of signals.
    of_pixels
        Whether it is fitted to the values of flat pixels, starting with the line.
    """

    module: str
    function: str
    needs_signal: bool = False
    of_shape: bool = False
    constant: bool = False
    of_pixels: bool = False

    @property
    def fewest_repeats(self) -> int:
        """The residuals of two repeats are mirror images of each other, and show no shape."""
        return 3 if self.of_shape else 2

    def load(self) -> Any:
        """Return the function that fits it.

        Examples
        --------
        >>> FITTABLE["mixture"].load().__name__
        'fit_mixture'
        """
        return getattr(import_module(self.module), self.function)


# By the kind that a stored model names. The order is that of help.
FITTABLE: dict[str, Fittable] = {
    "poisson_gaussian": Fittable("ladderscope.noise_estimation.line_fit", "fit_poisson_gaussian"),
    "gaussian": Fittable("ladderscope.noise_estimation.line_fit", "fit_gaussian", constant=True),
    "photon_counting": Fittable(
        "ladderscope.noise_estimation.photon_counting_fit", "fit_photon_counting", of_pixels=True
    ),
    "mixture": Fittable(
        "ladderscope.noise_estimation.mixture_fit",
        "fit_mixture",
        needs_signal=True,
        of_shape=True,
    ),
    "histogram": Fittable(
        "ladderscope.noise_estimation.histogram_fit",
        "fit_histogram",
        needs_signal=True,
        of_shape=True,
    ),
}


def with_signal() -> list[str]:
    """List the kinds that need a signal.

    Examples
    --------
    >>> with_signal()
    ['mixture', 'histogram']
    """
    return [name for name, kind in FITTABLE.items() if kind.needs_signal]


def without_signal() -> list[str]:
    """List the kinds for which noisy images alone suffice.

    Examples
    --------
    >>> without_signal()
    ['poisson_gaussian', 'gaussian', 'photon_counting']
    """
    return [name for name, kind in FITTABLE.items() if not kind.needs_signal]
