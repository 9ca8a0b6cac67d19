"""Free bits: information that a latent level may carry at no cost."""

from jaxtyping import Float
from torch import Tensor

from ladderscope.losses._precision import at_least_float32


def free_bits_kl(
    kl: Float[Tensor, "batch levels"],
    free_bits: int | float,
    batch_average: bool = False,
    eps: int | float = 1e-6,
) -> Float[Tensor, " levels"]:
    r"""Average the KL divergence over the batch, with a floor below which it costs the same.

    Level by level, with :math:`\lambda` the free bits and B the batch size,

    .. math::

        \tfrac{1}{B} \sum_b \max(KL_b, \lambda)
        \qquad\text{or, with batch_average,}\qquad
        \max\bigl(\tfrac{1}{B} \sum_b KL_b, \lambda\bigr).

    Where the floor acts the gradient is zero, so a level is not pressed to carry less
    than :math:`\lambda`, and does not collapse to its prior early in training.

    Parameters
    ----------
    kl : Tensor, shape (batch, levels)
        KL divergence of every sample at every level, in nats.
    free_bits : float
        The floor :math:`\lambda`, in nats in spite of its name. Below `eps` there is none.
    batch_average : bool, default False
        Apply the floor to the mean over the batch, as in the paper, instead of to each sample.
    eps : float, default 1e-6
        The smallest `free_bits` taken to mean any.

    Returns
    -------
    Tensor, shape (levels,)
        In nats; float32 for half-precision input, otherwise of the dtype of `kl`.

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
        raise ValueError(f"kl must hold at least one sample, found the shape {tuple(kl.shape)}")
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
