"""Which network restores an image: one whose arithmetic is compiled, where that pays."""

import logging

import torch

from ladderscope.machine import has_compiler, make_compile_cache
from ladderscope.network import LadderVAE
from ladderscope.network.fused import fused

logger = logging.getLogger("ladderscope")

# Pixels times decodings. On one core, compiling takes a few seconds, and up to half a minute for
# the first time; a million pixels are decoded half a second faster.
COMPILE_FROM = 10_000_000


@torch.inference_mode()
def for_work(network: LadderVAE, work: int, autocast: torch.dtype | None = None) -> LadderVAE:
    """Give the network itself, or for much work on a CPU a copy that does it faster.

    The two agree to the precision of the arithmetic. Which of them it is depends on the work and
    not on how much of it is left, so that an interrupted restoration goes on with the same one.

    Parameters
    ----------
    network : LadderVAE
        In evaluation mode.
    work : int
        Pixels times decodings: those of all samples, or 1 for the posterior means.
    autocast : torch.dtype, optional
        Type of the network's arithmetic.

    Examples
    --------
    >>> network = LadderVAE(latent_channels=(2,), filters=4).eval()
    >>> for_work(network, 64 * 64) is network
    True
    """
    if work < COMPILE_FROM or network.top_prior.device.type != "cpu" or not has_compiler():
        return network
    make_compile_cache()
    try:
        faster = fused(network)
        channels = network.views * network.input_channels
        image = torch.zeros(1, channels, *(1,) * (network.dimensions - 2), 64, 64)
        with torch.autocast("cpu", autocast, enabled=autocast is not None):
            faster(image)
    except Exception as error:
        why = next(iter(str(error).strip().splitlines()), type(error).__name__)
        logger.warning("torch.compile failed, and the restoration takes longer: %s", why)
        return network
    return faster
