"""How many channels of a latent carry something about the image."""

from typing import Any

import torch
from torch import Tensor

from ladderscope.training.module import Batch, RestorationModule, on_device

_ACTIVE = 0.01


@torch.no_grad()
def active_channels(module: RestorationModule[Batch], batch: Batch) -> tuple[int, ...]:
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
    network: Any = module.network
    observed = module.observed(on_device(batch, network.top_prior.device))
    network.eval()
    features = network.encode(observed)
    noise = network.standard_noise(features, torch.Generator().manual_seed(0))
    levels = network.decode(features, noise).levels
    network.train()
    counts = []
    for posterior, prior, _ in levels[network.blind_levels :]:
        deviation: Tensor = (posterior.mean - prior.mean) * torch.exp(-0.5 * prior.log_variance)
        over_data = (0, *range(2, deviation.ndim))
        variance = deviation.double().var(dim=over_data, correction=0)
        counts.append(int((variance > _ACTIVE).sum()))
    return tuple(counts)
