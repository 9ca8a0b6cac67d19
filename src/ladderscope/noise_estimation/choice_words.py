"""What the choice of a noise model is told with: what was chosen and why, and what it lacks."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Real

from ladderscope.noise.coloured import Coloured
from ladderscope.noise.photon_counting import PhotonCounting
from ladderscope.noise.within_planes import in_plane
from ladderscope.noise_estimation.along_z import about_z
from ladderscope.noise_estimation.colour import Colour
from ladderscope.noise_estimation.fitted import NoiseFit
from ladderscope.noise_estimation.noise_check import CORRELATED, OUTLYING, NoiseCheck
from ladderscope.noise_estimation.photon_counting_fit import Advantage
from ladderscope.noise_estimation.wanted import Wanted
from ladderscope.words import percent

# The photon noise of a camera is skewed a little, which a Gaussian of the same variance leaves
# unexplained: some 0.001 nats per pixel. Detectors of single photons leave 0.02 to 0.7.
WORTHWHILE = 0.005  # nats per pixel
_INDEPENDENT = 0.05  # correlation of neighbouring pixels that is not worth a word

_MUCH = 0.7  # of the variance of the pixels: then it may be texture that is taken for noise

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


def reasons_for(
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
    how = "independent from pixel to pixel"
    if isinstance(fit.model, Coloured):
        unit = "pixel" if in_plane(fit.model).size > 1 else "plane"
        how = f"correlated from {unit} to {unit}"
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
        elif wanted.law is None and fit.advantage <= WORTHWHILE:
            what = "single photons show in the tails of the noise"
        return [
            f"{what} (compared with Poisson–Gaussian noise, flat regions are {advantage.words})"
        ]
    would = f"photon counting would make flat regions {advantage.words}"
    if fit.doubt and advantage.is_certain:
        return [f"photon-counting noise cannot be measured ({would}, but {fit.doubt})"]
    if fit.advantage > WORTHWHILE and not fit.doubt:
        return [f"correlation explains more than single photons do ({would})"]
    return [f"no single photons show ({would})"]


def _joined(clauses: Sequence[str]) -> str:
    *others, last = clauses
    return f"{', '.join(others)}, and {last}" if others else last


def _neighbours(fit: NoiseFit, colour: Colour | None, found: NoiseCheck | None) -> list[str]:
    """Say how neighbouring pixels are correlated, as far as that was measured."""
    within = in_plane(fit.model).size > 1
    if colour is not None and colour.windows and (within or found is None):
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
    if colour is not None and colour.along_z is not None:
        along = f"{along}, {colour.along_z.next_plane:z.2f} along z"
    return [f"neighbouring pixels {how} (correlation {along})"]


def about_the_law(fit: NoiseFit, wanted: Wanted, found: NoiseCheck) -> list[str]:
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


def about_correlation(
    fit: NoiseFit, colour: Colour | None, found: NoiseCheck, structured: bool
) -> list[str]:
    """Say which correlation the noise model does not describe, and what to do."""
    along_z = None if colour is None else colour.along_z
    of_planes = about_z(along_z, fit.model)
    within = _about_correlation_within(fit, colour, found, structured)
    return [*within, *([of_planes] if of_planes else [])]


def _about_correlation_within(
    fit: NoiseFit, colour: Colour | None, found: NoiseCheck, structured: bool
) -> list[str]:
    """Say which correlation within a plane the noise model does not describe."""
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


def about_texture(fit: NoiseFit, planes: Sequence[Real[np.ndarray, "y x"]]) -> list[str]:
    """Say that texture may be taken for correlated noise, where little else is in the images."""
    if not isinstance(fit.model, Coloured):
        return []
    means = torch.tensor([float(np.mean(plane, dtype=np.float64)) for plane in planes])
    of_noise = float(fit.model.moments(means)[1].sum())
    share = of_noise / max(sum(float(np.var(plane, dtype=np.float64)) for plane in planes), 1e-30)
    if share < _MUCH:
        return []
    return [
        f"{percent(min(share, 1.0))} of the variance in the images is taken for correlated noise. "
        "Texture that is the same everywhere cannot be told from it, and would be removed: "
        "compare with a restoration with --noise poisson-gaussian"
    ]
