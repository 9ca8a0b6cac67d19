"""What training minimises, per pixel and with its terms by name."""

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from ladderscope.losses._precision import at_least_float32
from ladderscope.losses.free_bits import free_bits_kl


class Objective(NamedTuple):
    """An objective and the terms that it is the sum of, in nats per pixel.

    Attributes
    ----------
    loss : Tensor, shape ()
        ``reconstruction + kl``, to be minimised.
    reconstruction : Tensor, shape ()
        Negative log-likelihood.
    kl : Tensor, shape ()
        KL divergence, the KL weight included.

    Examples
    --------
    >>> import torch
    >>> objective = Objective(torch.tensor(3.0), torch.tensor(2.0), torch.tensor(1.0))
    >>> objective.reconstruction + objective.kl == objective.loss
    tensor(True)
    """

    loss: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    kl: Float[Tensor, ""]


def hdn_objective(
    log_likelihood: Float[Tensor, "batch channels *space"],
    kl: Float[Tensor, "batch levels"],
    *,
    free_bits: int | float = 1.0,
    kl_weight: int | float | Float[Tensor, ""] = 1.0,
) -> Objective:
    r"""Objective of Hierarchical DivNoising: the negative evidence lower bound, per pixel.

    With :math:`\lambda` the free bits, :math:`w` the KL weight, and P the number of pixels of
    an image,

    .. math::

        -\operatorname{mean}_{b,c,i} \log p(y_{bci} \mid s_{bci})
        \;+\; \frac{w}{P} \sum_l \operatorname{mean}_b \max(KL_{bl}, \lambda)

    Both terms are means over the batch, the first also over channels. The constant
    :math:`\tfrac{1}{2} \log 2\pi` is contained if the noise model's `log_likelihood` contains it.

    Parameters
    ----------
    log_likelihood : Tensor, shape (batch, channels, \*space)
        log p(y | s) of the observation itself, in nats per element. P is the product of the
        sizes in space: Z counts, channels don't.
    kl : Tensor, shape (batch, levels)
        KL divergence of every sample, summed over each level, in nats.
    free_bits : float, default 1.0
        Floor under the KL of every sample and level, in nats; see `free_bits_kl`.
    kl_weight : float or Tensor of shape (), default 1.0
        Weight of the KL term. Under torch.compile a tensor lets it change without compiling anew.

    Returns
    -------
    Objective
        Its `kl` has the weight in it, so that ``loss = reconstruction + kl``.

    Raises
    ------
    ValueError
        If `log_likelihood` is empty or has no axis in space, the two batches differ in size, or
        `free_bits_kl` refuses `kl` or `free_bits`.

    References
    ----------
    Prakash et al., "Interpretable unsupervised diversity denoising and artefact removal",
    ICLR 2022; free bits by Kingma et al., NeurIPS 2016, appendix C.

    Examples
    --------
    >>> import torch
    >>> log_likelihood = torch.full((2, 1, 8, 8), -1.5)
    >>> kl = torch.tensor([[16.0, 0.0], [46.0, 0.5]])
    >>> hdn_objective(log_likelihood, kl, kl_weight=0.5)
    Objective(loss=tensor(1.7500), reconstruction=tensor(1.5000), kl=tensor(0.2500))
    """
    if log_likelihood.ndim < 3 or log_likelihood.numel() == 0:
        raise ValueError(
            "log_likelihood must have the shape (batch, channels, *space) and not be empty, "
            f"found {tuple(log_likelihood.shape)}"
        )
    level_kl = free_bits_kl(kl, free_bits)
    if log_likelihood.shape[0] != kl.shape[0]:
        raise ValueError(
            "log_likelihood and kl must hold the same number of samples, "
            f"found {log_likelihood.shape[0]} and {kl.shape[0]}"
        )
    pixels = math.prod(log_likelihood.shape[2:])

    reconstruction = -at_least_float32(log_likelihood).mean()
    weighted_kl = kl_weight * level_kl.sum() / pixels
    return Objective(reconstruction + weighted_kl, reconstruction, weighted_kl)
