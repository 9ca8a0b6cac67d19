"""Which noise model the images call for: measured, checked, and chosen by the program.

The simplest law that the images do not contradict is chosen: Gaussian noise, then Poisson–Gaussian
noise. What the chosen law does not describe is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Real
from numpy.typing import NDArray

from ladderscope.noise.entries import NoiseError
from ladderscope.noise.poisson_gaussian import PoissonGaussian
from ladderscope.noise_estimation.checking import check_planes
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.from_images import fit_images
from ladderscope.noise_estimation.noise_check import CORRELATED, OUTLYING, NoiseCheck
from ladderscope.noise_estimation.wanted import CHOSEN, Wanted
from ladderscope.words import listed, percent

_LAW_NAMES = {
    "gaussian": "Gaussian noise",
    "poisson_gaussian": "Poisson–Gaussian noise",
}


@dataclass(frozen=True, eq=False)
class NoiseChoice:
    """A noise model that was chosen, why, and what it does not describe.

    Parameters
    ----------
    fit
        The fit of the chosen law.
    asked
        What was asked for: ``"auto"``, or the name of a law.
    reasons
        What was chosen, and why: two sentences.
    warnings
        What the law does not describe, and what to do; none if it fits the images.

    Examples
    --------
    >>> import numpy as np
    >>> choice = choose([np.random.default_rng(0).normal(100.0, 3.0, (64, 64))])
    >>> choice.reasons[0], choice.warnings
    ('Gaussian noise was chosen, independent from pixel to pixel.', ())
    """

    fit: NoiseFit
    asked: str = CHOSEN.name
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def choose(
    planes: Sequence[Real[NDArray[Any], "y x"]],
    wanted: Wanted = CHOSEN,
    *,
    structured: bool = False,
) -> NoiseChoice:
    """Measure the noise of images, and choose the simplest law that they do not contradict.

    Parameters
    ----------
    planes
        Noisy images of one channel, of any real type.
    wanted
        What was asked for.
    structured
        Whether the network is made for correlated noise: then correlation draws no warning.

    Raises
    ------
    NoiseError
        As `fit_images` does.

    Examples
    --------
    >>> import numpy as np
    >>> signal = np.linspace(10, 200, 256) * np.ones((256, 1))
    >>> choice = choose([2.0 * np.random.default_rng(0).poisson(signal / 2.0)])
    >>> choice.fit.model.kind
    'poisson_gaussian'
    """
    fit = fit_images(planes, wanted.law or "poisson_gaussian")
    if wanted.law is None and _is_level(fit):
        fit = fit_images(planes, "gaussian")
    try:
        found = check_planes(planes, fit.model)
    except NoiseError:  # too few pixels to check what could be measured
        return NoiseChoice(fit, wanted.name, _reasons(fit, wanted, None))
    return NoiseChoice(fit, wanted.name, _reasons(fit, wanted, found), _warnings(found, structured))


def _is_level(fit: NoiseFit) -> bool:
    return isinstance(fit.model, PoissonGaussian) and fit.model.gain == 0


def _reasons(fit: NoiseFit, wanted: Wanted, found: NoiseCheck | None) -> tuple[str, ...]:
    """Say what was chosen, and why."""
    name = _LAW_NAMES[fit.model.kind]
    if wanted.law is not None:
        return (f"{name}, independent from pixel to pixel, as asked for (“{wanted.spelling}”).",)
    grows = "grows" if fit.model.kind == "poisson_gaussian" else "does not measurably grow"
    reasons = [f"its variance {grows} with the brightness"]
    if found is not None and found.verdict != CORRELATED:
        strongest = max(*found.correlation, found.correlation_diagonal, key=abs)
        reasons.append(
            f"neighbouring pixels are practically independent (correlation {strongest:.2f})"
        )
    return (
        f"{name} was chosen, independent from pixel to pixel.",
        f"{listed(reasons).capitalize()}.",
    )


def _warnings(found: NoiseCheck, structured: bool) -> tuple[str, ...]:
    """Say what the chosen law does not describe, and what to do."""
    horizontal, vertical = found.correlation
    texts = []
    if found.verdict == CORRELATED and not structured:
        texts.append(
            f"the noise is correlated between neighbouring pixels ({horizontal:.2f} horizontally, "
            f"{vertical:.2f} vertically), as after interpolation, smoothing or compression, or "
            "from the read-out: most of it will be kept as if it were structure. Use the raw "
            "recording if you have it; otherwise try blind_levels=2 (--blind-levels 2)"
        )
    if found.verdict in ("too weak", "too strong"):
        wrong = "keep noise" if found.verdict == "too weak" else "remove detail"
        texts.append(
            f"no noise model describes these images well: the standard deviation of the noise is "
            f"{found.deviation_ratio:.2f} times the predicted one "
            f"({found.deviation_ratio_dark:.2f} times in dark regions, "
            f"{found.deviation_ratio_bright:.2f} times in bright regions), so the restoration may "
            f"{wrong}. Measure the noise on pairs or repeats from the same camera (ladderscope "
            "noise fit), and give it with --noise"
        )
    if found.heavy_tails:
        texts.append(
            f"the tails of the noise are heavier than the chosen law's: "
            f"{percent(found.outlier_share)} of the pixels stand out by more than "
            f"{OUTLYING:.0f} standard deviations, where it predicts "
            f"{percent(found.outlier_share_predicted)}. Single noisy pixels may be kept as if "
            "they were structure. Fit a Gaussian mixture or a histogram to pairs (ladderscope "
            "noise fit --kind mixture), and give it with --noise"
        )
    return tuple(texts)
