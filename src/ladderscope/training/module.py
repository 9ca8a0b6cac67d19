"""How a ladder is trained to denoise: one step, one validation, and what is remembered of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import lightning
import torch
from jaxtyping import Float
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from ladderscope.images import Statistics
from ladderscope.losses import (
    ConstantKLWeight,
    LinearKLWeight,
    Objective,
    gaussian_kl,
    hdn_objective,
    samplewise,
)
from ladderscope.network import LadderVAE
from ladderscope.noise import NoiseModel
from ladderscope.patches import PatchBatch
from ladderscope.training.optimizers import muon

Terms = tuple[Float[Tensor, "batch outputs Y X"], Float[Tensor, "batch levels"]]


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
        Means over the training steps since the line before, in nats per pixel.
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


class DenoisingModule(lightning.LightningModule):
    """A ladder, the noise models of its channels, and the objective of HDN.

    Parameters
    ----------
    network : LadderVAE
        Works on normalised images of one channel.
    noise_models : sequence of NoiseModel
        One a channel, in camera units.
    statistics : sequence of Statistics
        One a channel: what the images are normalised with.
    free_bits : float
        Nats per level and patch below which the KL is not pushed.
    kl_weight : ConstantKLWeight or LinearKLWeight
        Step → weight of the KL; validation uses its final weight.
    optimizer : callable
        Makes the optimizer of a network: one of `ladderscope.training.optimizers.OPTIMIZERS`.
    gradient_clip : float
        Largest norm of the gradient.
    autocast : torch.dtype, optional
        Type of the network's arithmetic; None keeps float32.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: LadderVAE,
        noise_models: Sequence[NoiseModel],
        statistics: Sequence[Statistics],
        *,
        free_bits: float = 1.0,
        kl_weight: ConstantKLWeight | LinearKLWeight,
        optimizer: Callable[[LadderVAE], torch.optim.Optimizer] = muon,
        gradient_clip: float = 1.0,
        autocast: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.noise_models = tuple(noise_models)
        self.free_bits, self.kl_weight, self.make_optimizer = free_bits, kl_weight, optimizer
        self.gradient_clip, self.autocast = gradient_clip, autocast
        self.register_buffer("mean", torch.tensor([channel.mean for channel in statistics]))
        self.register_buffer("std", torch.tensor([channel.std for channel in statistics]))
        self.terms: Callable[[Tensor], Terms] = self.network_terms
        self.steps_done = 0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.latest: Objective | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimizer; its learning rate is set before every step."""
        return self.make_optimizer(self.network)

    def network_terms(
        self, normalised: Float[Tensor, "batch 1 Y X"], generator: torch.Generator | None = None
    ) -> Terms:
        """Run the network once: its output, and the KL of each sighted level in nats per patch.

        A blind level's posterior is its prior: with a KL of zero, free bits would only add a
        constant.
        """
        with torch.autocast(
            normalised.device.type, self.autocast, enabled=self.autocast is not None
        ):
            features = self.network.encode(normalised)
            noise = self.network.standard_noise(features, generator)
            decoded: Any = self.network.decode(features, noise)
        kl = [
            samplewise(gaussian_kl(*posterior, *prior).expand_as(sample))
            for posterior, prior, sample in decoded.levels[self.network.blind_levels :]
        ]
        return decoded.output, torch.stack(kl, dim=1)

    def objective(
        self, batch: PatchBatch, terms: Callable[[Tensor], Terms], kl_weight: float
    ) -> tuple[Objective, Float[Tensor, "batch levels"]]:
        """HDN's objective of a batch, and the KL of each patch and level that went into it."""
        mean, std = self.mean[batch.channel], self.std[batch.channel]
        mean, std = mean[:, None, None, None], std[:, None, None, None]
        normalised = (batch.observation - mean) / std
        output, kl = terms(normalised.contiguous(memory_format=torch.channels_last))
        log_likelihood = self._log_likelihood(batch, output * std + mean)
        weight = torch.as_tensor(kl_weight, device=kl.device)
        return hdn_objective(log_likelihood, kl, free_bits=self.free_bits, kl_weight=weight), kl

    def _log_likelihood(
        self, batch: PatchBatch, signal: Float[Tensor, "batch 1 Y X"]
    ) -> Float[Tensor, "batch 1 Y X"]:
        if len(self.noise_models) == 1:
            return self.noise_models[0].log_likelihood(batch.observation, signal)
        log_likelihood = torch.empty_like(signal)
        for channel, model in enumerate(self.noise_models):
            rows = batch.channel == channel
            log_likelihood[rows] = model.log_likelihood(batch.observation[rows], signal[rows])
        return log_likelihood

    def training_step(self, batch: PatchBatch, number: int) -> None:
        """Take one step, or skip the batch if its loss or gradient is not finite."""
        optimizer = cast(LightningOptimizer, self.optimizers())
        optimizer.zero_grad()
        averages = [buffer.clone() for buffer in self.network.buffers()]
        objective, _ = self.objective(batch, self.terms, self.kl_weight(self.steps_done))
        self.steps_done += 1
        usable = bool(torch.isfinite(objective.loss))
        if usable:
            self.manual_backward(objective.loss)
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)
            usable = bool(torch.isfinite(norm))
        if usable:
            optimizer.step()
            self.latest = Objective(*(term.detach() for term in objective))
            self.skipped_in_a_row = 0
        else:
            # Batch normalisation has averaged the batch in already.
            for buffer, before in zip(self.network.buffers(), averages, strict=True):
                buffer.copy_(before)
            self.latest = None
            self.skipped += 1
            self.skipped_in_a_row += 1

    @torch.no_grad()
    def validate(self, batch: PatchBatch) -> tuple[Objective, Float[Tensor, " levels"]]:
        """HDN's objective on held-out patches, with fixed noise, and the mean KL of each level."""
        batch = PatchBatch(*(part.to(self.device) for part in batch))
        self.network.eval()
        terms = partial(self.network_terms, generator=torch.Generator().manual_seed(0))
        objective, kl = self.objective(batch, terms, self.kl_weight.weight)
        self.network.train()
        return objective, kl.mean(dim=0)

    def weights(self) -> dict[str, Any]:
        """Copy the network's weights, to keep them while training goes on."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}
