"""From settings to the objects that they describe."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from ladderscope.errors import LadderscopeError
from ladderscope.losses import ConstantKLWeight, LinearKLWeight
from ladderscope.machine import single_precision
from ladderscope.models.config import MOST_PARAMETERS, RestorerSettings, SplitterSettings
from ladderscope.network import LadderVAE
from ladderscope.prediction import Geometry
from ladderscope.training import Budget
from ladderscope.training.budget import CosineRate, PlateauRate

ACTIVATIONS = {"elu": nn.ELU, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "silu": nn.SiLU}
VALIDATIONS = 20


def network_of(settings: RestorerSettings, careamics: Mapping[str, Any] | None = None) -> LadderVAE:
    """Make the network, with random weights: by its settings, or as CAREamics would.

    Raises
    ------
    LadderscopeError
        It would have too many parameters.
    """
    weights_of(settings, careamics)
    return _channels_last(_network(settings, careamics))


def weights_of(
    settings: RestorerSettings, careamics: Mapping[str, Any] | None = None
) -> dict[str, torch.Tensor]:
    """Say what weights a network has, as tensors without content: nothing is allocated.

    Raises
    ------
    LadderscopeError
        There would be too many.

    Examples
    --------
    >>> from ladderscope.models.config import PRESETS
    >>> weights_of(PRESETS["tiny"])["output.weight"].shape
    torch.Size([1, 8, 3, 3])
    """
    weights = dict(_weights(settings, json.dumps(careamics)))
    parameters = sum(value.numel() for value in weights.values())
    if parameters > MOST_PARAMETERS:
        raise LadderscopeError(
            f"a network of these settings would have {parameters:,} parameters, and at most "
            f"{MOST_PARAMETERS:,} are allowed: give fewer filters, blocks or levels"
        )
    return weights


@lru_cache(maxsize=4)  # a model that is opened asks twice
def _weights(settings: RestorerSettings, careamics: str) -> tuple[tuple[str, torch.Tensor], ...]:
    with torch.device("meta"):
        return tuple(_network(settings, json.loads(careamics)).state_dict().items())


def _network(settings: RestorerSettings, careamics: Mapping[str, Any] | None) -> LadderVAE:
    if careamics is not None:
        from ladderscope.interop.careamics import build_lvae

        return build_lvae(careamics)
    return LadderVAE(
        output_channels=outputs_of(settings),
        latent_channels=(settings.latent_channels,) * settings.levels,
        filters=settings.filters,
        blocks=settings.blocks,
        first_kernel=settings.first_kernel,
        batch_norm=settings.batch_norm,
        dropout=settings.dropout,
        activation=ACTIVATIONS[settings.activation],
        blind_levels=settings.blind_levels,
        dimensions=settings.dimensions,
        views=settings.context,
    )


def _channels_last(network: LadderVAE) -> LadderVAE:
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for weight in network.parameters():  # of both kinds where a 3-D encoder has a 2-D decoder
        if weight.ndim in layouts:
            weight.data = weight.data.to(memory_format=layouts[weight.ndim])
    return network


def outputs_of(settings: RestorerSettings) -> int:
    """Count the outputs: one per channel that is restored, and its log-variance where needed."""
    if not isinstance(settings, SplitterSettings):
        return 1
    predicted = settings.variance == "predicted" and settings.method != "denoisplit"
    return settings.channels * (2 if predicted else 1)


def geometry_of(settings: RestorerSettings) -> Geometry:
    """Make the geometry of the tiles."""
    return Geometry(
        settings.tile_core, settings.tile_margin, settings.tile_depth, settings.tile_depth_margin
    )


def kl_weight_of(settings: RestorerSettings) -> ConstantKLWeight | LinearKLWeight:
    """Make the schedule of the KL's weight, by steps."""
    if settings.kl_annealing_steps:
        return LinearKLWeight(0, settings.kl_annealing_steps, settings.kl_weight)
    return ConstantKLWeight(settings.kl_weight)


def rate_of(settings: RestorerSettings) -> CosineRate | PlateauRate:
    """Make the schedule of the learning rate."""
    if settings.rate == "plateau":
        return PlateauRate(settings.learning_rate)
    return CosineRate(settings.learning_rate, settings.warmup_steps)


def budget_of(settings: RestorerSettings, batches_per_epoch: int) -> tuple[Budget, int]:
    """Make the budget, and say how many validations it holds: one an epoch, or twenty."""
    if settings.epochs is None:
        return Budget(minutes=settings.minutes, steps=settings.steps), VALIDATIONS
    steps = max(1, round(settings.epochs * batches_per_epoch))
    return Budget(steps=steps), max(1, round(settings.epochs))


def unfilled_network_of(
    settings: RestorerSettings, careamics: Mapping[str, Any] | None = None
) -> LadderVAE:
    """Make the network as `network_of` does, without weights, for others to be loaded.

    No random numbers are drawn, which a training in another thread would miss.
    """
    with single_precision(), torch.device("meta"):
        network = network_of(settings, careamics)
    return _channels_last(network.to_empty(device="cpu"))
