"""The course of a training: its budget, learning rate, history and best weights."""

import logging
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from ladderscope.data import MixedBatch, PatchBatch
from ladderscope.events import Validation, tell
from ladderscope.files import OutputError
from ladderscope.losses import Objective
from ladderscope.training.budget import Budget, CosineRate, PlateauRate
from ladderscope.training.errors import TrainingError
from ladderscope.training.module import Record, RestorationModule
from ladderscope.training.state import (
    State,
    device_random,
    read_state,
    restore_optimizer,
    restore_random,
    write_state,
)
from ladderscope.training.worker import Worker

logger = logging.getLogger("ladderscope")

MOST_SKIPPED_IN_A_ROW = 20
# A single validation on few held-out patches is decided by chance; several in a row are not.
VALIDATIONS_AVERAGED = 5


class Course:
    """Steers a training through its budget, and keeps its history and its best weights.

    The best weights are those at the end of the five validations in a row (or all, of fewer) with
    the lowest mean loss.

    Parameters
    ----------
    budget : Budget
        How long to train.
    rate : CosineRate or PlateauRate
        The learning rate.
    validation : PatchBatch or MixedBatch
        Held-out patches.
    validations : int
        Number of validations within the budget.
    state_file : Path, optional
        File for everything needed to resume, rewritten at every validation.
    fingerprint : str
        Identifies settings and data; a state with another fingerprint is refused.
    """

    def __init__(
        self,
        budget: Budget,
        rate: CosineRate | PlateauRate,
        validation: PatchBatch | MixedBatch,
        *,
        validations: int = 20,
        state_file: Path | None = None,
        fingerprint: str = "",
    ) -> None:
        self.budget, self.rate, self.validation = budget, rate, validation
        self.validations, self.state_file, self.fingerprint = validations, state_file, fingerprint
        self.history: list[Record] = []
        self.best_loss, self.best_step = math.inf, 0
        self.diverged = False
        self.best_weights: dict[str, torch.Tensor] | None = None
        self._validated = 0
        self._since_validation: list[Objective] = []
        self._earlier_seconds = 0.0
        self._started = time.monotonic()
        self._resumed: State | None = None

    def begin(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent training, earlier runs of a resumed training included."""
        return self._earlier_seconds + time.monotonic() - self._started

    def fraction(self, module: RestorationModule[Any]) -> float:
        """How much of the budget is spent, by the clock of this process."""
        return self.budget.fraction(module.steps_done, self.seconds)

    def resume(self, module: RestorationModule[Any], worker: Worker) -> None:
        """Resume the training that `state_file` holds; the first process reads it."""
        kept = self.state_file, self.fingerprint, module.network
        state: State = worker.agreed(read_state(*kept) if worker.is_first else None)
        module.network.load_state_dict(state.network)
        module.steps_done, module.skipped = state.step, state.skipped
        self.history = list(state.history)
        for line in self.history:
            self.rate.validated(line.validation_loss)
        self._since_validation = [Objective(*map(torch.tensor, terms)) for terms in state.since]
        self.best_loss, self.best_step = state.best_loss, state.best_step
        self.best_weights = state.best_weights
        self._earlier_seconds, self._validated = state.seconds, state.validated
        self._resumed = state

    def restore(self, optimizer: torch.optim.Optimizer) -> None:
        """Restore the resumed state of the optimizer and of the random numbers."""
        if self._resumed is not None:
            restore_optimizer(self.state_file, self._resumed, optimizer)
            restore_random(self.state_file, self._resumed, _device(optimizer))
            self._resumed = None

    def set_rate(
        self, module: RestorationModule[Any], optimizer: torch.optim.Optimizer, spent: float
    ) -> None:
        """Set the learning rate of the next step, with this fraction of the budget spent."""
        rate = self.rate(module.steps_done, spent)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("share", 1.0)

    def note(self, module: RestorationModule[Any]) -> None:
        """Record the last step, and check that the loss has been finite recently.

        Raises
        ------
        TrainingError
            It has not, and there are no weights to keep.
        """
        if module.latest is not None:
            self._since_validation.append(module.latest)
        if module.skipped_in_a_row >= MOST_SKIPPED_IN_A_ROW:
            self._give_up(module.steps_done)

    def is_due(self, spent: float) -> bool:
        """Say whether to validate now, with this fraction of the budget spent."""
        return int(spent * self.validations) > self._validated

    def validate(self, module: RestorationModule[Any], spent: float, worker: Worker) -> None:
        """Add a line to the history, and keep the weights if they are the best so far.

        Parameters
        ----------
        module
            What is trained.
        spent
            The fraction of the budget that is spent.
        worker
            Only the first one validates; all add the same line.
        """
        self._validated = int(spent * self.validations)
        line: Record = worker.agreed(self._record(module) if worker.is_first else None)
        self._since_validation.clear()
        self.history.append(line)
        loss = line.validation_loss
        self.rate.validated(loss)
        recent = [earlier.validation_loss for earlier in self.history[-VALIDATIONS_AVERAGED:]]
        average = statistics.fmean(filter(math.isfinite, recent)) if math.isfinite(loss) else loss
        if average < self.best_loss:
            self.best_loss, self.best_step = average, module.steps_done
            self.best_weights = module.weights()
        if worker.is_first:
            tell(Validation(line.step, line.seconds, line.loss, loss, self.best_step))

    def keep(self, module: RestorationModule[Any], optimizer: torch.optim.Optimizer) -> None:
        """Write everything needed to resume to the state file, if there is one."""
        if self.state_file is None:
            return
        state = State(
            fingerprint=self.fingerprint,
            network=module.weights(),
            optimizer=optimizer.state_dict(),
            random=torch.get_rng_state(),
            device_random=device_random(_device(optimizer)),
            step=module.steps_done,
            skipped=module.skipped,
            seconds=self.seconds,
            validated=self._validated,
            history=tuple(self.history),
            since=tuple(
                (float(loss), float(reconstruction), float(kl))
                for loss, reconstruction, kl in self._since_validation
            ),
            best_loss=self.best_loss,
            best_step=self.best_step,
            best_weights=self.best_weights,
        )
        try:
            write_state(self.state_file, state)
        except (OutputError, OSError) as error:
            logger.warning("training continues, but cannot be resumed: %s", error)

    def _record(self, module: RestorationModule[Any]) -> Record:
        held_out, level_kl = module.validate(self.validation)
        trained = _means(self._since_validation)
        return Record(
            step=module.steps_done,
            seconds=self.seconds,
            loss=float(trained.loss),
            reconstruction=float(trained.reconstruction),
            kl=float(trained.kl),
            validation_loss=float(held_out.loss),
            validation_reconstruction=float(held_out.reconstruction),
            validation_kl=float(held_out.kl),
            level_kl=tuple(level_kl.tolist()),
        )

    def _give_up(self, step: int) -> None:
        advice = (
            f"the loss was not finite for {MOST_SKIPPED_IN_A_ROW} batches in a row, at step "
            f"{step}: check that the noise model fits the images (gain and intercept in the units "
            "of the file), or train with a lower learning rate (learning_rate in the settings)"
        )
        if self.best_weights is None:
            raise TrainingError(advice)
        logger.warning("training stops early, and the best model so far is kept: %s", advice)
        self.diverged = True


def _device(optimizer: torch.optim.Optimizer) -> torch.device:
    device: torch.device = optimizer.param_groups[0]["params"][0].device
    return device


def _means(objectives: list[Objective]) -> Objective:
    """Average each term; the average over no steps is NaN."""
    terms = torch.tensor(
        [[float(term) for term in objective] for objective in objectives], dtype=torch.float32
    )
    return Objective(*terms.reshape(-1, len(Objective._fields)).mean(dim=0))
