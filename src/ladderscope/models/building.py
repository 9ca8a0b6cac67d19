"""From settings to the tiles and schedules that they describe."""

from ladderscope.losses import ConstantKLWeight, LinearKLWeight
from ladderscope.models.config import RestorerSettings
from ladderscope.prediction import Geometry
from ladderscope.training import Budget
from ladderscope.training.budget import CosineRate, PlateauRate

VALIDATIONS = 20


def geometry_of(settings: RestorerSettings) -> Geometry:
    """Make the geometry of the tiles."""
    return Geometry(
        settings.tile_core, settings.tile_margin, settings.tile_depth, settings.tile_depth_margin
    )


def kl_weight_of(settings: RestorerSettings) -> ConstantKLWeight | LinearKLWeight:
    """Make the schedule of the KL weight, in steps."""
    if settings.kl_annealing_steps:
        return LinearKLWeight(0, settings.kl_annealing_steps, settings.kl_weight)
    return ConstantKLWeight(settings.kl_weight)


def rate_of(settings: RestorerSettings) -> CosineRate | PlateauRate:
    """Make the schedule of the learning rate."""
    if settings.rate == "plateau":
        return PlateauRate(settings.learning_rate)
    return CosineRate(settings.learning_rate, settings.warmup_steps)


def budget_of(settings: RestorerSettings, batches_per_epoch: int) -> tuple[Budget, int]:
    """Make the budget, and give the number of validations in it: one per epoch, or twenty."""
    if settings.epochs is None:
        return Budget(minutes=settings.minutes, steps=settings.steps), VALIDATIONS
    steps = max(1, round(settings.epochs * batches_per_epoch))
    return Budget(steps=steps), max(1, round(settings.epochs))
