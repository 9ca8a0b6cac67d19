"""Training a ladder within a budget of minutes or steps, interruptible and resumable."""

from ladderscope.training.budget import Budget
from ladderscope.training.module import DenoisingModule, Record
from ladderscope.training.run import Outcome, TrainingError, train

__all__ = ["Budget", "DenoisingModule", "Outcome", "Record", "TrainingError", "train"]
