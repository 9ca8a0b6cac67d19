"""The processes of one training: how many, and how they start and end together."""

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch

from ladderscope.errors import LadderscopeError
from ladderscope.training.errors import TrainingError
from ladderscope.training.quiet import quiet_lightning
from ladderscope.words import counted

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Result = TypeVar("Result")


@dataclass(frozen=True)
class Team:
    """The processes of one training, one per device.

    On one machine, the first process starts the others, with its own command line. Under torchrun
    and in a SLURM job, all of them are there already. Each process runs the same program; the first
    one alone validates, reports and writes.

    Parameters
    ----------
    kind : str
        Type of the devices: ``"cpu"``, ``"cuda"`` or ``"mps"``.
    devices, nodes : int
        Devices per node, and nodes.

    Raises
    ------
    LadderscopeError
        There are not as many devices, or no numbers of them.

    Examples
    --------
    >>> Team("cpu").is_first
    True
    """

    kind: str
    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        for name in ("devices", "nodes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise LadderscopeError(f"{name}={value!r}: give a whole number, at least 1")
        there = {"cuda": torch.cuda.device_count(), "cpu": os.cpu_count() or 1}.get(self.kind, 1)
        if self.devices > max(1, there):
            called = {"cuda": "GPU", "cpu": "processor core"}.get(self.kind, "device")
            raise LadderscopeError(
                f"devices={self.devices}: this machine has {counted(there, called)}; give at most "
                f"{there}, or nodes as well if you mean several machines"
            )

    @property
    def count(self) -> int:
        """Number of processes."""
        return self.devices * self.nodes

    @cached_property
    def is_first(self) -> bool:
        """Whether this process is the one that reports and writes."""
        return self.count == 1 or bool(self.fabric.is_global_zero)

    @property
    def fabric(self) -> "Fabric":
        """What connects the processes, once they are started."""
        return _fabric(self)

    def start(self) -> None:
        """Start the other processes, or wait for them; once per process.

        Raises
        ------
        LadderscopeError
            They cannot be started from here, or a cluster has started others.
        """
        if self.count > 1:
            _launch(self)

    def once(self, work: Callable[[], Result]) -> Result:
        """Give every process what the first one finds."""
        if self.count == 1:
            return work()
        found = work() if self.is_first else None
        with saying_who_ended():
            return cast(Result, self.fabric.broadcast(found))

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """End the processes that this one started where the block fails."""
        try:
            yield
        except BaseException:
            if self.count > 1:
                for one in getattr(self.fabric.strategy.launcher, "procs", ()):
                    one.kill()
            raise


@contextmanager
def saying_who_ended() -> Iterator[None]:
    """Say that another process has ended where a message to it fails.

    Raises
    ------
    TrainingError
        In place of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "another process of this training has ended; its own message says why"
        ) from error


@cache
def _fabric(team: Team) -> "Fabric":
    with quiet_lightning():
        from lightning.fabric import Fabric

        try:
            return Fabric(
                accelerator=team.kind,
                devices=team.devices,
                num_nodes=team.nodes,
                strategy="ddp",
            )
        except (RuntimeError, ValueError) as error:
            raise _not_started(team, error) from error


@cache
def _launch(team: Team) -> None:
    launcher: Any = team.fabric.strategy.launcher
    outside = launcher.cluster_environment.creates_processes_externally
    program = getattr(sys.modules["__main__"], "__spec__", None) or Path(sys.argv[0]).is_file()
    if not (outside or program):
        raise LadderscopeError(
            f"devices={team.devices}: the other processes run the same program, and this one is "
            "not in a file. Train in a script or with “ladderscope train”, or give devices=1"
        )
    with quiet_lightning():
        try:
            team.fabric.launch()
        except (RuntimeError, ValueError) as error:
            raise _not_started(team, error) from error
    atexit.register(_leave)


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _not_started(team: Team, error: Exception) -> LadderscopeError:
    return LadderscopeError(
        f"devices={team.devices}, nodes={team.nodes}: the processes could not be connected "
        f"({error})"
    )
