"""Training a ladder within a budget of minutes or steps, interruptible and resumable."""

from ladderscope.training.budget import Budget
from ladderscope.training.module import DenoisingModule, Record, RestorationModule, SplittingModule
from ladderscope.training.run import UNTRAINED, Outcome, TrainingError, train

__all__ = [
    "UNTRAINED",
    "Budget",
    "DenoisingModule",
    "Outcome",
    "Record",
    "RestorationModule",
    "SplittingModule",
    "TrainingError",
    "train",
]
