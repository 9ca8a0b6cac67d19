"""Running a training: precision, compiling, interruption, and what comes out."""

import logging
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader

from ladderscope.machine import best_device, keep_freed_memory
from ladderscope.patches import MixedPatches, TrainingPatches
from ladderscope.training.budget import Budget
from ladderscope.training.callbacks import Course, ProgressBar, StopWhen, TrainingError
from ladderscope.training.module import Record, RestorationModule, Terms

__all__ = ["UNTRAINED", "Outcome", "TrainingError", "compiling_pays", "train"]

logger = logging.getLogger("ladderscope")

# Compiling takes about a minute on two cores and saves a third of every step after it.
COMPILE_FROM_MINUTES = 3.0
COMPILE_FROM_STEPS = 1000
ENDLESS = 10**9


@dataclass(frozen=True)
class Outcome:
    """How a training went; the module it trained holds the best weights.

    Attributes
    ----------
    history : tuple of Record
        One line a validation.
    steps, skipped : int
        Steps done, and how many of them were skipped because loss or gradient was not finite.
    seconds : float
        Time spent, earlier runs of a resumed training included.
    interrupted : bool
        Whether it ended before its budget, by Ctrl-C.
    best_step : int
        The step whose weights were kept.
    compiled : bool
        Whether the network was compiled.
    diverged : bool
        Whether it ended before its budget because the loss stayed non-finite.
    """

    history: tuple[Record, ...]
    steps: int
    skipped: int
    seconds: float
    interrupted: bool
    best_step: int
    compiled: bool
    diverged: bool = False


UNTRAINED = Outcome((), 0, 0, 0.0, interrupted=False, best_step=0, compiled=False)


def train(
    module: RestorationModule[Any],
    patches: TrainingPatches | MixedPatches,
    course: Course,
    *,
    seed: int,
    resume: bool = False,
    device: str | None = None,
    compile_network: bool | None = None,
    progress: bool = True,
) -> Outcome:
    """Train a module until the budget of its course is spent, or Ctrl-C is pressed.

    Parameters
    ----------
    module : RestorationModule
        Is left with the best weights: see `Course`.
    patches : TrainingPatches or MixedPatches
        Where batches come from.
    course : Course
        The budget, the learning rate, the validation patches and the state file.
    seed : int
        Fixes the latents' noise. The global random state is left as it was.
    resume : bool
        Go on from the course's state file.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"mps"``; the best there is by default.
    compile_network : bool, optional
        Whether to use torch.compile; by default where it pays within the budget.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    TrainingError
        The loss stays non-finite, or there is nothing to resume from.
    KeyboardInterrupt
        Ctrl-C was pressed twice.
    """
    keep_freed_memory()
    if resume:
        course.resume(module)
    if compile_network is None:
        compile_network = compiling_pays(course.budget, left=1 - course.fraction(module))
    if compile_network and _has_compiler():
        module.terms = _compiled(module)
    loader = DataLoader(patches, batch_size=None, sampler=range(module.steps_done, ENDLESS))
    with _interruptible() as ctrl_c, _quiet_lightning():
        callbacks: list[lightning.Callback] = [course, StopWhen(lambda: ctrl_c.presses > 0)]
        if progress:
            callbacks.append(ProgressBar(course))
        where = best_device(device)
        trainer = lightning.Trainer(
            accelerator=where.type,
            devices=1 if where.index is None else [where.index],
            max_epochs=1,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            if course.fraction(module) < 1:
                _fit(trainer, module, loader, ctrl_c)
        interrupted = ctrl_c.presses > 0 and course.fraction(module) < 1
    compiled = module.terms != module.network_terms
    module.terms = module.network_terms
    if course.best_weights is None:
        raise TrainingError(
            "no validation gave a finite loss: check that the noise model fits the images (gain "
            "and intercept in the units of the file), or train with a lower learning rate "
            "(learning_rate in the settings)"
        )
    module.network.load_state_dict(course.best_weights)
    return Outcome(
        tuple(course.history),
        module.steps_done,
        module.skipped,
        course.seconds,
        interrupted,
        course.best_step,
        compiled,
        course.diverged,
    )


@dataclass
class _CtrlC:
    presses: int = 0


def _fit(
    trainer: lightning.Trainer,
    module: RestorationModule[Any],
    loader: DataLoader[Any],
    ctrl_c: _CtrlC,
) -> None:
    try:
        trainer.fit(module, loader)
    except SystemExit:
        # Lightning turns a KeyboardInterrupt into an exit like any other.
        if ctrl_c.presses > 1:
            raise KeyboardInterrupt from None
        raise


def compiling_pays(budget: Budget, left: float = 1.0) -> bool:
    """Tell whether this share of the budget is enough to win back the time that compiling takes.

    Examples
    --------
    >>> compiling_pays(Budget(minutes=5)), compiling_pays(Budget(steps=20))
    (True, False)
    """
    if budget.minutes is not None:
        return left * budget.minutes >= COMPILE_FROM_MINUTES
    return left * (budget.steps or 0) >= COMPILE_FROM_STEPS


def _has_compiler() -> bool:
    if sys.platform == "win32":
        return shutil.which("cl") is not None
    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))


def _compiled(module: RestorationModule[Any]) -> Callable[[torch.Tensor], Terms]:
    """Compile the network's terms; where that fails, go on without."""
    # On a CPU compiled random numbers take several times as long as torch's own.
    own_random: dict[str, str | int | bool | Callable[..., Any]] = {"fallback_random": True}
    compiled = torch.compile(module.network_terms, dynamic=False, options=own_random)

    def terms(normalised: torch.Tensor) -> Terms:
        try:
            return compiled(normalised)
        except RuntimeError as error:
            logger.warning("torch.compile failed, training goes on without it: %s", error)
            module.terms = module.network_terms
            return module.network_terms(normalised)

    return terms


@contextmanager
def _interruptible() -> Iterator[_CtrlC]:
    """Turn the first Ctrl-C into a count that can be looked at, and the second into an abort."""
    ctrl_c = _CtrlC()

    def pressed(*_: object) -> None:
        ctrl_c.presses += 1
        if ctrl_c.presses > 1:
            raise KeyboardInterrupt
        logger.warning("stopping after this step; press Ctrl-C again to abort at once")

    if threading.current_thread() is not threading.main_thread():
        yield ctrl_c
        return
    before = signal.signal(signal.SIGINT, pressed)
    try:
        yield ctrl_c
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice on devices and workers away from users who chose neither."""
    talkative = logging.getLogger("lightning.pytorch")
    before = talkative.level
    talkative.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            yield
    finally:
        talkative.setLevel(before)
