"""The noise of a small share of the exposure, which is added to an image to disturb it."""

import math
from dataclasses import replace
from functools import singledispatch

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.noise.model import NoiseModel
from ladderscope.noise.photon_counting import LEAST_READ_NOISE, PhotonCounting


@singledispatch
def share_of_noise(
    model: NoiseModel,
    signal: Float[Tensor, "..."],
    share: float,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "..."]:
    """Draw noise of mean 0 whose variance is a share of that of an exposure.

    For noise d of a small share and any function m of an image, E[d·m(y + d)] / share is the
    covariance of m with the noise of y: Stein's identity for Gaussian noise, and its counterpart
    for whole photons, which come one by one even in a short exposure.

    Parameters
    ----------
    model
        The noise of the exposure. Other laws than Gaussian ones are added with
        ``share_of_noise.register``; by default noise is drawn and scaled.
    signal
        In camera units.
    share
        Between 0 and 1.
    generator
        Source of the randomness.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> drawn = share_of_noise(Gaussian(10.0), torch.zeros(10_000), 0.04, torch.Generator())
    >>> round(float(drawn.std()), 1)
    2.0
    """
    mean, _ = model.moments(signal)
    return math.sqrt(share) * (model.sample(signal, generator) - mean)


@share_of_noise.register
def _(
    model: PhotonCounting,
    signal: Float[Tensor, "..."],
    share: float,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "..."]:
    read_noise = max(math.sqrt(share) * model.read_noise, LEAST_READ_NOISE * model.gain)
    light = share * (signal - model.offset).clamp(min=0)
    short = replace(model, read_noise=read_noise)
    return short.sample(model.offset + light, generator) - model.offset - light
