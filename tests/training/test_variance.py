"""Fitting a variance head: it finds variances that are known, and changes nothing else."""

import copy

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from ladderscope.data import (
    Channels,
    Field,
    MixedBatch,
    MixedPatches,
    Mixing,
    PatchShape,
    TrainingPatches,
)
from ladderscope.images import Statistics
from ladderscope.losses import ConstantKLWeight
from ladderscope.network import LadderVAE
from ladderscope.noise import PoissonGaussian
from ladderscope.training import Budget, DenoisingModule, SplittingModule, fit_variance
from ladderscope.training.evidence import Evidence
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
        return (Evidence(log_variance(self.network, batch.observation), squared, known),)


def log_variance(network, observation):
    """The head's, with the observation in place of features."""
    return network.variance_head(observation.repeat(1, 4, 1, 1))[:, 0]


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
def test_a_denoiser_learns_how_far_its_samples_are_from_the_posterior_means(blind):
    one = module(blind_levels=blind)
    one.network.eval()
    batch = patches()[0]
    with torch.no_grad():
        found = torch.stack([one.evidence(batch)[0].squared for _ in range(20)])
        features = one.network.encode(batch.observation[:1])
        noise = [torch.randn(200, 2, side, side) for side in (16, 8)]
        noise[0] *= blind == 0
        drawn = one.network.decode(features, noise).output
        means = one.network.decode(features, [torch.zeros_like(part) for part in noise]).output
    assert found.shape == (20, 4, 1, 32, 32)
    expected = (drawn - means).square().mean()
    torch.testing.assert_close(found[:, 0].mean(), expected, rtol=0.1, atol=0)


def splitter(noise=()):
    torch.manual_seed(0)
    network = LadderVAE(
        output_channels=2, latent_channels=(2, 2), filters=4, variance_filters=2, variances=2
    )
    one = SplittingModule(
        network,
        Statistics(150.0, 30.0),
        [Statistics(100.0, 20.0), Statistics(50.0, 10.0)],
        [10.0, 0.0],
        noise,
        denoisplit_weight=0.9 if noise else 0.0,
        kl_weight=ConstantKLWeight(1.0),
    )
    one.network.eval()
    return one


def mixed_batch():
    target = torch.cat([torch.full((1, 1, 16, 16), 80.0), torch.full((1, 1, 16, 16), 60.0)], 1)
    return MixedBatch(torch.full((1, 1, 16, 16), 140.0), target, torch.tensor([[2.0, 1.0]]))


def decoded(network, seed):
    """Decode the mixed batch at the posterior means, and from the sample that a seed draws."""
    torch.manual_seed(seed)
    features = network.encode(torch.full((1, 1, 16, 16), -1 / 3))
    noise = network.standard_noise(features)
    zeros = [torch.zeros_like(part) for part in noise]
    return [network.decode(features, latents, variance=True) for latents in (zeros, noise)]


@torch.no_grad()
def test_a_splitter_learns_from_errors_and_knows_the_noise_of_the_recordings():
    one = splitter([PoissonGaussian(2.0, 9.0), PoissonGaussian(1.0, 4.0)])
    torch.manual_seed(3)
    errors, _ = one.evidence(mixed_batch())
    for number, outcome in enumerate(decoded(one.network, 3)):
        # Twice as strong as recorded: 2·(80 − 10) + 10 = 150, which is 2.5 standard deviations.
        first, second = outcome.output[0].double()
        signal = (100 + 20 * first - 10) / 2 + 10
        for part, expected in (
            (errors.squared[number, 0], (2.5 - first) ** 2),
            (errors.squared[number, 1], (1.0 - second) ** 2),
            (errors.known[number, 0], (2 * signal + 9) * (2 / 20) ** 2),
            (errors.known[number, 1], (50 + 10 * second + 4) / 10**2),
        ):
            torch.testing.assert_close(part.double(), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_single_pass_of_a_splitter_learns_the_variances_of_samples_and_decoder():
    one = splitter()
    torch.manual_seed(3)
    _, single = one.evidence(mixed_batch())
    means, sample = decoded(one.network, 3)
    squared = (sample.output - means.output).square() + sample.log_variance[:, 0].exp()
    torch.testing.assert_close(single.squared, squared, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(single.log_variance, means.log_variance[:, 1], rtol=1e-5, atol=1e-6)
    assert not single.known.any()


def test_in_a_single_pass_a_splitter_predicts_the_spread_of_samples_and_decoder_together():
    fields = [[Field(np.full((16, 16), value))] for value in (80.0, 60.0)]
    mixing = Mixing((10.0, 0.0), (2.0, 1.0))
    mixed = MixedPatches(Channels(fields, False), mixing, PatchShape(16), 4, 0)
    one = splitter()
    fit_variance(one, mixed, mixed_batch(), Budget(steps=30), seed=1, device="cpu")
    with torch.no_grad():
        outcomes = [decoded(one.network.eval(), seed) for seed in range(20)]
        means = outcomes[0][0]
        of_samples = torch.stack(
            [
                (sample.output - means.output).square() + sample.log_variance[:, 0].exp()
                for _, sample in outcomes
            ]
        )
    predicted = means.log_variance[:, 1].exp().mean(dim=(2, 3))
    torch.testing.assert_close(predicted, of_samples.mean(dim=(0, 3, 4)), rtol=0.1, atol=0)


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
