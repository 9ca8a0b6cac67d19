"""How a training is run, apart from its settings: in which processes, until when, heard by whom."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from ladderscope.errors import LadderscopeError
from ladderscope.files import check_writable, expanded
from ladderscope.interruption import ShouldStop
from ladderscope.models.config import RestorerSettings
from ladderscope.progress import Listener
from ladderscope.training import Team

logger = logging.getLogger("ladderscope")

Fit = TypeVar("Fit", bound=Callable[..., Any])


@dataclass(frozen=True)
class Run:
    """How a training is run, apart from its settings.

    Attributes
    ----------
    device : str, optional
        Where it is trained; the best device there is by default.
    state_file : Path, optional
        Where the state of training is kept.
    resume : bool
        Whether to continue from there.
    compile_network : bool, optional
        Whether to use torch.compile; by default where it pays.
    progress : bool or callable
        Whether to show a progress bar, or a callable that gets the progress.
    should_stop : callable, optional
        Returns True to end it early, as signals do.
    team : Team
        The processes that share it.
    """

    device: str | None
    state_file: Path | None
    resume: bool
    compile_network: bool | None
    progress: bool | Listener
    should_stop: ShouldStop | None
    team: Team


def checked_run(
    team: Team,
    settings: RestorerSettings,
    device: str | None,
    state_file: str | os.PathLike[str] | None,
    resume: bool,
    compile_network: bool | None,
    progress: bool | Listener,
    should_stop: ShouldStop | None,
) -> Run:
    """Check how a training is to be run, and start the other processes if there are any.

    Raises
    ------
    LadderscopeError
        There is no file to resume from, the state cannot be written, or the processes cannot
        share a batch or be started.
    """
    if settings.batch % team.count:
        larger = -(-settings.batch // team.count) * team.count
        raise LadderscopeError(
            f"a batch of {settings.batch} patches cannot be divided equally among {team.count} "
            f"devices: give batch={larger} (a line “batch: {larger}” in the file for --config), or "
            "another number of devices"
        )
    if resume and state_file is None:
        raise LadderscopeError("resume=True needs state_file, the file of the interrupted training")
    where = None if state_file is None else expanded(state_file)
    if where is not None and team.is_first:
        check_writable([where])
    team.start()
    shown = progress if team.is_first else False
    return Run(device, where, resume, compile_network, shown, should_stop, team)


def in_all_processes(fit: Fit) -> Fit:
    """Let a method that trains run in every process of its team: only the first one reports."""

    @wraps(fit)
    def run(restorer: Any, *given: Any, **named: Any) -> Any:
        level = logger.level
        if not restorer.is_first_process:
            logger.setLevel(logging.ERROR)
        try:
            with restorer.team.ending_together():
                return fit(restorer, *given, **named)
        finally:
            logger.setLevel(level)

    return cast(Fit, run)
