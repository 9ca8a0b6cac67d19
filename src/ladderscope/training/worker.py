"""The process that trains, on Lightning Fabric: all that a second process changes."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ladderscope.training.quiet import quiet_lightning
from ladderscope.training.share import Share
from ladderscope.training.team import Team, saying_who_ended

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_OF_CLUSTERS = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"),
    *("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
)


@dataclass(frozen=True)
class Worker:
    """One process of a training, with one device.

    Attributes
    ----------
    fabric : Fabric
        Its device, and its connection to the other processes if there are any.

    Notes
    -----
    The training loop reaches its surroundings through this class only.

    A batch is one batch however many processes there are: each takes an equal part of it, and the
    gradients are averaged, in one message per step, before they are clipped. All processes draw the
    same random numbers, from which each takes those of its patches. So a training is the same on
    any number of devices but for rounding, and for what a network or an objective averages over
    a batch itself: batch normalisation, and the variance that µSplit fits.

    All that steers a training is decided by the first process: the fraction of the budget that is
    spent, and with it the learning rate; whether a batch is used; the line that a validation adds
    to the history, and with it the best weights, the plateau and giving up; and a request to stop.
    It alone validates, writes the state and reports progress. Compiled code fails in all processes
    or in none, as they run the same.

    The loop calls parts of the network, so that a wrapper of the whole, such as torch's DDP, would
    not see them; they can be compiled, since no message is sent within.
    """

    fabric: "Fabric"

    @classmethod
    def start(cls, device: torch.device, team: Team | None = None) -> "Worker":
        """Place a training on its devices.

        Without a team, or with one device, it runs in this process, whatever a cluster has
        prepared.
        """
        if team is not None and team.count > 1:
            team.start()
            return cls(team.fabric)
        # Restoring needs neither Lightning nor the compiler that it loads.
        with _no_cluster(), quiet_lightning():
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

    @property
    def share(self) -> Share:
        """The part of every batch that this process takes."""
        return Share(self.fabric.global_rank, self.fabric.world_size)

    def place(self, module: torch.nn.Module) -> None:
        """Move a module to the device, as it is in the first process."""
        self.align(module)
        with quiet_lightning():
            self.fabric.to_device(module)

    def align(self, module: torch.nn.Module) -> None:
        """Make a module on the CPU what it is in the first process."""
        if self.share.count > 1:
            module.load_state_dict(self.agreed(module.state_dict()))

    def batch(self, patches: Any, step: int) -> Any:
        """Give this process's part of the batch of a step, on the device."""
        return self.fabric.to_device(patches[step])

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of this process."""
        self.fabric.backward(loss)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over the processes, in one message."""
        if self.share.count == 1:
            return
        together = torch.cat([one.flatten().float() for one in tensors])
        with saying_who_ended():
            self.fabric.all_reduce(together, reduce_op="mean")
        sizes = [one.numel() for one in tensors]
        for one, mean in zip(tensors, torch.split(together, sizes), strict=True):
            one.copy_(mean.view_as(one))

    def everywhere(self, found: bool) -> bool:
        """Say whether every process found so."""
        if self.share.count == 1:
            return found
        everyone = torch.tensor(float(found), device=self.fabric.device)
        with saying_who_ended():
            self.fabric.all_reduce(everyone, reduce_op="min")
        return bool(everyone)

    def agreed(self, value: Any) -> Any:
        """Give every process what the first one found."""
        with saying_who_ended():
            return self.fabric.broadcast(value)

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
