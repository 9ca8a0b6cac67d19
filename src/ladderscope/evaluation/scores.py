"""All scores of a prediction against the truth, per channel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Real

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.metrics import (
    MS_SSIM_SIDE,
    ms_ssim,
    psnr,
    range_invariant_psnr,
    ssim,
)
from ladderscope.evaluation.micro import MicroScores, micro_scores, microssim_installed
from ladderscope.evaluation.ranking import spread_ranks_errors
from ladderscope.images import Image, numbered_channels, open_image
from ladderscope.images.axes import planes_last, to_ome_order
from ladderscope.words import counted


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
        installed; the second also if `ms_ssim` is None.
    spread_ranks_errors : float or None
        The rank correlation of spread and absolute error. None if no spread was given.
    """

    channel: str
    psnr: float
    range_invariant_psnr: float
    ssim: float
    ms_ssim: float | None
    micro_ssim: float | None
    micro_ms3im: float | None
    spread_ranks_errors: float | None = None


def evaluate(
    prediction: Image, truth: Image | Sequence[Image], spread: Image | None = None
) -> tuple[ChannelScores, ...]:
    """Compare a restored or split image with the truth, channel by channel.

    Parameters
    ----------
    prediction
        An image with any axes.
    truth
        The clean image: one with the channels of the prediction, or a list of images that hold
        them in the same order. The axes may be ordered differently, and an axis of length 1 may
        be missing; samples (S) and times (T) are treated alike, as in the files we write.
    spread
        The standard deviation of the posterior samples, of the shape of the prediction.

    Returns
    -------
    tuple of ChannelScores
        One per channel.

    Raises
    ------
    LadderscopeError
        The numbers of channels or the shapes differ; there are NaN or infinite pixels; a channel
        of the truth is constant; planes are smaller than 11×11 pixels; the spread or the error is
        constant.

    Examples
    --------
    >>> from ladderscope.images import sample_image
    >>> clean = sample_image("dna")
    >>> noise = np.random.default_rng(0).normal(0, 10, clean.shape)
    >>> (scores,) = evaluate(Image(clean.array + noise, "YX", "noisy"), clean)
    >>> scores.channel, round(scores.psnr)
    ('channel 1', 28)
    """
    truths = [truth] if isinstance(truth, Image) else list(truth)
    sources = [(image, channel) for image in truths for channel in _channels(image)]
    predicted = _channels(prediction)
    if len(sources) != len(predicted):
        given = ", ".join(truth.called for truth in truths)
        raise LadderscopeError(
            f"{prediction.called} has {counted(len(predicted), 'channel')}, but its truth "
            f"({given}) has {counted(len(sources), 'channel')}: give one truth with all channels, "
            "or one image per channel in the same order"
        )
    spreads = None if spread is None else _channels(spread)
    if spread is not None and spreads is not None and spreads.shape != predicted.shape:
        raise LadderscopeError(_differ(prediction, spread))
    for image, channel in sources:
        if channel.shape != predicted.shape[1:]:
            raise LadderscopeError(_differ(prediction, image))
    names = _names(prediction, truths, len(predicted))
    for number, name in enumerate(names):
        image, channel = sources[number]
        if np.ptp(channel) == 0:
            raise LadderscopeError(
                f"{image.called}: every pixel of {name} is {channel.flat[0]:g}. A constant truth "
                "has no range to compare errors with; check that it is the right image"
            )
    return tuple(
        _scores(
            name,
            predicted[number],
            sources[number][1],
            None if spreads is None else spreads[number],
        )
        for number, name in enumerate(names)
    )


def _scores(
    name: str,
    prediction: Real[np.ndarray, "*planes Y X"],
    truth: Real[np.ndarray, "*planes Y X"],
    spread: Real[np.ndarray, "*planes Y X"] | None,
) -> ChannelScores:
    large = min(truth.shape[-2:]) >= MS_SSIM_SIDE
    similarity = ssim(prediction, truth)
    micro = micro_scores(prediction, truth) if microssim_installed() else MicroScores(None, None)
    return ChannelScores(
        channel=name,
        psnr=psnr(prediction, truth),
        range_invariant_psnr=range_invariant_psnr(prediction, truth),
        ssim=similarity,
        ms_ssim=ms_ssim(prediction, truth) if large else None,
        micro_ssim=micro.micro_ssim,
        micro_ms3im=micro.micro_ms3im,
        spread_ranks_errors=(
            None if spread is None else spread_ranks_errors(spread, prediction, truth)
        ),
    )


def _channels(image: Image) -> Real[np.ndarray, "channels *planes Y X"]:
    """Bring the axes into one order, channels first, without other axes of length 1."""
    planes = planes_last(*to_ome_order(open_image(image).array, image.axes))
    others = [size for size in planes.shape[:-3] if size > 1]
    channels = np.moveaxis(planes, -3, 0)
    return channels.reshape(len(channels), *others, *planes.shape[-2:])


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
