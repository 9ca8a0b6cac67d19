"""From settings and noise to the tiles, schedules and turns that they call for."""

from collections.abc import Sequence

from ladderscope.data.cuts import TURNS, Turn
from ladderscope.evaluation.seams import Borders
from ladderscope.losses import ConstantKLWeight, LinearKLWeight
from ladderscope.models.config import RestorerSettings
from ladderscope.models.file import Model
from ladderscope.noise import NoiseModel
from ladderscope.prediction import Geometry, tiles
from ladderscope.training import Budget
from ladderscope.training.budget import CosineRate, PlateauRate

VALIDATIONS = 20
VARIANCE_SHARE, MOST_VARIANCE_STEPS = 0.05, 300
# A denoiser that sees a pixel more often begins to learn its noise; fewer steps are too few.
MOST_VIEWS, FEWEST_STEPS = 1_500, 300


def geometry_of(settings: RestorerSettings) -> Geometry:
    """Make the geometry of the tiles."""
    return Geometry(
        settings.tile_core, settings.tile_margin, settings.tile_depth, settings.tile_depth_margin
    )


def tile_borders(model: Model, size: tuple[int, int]) -> Borders:
    """Say where the tiles meet that a model restores one by one.

    Parameters
    ----------
    model
        As `Denoiser.model` and `Splitter.model` are.
    size
        Of the image, (Y, X) in pixels.

    Returns
    -------
    Borders
        As `ladderscope.evaluation.seams` takes them; no rows and columns where one tile is enough.
    """
    grid = 2 ** len(model.architecture.latent_channels)
    cores = [
        tile.core
        for tile in tiles(
            size, geometry_of(model.settings), grid, fixed=model.architecture.views > 1
        )
    ]
    rows, columns = (tuple(sorted({core[axis].start for core in cores} - {0})) for axis in range(2))
    return Borders(rows, columns, grid)


def turns_of(noise_models: Sequence[NoiseModel]) -> list[Turn]:
    """List the orientations of patches in which the noise is that of the image.

    Examples
    --------
    >>> from ladderscope.noise import Coloured, Gaussian
    >>> len(turns_of([Coloured(Gaussian(3.0), [[0.5, 1.0, 0.5]]), Gaussian(2.0)]))
    4
    """
    return [turn for turn in TURNS if all(model.survives(*turn) for model in noise_models)]


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


def variance_budget_of(settings: RestorerSettings, budget: Budget) -> Budget:
    """Make the budget for fitting error bars: part of the minutes, or beside the steps.

    Examples
    --------
    >>> from ladderscope.models import DenoiserSettings
    >>> variance_budget_of(DenoiserSettings(minutes=5), Budget(minutes=4.75)).minutes
    0.25
    """
    most = budget.steps and min(MOST_VARIANCE_STEPS, -(-budget.steps // 2))
    if settings.minutes is not None:
        return Budget(minutes=VARIANCE_SHARE * settings.minutes, steps=most)
    return Budget(steps=most)


def budget_of(
    settings: RestorerSettings, batches_per_epoch: int, most_steps: int | None
) -> tuple[Budget, int]:
    """Make the budget, and give the number of validations in it: one per epoch, or twenty.

    Of minutes, what fitting error bars takes is left out, and they end after so many steps.
    """
    if settings.minutes is not None:
        minutes = (1 - VARIANCE_SHARE) * settings.minutes
        return Budget(minutes=minutes, steps=most_steps), VALIDATIONS
    if settings.epochs is None:
        return Budget(steps=settings.steps), VALIDATIONS
    steps = max(1, round(settings.epochs * batches_per_epoch))
    return Budget(steps=steps), max(1, round(settings.epochs))


def most_steps_of(steps_per_view: float) -> int:
    """Give the number of steps after which a denoiser has seen its training images enough.

    Examples
    --------
    >>> most_steps_of(4.0), most_steps_of(0.25), most_steps_of(0.06)
    (6000, 375, 300)
    """
    return max(FEWEST_STEPS, round(MOST_VIEWS * steps_per_view))
