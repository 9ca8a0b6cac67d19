"""The least precision that likelihoods and Kullback-Leibler divergences are computed in."""

import torch
from jaxtyping import Float, Real
from torch import Tensor


def at_least_float32(values: Real[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Widen integers, half and bfloat16 to float32; leave float32 and float64 as they are.

    Parameters
    ----------
    values : Tensor, any shape

    Returns
    -------
    Tensor, the same shape
        In float32, or in float64 when `values` is.

    Examples
    --------
    >>> import torch
    >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))
