"""The process that trains, on Lightning Fabric: all that a second process would change."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_OF_CLUSTERS = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"),
    *("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
)


@dataclass(frozen=True)
class Worker:
    """One process of a training. Today there is one, on one device.

    Attributes
    ----------
    fabric : Fabric
        Its device.

    Notes
    -----
    The training loop reaches its surroundings through this class only. For two processes on one
    machine, these places change and no other:

    `start`
        Fabric's ``devices`` and ``strategy``, and ``fabric.launch()``.
    `batch`
        Each process takes its own batches: number ``step * world_size + global_rank``.
    `backward`
        The gradients are averaged over the processes (``fabric.all_reduce``) before they are
        clipped. The loop calls parts of the network, so that a wrapper of the whole, such as
        torch's DDP, would not see them.
    `everywhere`
        The smallest value over the processes (``fabric.all_reduce`` with ``"min"``).

    All that steers a training is the same in every process: the fraction of the budget that is
    spent, and with it the learning rate; whether a batch is used; the line that a validation adds
    to the history, and with it the best weights, the plateau and giving up; and a request to stop.
    Each process computes the rest from these. The first alone validates, writes the state and
    reports progress. Compiled code fails in all processes or in none, as they run the same.
    """

    fabric: "Fabric"

    @classmethod
    def start(cls, device: torch.device) -> "Worker":
        """Place a training on one device, in this process, whatever a cluster has prepared."""
        # Restoring needs neither Lightning nor the compiler that it loads.
        with _no_cluster(), _quiet_lightning():
            from lightning.fabric import Fabric
            from lightning.fabric.plugins.environments.lightning import LightningEnvironment

            return cls(
                Fabric(
                    accelerator=device.type,
                    devices=1 if device.index is None else [device.index],
                    plugins=[LightningEnvironment()],
                )
            )

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes the state and reports progress."""
        first: bool = self.fabric.is_global_zero
        return first

    def place(self, module: torch.nn.Module) -> None:
        """Move a module to the device."""
        with _quiet_lightning():
            self.fabric.to_device(module)

    def batch(self, patches: Any, step: int) -> Any:
        """Give this process's batch of a step, on the device."""
        return self.fabric.to_device(patches[step])

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients."""
        self.fabric.backward(loss)

    def everywhere(self, found: bool) -> bool:
        """Say whether every process found so."""
        return found

    def agreed(self, value: Any) -> Any:
        """Give every process what the first one found."""
        return self.fabric.broadcast(value)

    def draw_apart(self) -> None:
        """Give every process but the first latent noise of its own."""
        if rank := self.fabric.global_rank:
            torch.manual_seed(torch.initial_seed() + rank)

    def release(self, module: torch.nn.Module) -> None:
        """Move a module back to the CPU, and free the device."""
        module.cpu()
        self.fabric.accelerator.teardown()


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
