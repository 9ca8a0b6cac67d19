"""Active channels are those whose posterior means follow the image, in units of the prior."""

from types import SimpleNamespace

import numpy as np
import torch

from ladderscope.data import Field, PatchShape, TrainingPatches
from ladderscope.images import Statistics
from ladderscope.losses import ConstantKLWeight
from ladderscope.network import DiagonalGaussian, LadderVAE, Level
from ladderscope.noise import Gaussian
from ladderscope.training import DenoisingModule
from ladderscope.training.activity import active_channels


def level(*deviations, offset=0.0, prior=1.0):
    """A level whose posterior means have these standard deviations about its prior's."""
    drawn = torch.randn(6, len(deviations), 8, 8, generator=torch.Generator().manual_seed(0))
    mean = torch.full_like(drawn, 3.0)
    spread = torch.tensor(deviations).view(1, -1, 1, 1)
    narrow = torch.full_like(drawn, -4.0)
    wide = torch.full_like(drawn, 2 * np.log(prior))
    posterior = DiagonalGaussian(mean + offset + spread * drawn, narrow)
    return Level(posterior, DiagonalGaussian(mean, wide), drawn)


def module(*levels, **arguments):
    network = LadderVAE(latent_channels=(2,) * len(levels), filters=4, **arguments)
    network.decode = lambda features, noise: SimpleNamespace(levels=list(levels))
    kept = {"kl_weight": ConstantKLWeight(1.0)}
    return DenoisingModule(network, [Gaussian(1.0)], [Statistics(0.0, 1.0)], **kept)


FIELD = Field(np.random.default_rng(0).normal(size=(32, 32)))
BATCH = TrainingPatches([FIELD], PatchShape(32), batch=4, seed=0)[0]


def test_what_varies_by_more_than_a_tenth_of_the_prior_is_active():
    levels = (level(1.0, 0.2, 0.05), level(0.5, 0.0, 0.0, offset=5.0))
    assert active_channels(module(*levels), BATCH) == (2, 1)
    assert active_channels(module(level(0.5, 20.0, prior=10.0), level(0.0, 0.0)), BATCH) == (1, 0)


def test_levels_that_never_see_the_image_are_not_counted_and_training_goes_on():
    seen = level(1.0, 1.0)
    trained = module(seen._replace(posterior=None), seen, blind_levels=1)
    assert active_channels(trained, BATCH) == (2,)
    assert trained.network.training
