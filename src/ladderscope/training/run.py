"""Running a training: the loop, compiling, interruption, and what comes out."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ladderscope.data import MixedPatches, TrainingPatches
from ladderscope.interruption import Requests, stopping_gently
from ladderscope.machine import best_device, keep_freed_memory, make_compile_cache
from ladderscope.training.budget import Budget
from ladderscope.training.course import Course
from ladderscope.training.errors import TrainingError
from ladderscope.training.module import Record, RestorationModule, Terms
from ladderscope.training.progress import TrainingProgress
from ladderscope.training.seeding import seeded

if TYPE_CHECKING:
    from lightning.fabric import Fabric

logger = logging.getLogger("ladderscope")

# Compiling takes about a minute on two cores and saves a third of every step after it.
COMPILE_FROM_MINUTES = 3.0
COMPILE_FROM_STEPS = 1000

_OF_CLUSTERS = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"),
    *("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
)


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
        Whether it ended before its budget, by Ctrl-C or a signal.
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
    """Train a module until the budget of its course is spent, or it is asked to stop.

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
        It was asked to stop twice, by Ctrl-C, SIGTERM or SIGHUP.
    """
    keep_freed_memory()
    make_compile_cache()
    with seeded(seed), torch.enable_grad(), stopping_gently() as requests:
        fabric = _fabric(best_device(device))
        course.begin()
        if resume:
            course.resume(module)
        if not module.steps_done or course.fraction(module) < 1:
            if compile_network is None:
                compile_network = compiling_pays(course.budget, left=1 - course.fraction(module))
            if compile_network and _has_compiler():
                module.terms = _compiled(module)
            with TrainingProgress(bar=progress) as show:
                _fit(fabric, module, patches, course, show, requests)
        interrupted = requests.pending and course.fraction(module) < 1
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


def _fit(
    fabric: "Fabric",
    module: RestorationModule[Any],
    patches: TrainingPatches | MixedPatches,
    course: Course,
    show: TrainingProgress,
    requests: Requests,
) -> None:
    with _quiet_lightning():
        fabric.to_device(module)
    optimizer = module.make_optimizer(module.network)
    torch.empty((), dtype=torch.int64).random_()  # drawn by every training so far
    course.restore(optimizer)
    done = False
    while not done:
        course.set_rate(module, optimizer)
        batch = fabric.to_device(patches[module.steps_done])
        _step(module, batch, optimizer, fabric.backward)
        course.note(module)
        spent = course.fraction(module)
        done = spent >= 1 or course.diverged
        if done or course.is_due(spent):
            course.validate(module)
            course.keep(module, optimizer)
            done = done or course.rate.exhausted()
        show(module.steps_done, spent, course.seconds, module.latest)
        done = done or requests.pending
    if not course.history or course.history[-1].step < module.steps_done:
        # Kept before steps since the last validation get their chance to be the best: a resumed
        # training validates when an uninterrupted one does, and so ends with the same weights.
        course.keep(module, optimizer)
        course.validate(module)
    module.cpu()
    fabric.accelerator.teardown()


def _fabric(device: torch.device) -> "Fabric":
    """Place a training on one device, in this process alone, whatever a cluster has prepared."""
    # Restoring needs neither Lightning nor the compiler that it loads.
    with _no_cluster(), _quiet_lightning():
        from lightning.fabric import Fabric
        from lightning.fabric.plugins.environments.lightning import LightningEnvironment

        return Fabric(
            accelerator=device.type,
            devices=1 if device.index is None else [device.index],
            plugins=[LightningEnvironment()],
        )


@contextmanager
def _no_cluster() -> Iterator[None]:
    """Hide what a cluster says of this process; Lightning takes any value for a number."""
    hidden = {name: os.environ.pop(name) for name in _OF_CLUSTERS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice on devices away from users who did not choose one."""
    talkative = [logging.getLogger(f"lightning.{part}") for part in ("fabric", "pytorch")]
    levels = [one.level for one in talkative]
    for one in talkative:
        one.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for one, level in zip(talkative, levels, strict=True):
            one.setLevel(level)


def _step(
    module: RestorationModule[Any],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    backward: Callable[[Tensor], None],
) -> None:
    """Take a step; where compiled code fails, go on without it."""
    try:
        module.training_step(batch, optimizer, backward)
    except Exception as error:
        if module.terms == module.network_terms:
            raise
        _say_uncompiled(error)
        module.terms = module.network_terms
        module.training_step(batch, optimizer, backward)


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


def _compiled(module: RestorationModule[Any]) -> Callable[[Tensor], Terms]:
    # On a CPU compiled random numbers take several times as long as torch's own.
    own_random: dict[str, str | int | bool | Callable[..., Any]] = {"fallback_random": True}
    try:
        return torch.compile(module.network_terms, dynamic=False, options=own_random)
    except Exception as error:  # where nothing can be kept, and where torch knows no Python so new
        _say_uncompiled(error)
        return module.network_terms


def _say_uncompiled(error: Exception) -> None:
    why = next(iter(str(error).strip().splitlines()), type(error).__name__)
    logger.warning("torch.compile failed, training goes on without it: %s", why)
