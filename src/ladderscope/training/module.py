"""How a ladder is trained: one step, one validation, and what is remembered of them."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ladderscope.data import MixedBatch, PatchBatch
from ladderscope.losses import (
    ConstantKLWeight,
    LinearKLWeight,
    Objective,
    gaussian_kl,
    restricted,
    samplewise,
)
from ladderscope.network import LadderVAE
from ladderscope.training.evidence import Evidence, Twice, decoded_twice
from ladderscope.training.optimizers import muon
from ladderscope.training.share import Share

KLWeight = ConstantKLWeight | LinearKLWeight
Batch = TypeVar("Batch", PatchBatch, MixedBatch)


class Terms(NamedTuple):
    """What one run of the network gives to an objective.

    Attributes
    ----------
    output : Tensor
        Normalised.
    kl : Tensor, shape (batch, levels)
        KL of each level that sees the image, in nats per patch.
    inner_kl : Tensor, shape (batch, levels)
        The same without the margin that wider views add.
    latent_elements : tuple of int
        How many elements the whole of each of these levels has.
    """

    output: Float[Tensor, "batch outputs *space"]
    kl: Float[Tensor, "batch levels"]
    inner_kl: Float[Tensor, "batch levels"]
    latent_elements: tuple[int, ...]


@dataclass(frozen=True)
class Record:
    """One line of the training history, written at every validation.

    Attributes
    ----------
    step : int
        Steps done.
    seconds : float
        Time spent.
    loss, reconstruction, kl : float
        Means over the training steps since the previous line, in nats per pixel; µSplit's KL is
        in nats per latent element.
    validation_loss, validation_reconstruction, validation_kl : float
        The same on the held-out patches, with the full KL weight.
    level_kl : tuple of float
        KL of each level that sees the image, on the held-out patches, in nats per patch, finest
        first, without free bits.
    """

    step: int
    seconds: float
    loss: float
    reconstruction: float
    kl: float
    validation_loss: float
    validation_reconstruction: float
    validation_kl: float
    level_kl: tuple[float, ...]


def _unchanged(tensors: Sequence[Tensor]) -> None:
    """Average over a single process."""


class RestorationModule(nn.Module, Generic[Batch]):
    """A ladder and the way it is trained; what it minimises is a subclass's `objective`.

    Parameters
    ----------
    network : LadderVAE
        Works on normalised images.
    kl_weight : ConstantKLWeight or LinearKLWeight
        Step → weight of the KL; validation uses its final weight.
    optimizer : callable
        Makes the optimizer of a network: one of `ladderscope.training.optimizers.OPTIMIZERS`.
    gradient_clip : float
        Largest norm of the gradient.
    autocast : torch.dtype, optional
        Type of the network's arithmetic; None keeps float32.
    """

    variances: ClassVar[int]  # of each channel, that the head predicts

    def __init__(
        self,
        network: LadderVAE,
        *,
        kl_weight: KLWeight,
        optimizer: Callable[[LadderVAE], torch.optim.Optimizer] = muon,
        gradient_clip: float = 1.0,
        autocast: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.kl_weight, self.make_optimizer = kl_weight, optimizer
        self.gradient_clip, self.autocast = gradient_clip, autocast
        self.terms: Callable[[Tensor], Terms] = self.network_terms
        self.share = Share()
        self.steps_done = 0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.latest: Objective | None = None
        self._averages: list[Tensor] | None = None

    @abstractmethod
    def observed(self, batch: Batch) -> Float[Tensor, "batch views *space"]:
        """Give what the network sees of a batch: its observation, normalised."""

    @abstractmethod
    def objective(
        self, batch: Batch, terms: Callable[[Tensor], Terms], kl_weight: float
    ) -> tuple[Objective, Float[Tensor, "batch levels"]]:
        """Give the objective of a batch, and each patch's and level's KL, without margins."""

    @abstractmethod
    def evidence(self, batch: Batch) -> tuple[Evidence, ...]:
        """Give what each variance of the head learns from a batch; the network has a head."""

    def decoded_twice(self, batch: Batch) -> Twice:
        """Decode a batch at the posterior means, and from one sample of each patch."""
        observed = self.observed(batch)
        with self.precision(observed.device):
            return decoded_twice(self.network, observed, self.share)

    def network_terms(
        self,
        normalised: Float[Tensor, "batch views *space"],
        generator: torch.Generator | None = None,
    ) -> Terms:
        """Run the network once: its output, and the KL of each sighted level.

        A blind level's posterior is its prior: with a KL of zero, free bits would only add a
        constant.
        """
        with self.precision(normalised.device):
            features = self.network.encode(normalised)
            if generator is None:
                noise = self.share.noise(self.network, features)
            else:
                noise = self.network.standard_noise(features, generator)
            decoded: Any = self.network.decode(features, noise)
        kl, inner_kl, elements = [], [], []
        for number, (posterior, prior, sample) in enumerate(decoded.levels, start=1):
            if number > self.network.blind_levels:
                of_level = gaussian_kl(*posterior, *prior).expand_as(sample)
                kl.append(samplewise(of_level))
                elements.append(math.prod(sample.shape[1:]))
                if self.network.views > 1:
                    height, width = normalised.shape[-2] >> number, normalised.shape[-1] >> number
                    inner_kl.append(samplewise(restricted(of_level, (height, width))))
        stacked = torch.stack(kl, dim=1)
        inner = torch.stack(inner_kl, dim=1) if inner_kl else stacked
        return Terms(decoded.output, stacked, inner, tuple(elements))

    def precision(self, device: torch.device) -> torch.autocast:
        """Choose the type of the network's arithmetic."""
        return torch.autocast(device.type, self.autocast, enabled=self.autocast is not None)

    def training_step(
        self,
        batch: Batch,
        optimizer: torch.optim.Optimizer,
        backward: Callable[[Tensor], None] = Tensor.backward,
        everywhere: Callable[[bool], bool] = bool,
        averaged: Callable[[Sequence[Tensor]], None] = _unchanged,
    ) -> None:
        """Take one step, or skip the batch if its loss or gradient is not finite.

        With several processes, `averaged` replaces gradients and losses by their means over all of
        them, and `everywhere` says whether all found the same: a batch is skipped by all or by
        none.
        """
        optimizer.zero_grad()
        if self._averages is None:
            self._averages = list(self.network.buffers())
        averages = [average.clone() for average in self._averages]
        objective, _ = self.objective(batch, self.terms, self.kl_weight(self.steps_done))
        usable = everywhere(bool(torch.isfinite(objective.loss)))
        if usable:
            backward(objective.loss)
            means: list[Tensor] = [term.detach().clone() for term in objective]
            averaged([*means, *gradients_of(self.network)])
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)
            usable = bool(torch.isfinite(norm))
        if usable:
            optimizer.step()
            self.latest = Objective(*means)
            self.skipped_in_a_row = 0
        else:
            # Batch normalisation has averaged the batch in already.
            for average, before in zip(self._averages, averages, strict=True):
                average.copy_(before)
            self.latest = None
            self.skipped += 1
            self.skipped_in_a_row += 1
        self.steps_done += 1

    @torch.no_grad()
    def validate(self, batch: Batch) -> tuple[Objective, Float[Tensor, " levels"]]:
        """Give the objective of held-out patches, with fixed noise, and each level's mean KL."""
        batch = on_device(batch, self.network.top_prior.device)
        self.network.eval()
        terms = partial(self.network_terms, generator=torch.Generator().manual_seed(0))
        objective, kl = self.objective(batch, terms, self.kl_weight.weight)
        self.network.train()
        return objective, kl.mean(dim=0)

    def weights(self) -> dict[str, Any]:
        """Copy the network's weights, to keep them while training goes on."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}


def gradients_of(network: nn.Module) -> list[Tensor]:
    """List the gradients that the last loss gave to a network."""
    return [one.grad for one in network.parameters() if one.grad is not None]


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch to a device."""
    return type(batch)(*(part.to(device) for part in batch))


def values_of(numbers: Iterable[float]) -> Float[Tensor, " channels"]:
    """Make a tensor with one number per channel."""
    return torch.tensor([float(number) for number in numbers], dtype=torch.float32)


def channels_last(normalised: Float[Tensor, "batch views *space"]) -> Tensor:
    """Lay patches out in memory as convolutions want them."""
    layout = torch.channels_last if normalised.ndim == 4 else torch.channels_last_3d
    return normalised.contiguous(memory_format=layout)
