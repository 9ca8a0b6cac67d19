"""Fitting a variance head: it finds variances that are known, and changes nothing else."""

import copy

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from ladderscope.data import Field, MixedBatch, PatchShape, TrainingPatches
from ladderscope.images import Statistics
from ladderscope.losses import ConstantKLWeight
from ladderscope.network import LadderVAE
from ladderscope.noise import PoissonGaussian
from ladderscope.training import Budget, DenoisingModule, SplittingModule, fit_variance
from ladderscope.training.module import Evidence
from ladderscope.training.variance import held_out_factor

HALVES = np.where(np.arange(32) < 16, -1.0, 1.0) * np.ones((32, 1))
STATISTICS = Statistics(0.0, 1.0)


class Known(DenoisingModule):
    """Squared deviations with a variance of 0.25 where a patch is dark and 4 where it is bright."""

    noise = 0.5

    def evidence(self, batch):
        true = torch.where(batch.observation > 0, 4.0, 0.25)
        known = torch.full_like(true, self.noise)
        squared = (true + known) * torch.randn_like(true) ** 2
        return Evidence(log_variance(self.network, batch.observation), squared, known)


def log_variance(network, observation):
    """The head's, with the observation in place of features."""
    return network.variance_head(observation.repeat(1, 4, 1, 1))


def module(kind=DenoisingModule, **arguments):
    torch.manual_seed(0)
    network = LadderVAE(
        **{"latent_channels": (2, 2), "filters": 4, "variance_filters": 4, **arguments}
    )
    noise = [PoissonGaussian(0.0, 1.0)]
    return kind(network, noise, [STATISTICS], kl_weight=ConstantKLWeight(1.0))


def patches(seed=0):
    return TrainingPatches([Field(HALVES)], PatchShape(32), batch=4, seed=seed)


def fitted(of, steps=60, **how):
    torch.manual_seed(5)
    fit_variance(
        of,
        patches(),
        None,
        **{"budget": Budget(steps=steps), "seed": 1, "device": "cpu"} | how,
    )
    return of.network


def test_a_variance_that_is_known_is_found_without_the_noise():
    network = fitted(module(Known), steps=150).eval()
    with torch.no_grad():
        observation = torch.tensor(HALVES, dtype=torch.float32)[None, None]
        found = log_variance(network, observation).exp()
    assert found[..., 4:12].mean() == pytest.approx(0.25, rel=0.35)
    assert found[..., 20:28].mean() == pytest.approx(4.0, rel=0.25)


def test_the_rest_of_the_network_stays_and_a_seed_fixes_the_head():
    one, other = module(dropout=0.2, batch_norm=True), module(dropout=0.2, batch_norm=True)
    before = copy.deepcopy(one.network.state_dict())
    torch.manual_seed(9)
    state = torch.get_rng_state()
    fit = {"budget": Budget(steps=3), "seed": 1, "device": "cpu"}
    fit_variance(one, patches(), None, **fit)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(10)
    fit_variance(other, patches(), None, **fit)
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name])
        changed = not torch.equal(value, before[name])
        assert changed == name.startswith("variance_head"), name
    assert all(weight.requires_grad for weight in one.network.parameters())


def test_it_can_be_stopped_and_is_followed():
    heard = []
    network = fitted(
        module(),
        steps=50,
        report=lambda fraction, message: heard.append(fraction),
        should_stop=lambda: len(heard) == 3,
    )
    assert heard == [0.02, 0.04, 0.06]
    assert all(torch.isfinite(weight).all() for weight in network.variance_head.parameters())


@pytest.mark.parametrize("blind", [0, 1])
def test_a_denoiser_learns_from_the_variance_of_its_samples(blind):
    one = module(blind_levels=blind)
    one.network.eval()
    batch = patches()[0]
    with torch.no_grad():
        drawn = [one.evidence(batch).squared for _ in range(30)]
        features = one.network.encode(batch.observation[:1])
        noise = [torch.randn(400, 2, side, side) for side in (16, 8)]
        noise[0] *= blind == 0
        expected = one.network.decode(features, noise).output.var(dim=0)
    found = torch.stack(drawn).mean(dim=0)
    assert found.shape == (1, 1, 32, 32)  # one of four patches, four samples of it
    torch.testing.assert_close(found.mean(), expected.mean(), rtol=0.1, atol=0)


def test_a_splitter_learns_from_errors_and_knows_the_noise_of_the_recordings():
    torch.manual_seed(0)
    noise = [PoissonGaussian(2.0, 9.0), PoissonGaussian(1.0, 4.0)]
    one = SplittingModule(
        LadderVAE(output_channels=2, latent_channels=(2, 2), filters=4, variance_filters=2),
        Statistics(150.0, 30.0),
        [Statistics(100.0, 20.0), Statistics(50.0, 10.0)],
        [10.0, 0.0],
        noise,
        denoisplit_weight=0.9,
        kl_weight=ConstantKLWeight(1.0),
    )
    one.network.eval()
    ratio = torch.tensor([[2.0, 1.0]])
    target = torch.cat([torch.full((1, 1, 16, 16), 80.0), torch.full((1, 1, 16, 16), 60.0)], 1)
    batch = MixedBatch(torch.full((1, 1, 16, 16), 140.0), target, ratio)
    with torch.no_grad():
        torch.manual_seed(3)
        found = one.evidence(batch)
        torch.manual_seed(3)
        features = one.network.encode(torch.full((1, 1, 16, 16), -1 / 3))
        output = one.network.decode(features, one.network.standard_noise(features)).output
    # Twice as strong as recorded: 2·(80 − 10) + 10 = 150, which is 2.5 standard deviations.
    first, second = output[:, 0].double(), output[:, 1].double()
    signal = (100 + 20 * first - 10) / 2 + 10
    for part, expected in (
        (found.squared[:, 0], (2.5 - first) ** 2),
        (found.squared[:, 1], (1.0 - second) ** 2),
        (found.known[:, 0], (2 * signal + 9) * (2 / 20) ** 2),
        (found.known[:, 1], (50 + 10 * second + 4) / 10**2),
    ):
        torch.testing.assert_close(part.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_factor_of_held_out_patches_is_the_most_likely_one_and_at_least_one(factor):
    draw = torch.Generator().manual_seed(0)
    log_variance, known = (torch.rand(4, 1, 32, 32, generator=draw) - k for k in (0.5, 0.0))
    total = factor * log_variance.exp() + known
    squared = total * torch.randn(total.shape, generator=draw) ** 2

    def nats(shift):
        scaled = (log_variance + shift).exp() + known
        return float((scaled.log() + squared / scaled).double().mean())

    best = max(0.0, minimize_scalar(nats, bounds=(-3, 3), method="bounded").x)
    found = held_out_factor(Evidence(log_variance, squared, known))
    assert found.tolist() == pytest.approx([best], abs=1e-3)
    assert best == pytest.approx(max(0.0, np.log(factor)), abs=0.1)
