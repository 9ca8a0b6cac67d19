"""Blind levels: what they are drawn from, what they are without, and what they cannot know."""

import inspect

import pytest
import torch

from ladderscope.losses import gaussian_kl, samplewise
from ladderscope.network import DiagonalGaussian, LadderVAE


def ladder(blind_levels, **arguments):
    torch.manual_seed(0)
    shape = {"latent_channels": (3, 2, 4), "filters": 4} | arguments
    return LadderVAE(**shape, blind_levels=blind_levels).eval()


def image(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


BLIND = ladder(2)


def test_a_blind_level_knows_of_the_image_what_coarser_levels_tell_it():
    one, other = (BLIND.encode(image(1, 1, 16, 24, seed=seed)) for seed in (1, 2))
    noise = BLIND.standard_noise(one)
    mixed = one._replace(levels=(*other.levels[:2], one.levels[2]))
    assert torch.equal(BLIND.decode(mixed, noise).output, BLIND.decode(one, noise).output)
    mixed = one._replace(levels=(*one.levels[:2], other.levels[2]))
    assert not torch.equal(BLIND.decode(mixed, noise).output, BLIND.decode(one, noise).output)


@pytest.mark.parametrize("priors", [True, False])
def test_a_blind_level_is_drawn_from_its_prior_and_has_no_posterior(priors):
    features = BLIND.encode(image(2, 1, 16, 16))
    noise = BLIND.standard_noise(features)
    *blind, sighted = BLIND.decode(features, noise, priors=priors).levels
    for level, drawn in zip(blind, noise[:2], strict=True):
        assert level.posterior is None
        deviation = (0.5 * level.prior.log_variance).exp()
        torch.testing.assert_close(level.sample, level.prior.mean + deviation * drawn)
    assert sighted.posterior is not None
    assert (sighted.prior is not None) == priors


def test_leaving_the_priors_out_changes_no_output():
    features = BLIND.encode(image(1, 1, 16, 16))
    noise = BLIND.standard_noise(features)
    without = BLIND.decode(features, noise, priors=False)
    assert torch.equal(without.output, BLIND.decode(features, noise).output)


def test_zeros_give_the_mean_to_a_whole_batch_of_samples():
    features = BLIND.encode(image(1, 1, 16, 12))
    noise = [torch.cat([part] * 3) for part in BLIND.standard_noise(features)]
    noise[0] = torch.zeros(1, *noise[0].shape[1:])
    finest = BLIND.decode(features, noise).levels[0]
    assert finest.sample.shape[0] == 3
    assert torch.equal(finest.sample, finest.prior.mean)


def test_the_output_depends_on_the_image_through_the_latents_alone(decoded_to):
    one, other = (BLIND.encode(image(1, 1, 16, 16, seed=seed)) for seed in (0, 1))
    decoded = BLIND.decode(one, BLIND.standard_noise(one))
    again = decoded_to(BLIND, other, [level.sample for level in decoded.levels])
    torch.testing.assert_close(again.output, decoded.output, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("blind_levels", [1, 2])
def test_what_a_blind_level_has_no_use_for_is_not_there(blind_levels):
    weights = {name: value.shape for name, value in ladder(0).named_parameters()}
    left_out = {
        name
        for name in weights
        for level in range(blind_levels)
        if name.startswith((f"rungs.{level}.merge.", f"rungs.{level}.to_posterior."))
    }
    assert len(left_out) == 12 * blind_levels
    kept = {name: value.shape for name, value in ladder(blind_levels).named_parameters()}
    assert kept == {name: shape for name, shape in weights.items() if name not in left_out}


@pytest.mark.parametrize(
    "arguments",
    [{}, {"blocks": 2, "batch_norm": True}, {"dimensions": 3}, {"views": 2}, {"views": 4}],
    ids=str,
)
@pytest.mark.parametrize("blind_levels", [1, 2])
def test_every_parameter_gets_a_gradient(blind_levels, arguments):
    network = ladder(blind_levels, **arguments).train()
    decoded = network(image(2, network.views, *(2,) * (network.dimensions - 2), 16, 16))
    loss = decoded.output.square().mean() + sum(
        samplewise(gaussian_kl(*level.posterior, *level.prior)).mean()
        for level in decoded.levels[blind_levels:]
    )
    loss.backward()
    silent = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not torch.any(parameter.grad)
    ]
    # A bias straight before batch normalisation is subtracted again with the mean.
    assert not [name for name in silent if not (arguments.get("batch_norm") and "bias" in name)]


@pytest.mark.parametrize("blind_levels", [-1, 3, 4])
def test_one_level_must_see_the_image(blind_levels):
    with pytest.raises(ValueError, match=f"from 0 to 2.*not {blind_levels}"):
        ladder(blind_levels)


def test_compiled_as_one_graph_it_equals_eager(monkeypatch):
    # dynamo stumbles over checked methods of tuples that are made in the graph
    monkeypatch.setattr(DiagonalGaussian, "sample", inspect.unwrap(DiagonalGaussian.sample))
    torch.compiler.reset()
    blind, observation = ladder(1, latent_channels=(3, 2)), image(2, 1, 16, 16)
    noise = blind.standard_noise(blind.encode(observation))

    def passed(observation):
        return blind.decode(blind.encode(observation), noise).output

    compiled = torch.compile(passed, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(observation), passed(observation))
