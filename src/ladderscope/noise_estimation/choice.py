"""Which noise model the images call for: measured, checked, and chosen by the program.

The simplest law that the images do not contradict is chosen: Gaussian noise, Poisson–Gaussian
noise, photon-counting noise; independent from pixel to pixel, or correlated. A law contradicts the
images if another one explains them much better: by log-likelihood, in nats per pixel. The model of
correlated noise is Gaussian, so that of correlation and single photons only the one that explains
more is described. What the chosen law does not describe is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Real

from ladderscope.images.stored import Pixels
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.photon_counting import PhotonCounting
from ladderscope.noise.poisson_gaussian import PoissonGaussian
from ladderscope.noise.spectrum import regular_spectrum
from ladderscope.noise_estimation.along_z import AlongZ, measure_along_z
from ladderscope.noise_estimation.checking import check_planes
from ladderscope.noise_estimation.choice_words import (
    WORTHWHILE,
    about_correlation,
    about_texture,
    about_the_law,
    reasons_for,
)
from ladderscope.noise_estimation.colour import Colour, coloured, measure_colour
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.from_images import fit_kinds
from ladderscope.noise_estimation.noise_check import CORRELATED, NoiseCheck
from ladderscope.noise_estimation.wanted import CHOSEN, LAWS, Wanted

_ENOUGH = 8_000_000  # pixels on which single photons, correlation and the fit are looked at


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
    planes: Sequence[Real[np.ndarray, "y x"]],
    wanted: Wanted = CHOSEN,
    *,
    structured: bool = False,
    stacks: Sequence[Pixels] = (),
) -> NoiseChoice:
    """Measure the noise of images, and choose the simplest law that they do not contradict.

    Parameters
    ----------
    planes
        Noisy images of one channel, of any real type.
    wanted
        What was asked for.
    structured
        Whether the network is made for structured noise, by blind levels: then correlation is
        neither measured nor warned of, unless it was asked for.
    stacks
        The stacks (z, y, x) that the planes are of, where a network restores whole stacks: then
        correlation along Z is measured, too.

    Raises
    ------
    NoiseError
        As `fit_images` does.

    Examples
    --------
    >>> import numpy as np
    >>> signal = np.linspace(10, 200, 256) * np.ones((256, 1))
    >>> generator = np.random.default_rng(0)
    >>> read_noise = generator.normal(0.0, 3.0, signal.shape)
    >>> choice = choose([2.0 * generator.poisson(signal / 2.0) + read_noise])
    >>> choice.fit.model.kind
    'poisson_gaussian'
    """
    every = max(1, sum(plane.size for plane in planes) // _ENOUGH)
    few = planes[::every]
    fit, line, grows, found = _of_pixels(planes, wanted, every)
    colour = None
    if wanted.correlated or (wanted.correlated is None and not structured):
        colour = measure_colour(few, line.model)
        if colour.is_noise:
            found = found if found and found.model is line.model else _checked(few, line.model)
            colour = replace(colour, in_tiles=found is None or found.verdict == CORRELATED)
        along_z = measure_along_z(stacks, line.model)
        colour = with_z(colour, along_z, asked=bool(wanted.correlated))
        if wanted.correlated or (colour.is_noise and _gained(colour) > _gained_by_all(fit)):
            fit = _coloured(line, colour)
    if found is None or found.model is not fit.model:
        found = _checked(few, fit.model)
    reasons = reasons_for(fit, wanted, grows, colour, found)
    if found is None:
        return NoiseChoice(fit, wanted.name, reasons)
    warnings = (
        *about_the_law(fit, wanted, found),
        *about_correlation(fit, colour, found, structured),
        *about_texture(fit, few),
    )
    return NoiseChoice(fit, wanted.name, reasons, warnings)


def _of_pixels(
    planes: Sequence[Real[np.ndarray, "y x"]], wanted: Wanted, every: int
) -> tuple[NoiseFit, NoiseFit, bool, NoiseCheck | None]:
    """Choose the law of single pixels.

    Also give the law that describes the variance alone, whether that measurably grows, and the
    check of this law, if that was needed to choose.
    """
    laws = LAWS if wanted.law is None else {wanted.law, "poisson_gaussian"}
    fits = fit_kinds(planes, [*laws], every=every if wanted.law is None else 1)
    line = fits["poisson_gaussian"]
    grows = isinstance(line.model, PoissonGaussian) and line.model.gain > 0
    if wanted.law is not None:
        return fits[wanted.law], fits[wanted.law], grows, None
    counting = fits["photon_counting"]
    line = replace(
        line if grows else fits["gaussian"],
        advantage=counting.advantage,
        advantage_error=counting.advantage_error,
        doubt=counting.doubt,
        compared_share=counting.compared_share,
    )
    if not isinstance(counting.model, PhotonCounting):
        return line, line, grows, None
    if _gained_by_photons(counting) > WORTHWHILE:
        return counting, line, grows, None
    # Where nearly all pixels are dark, few photons gain little on average: the tails decide.
    found = _checked(planes[::every], line.model)
    return counting if found and found.heavy_tails else line, line, grows, found


def with_z(colour: Colour, found: AlongZ | None, *, asked: bool = False) -> Colour:
    """Return the colour of noise that is correlated along Z, too.

    Where it is not correlated within a plane, it is along Z alone.

    Parameters
    ----------
    colour
        Within a plane.
    found
        Along Z; None where that was not measured.
    asked
        Whether correlation within the plane was asked for, certain or not.

    Examples
    --------
    >>> import numpy as np
    >>> white = Colour(np.ones((1, 1)), (0.0, 0.0), 0.01, (0.0, 0.0), 100, 1.0)
    >>> with_z(white, AlongZ((0.5,), 0.01, 0.5, 1000)).autocorrelation.shape
    (3, 1, 1)
    """
    fine = colour.in_tiles and colour.is_structure
    if found is None or not found.is_noise or fine:
        return replace(colour, along_z=found)
    profile = found.autocorrelation()[:, None, None]
    if colour.is_noise_within or asked:
        return replace(colour, autocorrelation=profile * colour.autocorrelation, along_z=found)
    return replace(colour, autocorrelation=profile, inflation=1.0, along_z=found)


def _checked(planes: Sequence[Real[np.ndarray, "y x"]], model: NoiseModel) -> NoiseCheck | None:
    """Check a law; None where there are too few pixels to check what could be measured."""
    try:
        return check_planes(planes, model)
    except NoiseError:
        return None


def _gained_by_photons(fit: NoiseFit) -> float:
    """Return what photon counting gains over a Gaussian, nats per pixel."""
    return (fit.advantage or 0.0) if isinstance(fit.model, PhotonCounting) else 0.0


def _gained_by_all(fit: NoiseFit) -> float:
    """Return what photon counting gains, spread over bright pixels too, which gain nothing."""
    return fit.compared_share * _gained_by_photons(fit)


def _gained(colour: Colour) -> float:
    """Return what a Gaussian with the noise's spectrum gains over an independent one."""
    return -0.5 * float(np.log(regular_spectrum(colour.autocorrelation)).mean())


def _coloured(line: NoiseFit, colour: Colour) -> NoiseFit:
    """Correlate the noise, and correct the variances, of which second differences see a part."""
    return replace(
        line,
        model=coloured(line.model, colour),
        intervals={
            name: (low * colour.inflation, high * colour.inflation)
            for name, (low, high) in line.intervals.items()
        },
        bin_variances=line.bin_variances * colour.inflation,
    )
