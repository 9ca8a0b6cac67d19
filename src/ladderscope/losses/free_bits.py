"""Free bits: the KL divergence that a latent level may have at no cost."""

from jaxtyping import Float
from torch import Tensor

from ladderscope.losses.precision import at_least_float32


def free_bits_kl(
    kl: Float[Tensor, "batch levels"],
    free_bits: int | float,
    batch_average: bool = False,
    eps: int | float = 1e-6,
) -> Float[Tensor, " levels"]:
    r"""Average the KL divergence over the batch, with a lower bound per level.

    For each level, with :math:`\lambda` the free bits and B the batch size,

    .. math::

        \tfrac{1}{B} \sum_b \max(KL_b, \lambda)
        \qquad\text{or, with batch_average,}\qquad
        \max\bigl(\tfrac{1}{B} \sum_b KL_b, \lambda\bigr).

    Below the bound the gradient is zero. A level therefore gains nothing by carrying less than
    :math:`\lambda`, and does not collapse to its prior early in training.

    Parameters
    ----------
    kl : Tensor, shape (batch, levels)
        KL divergence of each sample at each level, in nats.
    free_bits : float
        The bound :math:`\lambda`, in nats despite its name. Below `eps` there is no bound.
    batch_average : bool, default False
        Apply the bound to the mean over the batch, as in the paper, instead of to each sample.
    eps : float, default 1e-6
        The smallest value of `free_bits` that has an effect.

    Returns
    -------
    Tensor, shape (levels,)
        In nats; float32 for half-precision input, otherwise the dtype of `kl`.

    Raises
    ------
    ValueError
        If `kl` is not a 2-D floating-point tensor with at least one sample, or if
        `free_bits` is negative or NaN.

    References
    ----------
    Kingma et al., "Improving variational inference with inverse autoregressive flow",
    NeurIPS 2016, appendix C, where the mean is taken first.

    Examples
    --------
    >>> import torch
    >>> kl = torch.tensor([[0.0, 4.0], [3.0, 6.0]])
    >>> free_bits_kl(kl, free_bits=1.0)
    tensor([2., 5.])
    >>> free_bits_kl(kl, free_bits=1.0, batch_average=True)
    tensor([1.5000, 5.0000])
    """
    if kl.ndim != 2:
        raise ValueError(f"kl must have the shape (batch, levels), found {tuple(kl.shape)}")
    if kl.shape[0] == 0:
        raise ValueError(f"kl must contain at least one sample, found the shape {tuple(kl.shape)}")
    if not kl.is_floating_point():
        raise ValueError(f"kl must be floating point, found {kl.dtype}")
    if not free_bits >= 0:
        raise ValueError(f"free_bits must be zero or positive, found {free_bits}")

    kl = at_least_float32(kl)
    if free_bits < eps:
        return kl.mean(dim=0)
    if batch_average:
        return kl.mean(dim=0).clamp(min=free_bits)
    return kl.clamp(min=free_bits).mean(dim=0)
