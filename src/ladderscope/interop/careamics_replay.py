"""What CAREamics computes from an input and its noise, computed by our network."""

from collections.abc import Mapping
from typing import cast

import torch
from jaxtyping import Real
from numpy.typing import ArrayLike
from torch import Tensor

from ladderscope.interop.careamics_names import origin_of
from ladderscope.interop.checkpoint import InteropError
from ladderscope.losses import channelwise, gaussian_kl, gaussian_kl_one_sample, samplewise, spatial
from ladderscope.network import DiagonalGaussian, LadderVAE, Level


def replay(
    network: LadderVAE,
    x: Real[Tensor, "batch views *space"] | ArrayLike,
    noise: Mapping[int, Tensor | ArrayLike],
) -> dict[str, Tensor]:
    """Compute what CAREamics' network computes from the same input and noise.

    Parameters
    ----------
    network : LadderVAE
        From `load_lvae`; its mode, train or eval, is respected.
    x : Tensor or array, shape (batch, views, [Z], Y, X)
        Normalised, of the patch size in training; the patch first, then its lateral context.
    noise : mapping of int to Tensor or array
        For each level, 1 the finest, the standard-normal noise that picks the latent from its
        posterior: (batch, latent channels, [Z], Y, X).

    Returns
    -------
    dict of str to Tensor
        ``out`` (batch, channels, [Z], Y, X); and for each level, such as 1: the latent ``z/1``,
        and its KL in nats as ``kl/1`` (batch,), ``kl_restricted/1`` (batch,), which leaves out
        the margin that lateral context adds, ``kl_spatial/1`` (batch, [Z], Y, X) and
        ``kl_channelwise/1`` (batch, channels). All are attached to the graph of the network.

    Raises
    ------
    InteropError
        If the network does not come from `load_lvae`, `x` does not have the patch size in
        training or that size is not a `multiple`, or a level's noise is missing or has the wrong
        shape.
    ValueError
        If `x` has the wrong number of views or axes.
    """
    config = origin_of(network).config
    like = network.top_prior
    features = network.encode(torch.as_tensor(x).to(like))
    size, multiple = config.input_shape[-2:], network.multiple
    if features.size != size or any(side % multiple for side in size):
        raise InteropError(
            f"CAREamics can run this network at Y×X = {size} alone, and replay needs multiples of "
            f"{multiple}: found {features.size}"
        )
    drawn = []
    for number, (level_map, channels) in enumerate(
        zip(features.levels, config.z_dims, strict=True), start=1
    ):
        if number not in noise:
            raise InteropError(f"noise is given for levels {list(noise)}, but not for {number}")
        drawn.append(torch.as_tensor(noise[number]).to(like))
        needed = (level_map.shape[0], channels, *level_map.shape[2:])
        if drawn[-1].shape != needed:
            raise InteropError(
                f"the noise of level {number} must have the shape {needed}, "
                f"found {tuple(drawn[-1].shape)}"
            )
    decoded = network.decode(features, drawn)
    outputs = {"out": decoded.output}
    for number, level in enumerate(decoded.levels, start=1):
        kl = _kl(level, config.analytical_kl)
        # where the margin is odd, CAREamics keeps one pixel more
        margin = (kl.shape[-1] - (features.size[1] >> number)) // 2
        inner = slice(margin, kl.shape[-1] - margin)
        outputs |= {
            f"z/{number}": level.sample,
            f"kl/{number}": samplewise(kl),
            f"kl_restricted/{number}": samplewise(kl[..., inner, inner]),
            f"kl_spatial/{number}": spatial(kl),
            f"kl_channelwise/{number}": channelwise(kl),
        }
    return outputs


def _kl(level: Level, analytical: bool) -> Tensor:
    # no level is blind, and decode computes the priors
    q, p = cast(tuple[DiagonalGaussian, DiagonalGaussian], (level.posterior, level.prior))
    return gaussian_kl(*q, *p) if analytical else gaussian_kl_one_sample(level.sample, *q, *p)
