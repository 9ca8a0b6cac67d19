"""Free bits, KL annealing, Gaussian KL and the objectives of four methods, usable on their own.

All functions take tensors or numbers. Importing this package loads torch and no other part of
Ladderscope.

Examples
--------
>>> import torch
>>> from ladderscope.losses import free_bits_kl, get_kl_weight
>>> kl = torch.tensor([[0.2, 3.0]])
>>> get_kl_weight(True, 0, 10, None, 5) * free_bits_kl(kl, free_bits=1.0)
tensor([0.5000, 1.5000])
"""

from ladderscope.losses.annealing import (
    ConstantKLWeight,
    CosineKLWeight,
    CyclicalKLWeight,
    LinearKLWeight,
    get_kl_weight,
)
from ladderscope.losses.free_bits import free_bits_kl
from ladderscope.losses.gaussian_kl import (
    channelwise,
    gaussian_kl,
    gaussian_kl_one_sample,
    restricted,
    samplewise,
    spatial,
)
from ladderscope.losses.gaussian_likelihood import gaussian_log_likelihood
from ladderscope.losses.objectives import (
    Objective,
    denoisplit_objective,
    hdn_objective,
    kl_term,
    microsplit_objective,
    musplit_objective,
)

__all__ = [
    "ConstantKLWeight",
    "CosineKLWeight",
    "CyclicalKLWeight",
    "LinearKLWeight",
    "Objective",
    "channelwise",
    "denoisplit_objective",
    "free_bits_kl",
    "gaussian_kl",
    "gaussian_kl_one_sample",
    "gaussian_log_likelihood",
    "get_kl_weight",
    "hdn_objective",
    "kl_term",
    "microsplit_objective",
    "musplit_objective",
    "restricted",
    "samplewise",
    "spatial",
]
