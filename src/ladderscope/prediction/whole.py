"""A whole field in memory, restored tile by tile by a network that has no model around it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ladderscope.network import LadderVAE
from ladderscope.prediction.sampler import Sampling, draw_tile, restore_tile
from ladderscope.prediction.seen import Part, tiles_of
from ladderscope.prediction.spread import Law, of_posterior
from ladderscope.prediction.tiles import Geometry


class Restored(NamedTuple):
    """A restored field: the mean over samples, and its standard deviation if it is known."""

    mean: Float[Tensor, "outputs *space"]
    std: Float[Tensor, "outputs *space"] | None


def restore(
    network: LadderVAE,
    field: Float32[np.ndarray, "*space"],
    *,
    geometry: Geometry,
    law: Law = of_posterior,
    tick: Callable[[], None] = lambda: None,
    **sampling: Any,
) -> Restored:
    """Restore a field: the MMSE estimate and the standard deviation of the signal.

    Parameters
    ----------
    network, law, tick
        As of `restore_tile`. A network that restores a plane from a stack is asked for every plane.
    field : array of shape (Y, X) or (Z, Y, X)
        Normalised.
    geometry : Geometry
        The tiles.
    **sampling
        The fields of `Sampling`.

    Returns
    -------
    Restored
        In normalised units, on the CPU.
    """
    asked, part = Sampling(**sampling), Part.of_whole(field)
    outputs = asked.outputs or network.output_channels
    mean = torch.empty(outputs, *field.shape, dtype=torch.float32)
    std = torch.empty_like(mean) if any(law(network, outputs, asked.samples)) else None
    for tile in tiles_of(network, field.shape, geometry):
        restored = restore_tile(network, part, tile, asked, law=law, tick=tick)
        mean[:, *tile.core] = restored.mean
        if std is not None and restored.std is not None:
            std[:, *tile.core] = restored.std
    return Restored(mean, std)


def draw(
    network: LadderVAE,
    field: Float32[np.ndarray, "*space"],
    *,
    geometry: Geometry,
    tick: Callable[[], None] = lambda: None,
    **sampling: Any,
) -> Float[Tensor, "samples outputs *space"]:
    """Draw independent posterior samples of a field; arguments as of `restore`."""
    asked, part = Sampling(**sampling), Part.of_whole(field)
    outputs = asked.outputs or network.output_channels
    draws = torch.empty(asked.samples, outputs, *field.shape, dtype=torch.float32)
    for tile in tiles_of(network, field.shape, geometry):
        draws[:, :, *tile.core] = draw_tile(network, part, tile, asked, tick=tick)
    return draws
