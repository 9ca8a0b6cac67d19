"""What can be wrong with a training."""

from ladderscope.errors import LadderscopeError


class TrainingError(LadderscopeError):
    """A training that cannot go on, and what to try."""
