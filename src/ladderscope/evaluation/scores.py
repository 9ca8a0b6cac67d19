"""All scores of a prediction against the truth, per channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float64

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.metrics import psnr_of_planes, range_invariant_psnr_of_planes
from ladderscope.evaluation.micro import MicroScores, micro_scores, microssim_installed
from ladderscope.evaluation.planes import Planes, Range, planes_of_image, value_range
from ladderscope.evaluation.reliability import interval_factor
from ladderscope.evaluation.similarity import (
    MS_SSIM_SIDE,
    SSIM_SIDE,
    check_side,
    ms_ssim_of_planes,
    ssim_of_planes,
)
from ladderscope.evaluation.spread import Factor, SpreadScores, Variance, spread_scores_of_planes
from ladderscope.images import Image, numbered_channels, open_image
from ladderscope.words import counted

if TYPE_CHECKING:
    from ladderscope.noise import NoiseModel

T = TypeVar("T")

MICRO_PIXELS = 2**25  # per channel: MicroSSIM is computed in memory


@dataclass(frozen=True)
class ChannelScores:
    """How similar one channel is to its truth. docs/evaluation.md explains each score.

    Attributes
    ----------
    channel : str
        Its name, or "channel 1" and so on.
    psnr, range_invariant_psnr : float
        In decibels; the peak is the maximum minus the minimum of the truth. Infinite if the two
        are equal.
    ssim : float
        Structural similarity, at most 1.
    ms_ssim : float or None
        The same over five scales, from 0 to 1. None if a side is shorter than 176 pixels.
    micro_ssim, micro_ms3im : float or None
        The variants of SSIM and MS-SSIM for micrographs. None if the package ``microssim`` is not
        installed, or the channel has more than 33 million pixels; the second also if `ms_ssim` is
        None.
    spread : SpreadScores or None
        How good the error bars are. None if no spread was given.
    """

    channel: str
    psnr: float
    range_invariant_psnr: float
    ssim: float
    ms_ssim: float | None
    micro_ssim: float | None
    micro_ms3im: float | None
    spread: SpreadScores | None = None


def evaluate(
    prediction: Image,
    truth: Image | Sequence[Image],
    spread: Image | None = None,
    *,
    factors: Factor | Sequence[Factor] = interval_factor,
    truth_noise: "NoiseModel | Sequence[NoiseModel] | None" = None,
    truth_frames: int = 1,
) -> tuple[ChannelScores, ...]:
    """Compare a restored or split image with the truth, channel by channel.

    Images may be larger than memory: they are read block by block.

    Parameters
    ----------
    prediction
        An image with any axes.
    truth
        The clean image: one with the channels of the prediction, or a list of images that hold
        them in the same order. The axes may be ordered differently, and an axis of length 1 may
        be missing; samples (S) and times (T) are treated alike, as in the files we write.
    spread
        The standard deviation of the signal, of the shape of the prediction.
    factors
        Gives, for a level, the half-width of the intervals in standard deviations, for all
        channels or for each; by default that of a normal distribution.
    truth_noise
        The noise of one frame of the truth, for all channels or for each: without it, the noise
        of the truth counts as error of the prediction, and coverage is too low.
    truth_frames
        How many frames were averaged for the truth; its noise variance is divided by them.

    Returns
    -------
    tuple of ChannelScores
        One per channel.

    Raises
    ------
    LadderscopeError
        The numbers of channels or the shapes differ; there are NaN or infinite pixels; a channel
        of the truth is constant; planes are smaller than 11×11 pixels; a spread is negative; there
        is another number of noise models or of factors than of channels, or no frame.

    Examples
    --------
    >>> from ladderscope.images import sample_image
    >>> clean = sample_image("dna")
    >>> noise = np.random.default_rng(0).normal(0, 10, clean.shape)
    >>> (scores,) = evaluate(Image(clean.array + noise, "YX", "noisy"), clean)
    >>> scores.channel, round(scores.psnr)
    ('channel 1', 28)
    """
    if truth_frames < 1:
        raise LadderscopeError(f"truth_frames is {truth_frames}, but a truth has at least 1 frame")
    channels = _matched(prediction, [truth] if isinstance(truth, Image) else truth, spread)
    factors = _per_channel("factors", factors, len(channels))
    noises = _per_channel("noise models", truth_noise, len(channels))
    return tuple(
        _scores(channel, factor, None if noise is None else _variance(noise, truth_frames))
        for channel, factor, noise in zip(channels, factors, noises, strict=True)
    )


class _Channel(NamedTuple):
    """What is compared of one channel, and the range of its truth."""

    name: str
    prediction: Planes
    truth: Planes
    spread: Planes | None
    values: Range


def _matched(prediction: Image, truths: Sequence[Image], spread: Image | None) -> list[_Channel]:
    """Bring together the channels of the images, once they are known to be comparable."""
    sources = [(image, planes) for image in truths for planes in _channels(image)]
    predicted = _channels(prediction)
    if len(sources) != len(predicted):
        given = ", ".join(truth.called for truth in truths)
        raise LadderscopeError(
            f"{prediction.called} has {counted(len(predicted), 'channel')}, but its truth "
            f"({given}) has {counted(len(sources), 'channel')}: give one truth with all channels, "
            "or one image per channel in the same order"
        )
    spreads = [] if spread is None else [(spread, planes) for planes in _channels(spread)]
    if spread is not None and len(spreads) != len(predicted):
        raise LadderscopeError(_differ(prediction, spread))
    for image, planes in [*sources, *spreads]:
        if planes.shape != predicted[0].shape:
            raise LadderscopeError(_differ(prediction, image))
    check_side(predicted[0].shape, SSIM_SIDE)
    names = _names(prediction, truths, len(predicted))
    ranges = [value_range(planes) for _, planes in sources]
    for name, (image, _), values in zip(names, sources, ranges, strict=True):
        if values.low == values.high:
            raise LadderscopeError(
                f"{image.called}: every pixel of {name} is {values.low:g}. A constant truth "
                "has no range to compare errors with; check that it is the right image"
            )
    for image, planes in spreads:
        if (low := value_range(planes).low) < 0:
            raise LadderscopeError(
                f"{image.called}: the lowest value is {low:g}, but a spread is a standard "
                "deviation and not negative; check that it is the right image"
            )
    widths: list[Planes | None] = [planes for _, planes in spreads]
    return [
        _Channel(name, one, other, width, values)
        for name, one, (_, other), width, values in zip(
            names, predicted, sources, widths or [None] * len(predicted), ranges, strict=True
        )
    ]


def _scores(channel: _Channel, factor: Factor, variance: Variance | None) -> ChannelScores:
    name, prediction, truth, spread, values = channel
    peak = values.high - values.low
    large = min(truth.shape[-2:]) >= MS_SSIM_SIDE
    micro = MicroScores(None, None)
    if microssim_installed() and truth.size <= MICRO_PIXELS:
        micro = micro_scores(prediction.array(), truth.array())
    return ChannelScores(
        channel=name,
        psnr=psnr_of_planes(prediction, truth, peak),
        range_invariant_psnr=range_invariant_psnr_of_planes(prediction, truth, peak),
        ssim=ssim_of_planes(prediction, truth, peak),
        ms_ssim=ms_ssim_of_planes(prediction, truth, peak, values.mean) if large else None,
        micro_ssim=micro.micro_ssim,
        micro_ms3im=micro.micro_ms3im,
        spread=(
            None
            if spread is None
            else spread_scores_of_planes(
                spread, prediction, truth, factor=factor, truth_variance=variance
            )
        ),
    )


def _channels(image: Image) -> list[Planes]:
    image = open_image(image)
    return [planes_of_image(image, number) for number in range(image.channels)]


def _per_channel(what: str, given: T | Sequence[T], channels: int) -> list[T]:
    if not isinstance(given, Sequence):
        return [given] * channels
    if len(given) != channels:
        raise LadderscopeError(
            f"there are {len(given)} {what} for {counted(channels, 'channel')}: give one for all, "
            "or one per channel in the same order"
        )
    return list(given)


def _variance(model: "NoiseModel", frames: int) -> Variance:
    """Return what gives the noise variance of the mean of frames, for values of that mean."""
    import torch

    def of(truth: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        _, variance = model.moments(torch.from_numpy(truth))
        return variance.numpy() / frames

    return of


def _names(prediction: Image, truths: Sequence[Image], channels: int) -> tuple[str, ...]:
    """Name the channels as the prediction does, or else as the only truth does."""
    found = prediction.channel_names or (truths[0].channel_names if len(truths) == 1 else None)
    return found or numbered_channels(channels)


def _differ(prediction: Image, other: Image) -> str:
    return (
        f"{prediction.called} has shape {prediction.shape} ({prediction.axes}), but "
        f"{other.called} has {other.shape} ({other.axes}): only images of the same shape "
        "can be compared; crop both to the same field"
    )
