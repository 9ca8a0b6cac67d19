"""HDN's training: a ladder, the noise models of its channels, and their objective."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.data import PatchBatch
from ladderscope.images import Statistics
from ladderscope.images.normalisation import denormalised, normalised
from ladderscope.losses import Objective, hdn_objective
from ladderscope.network import LadderVAE
from ladderscope.noise import NoiseModel
from ladderscope.training.evidence import Evidence, of_single_pass
from ladderscope.training.module import (
    RestorationModule,
    Terms,
    channels_last,
    values_of,
)


class DenoisingModule(RestorationModule[PatchBatch]):
    """A ladder, the noise models of its channels, and the objective of HDN.

    Parameters
    ----------
    network : LadderVAE
        Works on normalised images of one channel.
    noise_models : sequence of NoiseModel
        One per channel, in camera units.
    statistics : sequence of Statistics
        One per channel: what the images are normalised with.
    free_bits : float
        Nats per level and patch below which the KL is not pushed.
    **training
        As `RestorationModule` takes it.
    """

    variances = 1
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: LadderVAE,
        noise_models: Sequence[NoiseModel],
        statistics: Sequence[Statistics],
        *,
        free_bits: float = 1.0,
        **training: Any,
    ) -> None:
        super().__init__(network, **training)
        self.noise_models = tuple(noise_models)
        self.free_bits = free_bits
        self.register_buffer("mean", values_of(channel.mean for channel in statistics))
        self.register_buffer("std", values_of(channel.std for channel in statistics))

    def observed(self, batch: PatchBatch) -> Float[Tensor, "batch views *space"]:
        """Give the observation, normalised as its channel is."""
        return channels_last(normalised(batch.observation, *self._per_patch(batch)))

    def objective(
        self, batch: PatchBatch, terms: Callable[[Tensor], Terms], kl_weight: float
    ) -> tuple[Objective, Float[Tensor, "batch levels"]]:
        """HDN's objective of a batch, and each patch's and level's KL, without margins."""
        mean, std = self._per_patch(batch)
        found = terms(self.observed(batch))
        log_likelihood = self._log_likelihood(batch, denormalised(found.output, mean, std))
        weight = torch.as_tensor(kl_weight, dtype=torch.float32, device=found.kl.device)
        kl = found.inner_kl
        return hdn_objective(log_likelihood, kl, free_bits=self.free_bits, kl_weight=weight), kl

    def evidence(self, batch: PatchBatch) -> tuple[Evidence]:
        """Give the squared distances of samples from the posterior means.

        A signal is decoded from each sample: the noise model has the rest.
        """
        return (of_single_pass(self.decoded_twice(batch), 1, predicted=False),)

    def _per_patch(self, batch: PatchBatch) -> tuple[Tensor, Tensor]:
        """Give the mean and the standard deviation of each patch's channel."""
        shape = (-1, *(1,) * (batch.observation.ndim - 1))
        return self.mean[batch.channel].reshape(shape), self.std[batch.channel].reshape(shape)

    def _log_likelihood(
        self, batch: PatchBatch, signal: Float[Tensor, "batch 1 *space"]
    ) -> Float[Tensor, "batch 1 *space"]:
        observation = batch.observation[:, :1]
        if len(self.noise_models) == 1:
            return self.noise_models[0].log_likelihood(observation, signal)
        log_likelihood = torch.empty_like(signal)
        for channel, model in enumerate(self.noise_models):
            rows = batch.channel == channel
            log_likelihood[rows] = model.log_likelihood(observation[rows], signal[rows])
        return log_likelihood
