"""How a ladder is trained: one step, one validation, and what is remembered of them."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ladderscope.data import MixedBatch, PatchBatch
from ladderscope.images import Statistics
from ladderscope.images.normalisation import denormalised, normalised
from ladderscope.losses import (
    ConstantKLWeight,
    LinearKLWeight,
    Objective,
    denoisplit_objective,
    gaussian_kl,
    gaussian_log_likelihood,
    hdn_objective,
    microsplit_objective,
    musplit_objective,
    restricted,
    samplewise,
)
from ladderscope.network import LadderVAE
from ladderscope.noise import NoiseModel
from ladderscope.training.optimizers import muon

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
        Means over the training steps since the line before, in nats per pixel; µSplit's KL is one
        per latent element.
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
        self.steps_done = 0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.latest: Objective | None = None
        self._averages: list[Tensor] | None = None

    @abstractmethod
    def objective(
        self, batch: Batch, terms: Callable[[Tensor], Terms], kl_weight: float
    ) -> tuple[Objective, Float[Tensor, "batch levels"]]:
        """Give the objective of a batch, and each patch's and level's KL, without margins."""

    def network_terms(
        self,
        normalised: Float[Tensor, "batch views *space"],
        generator: torch.Generator | None = None,
    ) -> Terms:
        """Run the network once: its output, and the KL of each sighted level.

        A blind level's posterior is its prior: with a KL of zero, free bits would only add a
        constant.
        """
        with torch.autocast(
            normalised.device.type, self.autocast, enabled=self.autocast is not None
        ):
            features = self.network.encode(normalised)
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

    def training_step(
        self,
        batch: Batch,
        optimizer: torch.optim.Optimizer,
        backward: Callable[[Tensor], None] = Tensor.backward,
    ) -> None:
        """Take one step, or skip the batch if its loss or gradient is not finite."""
        optimizer.zero_grad()
        if self._averages is None:
            self._averages = list(self.network.buffers())
        averages = [average.clone() for average in self._averages]
        objective, _ = self.objective(batch, self.terms, self.kl_weight(self.steps_done))
        usable = bool(torch.isfinite(objective.loss))
        if usable:
            backward(objective.loss)
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)
            usable = bool(torch.isfinite(norm))
        if usable:
            optimizer.step()
            self.latest = Objective(*(term.detach() for term in objective))
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
        device = self.network.top_prior.device
        batch = type(batch)(*(part.to(device) for part in batch))
        self.network.eval()
        terms = partial(self.network_terms, generator=torch.Generator().manual_seed(0))
        objective, kl = self.objective(batch, terms, self.kl_weight.weight)
        self.network.train()
        return objective, kl.mean(dim=0)

    def weights(self) -> dict[str, Any]:
        """Copy the network's weights, to keep them while training goes on."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}


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
        self.register_buffer("mean", _values(channel.mean for channel in statistics))
        self.register_buffer("std", _values(channel.std for channel in statistics))

    def objective(
        self, batch: PatchBatch, terms: Callable[[Tensor], Terms], kl_weight: float
    ) -> tuple[Objective, Float[Tensor, "batch levels"]]:
        """HDN's objective of a batch, and each patch's and level's KL, without margins."""
        per_patch = (-1, *(1,) * (batch.observation.ndim - 1))
        mean = self.mean[batch.channel].reshape(per_patch)
        std = self.std[batch.channel].reshape(per_patch)
        found = terms(_channels_last(normalised(batch.observation, mean, std)))
        log_likelihood = self._log_likelihood(batch, denormalised(found.output, mean, std))
        weight = torch.as_tensor(kl_weight, dtype=torch.float32, device=found.kl.device)
        kl = found.inner_kl
        return hdn_objective(log_likelihood, kl, free_bits=self.free_bits, kl_weight=weight), kl

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
        self.register_buffer("mean", _values(channel.mean for channel in statistics))
        self.register_buffer("std", _values(channel.std for channel in statistics))
        self.register_buffer("offset", _values(offsets))

    def objective(
        self, batch: MixedBatch, terms: Callable[[Tensor], Terms], kl_weight: float
    ) -> tuple[Objective, Float[Tensor, "batch levels"]]:
        """Give the method's objective, and each patch's and level's KL, without margins."""
        observed = normalised(batch.observation, self.mixture.mean, self.mixture.std)
        found = terms(_channels_last(observed))
        space = (1,) * (batch.target.ndim - 2)
        ratio = batch.ratio.reshape(*batch.ratio.shape, *space)
        mean, std, offset = (
            values.reshape(-1, *space) for values in (self.mean, self.std, self.offset)
        )
        channels = found.output[:, : len(self.mean)]
        weight = torch.as_tensor(kl_weight, dtype=torch.float32, device=found.kl.device)
        denoisplit = musplit = None
        if self.denoisplit_weight > 0:
            # The channel as it is in the mixture, brought to the strength of its recording.
            signal = (denormalised(channels, mean, std) - offset) / ratio + offset
            likelihoods = [
                model.log_likelihood(batch.target[:, number], signal[:, number])
                for number, model in enumerate(self.noise_models)
            ]
            denoisplit = torch.stack(likelihoods, dim=1)
        if self.denoisplit_weight < 1:
            target = normalised((batch.target - offset) * ratio + offset, mean, std)
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


def _values(numbers: Iterable[float]) -> Float[Tensor, " channels"]:
    return torch.tensor([float(number) for number in numbers], dtype=torch.float32)


def _channels_last(normalised: Float[Tensor, "batch views *space"]) -> Tensor:
    layout = torch.channels_last if normalised.ndim == 4 else torch.channels_last_3d
    return normalised.contiguous(memory_format=layout)
