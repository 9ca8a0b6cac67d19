"""What happens around the training steps: the learning rate, validation, progress, saved state."""

import io
import logging
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from rich.progress import BarColumn, Progress, TextColumn

from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError, whole_file
from ladderscope.losses import Objective
from ladderscope.patches import MixedBatch, PatchBatch
from ladderscope.training.budget import Budget, CosineRate, PlateauRate
from ladderscope.training.module import Record, RestorationModule

logger = logging.getLogger("ladderscope")

MOST_SKIPPED_IN_A_ROW = 20
# Few held-out patches judge one set of weights by chance; several validations in a row do not.
VALIDATIONS_AVERAGED = 5
# Counts up whenever what a kept training holds changes.
_STATE_FORMAT = 1


class TrainingError(LadderscopeError):
    """A training that cannot go on, and what to try."""


class Course(Callback):
    """Steers a training through its budget and remembers its best weights and its history.

    The best weights are those at the end of the five validations in a row (or all, of fewer) with
    the lowest mean loss.

    Parameters
    ----------
    budget : Budget
        When training ends.
    rate : CosineRate or PlateauRate
        The learning rate.
    validation : PatchBatch or MixedBatch
        Held-out patches.
    validations : int
        How many times the budget is interrupted to validate.
    state_file : Path, optional
        Where everything needed to go on is kept, rewritten at every validation.
    fingerprint : str
        What the state belongs to: settings and data. A state with another one is refused.
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
        self._validated = 0
        self.best_weights: dict[str, torch.Tensor] | None = None
        self._since_validation: list[Objective] = []
        self._earlier_seconds = 0.0
        self._started = time.monotonic()
        self._resumed: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Time spent training, earlier runs of a resumed training included."""
        return self._earlier_seconds + time.monotonic() - self._started

    def fraction(self, module: RestorationModule[Any]) -> float:
        """How much of the budget is spent."""
        return self.budget.fraction(module.steps_done, self.seconds)

    def resume(self, module: RestorationModule[Any]) -> None:
        """Take up the training that `state_file` holds."""
        state = _read_state(self.state_file, self.fingerprint)
        module.network.load_state_dict(state["network"])
        module.steps_done, module.skipped = state["step"], state["skipped"]
        self.history = [
            Record(**{**line, "level_kl": tuple(line["level_kl"])}) for line in state["history"]
        ]
        for line in self.history:
            self.rate.validated(line.validation_loss)
        self._since_validation = [Objective(*terms) for terms in state["since_validation"]]
        self.best_loss, self.best_step = state["best_loss"], state["best_step"]
        self.best_weights = state["best_weights"]
        self._earlier_seconds, self._validated = state["seconds"], state["validated"]
        self._resumed = state

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """Restore what exists only once training starts: the optimizer and the random state."""
        if self._resumed is not None:
            trainer.optimizers[0].load_state_dict(self._resumed["optimizer"])
            torch.set_rng_state(self._resumed["random"])

    def on_train_batch_start(self, trainer: Trainer, module: Any, *_: Any) -> None:
        """Set the learning rate of this step."""
        rate = self.rate(module.steps_done, self.fraction(module))
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate * group.get("share", 1.0)

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        """Validate when it is time, and end when the budget is spent."""
        if module.latest is not None:
            self._since_validation.append(module.latest)
        if module.skipped_in_a_row >= MOST_SKIPPED_IN_A_ROW:
            self._give_up(module.steps_done)
        spent = self.fraction(module)
        done = spent >= 1 or self.diverged
        due = int(spent * self.validations)
        if done or due > self._validated:
            self._validated = due
            self._validate(module)
            if self.state_file is not None:
                self._write_state(self.state_file, trainer, module)
            done = done or self.rate.exhausted()
        if done:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, module: Any) -> None:
        """Give steps since the last validation their chance to be the best.

        The state is kept without this validation: a resumed training validates when an
        uninterrupted one does, and so ends with the same weights.
        """
        if not self.history or self.history[-1].step < module.steps_done:
            if self.state_file is not None:
                self._write_state(self.state_file, trainer, module)
            self._validate(module)

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

    def _validate(self, module: RestorationModule[Any]) -> None:
        held_out, level_kl = module.validate(self.validation)
        trained = _means(self._since_validation)
        self._since_validation.clear()
        loss = float(held_out.loss)
        self.history.append(
            Record(
                step=module.steps_done,
                seconds=self.seconds,
                loss=float(trained.loss),
                reconstruction=float(trained.reconstruction),
                kl=float(trained.kl),
                validation_loss=loss,
                validation_reconstruction=float(held_out.reconstruction),
                validation_kl=float(held_out.kl),
                level_kl=tuple(level_kl.tolist()),
            )
        )
        self.rate.validated(loss)
        recent = [line.validation_loss for line in self.history[-VALIDATIONS_AVERAGED:]]
        average = statistics.fmean(filter(math.isfinite, recent)) if math.isfinite(loss) else loss
        if average < self.best_loss:
            self.best_loss, self.best_step = average, module.steps_done
            self.best_weights = module.weights()

    def _write_state(
        self, state_file: Path, trainer: Trainer, module: RestorationModule[Any]
    ) -> None:
        state = {
            "format": _STATE_FORMAT,
            "fingerprint": self.fingerprint,
            "network": module.weights(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "random": torch.get_rng_state(),
            "step": module.steps_done,
            "skipped": module.skipped,
            "seconds": self.seconds,
            "validated": self._validated,
            "history": [asdict(line) for line in self.history],
            "since_validation": [tuple(terms) for terms in self._since_validation],
            "best_loss": self.best_loss,
            "best_step": self.best_step,
            "best_weights": self.best_weights,
        }
        try:
            # A full disk met by torch itself would end as an error of torch.
            content = io.BytesIO()
            torch.save(state, content)
            with whole_file(state_file, overwrite=True) as path:
                path.write_bytes(content.getbuffer())
        except (OutputError, OSError) as error:
            logger.warning("training goes on, but could not be resumed: %s", error)


def _means(objectives: list[Objective]) -> Objective:
    """Average each term; over no steps at all that is NaN."""
    terms = torch.tensor([[float(term) for term in objective] for objective in objectives])
    return Objective(*terms.reshape(-1, len(Objective._fields)).mean(dim=0))


def _read_state(path: Path | None, fingerprint: str) -> dict[str, Any]:
    if path is None or not path.exists():
        raise TrainingError(
            f"nothing to resume: {path} does not exist. Train once without resuming; the state "
            "is kept there when training is interrupted"
        )
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = state["fingerprint"]
    except Exception as error:
        raise TrainingError(
            f"{path} cannot be resumed from: it is damaged or no training state ({error}). "
            "Delete it and train anew"
        ) from error
    if (kept := state.get("format")) != _STATE_FORMAT:
        raise TrainingError(
            f"{path} was kept by another version of Ladderscope (format {kept}; this one resumes "
            f"format {_STATE_FORMAT}): resume with that version, or delete the file and train anew"
        )
    if found != fingerprint:
        raise TrainingError(
            f"{path} belongs to a training with other settings or other images: resume with the "
            "same ones, or delete the file and train anew"
        )
    return state


class ProgressBar(Callback):
    """One line: the share of the budget, the loss and its two parts, and the time left."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self._smooth: list[float] | None = None
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  step {task.fields[step]}  {task.fields[terms]}"),
            TextColumn("{task.fields[left]}"),
            transient=True,
        )

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """Show the bar."""
        self._bar.start()
        self._task = self._bar.add_task("", total=1.0, step=0, terms="", left="")

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        """Move it."""
        if module.latest is not None:
            terms = [float(term) for term in module.latest]
            before = self._smooth or terms
            self._smooth = [0.95 * old + 0.05 * new for old, new in zip(before, terms, strict=True)]
        spent = self.course.fraction(module)
        left = self.course.seconds * (1 - spent) / spent if spent else 0.0
        loss, reconstruction, kl = self._smooth or [float("nan")] * 3
        self._bar.update(
            self._task,
            completed=spent,
            step=module.steps_done,
            terms=f"loss {loss:.4f} = reconstruction {reconstruction:.4f} + KL {kl:.4f}",
            left=f"{_clock(left)} left",
        )

    def teardown(self, trainer: Trainer, module: Any, stage: str) -> None:
        """Take the bar away."""
        self._bar.stop()

    def on_exception(self, trainer: Trainer, module: Any, exception: BaseException) -> None:
        """Take the bar away when training broke off."""
        self._bar.stop()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class StopWhen(Callback):
    """Ends training after the current step once asked to."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self.asked = asked

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        """Look whether somebody asked."""
        if self.asked():
            trainer.should_stop = True
