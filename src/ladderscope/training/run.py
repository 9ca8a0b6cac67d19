"""Running a training: the loop, compiling, interruption, and what comes out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ladderscope.data import MixedPatches, TrainingPatches
from ladderscope.errors import LadderscopeError
from ladderscope.events import TrainingStep, is_heard, seconds_left, tell
from ladderscope.interruption import ShouldStop
from ladderscope.machine import (
    best_device,
    has_compiler,
    keep_freed_memory,
    make_compile_cache,
)
from ladderscope.progress import Listener
from ladderscope.training.activity import active_channels
from ladderscope.training.budget import Budget
from ladderscope.training.course import Course
from ladderscope.training.errors import TrainingError
from ladderscope.training.module import Record, RestorationModule, Terms
from ladderscope.training.progress import Message
from ladderscope.training.seeding import seeded
from ladderscope.training.team import Team
from ladderscope.training.worker import Worker
from ladderscope.words import counted

logger = logging.getLogger("ladderscope")

# Compiling takes about a minute on two cores and saves a third of every step after it.
COMPILE_FROM_MINUTES = 3.0
COMPILE_FROM_STEPS = 1000


@dataclass(frozen=True)
class Outcome:
    """How a training went; the module it trained holds the best weights.

    Attributes
    ----------
    history : tuple of Record
        One line per validation.
    steps, skipped : int
        Steps done, and how many of them were skipped because loss or gradient was not finite.
    seconds : float
        Time spent, earlier runs of a resumed training included.
    interrupted : bool
        Whether it was stopped before its budget was spent.
    best_step : int
        The step whose weights were kept.
    compiled : bool
        Whether the network was compiled.
    diverged : bool
        Whether it stopped early because the loss stayed non-finite.
    active_channels : tuple of int, optional
        Of each level that sees the image: see `active_channels`. None in files of earlier versions.
    """

    history: tuple[Record, ...]
    steps: int
    skipped: int
    seconds: float
    interrupted: bool
    best_step: int
    compiled: bool
    diverged: bool = False
    active_channels: tuple[int, ...] | None = None


UNTRAINED = Outcome((), 0, 0, 0.0, interrupted=False, best_step=0, compiled=False)


def train(
    module: RestorationModule[Any],
    patches: TrainingPatches | MixedPatches,
    course: Course,
    *,
    seed: int,
    resume: bool = False,
    device: str | None = None,
    team: Team | None = None,
    compile_network: bool | None = None,
    report: Listener | None = None,
    should_stop: ShouldStop | None = None,
    watch: Callable[[Course], None] | None = None,
) -> Outcome:
    """Train a module until the budget of its course is spent, or `should_stop` returns True.

    Trainings in several threads take turns; the clock of a budget starts with its turn.

    Parameters
    ----------
    module : RestorationModule
        Is left with the best weights: see `Course`.
    patches : TrainingPatches or MixedPatches
        Where batches come from.
    course : Course
        The budget, the learning rate, the validation patches and the state file.
    seed : int
        Random seed of the latent noise. The global random state is left as it was.
    resume : bool
        Continue from the course's state file.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"mps"``; the best there is by default.
    team : Team, optional
        The processes that share each batch; this one alone by default.
    compile_network : bool, optional
        Whether to use torch.compile; by default where it pays within the budget.
    report : callable, optional
        Called after each step with the fraction of the budget that is spent, and a message.
    should_stop : callable, optional
        Called after each step, and while another training has its turn; True ends the training.
    watch : callable, optional
        Called after each validation.

    Raises
    ------
    TrainingError
        No loss was finite, or the state file does not fit.
    StopRequested
        `should_stop` returned True before its turn.
    """
    keep_freed_memory()
    make_compile_cache()
    stopped = False
    with seeded(seed, should_stop), torch.enable_grad():
        worker = Worker.start(best_device(device), team)
        patches, module.share = patches.part(worker.share.rows), worker.share
        report = report if worker.is_first else None
        course.begin()
        if resume:
            course.resume(module, worker)
        spent = worker.agreed(course.fraction(module))
        if not module.steps_done or spent < 1:
            if compile_network is None:
                compile_network = compiling_pays(course.budget, left=1 - spent)
            if compile_network and has_compiler():
                module.terms = _compiled(module)
            stopped = _fit(worker, module, patches, course, report, should_stop, watch)
    compiled = module.terms != module.network_terms
    module.terms = module.network_terms
    if course.best_weights is None:
        raise TrainingError(
            "no validation gave a finite loss: check that the noise model fits the images (gain "
            "and intercept in the units of the file), or train with a lower learning rate "
            "(learning_rate in the settings)"
        )
    module.network.load_state_dict(course.best_weights)
    if report is not None and not stopped:
        report(1.0, f"trained for {module.steps_done} steps")
    return Outcome(
        tuple(course.history),
        module.steps_done,
        module.skipped,
        course.seconds,
        stopped,
        course.best_step,
        compiled,
        course.diverged,
        active_channels(module, course.validation),
    )


def _fit(
    worker: Worker,
    module: RestorationModule[Any],
    patches: TrainingPatches | MixedPatches,
    course: Course,
    report: Listener | None,
    should_stop: ShouldStop | None,
    watch: Callable[[Course], None] | None,
) -> bool:
    """Take step after step; returns whether it was stopped before the budget was spent."""
    worker.place(module)
    optimizer = module.make_optimizer(module.network)
    torch.empty((), dtype=torch.int64).random_()  # drawn by every training so far
    course.restore(optimizer)
    message = Message()
    done = stopped = False
    spent = worker.agreed(course.fraction(module))
    while not (done or stopped):
        course.set_rate(module, optimizer, spent)
        try:
            batch = worker.batch(patches, module.steps_done)
        except LadderscopeError as error:
            if worker.is_first:
                course.keep(module, optimizer)
            raise TrainingError(f"{error}{_kept_until(course, module)}") from error
        _step(module, batch, optimizer, worker)
        course.note(module)
        spent = worker.agreed(course.fraction(module))
        done = spent >= 1 or course.diverged
        if done or course.is_due(spent):
            course.validate(module, spent, worker)
            if worker.is_first:
                course.keep(module, optimizer)
                if watch is not None:
                    watch(course)
            done = done or course.rate.exhausted()
        if report is not None:
            report(spent, message(module.steps_done, module.latest))
            if is_heard() and module.latest is not None:
                loss, reconstruction, kl = (float(term) for term in module.latest)
                left = seconds_left(course.seconds, spent)
                tell(TrainingStep(module.steps_done, loss, reconstruction, kl, spent, left))
        stopped = worker.agreed(should_stop is not None and should_stop())
    if not course.history or course.history[-1].step < module.steps_done:
        # Kept before steps since the last validation get their chance to be the best: a resumed
        # training validates when an uninterrupted one does, and so ends with the same weights.
        if worker.is_first:
            course.keep(module, optimizer)
        course.validate(module, spent, worker)
    interrupted: bool = worker.agreed(stopped and course.fraction(module) < 1)
    worker.release(module)
    best = course.best_weights or {}  # none, in all processes or in no one
    course.best_weights = worker.agreed({name: of.cpu() for name, of in best.items()}) or None
    return interrupted


def _kept_until(course: Course, module: RestorationModule[Any]) -> str:
    """Say how a training can go on whose images could not be read any more."""
    if course.state_file is None:
        return ""
    return (
        f" The {counted(module.steps_done, 'training step')} until then are kept in "
        f"{course.state_file}: resume (--resume) once all images are as they were"
    )


def _step(
    module: RestorationModule[Any],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    worker: Worker,
) -> None:
    """Take a step; where compiled code fails, go on without it."""
    try:
        _take(module, batch, optimizer, worker)
    except Exception as error:
        if module.terms == module.network_terms:
            raise
        _say_uncompiled(error)
        module.terms = module.network_terms
        _take(module, batch, optimizer, worker)


def _take(
    module: RestorationModule[Any],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    worker: Worker,
) -> None:
    module.training_step(batch, optimizer, worker.backward, worker.everywhere, worker.average)


def compiling_pays(budget: Budget, left: float = 1.0) -> bool:
    """Decide whether compiling saves more time than it takes, within this fraction of the budget.

    Examples
    --------
    >>> compiling_pays(Budget(minutes=5)), compiling_pays(Budget(steps=20))
    (True, False)
    """
    long_enough = budget.minutes is None or left * budget.minutes >= COMPILE_FROM_MINUTES
    return long_enough and (budget.steps is None or left * budget.steps >= COMPILE_FROM_STEPS)


def _compiled(module: RestorationModule[Any]) -> Callable[[Tensor], Terms]:
    # On a CPU, compiled random numbers take several times as long as torch's own.
    own_random: dict[str, str | int | bool | Callable[..., Any]] = {"fallback_random": True}
    try:
        return torch.compile(module.network_terms, dynamic=False, options=own_random)
    except Exception as error:  # where nothing can be kept, and where torch knows no Python so new
        _say_uncompiled(error)
        return module.network_terms


def _say_uncompiled(error: Exception) -> None:
    why = next(iter(str(error).strip().splitlines()), type(error).__name__)
    logger.warning("torch.compile failed, and training continues without it: %s", why)
