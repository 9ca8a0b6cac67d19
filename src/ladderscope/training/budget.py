"""How long to train, and the schedule of the learning rate."""

import math
from dataclasses import dataclass, field

from ladderscope.errors import LadderscopeError


@dataclass(frozen=True)
class Budget:
    """A budget in minutes, in steps, or in whichever of the two is spent first.

    Parameters
    ----------
    minutes : float, optional
        Wall-clock time, including compiling and validation.
    steps : int, optional
        Optimisation steps; with these a seed fixes the result.

    Raises
    ------
    LadderscopeError
        Neither is given, or one is not positive.

    Examples
    --------
    >>> Budget(steps=200).fraction(step=50, seconds=1e9)
    0.25
    >>> Budget(minutes=5, steps=200).fraction(step=50, seconds=150.0)
    0.5
    """

    minutes: int | float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise LadderscopeError("give the budget in minutes or in steps")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise LadderscopeError(
                f"the budget is {self.minutes} minutes: give a positive number, such as minutes=5"
            )
        if self.steps is not None and self.steps < 1:
            raise LadderscopeError(
                f"the budget is {self.steps} steps: give a positive number, such as steps=1000"
            )

    def fraction(self, step: int, seconds: float) -> float:
        """Give the fraction of the budget that is spent after so many steps and seconds."""
        of_steps = 0.0 if self.steps is None else step / self.steps
        of_minutes = 0.0 if self.minutes is None else seconds / (60 * self.minutes)
        return min(1.0, max(of_steps, of_minutes))

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.minutes is None else f"{self.minutes:g} minutes"


@dataclass(frozen=True)
class CosineRate:
    """A learning rate that warms up and then falls to zero along a half cosine of the budget.

    Parameters
    ----------
    peak : float
        The highest learning rate.
    warmup_steps : int
        Steps over which it rises linearly.

    Examples
    --------
    >>> rate = CosineRate(peak=3e-3, warmup_steps=100)
    >>> rate(step=1000, fraction=0.5), rate(step=1000, fraction=1.0)
    (0.0015, 0.0)
    """

    peak: float
    warmup_steps: int = 0

    def __call__(self, step: int, fraction: float) -> float:
        """Give the learning rate of a step, at this fraction of the budget."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        return self.peak * warm * 0.5 * (1 + math.cos(math.pi * fraction))

    def validated(self, loss: float) -> None:
        """Take a validation loss, which the cosine ignores."""

    def exhausted(self) -> bool:
        """Say whether training may end early: never."""
        return False


@dataclass
class PlateauRate:
    """A learning rate that halves whenever the validation loss stalls, as in HDN.

    Parameters
    ----------
    peak : float
        The initial learning rate.
    patience : int
        Validations without gain after which it halves.
    stop_after : int
        Validations without gain after which training ends.

    Examples
    --------
    >>> rate = PlateauRate(peak=3e-4, patience=2)
    >>> for loss in (1.0, 1.1, 1.2):
    ...     rate.validated(loss)
    >>> rate(step=0, fraction=0.5)
    0.00015
    """

    peak: float
    patience: int = 10
    stop_after: int = 30
    _losses: list[float] = field(default_factory=list)

    def __call__(self, step: int, fraction: float) -> float:
        """Give the learning rate of a step."""
        best, stalled, halvings = math.inf, 0, 0
        for loss in self._losses:
            stalled = 0 if loss < best else stalled + 1
            best = min(best, loss)
            if stalled >= self.patience:
                stalled, halvings = 0, halvings + 1
        return self.peak * 0.5**halvings

    def validated(self, loss: float) -> None:
        """Take a validation loss."""
        self._losses.append(loss if math.isfinite(loss) else math.inf)

    def exhausted(self) -> bool:
        """Say whether the loss has stalled for so long that training may end."""
        if not self._losses:
            return False
        since_best = len(self._losses) - 1 - self._losses.index(min(self._losses))
        return since_best >= self.stop_after
