"""HDN's training: a ladder, the noise models of its channels, and their objective."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.data import PatchBatch
from ladderscope.images import Statistics
from ladderscope.images.normalisation import denormalised, normalised
from ladderscope.losses import Objective, hdn_objective
from ladderscope.network import Features, LadderVAE
from ladderscope.noise import NoiseModel
from ladderscope.training.module import (
    Evidence,
    RestorationModule,
    Terms,
    channels_last,
    values_of,
)

# More would leave time for fewer patches, among which some structures are rare.
SAMPLES = 4


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

    def evidence(self, batch: PatchBatch) -> Evidence:
        """Give the variance of posterior samples of a few patches, and the head's at their means.

        Blind levels keep their means, as in prediction.
        """
        few = PatchBatch(*(part[: -(-len(batch.channel) // SAMPLES)] for part in batch))
        observed = self.observed(few)
        with self.precision(observed.device):
            features = self.network.encode(observed)
            repeated = Features(
                tuple(level.repeat_interleave(SAMPLES, dim=0) for level in features.levels),
                features.size,
            )
            noise = [
                drawn * (number >= self.network.blind_levels)
                for number, drawn in enumerate(self.network.standard_noise(repeated))
            ]
            drawn = self.network.decode(repeated, noise, priors=False).output
            zeros = [torch.zeros_like(part[: len(few.channel)]) for part in noise]
            decoded = self.network.decode(features, zeros, priors=False, variance=True)
        variance = drawn.reshape(-1, SAMPLES, *drawn.shape[1:]).var(dim=1)
        return Evidence(cast(Tensor, decoded.log_variance), variance, torch.zeros_like(variance))

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
