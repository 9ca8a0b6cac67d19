"""What comparing a noise model with images found, in numbers and in sentences."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from ladderscope.noise.model import NoiseModel
from ladderscope.words import percent, some

Verdict = Literal["about right", "too weak", "too strong", "correlated between neighbouring pixels"]

CORRELATED: Verdict = "correlated between neighbouring pixels"
OUTLYING = 3.0  # standard deviations
TOLERANCE_AT_AN_END = 0.25
_LISTED = 10  # frames

_REMEDY_OF_TAILS = (
    'Such tails come from single photons, which noise="auto" describes as photon-counting noise '
    "where it finds them, or from hot pixels or telegraph noise: a Gaussian mixture or a "
    "histogram, fitted to pairs, describes these."
)


@dataclass(frozen=True, eq=False)
class NoiseCheck:
    """The noise in images, compared with what a noise model predicts.

    Parameters
    ----------
    model
        The noise model that was checked; the one measured on the images if none was given.
    verdict
        The gravest finding: correlation before size, size before ``"about right"``. The noise is
        too weak if the model predicts less of it than the images hold.
    deviation_ratio
        Standard deviation of the noise in the images over the predicted one, from second
        differences.
    deviation_ratio_dark, deviation_ratio_bright
        The same within the lowest and the highest quarter of the intensities.
    outlier_share, outlier_share_predicted
        Fraction of second differences beyond three of their own standard deviations: in the
        images, and drawn from the model.
    heavy_tails
        Whether the first is well above the second: hot pixels, telegraph noise, spikes.
    correlation
        Correlation of the noise between horizontal and between vertical neighbours. A lower bound
        where the noise is correlated over several pixels. Where the noise is not correlated at
        every brightness, the value at the brightness where fine structure adds least to it.
    correlation_diagonal
        The mean over both diagonals.
    correlation_error
        The largest standard error of these correlations.
    correlation_predicted
        The horizontal, vertical and diagonal correlation that the model predicts: zeros unless it
        is a model of correlated noise.
    repeated_frames
        Frames, counted from 0, that are identical to the frame before them.
    frames
        Number of frames; 0 if there is no time axis.
    bin_signals, bin_observed, bin_predicted, bin_counts
        For a plot, darkest first: mean signal, standard deviation of the noise observed and
        predicted (camera units), and number of pixels in each bin.
    size_seen
        Whether second differences see enough of the noise to compare its size and its tails. They
        do not if the model predicts very smooth noise; then the verdict does not speak of these.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian, check
    >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (128, 128))
    >>> check(noisy, Gaussian(3.0)).verdict
    'about right'
    """

    model: NoiseModel
    verdict: Verdict
    deviation_ratio: float
    deviation_ratio_dark: float
    deviation_ratio_bright: float
    outlier_share: float
    outlier_share_predicted: float
    heavy_tails: bool
    correlation: tuple[float, float]
    correlation_diagonal: float
    correlation_error: float
    correlation_predicted: tuple[float, float, float]
    repeated_frames: tuple[int, ...]
    frames: int
    bin_signals: Float64[np.ndarray, " bins"]
    bin_observed: Float64[np.ndarray, " bins"]
    bin_predicted: Float64[np.ndarray, " bins"]
    bin_counts: Float64[np.ndarray, " bins"]
    size_seen: bool = True

    def summary(self) -> str:
        """Return in plain sentences what was found, and what to do about it.

        Examples
        --------
        >>> from ladderscope.noise import Gaussian, check
        >>> noisy = np.random.default_rng(0).normal(100.0, 3.0, (128, 128))
        >>> check(noisy, Gaussian(2.0)).summary().split(":")[0]
        'The noise is too weak in the model'
        """
        sentences = [_about_correlation(self), _about_size(self)]
        if self.verdict != CORRELATED:
            sentences.reverse()
        if self.heavy_tails:
            sentences.append(
                "The tails of the noise are heavier than the model's: "
                f"{percent(self.outlier_share)} of the pixels stand out by more than "
                f"{OUTLYING:.0f} standard deviations, where the model predicts "
                f"{percent(self.outlier_share_predicted)}. {_REMEDY_OF_TAILS}"
            )
        if self.repeated_frames:
            sentences.append(_about_frames(self))
        return " ".join(sentences)


def _about_size(found: NoiseCheck) -> str:
    if not found.size_seen:
        return (
            "How strong the noise is could not be compared with the model: noise as smooth as the "
            "model predicts hardly differs between neighbouring pixels."
        )
    dark, bright = found.deviation_ratio_dark, found.deviation_ratio_bright
    ratios = (
        f"the standard deviation in the images is {found.deviation_ratio:.2f} times the predicted "
        f"one ({dark:.2f} times in dark regions, {bright:.2f} times in bright regions)"
    )
    if found.verdict == "about right":
        return f"The noise is about right: {ratios}."
    if found.verdict == CORRELATED:
        return (
            f"From pixel to pixel, {ratios}. If the noise is correlated, this measures only the "
            "part that differs between neighbouring pixels, as does a model fitted to the images."
        )
    tolerable = 1 + TOLERANCE_AT_AN_END
    if min(dark, bright) < 1 / tolerable and max(dark, bright) > tolerable:
        effect = "It does not grow with the signal as the model predicts"
    elif found.verdict == "too weak":
        effect = "A denoiser would keep some of the noise"
    else:
        effect = "A denoiser would remove detail with the noise"
    return (
        f"The noise is {found.verdict} in the model: {ratios}. {effect}: fit a new model, to "
        "these images or to pairs from the same camera with the same settings."
    )


def _about_correlation(found: NoiseCheck) -> str:
    horizontal, vertical = found.correlation
    strongest = max(horizontal, vertical, found.correlation_diagonal, key=abs)
    numbers = (
        f"{_hundredths(horizontal)} horizontally, {_hundredths(vertical)} vertically and "
        f"{_hundredths(found.correlation_diagonal)} diagonally, standard error "
        f"{found.correlation_error:.1g}"
    )
    if found.model.pixelwise is not found.model:
        predicted = ", ".join(map(_hundredths, found.correlation_predicted))
        if found.verdict != CORRELATED:
            return (
                f"Neighbouring pixels are correlated as the model predicts: {numbers}, where the "
                f"model predicts {predicted}."
            )
        return (
            f"The noise is correlated between neighbouring pixels otherwise than the model "
            f"predicts: {numbers}, where the model predicts {predicted}. Measure the noise on "
            "these images."
        )
    if found.verdict != CORRELATED:
        return f"Neighbouring pixels are practically independent: correlation {numbers}."
    text = (
        f"The noise is correlated between neighbouring pixels: {numbers}. A pixel-wise noise model "
        "cannot describe this, so a denoiser mistakes such noise for structure and keeps it. "
    )
    if strongest < 0:
        return text + (
            "Negative correlation means that the images were sharpened: use them as the camera "
            "recorded them."
        )
    return text + (
        'Denoiser(noise="auto") describes it as correlated noise where flat regions show it. '
        "Against lines and patterns, Denoiser(blind_levels=2) hides the image from its finest "
        "levels, so that they cannot reproduce them (HDN; Prakash et al. 2022). If the noise is "
        "correlated beyond neighbouring pixels, these numbers are lower bounds; if the images are "
        "nearly free of noise, they may instead measure the finest structure."
    )


def _about_frames(found: NoiseCheck) -> str:
    repeated = found.repeated_frames
    listed = some([str(frame) for frame in repeated], _LISTED)
    return (
        f"{len(repeated)} of {found.frames} frames ({percent(len(repeated) / found.frames)}) "
        f"repeat the frame before them, counted from 0: {listed}. They add no information, and "
        "noise that repeats looks like signal: remove them before training."
    )


def _hundredths(correlation: float) -> str:
    return f"{round(correlation, 2) + 0.0:.2f}"  # + 0.0 turns −0.0 into 0.0
