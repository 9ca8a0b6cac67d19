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
import torch
from jaxtyping import Real

from ladderscope.noise.coloured import Coloured
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.model import NoiseModel
from ladderscope.noise.photon_counting import PhotonCounting
from ladderscope.noise.poisson_gaussian import PoissonGaussian
from ladderscope.noise.spectrum import regular_spectrum
from ladderscope.noise_estimation.checking import check_planes
from ladderscope.noise_estimation.colour import Colour, coloured, measure_colour
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.from_images import fit_kinds
from ladderscope.noise_estimation.noise_check import CORRELATED, OUTLYING, NoiseCheck
from ladderscope.noise_estimation.photon_counting_fit import Advantage
from ladderscope.noise_estimation.wanted import CHOSEN, LAWS, Wanted
from ladderscope.words import percent

# The photon noise of a camera is skewed a little, which a Gaussian of the same variance leaves
# unexplained: some 0.001 nats per pixel. Detectors of single photons leave 0.02 to 0.7.
_WORTHWHILE = 0.005  # nats per pixel
_ENOUGH = 8_000_000  # pixels on which single photons, correlation and the fit are looked at
_INDEPENDENT = 0.05  # correlation of neighbouring pixels that is not worth a word

_NEARLY_ALL = 0.8  # of the variance of the pixels: then it may be texture that is taken for noise

_MEASURE = (
    "Measure the noise on pairs or repeats from the same detector (ladderscope noise fit --kind "
    "mixture), and give it with --noise"
)
_RAW = (
    "Use the raw recording if you have it; otherwise try blind_levels=2 (--blind-levels 2), which "
    "needs no model of the correlation"
)
_LAW_NAMES = {
    "gaussian": "Gaussian noise",
    "poisson_gaussian": "Poisson–Gaussian noise",
    "photon_counting": "Photon-counting noise",
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
    planes: Sequence[Real[np.ndarray, "y x"]],
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
        Whether the network is made for structured noise, by blind levels: then correlation is
        neither measured nor warned of, unless it was asked for.

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
        if wanted.correlated or (colour.is_noise and _gained(colour) > _gained_by_all(fit)):
            fit = _coloured(line, colour)
    if found is None or found.model is not fit.model:
        found = _checked(few, fit.model)
    reasons = _reasons(fit, wanted, grows, colour, found)
    if found is None:
        return NoiseChoice(fit, wanted.name, reasons)
    warnings = (
        *_about_the_law(fit, wanted, found),
        *_about_correlation(fit, colour, found, structured),
        *_about_texture(fit, few),
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
    if _gained_by_photons(counting) > _WORTHWHILE:
        return counting, line, grows, None
    # Where nearly all pixels are dark, few photons gain little on average: the tails decide.
    found = _checked(planes[::every], line.model)
    return counting if found and found.heavy_tails else line, line, grows, found


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


def _reasons(
    fit: NoiseFit,
    wanted: Wanted,
    grows: bool,
    colour: Colour | None,
    found: NoiseCheck | None,
) -> tuple[str, str]:
    """Say what was chosen, and why."""
    kind = fit.model.pixelwise.kind
    reasons = [] if kind == "photon_counting" else [_about_the_variance(kind, grows)]
    if kind == "photon_counting" or wanted.law is None:
        reasons += _about_photons(fit, wanted)
    why = _joined([*reasons, *_neighbours(fit, colour, found)])
    between = "correlated" if isinstance(fit.model, Coloured) else "independent"
    how = f"{between} from pixel to pixel"
    asked = f"was asked for (“{wanted.spelling}”)"
    if wanted.law is not None and kind != wanted.law:
        return (
            f"{_LAW_NAMES[wanted.law]} {asked}, but the images do not show it: {fit.doubt}.",
            f"{_LAW_NAMES[kind]} is used instead, {how}: {why}.",
        )
    chosen = "was chosen" if wanted.law is None else asked
    return f"{_LAW_NAMES[kind]} {chosen}, {how}.", f"{why[0].upper()}{why[1:]}."


def _about_the_variance(kind: str, grows: bool) -> str:
    if not grows:
        return "the variance does not grow measurably with the brightness"
    undescribed = ", which Gaussian noise does not describe" if kind == "gaussian" else ""
    return f"the variance grows measurably with the brightness{undescribed}"


def _about_photons(fit: NoiseFit, wanted: Wanted) -> list[str]:
    """Say whether single photons show; if not, or if that cannot be told, why."""
    if fit.advantage is None or fit.advantage_error is None:
        return [f"photon-counting noise cannot be measured ({fit.doubt})"] if fit.doubt else []
    advantage = Advantage(fit.advantage, fit.advantage_error)
    if isinstance(fit.model, PhotonCounting):
        what = "single photons show"
        if not fit.intervals:
            what = "the values are whole numbers of photons"
        elif wanted.law is None and fit.advantage <= _WORTHWHILE:
            what = "single photons show in the tails of the noise"
        return [
            f"{what} (compared with Poisson–Gaussian noise, flat regions are {advantage.words})"
        ]
    would = f"photon counting would make flat regions {advantage.words}"
    if fit.doubt and advantage.is_certain:
        return [f"photon-counting noise cannot be measured ({would}, but {fit.doubt})"]
    if fit.advantage > _WORTHWHILE and not fit.doubt:
        return [f"correlation explains more than single photons do ({would})"]
    return [f"no single photons show ({would})"]


def _joined(clauses: Sequence[str]) -> str:
    *others, last = clauses
    return f"{', '.join(others)}, and {last}" if others else last


def _neighbours(fit: NoiseFit, colour: Colour | None, found: NoiseCheck | None) -> list[str]:
    """Say how neighbouring pixels are correlated, as far as that was measured."""
    if colour is not None and colour.windows:
        along_x, along_y = colour.neighbours
    elif found is not None:
        along_x, along_y = found.correlation
    else:
        return []
    if isinstance(fit.model, Coloured):
        how = "are correlated"
    elif max(abs(along_x), abs(along_y)) < _INDEPENDENT:
        how = "are practically independent"
    else:
        how = "are taken as independent"
    along = f"{along_x:z.2f} along x, {along_y:z.2f} along y"
    return [f"neighbouring pixels {how} (correlation {along})"]


def _about_the_law(fit: NoiseFit, wanted: Wanted, found: NoiseCheck) -> list[str]:
    """Say what the law of single pixels does not describe, and what to do."""
    texts = []
    remedy = _RAW if isinstance(fit.model, Coloured) else _MEASURE
    if wanted.law is not None and fit.model.pixelwise.kind != wanted.law:
        texts.append(
            f"{wanted.spelling} was asked for, but the images do not show it: {fit.doubt}. "
            f"{_LAW_NAMES[fit.model.pixelwise.kind]} is used instead"
        )
    if found.verdict in ("too weak", "too strong"):
        effect = "keep noise" if found.verdict == "too weak" else "remove detail"
        texts.append(
            "the noise model does not describe these images well: the standard deviation of the "
            f"noise is {found.deviation_ratio:.2f} times the predicted one "
            f"({found.deviation_ratio_dark:.2f} times in dark regions, "
            f"{found.deviation_ratio_bright:.2f} times in bright regions), so the restoration may "
            f"{effect}. {remedy}"
        )
    if found.heavy_tails:
        texts.append(
            "the tails of the noise are heavier than those of the noise model: "
            f"{percent(found.outlier_share)} of the pixels stand out by more than "
            f"{OUTLYING:.0f} standard deviations, where the model predicts "
            f"{percent(found.outlier_share_predicted)}. Single noisy pixels may be kept as if "
            f"they were structure. {remedy}"
        )
    return texts


def _about_correlation(
    fit: NoiseFit, colour: Colour | None, found: NoiseCheck, structured: bool
) -> list[str]:
    """Say which correlation the noise model does not describe, and what to do."""
    horizontal, vertical = found.correlation
    if isinstance(fit.model, Coloured):
        if colour is not None and not colour.is_noise:
            return [
                f"correlated noise was asked for, but is not certain. {colour.summary()} What is "
                "correlated in the signal may be removed with the noise: compare with a "
                "restoration without this choice"
            ]
        if colour is not None and colour.is_broad:
            return [
                "the noise extends over more pixels than can be measured, so the noise model takes "
                "it for weaker than it is, and part of it will be kept as if it were structure. "
                "Use the raw recording if you have it; otherwise bin the images, two or four "
                "pixels to one, or try blind_levels=3 (--blind-levels 3)"
            ]
        if found.verdict == CORRELATED:
            return [
                f"the correlation of neighbouring pixels ({horizontal:.2f} horizontally, "
                f"{vertical:.2f} vertically) is not the same in all regions of the images, so the "
                "model of correlated noise describes it only in part. Use the raw recording if "
                "you have it"
            ]
        return []
    if structured or found.verdict != CORRELATED:
        return []
    if colour is not None and colour.is_structure:
        return [
            f"neighbouring pixels are correlated ({horizontal:.2f} horizontally, {vertical:.2f} "
            "vertically), but the images have no flat region that would show the noise alone, so "
            "this may be fine structure. The noise is taken as independent; if it is smooth, use "
            "the raw recording, or try --noise correlated-poisson-gaussian"
        ]
    return [
        f"the noise is correlated between neighbouring pixels ({horizontal:.2f} horizontally, "
        f"{vertical:.2f} vertically), as after interpolation, smoothing or compression, or from "
        "the read-out, and the noise model does not describe that: most of it will be kept as if "
        "it were structure. Use the raw recording if you have it; otherwise try --noise "
        "correlated-poisson-gaussian or, for lines and patterns, blind_levels=2 (--blind-levels 2)"
    ]


def _about_texture(fit: NoiseFit, planes: Sequence[Real[np.ndarray, "y x"]]) -> list[str]:
    """Say that texture may be taken for correlated noise, where little else is in the images."""
    if not isinstance(fit.model, Coloured):
        return []
    means = torch.tensor([float(np.mean(plane, dtype=np.float64)) for plane in planes])
    of_noise = float(fit.model.moments(means)[1].sum())
    share = of_noise / max(sum(float(np.var(plane, dtype=np.float64)) for plane in planes), 1e-30)
    if share < _NEARLY_ALL:
        return []
    return [
        f"{percent(min(share, 1.0))} of the variance in the images is taken for correlated noise. "
        "Texture that is the same everywhere cannot be told from it, and would be removed: "
        "compare with a restoration with --noise poisson-gaussian"
    ]
