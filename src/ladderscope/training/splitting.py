"""Training to split: µSplit's, denoiSplit's and MicroSplit's objectives at work."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.data import MixedBatch
from ladderscope.images import Statistics
from ladderscope.images.normalisation import denormalised, normalised
from ladderscope.losses import (
    Objective,
    denoisplit_objective,
    gaussian_log_likelihood,
    microsplit_objective,
    musplit_objective,
)
from ladderscope.network import WITH_SAMPLES, Decoded, LadderVAE
from ladderscope.noise import NoiseModel
from ladderscope.training.evidence import Evidence, of_single_pass, variance_of
from ladderscope.training.module import (
    RestorationModule,
    Terms,
    channels_last,
    values_of,
)


class SplittingModule(RestorationModule[MixedBatch]):
    """A ladder that splits a mixed image, and the objective of µSplit, denoiSplit or MicroSplit.

    Parameters
    ----------
    network : LadderVAE
        Works on normalised mixed images; gives the normalised channels and, for
        ``variance="predicted"``, their log-variances behind them.
    mixture : Statistics
        What the mixed images are normalised with.
    statistics : sequence of Statistics
        One per channel: what the channels are normalised with.
    offsets : sequence of float
        One per channel: its black level, which a change of strength leaves where it is.
    noise_models : sequence of NoiseModel
        One per channel, in camera units; not needed where `denoisplit_weight` is 0.
    denoisplit_weight : float
        The weight w of denoiSplit's terms, 1 − w being µSplit's: 0 is µSplit, 1 denoiSplit, and
        what lies between is MicroSplit.
    variance : "predicted", "fitted" or float
        Of µSplit's Gaussian, in units of a channel's variance: predicted by the network for each
        pixel; fitted, which is each channel's mean squared error in the batch; or a number.
    free_bits, musplit_free_bits : float
        Nats per level and patch below which the KL is not pushed, in denoiSplit's terms and in
        µSplit's.
    **training
        As `RestorationModule` takes it.

    References
    ----------
    Ashesh et al., "µSplit", ICCV 2023; Ashesh & Jug, "denoiSplit", ECCV 2024; Ashesh et al.,
    "MicroSplit", 2025. The fitted variance: Rybkin, Daniilidis, Levine, "Simple and effective
    VAE training with calibrated decoders", ICML 2021.
    """

    variances = 2
    mean: Tensor
    std: Tensor
    offset: Tensor

    def __init__(
        self,
        network: LadderVAE,
        mixture: Statistics,
        statistics: Sequence[Statistics],
        offsets: Sequence[float],
        noise_models: Sequence[NoiseModel] = (),
        *,
        denoisplit_weight: float,
        variance: Literal["predicted", "fitted"] | float = "fitted",
        free_bits: float = 1.0,
        musplit_free_bits: float = 0.0,
        **training: Any,
    ) -> None:
        super().__init__(network, **training)
        self.mixture, self.noise_models = mixture, tuple(noise_models)
        self.denoisplit_weight, self.variance = denoisplit_weight, variance
        self.free_bits, self.musplit_free_bits = free_bits, musplit_free_bits
        self.register_buffer("mean", values_of(channel.mean for channel in statistics))
        self.register_buffer("std", values_of(channel.std for channel in statistics))
        self.register_buffer("offset", values_of(offsets))

    def observed(self, batch: MixedBatch) -> Float[Tensor, "batch views *space"]:
        """Give the mixed images, normalised."""
        return channels_last(normalised(batch.observation, self.mixture.mean, self.mixture.std))

    def objective(
        self, batch: MixedBatch, terms: Callable[[Tensor], Terms], kl_weight: float
    ) -> tuple[Objective, Float[Tensor, "batch levels"]]:
        """Give the method's objective, and each patch's and level's KL, without margins."""
        found = terms(self.observed(batch))
        channels = found.output[:, : len(self.mean)]
        weight = torch.as_tensor(kl_weight, dtype=torch.float32, device=found.kl.device)
        denoisplit = musplit = None
        if self.denoisplit_weight > 0:
            signal = self._signal(batch, channels)
            likelihoods = [
                model.log_likelihood(batch.target[:, [number]], signal[:, [number]])
                for number, model in enumerate(self.noise_models)
            ]
            denoisplit = torch.cat(likelihoods, dim=1)
        if self.denoisplit_weight < 1:
            target = self._target(batch)
            musplit = gaussian_log_likelihood(
                target, channels, self._log_variance(found.output, target - channels)
            )
        if musplit is None and denoisplit is not None:
            objective = denoisplit_objective(
                denoisplit, found.inner_kl, free_bits=self.free_bits, kl_weight=weight
            )
        elif denoisplit is None and musplit is not None:
            objective = musplit_objective(
                musplit,
                found.kl,
                found.latent_elements,
                free_bits=self.musplit_free_bits,
                kl_weight=weight,
            )
        else:
            objective = microsplit_objective(
                cast(Tensor, denoisplit),
                cast(Tensor, musplit),
                found.inner_kl,
                found.kl,
                found.latent_elements,
                denoisplit_weight=self.denoisplit_weight,
                denoisplit_free_bits=self.free_bits,
                musplit_free_bits=self.musplit_free_bits,
                kl_weight=weight,
            )
        return objective, found.inner_kl

    def evidence(self, batch: MixedBatch) -> tuple[Evidence, Evidence]:
        """Give the squared errors on recordings, and those that a single pass has to predict."""
        decoded = self.decoded_twice(batch)
        both = (self._errors(batch, one) for one in decoded)
        errors = Evidence(*(torch.cat(parts) for parts in zip(*both, strict=True)))
        return errors, of_single_pass(decoded, len(self.mean), predicted=True)

    def _errors(self, batch: MixedBatch, decoded: Decoded) -> Evidence:
        channels = decoded.output[:, : len(self.mean)]
        return Evidence(
            variance_of(decoded, WITH_SAMPLES, len(self.mean)),
            (self._target(batch) - channels).square(),
            self._noise_variance(batch, channels),
        )

    def _noise_variance(
        self, batch: MixedBatch, channels: Float[Tensor, "batch channels *space"]
    ) -> Float[Tensor, "batch channels *space"]:
        """Give the variance of the noise of the targets; 0 without noise models."""
        if not self.noise_models:
            return torch.zeros_like(channels)
        ratio, _, std, _ = self._scales(batch)
        signal = self._signal(batch, channels)
        of_recordings = [
            model.moments(signal[:, [number]])[1] for number, model in enumerate(self.noise_models)
        ]
        variance = torch.cat(of_recordings, dim=1) * (ratio / std).square()
        return variance.nan_to_num(nan=0.0).clamp(min=0)

    def _signal(self, batch: MixedBatch, channels: Tensor) -> Tensor:
        """Bring the channels, as they are in the mixture, to the strength of their recordings."""
        ratio, mean, std, offset = self._scales(batch)
        return (denormalised(channels, mean, std) - offset) / ratio + offset

    def _target(self, batch: MixedBatch) -> Tensor:
        """Bring the recordings to the strength that they have in the mixture, and normalise."""
        ratio, mean, std, offset = self._scales(batch)
        return normalised((batch.target - offset) * ratio + offset, mean, std)

    def _scales(self, batch: MixedBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Give ratio, mean, standard deviation and offset of each channel."""
        space = (1,) * (batch.target.ndim - 2)
        ratio = batch.ratio.reshape(*batch.ratio.shape, *space)
        mean, std, offset = (
            values.reshape(-1, *space) for values in (self.mean, self.std, self.offset)
        )
        return ratio, mean, std, offset

    def _log_variance(
        self,
        output: Float[Tensor, "batch outputs *space"],
        error: Float[Tensor, "batch channels *space"],
    ) -> Tensor | float:
        if self.variance == "predicted":
            return output[:, len(self.mean) :]
        if self.variance == "fitted":
            axes = [0, *range(2, error.ndim)]
            return error.detach().square().mean(axes, keepdim=True).log()
        return math.log(self.variance)
