"""Calibrating a splitter on sums of the recordings that it held out from training."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64
from scipy.ndimage import convolve

from ladderscope.data import Channels, Field, Mixing
from ladderscope.data.mixing import combinations
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Calibration, Source
from ladderscope.evaluation.with_truth import calibrate
from ladderscope.images import Image
from ladderscope.images.stored import Pixels
from ladderscope.models.calibrating import MOST_IMAGES, MOST_LOOKED_AT, SHARE, Restore, flat
from ladderscope.models.file import Model
from ladderscope.noise import Coloured, NoiseError, NoiseModel
from ladderscope.noise.shares import share_of_noise
from ladderscope.noise_estimation import calibrate_poisson_gaussian


class Sums(NamedTuple):
    """Mixed images of held-out recordings of a splitter, and their channels.

    Attributes
    ----------
    mixed, channels : tuple of Image
        Image k is the sum of the channels k, or was recorded with them.
    source : str
        Whether the channels show the same field: ``"held-out pairs"`` or ``"held-out recordings"``.
    mixing : Mixing, optional
        How the channels were added up; None if the mixed images were recorded.
    """

    mixed: tuple[Image, ...]
    channels: tuple[Image, ...]
    source: Source
    mixing: Mixing | None = None


def held_out_sums(held_out: Channels, mixing: Mixing) -> Sums:
    """Add up held-out recordings: what a splitter can be calibrated on without further images.

    Recordings that are not paired are added up in several combinations, each channel turned
    further than the one before: even if two happen to show the same field, they are not a pair.
    """
    groups = [*held_out.fields, *([held_out.mixed] if held_out.mixed else [])]
    chosen = combinations(
        [len(fields) for fields in groups], paired=held_out.paired, most=MOST_IMAGES
    )
    side = math.isqrt(MOST_LOOKED_AT // len(chosen))
    mixed, channels = [], []
    for number, fields_chosen in enumerate(chosen):
        parts = [
            _held_out_part(fields[one]) for fields, one in zip(groups, fields_chosen, strict=True)
        ]
        common = tuple(min(sides) for sides in zip(*(part.shape for part in parts), strict=True))
        sides = np.minimum(common[-2:], side if held_out.paired else min(side, *common[-2:]))
        extent = tuple(slice(size) for size in (*common[:-2], *sides))
        stack = np.stack([part[extent] for part in parts]).astype(np.float32)
        if not held_out.paired:
            turned = [np.rot90(part, number, axes=(-2, -1)) for number, part in enumerate(stack)]
            stack = np.stack(turned)
        recordings = stack[: len(held_out.fields)]
        whole = stack[-1] if held_out.mixed else mixing.mixed(recordings)
        space, name = "ZYX"[-whole.ndim :], f"held-out field {number + 1}"
        mixed.append(Image(whole, space, name))
        channels.append(Image(recordings, f"C{space}", name))
    source: Source = "held-out pairs" if held_out.paired else "held-out recordings"
    return Sums(tuple(mixed), tuple(channels), source, None if held_out.mixed else mixing)


def nothing_held_out(kind: str) -> Sums:
    """Refuse to calibrate without images.

    Raises
    ------
    LadderscopeError
        Always: what to give.
    """
    if kind == "denoiser":
        raise LadderscopeError("give the noisy images to calibrate the error bars on")
    raise LadderscopeError(
        "the held-out recordings are known only right after fit: give mixed images and, as their "
        "truth, the channels of each, stacked along C"
    )


def _held_out_part(field: Field) -> Pixels:
    """Give the square of a field that was held out, or all of it."""
    if field.reserved is None:
        return field.pixels
    top, left, side = field.reserved
    part: Pixels = field.pixels[..., top : top + side, left : left + side]
    return part


def on_held_out(
    model: Model, sums: Sums, restore: Restore, *, samples: int, seed: int
) -> tuple[Calibration, ...]:
    """Calibrate on the sums; each is restored twice.

    The truths are noisy, and the mixed images have the same noise. Of a squared difference d² of
    restoration and recording, the squared error of the signal is d² − σ² + 2·Cov, where σ² is the
    variance of the noise, and Cov its covariance with the restoration: a network that hands on the
    noise looks more exact than it is. Cov is σ² times the share that the restoration follows when
    the recordings are disturbed by a tenth of their noise. Noise that is not in the model (µSplit)
    is measured on the sums. White noise may have been measured too large, where it contains fine
    structure: squared errors count at least as much as the products of neighbouring ones.

    Parameters
    ----------
    model
        The trained splitter.
    sums
        What was held out.
    restore
        Restores an image.
    samples
        Number of posterior samples.
    seed
        Of the noise that disturbs the recordings.

    References
    ----------
    Stein, "Estimation of the mean of a multivariate normal distribution", Annals of Statistics 9
    (1981).
    """
    laws = model.noise_models or _measured(sums.channels)
    generator = torch.Generator().manual_seed(seed)
    parts, follows, power = [], [], []
    for number, (mixed, channels) in enumerate(zip(sums.mixed, sums.channels, strict=True)):
        done = number / len(sums.mixed)
        fields, mean, std = restore(mixed, done)
        truth = channels.fields(fields.space).astype(np.float32)
        variance = np.zeros(mean.shape)
        for channel, law in enumerate(laws):
            signal = torch.from_numpy(mean[:, channel].astype(np.float64))
            variance[:, channel] = law.moments(signal)[1].nan_to_num(nan=0.0).clamp(min=0).numpy()
        if laws and sums.mixing is not None:
            noise = _shares(laws, mean, generator)
            observed = mixed.fields(fields.space).astype(np.float32)
            observed[:, 0] += np.einsum("c,fc...->f...", sums.mixing.weights, noise)
            other = replace(mixed, pixels=mixed.from_fields(observed, fields.space), checked=None)
            again = restore(other, done + 0.5 / len(sums.mixed)).mean
            follows.append((flat(noise) * flat(again - mean)).sum(axis=1) / SHARE)
            power.append(flat(variance).sum(axis=1))
        parts.append([flat(part) for part in (mean, std, truth, variance, _products(mean - truth))])
    together = [np.concatenate(part, axis=1) for part in zip(*parts, strict=True)]
    handed_on = np.clip(sum(follows) / np.maximum(sum(power), 1e-30), 0, 1) if power else 0.0
    together[-2] = together[-2] * (1 - 2 * np.broadcast_to(handed_on, len(mean[0])))[:, None]
    white = model.settings.blind_levels == 0 and not any(
        isinstance(law, Coloured) for law in model.noise_models
    )
    return tuple(
        calibrate(
            *of_channel,
            neighbours=products if white else None,
            samples=samples,
            source=sums.source,
        )
        for *of_channel, products in zip(*together, strict=True)
    )


def _products(
    difference: Float32[np.ndarray, "fields channels *space"],
) -> Float64[np.ndarray, "fields channels *space"]:
    """Give the product of each pixel and the mean of its four neighbours in the plane."""
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
    kernel = cross.reshape((1,) * (difference.ndim - 2) + cross.shape)
    exact = difference.astype(np.float64)
    products: Float64[np.ndarray, "fields channels *space"]
    products = exact * convolve(exact, kernel, mode="mirror")
    return products


def _shares(
    laws: Sequence[NoiseModel],
    mean: Float32[np.ndarray, "fields channels *space"],
    generator: torch.Generator,
) -> Float64[np.ndarray, "fields channels *space"]:
    """Draw a share of the noise of every channel."""
    drawn = [
        share_of_noise(law, torch.from_numpy(mean[:, channel].astype(np.float64)), SHARE, generator)
        for channel, law in enumerate(laws)
    ]
    together = torch.stack(drawn, dim=1).nan_to_num()
    return together.numpy().astype(np.float64)


def _measured(channels: Sequence[Image]) -> tuple[NoiseModel, ...]:
    """Measure the noise of the recordings; none if it cannot be measured."""
    found = []
    for channel in range(channels[0].channels):
        planes = [
            plane
            for image in channels
            for plane in image.array[channel].reshape(-1, *image.array.shape[-2:])
        ]
        try:
            found.append(calibrate_poisson_gaussian(planes).model)
        except NoiseError:
            return ()
    return tuple(found)
