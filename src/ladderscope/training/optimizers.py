"""The optimizers that train a ladder."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from pytorch_optimizer import Muon

from ladderscope.network import LadderVAE

# Of Muon's learning rate, for what is no convolution between feature maps.
ADAM_SHARE = 0.25


def adamax(network: LadderVAE) -> torch.optim.Optimizer:
    """Adamax (Kingma & Ba 2015), as HDN was trained."""
    return torch.optim.Adamax(network.parameters())


def muon(network: LadderVAE) -> torch.optim.Optimizer:
    """Muon (Jordan et al. 2024) for the convolutions inside the network, Adam for the rest.

    The update of each convolution is made orthogonal, as a matrix of outputs by inputs, so that
    all its directions learn at one pace. The first convolution of each view, the last one, biases
    and the top prior are left to Adam, at a quarter of the learning rate.
    """
    outside = {
        id(parameter)
        for convolution in network.outer_convolutions
        for parameter in convolution.parameters()
    }
    outside.add(id(network.top_prior))
    inside = [p for p in network.parameters() if p.ndim > 1 and id(p) not in outside]
    matrices = {id(parameter) for parameter in inside}
    rest = [p for p in network.parameters() if id(p) not in matrices]
    return Muon(
        [
            {"params": inside, "use_muon": True, "share": 1.0},
            {"params": rest, "use_muon": False, "betas": (0.9, 0.99), "share": ADAM_SHARE},
        ]
    )


OPTIMIZERS: Mapping[str, Callable[[LadderVAE], torch.optim.Optimizer]] = MappingProxyType(
    {"adamax": adamax, "muon": muon}
)
