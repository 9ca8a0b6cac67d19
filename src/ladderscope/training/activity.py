"""How many channels of a latent carry something about the image."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.data import MixedBatch, PatchBatch
from ladderscope.training.module import RestorationModule, Terms

_ACTIVE = 0.01


@torch.no_grad()
def active_channels(
    module: RestorationModule[Any], batch: PatchBatch | MixedBatch
) -> tuple[int, ...]:
    """Count the active channels of every level that sees the image, finest first.

    A channel is active if its posterior mean varies over the data by a variance of more than 0.01
    [1]_, in units of its prior. The prior of all levels but the coarsest depends on coarser
    levels, so what counts is the deviation from the prior's mean: (µ_q − µ_p) / σ_p.

    Parameters
    ----------
    module
        What was trained.
    batch
        Held-out patches.

    References
    ----------
    .. [1] Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, section 5.2.
    """
    counts: list[int] = []

    def watching(normalised: Float[Tensor, "batch views *space"]) -> Terms:
        network, generator = module.network, torch.Generator().manual_seed(0)
        features = network.encode(normalised)
        decoded: Any = network.decode(features, network.standard_noise(features, generator))
        for posterior, prior, _ in decoded.levels[network.blind_levels :]:
            deviation = (posterior.mean - prior.mean) * torch.exp(-0.5 * prior.log_variance)
            over_data = (0, *range(2, deviation.ndim))
            variance = deviation.double().var(dim=over_data, correction=0)
            counts.append(int((variance > _ACTIVE).sum()))
        return module.network_terms(normalised, generator=generator)

    device = module.network.top_prior.device
    moved = type(batch)(*(part.to(device) for part in batch))
    module.network.eval()
    module.objective(moved, watching, 1.0)
    module.network.train()
    return tuple(counts)
