"""From settings to the objects that they describe."""

import torch
from torch import nn

from ladderscope.losses import ConstantKLWeight, LinearKLWeight
from ladderscope.network import LadderVAE
from ladderscope.restorers.config import DenoiserSettings
from ladderscope.training import Budget
from ladderscope.training.budget import CosineRate, PlateauRate

ACTIVATIONS = {"elu": nn.ELU, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "silu": nn.SiLU}
VALIDATIONS = 20


def network_of(settings: DenoiserSettings) -> LadderVAE:
    """Make the network, with random weights."""
    network = LadderVAE(
        latent_channels=(settings.latent_channels,) * settings.levels,
        filters=settings.filters,
        blocks=settings.blocks,
        first_kernel=settings.first_kernel,
        batch_norm=settings.batch_norm,
        dropout=settings.dropout,
        activation=ACTIVATIONS[settings.activation],
        blind_levels=settings.blind_levels,
    )
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def kl_weight_of(settings: DenoiserSettings) -> ConstantKLWeight | LinearKLWeight:
    """Make the schedule of the KL's weight, by steps."""
    if settings.kl_annealing_steps:
        return LinearKLWeight(0, settings.kl_annealing_steps, settings.kl_weight)
    return ConstantKLWeight(settings.kl_weight)


def rate_of(settings: DenoiserSettings) -> CosineRate | PlateauRate:
    """Make the schedule of the learning rate."""
    if settings.rate == "plateau":
        return PlateauRate(settings.learning_rate)
    return CosineRate(settings.learning_rate, settings.warmup_steps)


def budget_of(settings: DenoiserSettings, batches_per_epoch: int) -> tuple[Budget, int]:
    """Make the budget, and say how many validations it holds: one an epoch, or twenty."""
    if settings.epochs is None:
        return Budget(minutes=settings.minutes, steps=settings.steps), VALIDATIONS
    steps = max(1, round(settings.epochs * batches_per_epoch))
    return Budget(steps=steps), max(1, round(settings.epochs))
