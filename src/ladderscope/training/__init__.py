"""Training a ladder within a budget of minutes or steps, interruptible and resumable."""

from ladderscope.training.budget import Budget
from ladderscope.training.course import Course
from ladderscope.training.denoising import DenoisingModule
from ladderscope.training.errors import TrainingError
from ladderscope.training.module import Record, RestorationModule
from ladderscope.training.run import UNTRAINED, Outcome, train
from ladderscope.training.splitting import SplittingModule
from ladderscope.training.team import Team
from ladderscope.training.variance import fit_variance

__all__ = [
    "UNTRAINED",
    "Budget",
    "Course",
    "DenoisingModule",
    "Outcome",
    "Record",
    "RestorationModule",
    "SplittingModule",
    "Team",
    "TrainingError",
    "fit_variance",
    "train",
]
