"""The ladder: shapes for any image, one encoding for many samples, precision, gradients."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ladderscope.losses import gaussian_kl, samplewise
from ladderscope.network import DiagonalGaussian, Features, LadderVAE


def ladder(**arguments) -> LadderVAE:
    torch.manual_seed(0)
    return LadderVAE(**({"latent_channels": (3, 2), "filters": 4} | arguments)).eval()


def image(*shape, seed=0, **kind):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), **kind)


FLAT, DEEP = ladder(), ladder(dimensions=3)
SIDES = st.integers(1, 19)


@settings(max_examples=40)
@given(height=SIDES, width=SIDES, batch=st.integers(1, 2))
def test_an_image_of_any_size_comes_back_in_its_size(height, width, batch):
    decoded = FLAT(image(batch, 1, height, width))
    assert decoded.output.shape == (batch, 1, height, width)
    for number, level in enumerate(decoded.levels, start=1):
        # maps cover the image padded to a multiple of 2^2
        assert level.sample.shape[2:] == tuple(
            4 * math.ceil(side / 4) // 2**number for side in (height, width)
        )
        assert level.sample.shape == level.posterior.mean.shape


@settings(max_examples=15)
@given(depth=st.integers(1, 3), height=SIDES, width=SIDES)
def test_a_stack_of_any_size_comes_back_in_its_size_and_keeps_its_depth(depth, height, width):
    decoded = DEEP(image(1, 1, depth, height, width))
    assert decoded.output.shape == (1, 1, depth, height, width)
    assert all(level.sample.shape[2] == depth for level in decoded.levels)


def test_channels_and_latents_are_those_asked_for():
    network = ladder(input_channels=2, output_channels=3, latent_channels=(1, 5, 2))
    decoded = network(image(2, 2, 16, 24))
    assert decoded.output.shape == (2, 3, 16, 24)
    assert [level.sample.shape[1] for level in decoded.levels] == [1, 5, 2]


def test_padding_does_not_reach_into_an_image_that_needs_none():
    plain = image(1, 1, 16, 16)
    assert torch.equal(FLAT.encode(plain).levels[0], FLAT.bottom_up[0](FLAT.first(plain)))


def test_one_encoding_decoded_often_equals_whole_passes_with_the_same_noise():
    observation = image(1, 1, 13, 22)
    features = FLAT.encode(observation)
    for seed in range(3):
        torch.manual_seed(seed)
        whole = FLAT(observation)
        torch.manual_seed(seed)
        again = FLAT.decode(features, FLAT.standard_noise(features))
        assert torch.equal(again.output, whole.output)


def test_the_features_of_one_image_serve_a_batch_of_noise():
    features = FLAT.encode(image(1, 1, 16, 12))
    noises = [FLAT.standard_noise(features) for _ in range(3)]
    together = FLAT.decode(features, [torch.cat(parts) for parts in zip(*noises, strict=True)])
    for row, noise in enumerate(noises):
        alone = FLAT.decode(features, noise)
        torch.testing.assert_close(together.output[row], alone.output[0])
        for both, one in zip(together.levels, alone.levels, strict=True):
            torch.testing.assert_close(both.sample[row], one.sample[0])


def test_images_of_a_batch_do_not_touch_one_another():
    pair = image(2, 1, 16, 16)
    torch.manual_seed(1)
    features = FLAT.encode(pair)
    noise = FLAT.standard_noise(features)
    both = FLAT.decode(features, noise).output
    second = FLAT.decode(FLAT.encode(pair[1:]), [part[1:] for part in noise]).output
    torch.testing.assert_close(both[1:], second)


def test_zero_noise_decodes_the_posterior_means():
    features = FLAT.encode(image(2, 1, 16, 16))
    zeros = [torch.zeros_like(part) for part in FLAT.standard_noise(features)]
    for level in FLAT.decode(features, zeros).levels:
        assert torch.equal(level.sample, level.posterior.mean)


def test_noise_is_scaled_and_shifted_into_the_posterior():
    features = FLAT.encode(image(1, 1, 16, 16))
    noise = FLAT.standard_noise(features)
    for level, drawn in zip(FLAT.decode(features, noise).levels, noise, strict=True):
        deviation = level.posterior.log_variance.exp().sqrt()
        torch.testing.assert_close(level.sample, level.posterior.mean + deviation * drawn)


def test_leaving_the_priors_out_changes_no_output():
    features = FLAT.encode(image(1, 1, 16, 16))
    noise = FLAT.standard_noise(features)
    without = FLAT.decode(features, noise, priors=False)
    assert torch.equal(without.output, FLAT.decode(features, noise).output)
    assert all(level.prior is None for level in without.levels)


def test_priors_and_output_depend_on_the_image_through_the_latents_alone(decoded_to):
    one, other = (FLAT.encode(image(1, 1, 16, 16, seed=seed)) for seed in (0, 1))
    decoded = FLAT.decode(one, FLAT.standard_noise(one))
    again = decoded_to(FLAT, other, [level.sample for level in decoded.levels])
    torch.testing.assert_close(again.output, decoded.output, rtol=1e-4, atol=1e-4)
    for found, before in zip(again.levels, decoded.levels, strict=True):
        torch.testing.assert_close(found.prior.mean, before.prior.mean, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(found.posterior.mean, before.posterior.mean)


def test_the_size_of_the_network_is_that_of_the_ladder_it_follows():
    # CAREamics' ladder of this shape, without its head for a predicted variance and with its
    # top prior one value a channel, has so many parameters.
    network = LadderVAE(latent_channels=(4, 6, 8), filters=8, output_channels=2, batch_norm=True)
    assert sum(parameter.numel() for parameter in network.parameters()) == 25682


@pytest.mark.parametrize("arguments", [{}, {"blocks": 2, "batch_norm": True}, {"dimensions": 3}])
def test_every_parameter_gets_a_gradient(arguments):
    network = ladder(**arguments).train()
    decoded = network(image(2, 1, *(2,) * (network.dimensions - 2), 16, 16))
    loss = decoded.output.square().mean() + sum(
        samplewise(gaussian_kl(*level.posterior, *level.prior)).mean() for level in decoded.levels
    )
    loss.backward()
    silent = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not torch.any(parameter.grad)
    ]
    # A bias straight before batch normalisation is subtracted again with the mean.
    assert all(network.get_parameter(name).grad is not None for name in silent)
    assert not [name for name in silent if not name.endswith("bias")]


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_norm": True},
        {"dropout": 0.3},
        {"blocks": 2},
        {"first_kernel": 5},
        {"first_kernel": 1},
        {"activation": nn.ReLU},
        {"activation": nn.SiLU},
        {"latent_channels": (2,)},
        {"latent_channels": (1, 2, 3, 4, 5, 6)},
        {"blocks": 2, "batch_norm": True, "dropout": 0.2, "first_kernel": 5, "dimensions": 3},
    ],
    ids=str,
)
def test_every_variant_runs_and_stays_finite(arguments):
    network = ladder(**arguments).train()
    decoded = network(image(2, 1, *(1,) * (network.dimensions - 2), 9, 14))
    assert decoded.output.shape[-2:] == (9, 14)
    assert torch.isfinite(decoded.output).all()


def test_dropout_acts_in_training_only():
    network = ladder(dropout=0.5)
    features = network.encode(image(1, 1, 16, 16))
    assert torch.equal(network.encode(image(1, 1, 16, 16)).levels[1], features.levels[1])
    network.train()
    assert not torch.equal(network.encode(image(1, 1, 16, 16)).levels[1], features.levels[1])


def test_dropout_drops_whole_channels():
    network = ladder(dropout=0.5).train()
    dropout = next(module for module in network.modules() if isinstance(module, nn.Dropout2d))
    kept = dropout(torch.ones(4, 4, 6, 6)).flatten(2)
    assert torch.equal(kept.amin(dim=2), kept.amax(dim=2))
    assert set(kept.unique().tolist()) == {0.0, 2.0}


class Softened(nn.Module):
    """Log-variances between 0 and 1."""

    def forward(self, raw):
        return torch.sigmoid(raw)


def test_a_given_variance_map_is_used_on_every_level_and_for_both_gaussians():
    decoded = ladder(variance_map=Softened())(100 * image(1, 1, 16, 16))
    gaussians = [
        gaussian for level in decoded.levels for gaussian in (level.posterior, level.prior)
    ]
    assert len(gaussians) == 4
    assert all(log.min() >= 0 and log.max() <= 1 for log in (g.log_variance for g in gaussians))
    assert torch.all(gaussians[-1].log_variance == 0.5)  # the top's prior starts at raw zeros


def test_without_a_variance_map_the_raw_value_is_the_log_variance():
    network = ladder()
    raw = image(1, 4, 3, 3)
    gaussian = network.rungs[1].gaussian(raw)
    assert torch.equal(torch.cat(gaussian, dim=1), raw)


def test_a_gaussian_is_named_mean_then_log_variance():
    standard = DiagonalGaussian(torch.ones(1, 1, 2), torch.zeros(1, 1, 2))
    assert torch.equal(standard.sample(torch.tensor([[[0.0, 2.0]]])), torch.tensor([[[1.0, 3.0]]]))


@pytest.mark.parametrize(
    "arguments",
    [
        {"dimensions": 1},
        {"dimensions": 4},
        {"latent_channels": ()},
        {"latent_channels": (4, 0)},
        {"filters": 0},
        {"blocks": 0},
        {"input_channels": 0},
        {"output_channels": 0},
        {"first_kernel": 4},
        {"first_kernel": -1},
        {"dropout": 1.5},
    ],
    ids=str,
)
def test_a_bad_argument_is_a_value_error(arguments):
    with pytest.raises(ValueError):
        ladder(**arguments)


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 1, 8), (1, 8, 8), (1, 1, 1, 8, 8)])
def test_an_image_of_another_shape_is_a_value_error_that_names_both(shape):
    with pytest.raises(ValueError) as error:
        FLAT.encode(torch.zeros(shape))
    assert "(batch, 1, Y X)" in str(error.value)
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (1, 1, 0, 8)])
def test_an_empty_image_is_a_value_error(shape):
    with pytest.raises(ValueError, match="empty"):
        FLAT.encode(torch.zeros(shape))


def test_in_double_precision_everything_is_double():
    decoded = ladder().double()(image(1, 1, 16, 16, dtype=torch.float64))
    assert decoded.output.dtype == torch.float64
    for level in decoded.levels:
        assert {t.dtype for t in (level.sample, *level.posterior, *level.prior)} == {torch.float64}


def test_under_bfloat16_autocast_distributions_and_output_are_float32_and_close():
    network = ladder(latent_channels=(3, 2, 2), filters=8)
    observation = image(2, 1, 24, 16)
    torch.manual_seed(1)
    exact = network(observation)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(observation)
    assert rounded.output.dtype == torch.float32
    torch.testing.assert_close(rounded.output, exact.output, rtol=0.05, atol=0.05)
    for found, wanted in zip(rounded.levels, exact.levels, strict=True):
        for tensor in (found.sample, *found.posterior, *found.prior):
            assert tensor.dtype == torch.float32
        torch.testing.assert_close(found.sample, wanted.sample, rtol=0.1, atol=0.1)


def test_channels_last_stays_channels_last():
    network = ladder().to(memory_format=torch.channels_last)
    observation = image(2, 1, 16, 16).contiguous(memory_format=torch.channels_last)
    features = network.encode(observation)
    for level in features.levels:
        assert level.is_contiguous(memory_format=torch.channels_last)
    for level in network.decode(features, network.standard_noise(features)).levels:
        assert level.posterior.mean.stride(1) == 1
    wanted = ladder().encode(observation.contiguous())
    torch.testing.assert_close(features.levels[1], wanted.levels[1])


@pytest.fixture
def traceable(monkeypatch):
    """Take the checks off a method of tuples made in the graph: dynamo stumbles over them."""
    monkeypatch.setattr(DiagonalGaussian, "sample", inspect.unwrap(DiagonalGaussian.sample))


@pytest.mark.usefixtures("traceable")
def test_compiled_as_one_graph_it_equals_eager_in_value_and_gradient():
    torch.compiler.reset()
    network = ladder().train()
    features = network.encode(image(2, 1, 16, 16))
    noise = network.standard_noise(features)

    def passed(observation):
        decoded = network.decode(network.encode(observation), noise)
        kl = [samplewise(gaussian_kl(*level.posterior, *level.prior)) for level in decoded.levels]
        return decoded.output, torch.stack([part.sum() for part in kl])

    compiled = torch.compile(passed, fullgraph=True, backend="aot_eager")
    gradients = []
    for version in (passed, compiled):
        network.zero_grad()
        observation = image(2, 1, 16, 16).requires_grad_()
        output, kl = version(observation)
        (output.square().mean() + kl.sum()).backward()
        gradients.append((output, kl, observation.grad, network.top_prior.grad.clone()))
    for found, wanted in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.usefixtures("traceable")
def test_the_forward_pass_compiles_as_one_graph():
    torch.compiler.reset()
    network = ladder()
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    decoded = compiled(image(1, 1, 16, 16))
    assert decoded.output.shape == (1, 1, 16, 16)
    # The same latents, decoded in eager mode, must give the same output.
    features = network.encode(image(1, 1, 16, 16))
    noise = [
        (level.sample - level.posterior.mean) / (0.5 * level.posterior.log_variance).exp()
        for level in decoded.levels
    ]
    torch.testing.assert_close(
        decoded.output, network.decode(features, noise).output, rtol=1e-4, atol=1e-4
    )


def test_features_carry_the_size_of_the_image():
    features = FLAT.encode(image(1, 1, 7, 9))
    assert isinstance(features, Features)
    assert features.size == (7, 9)
    assert FLAT.multiple == 4


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_noise_for_another_number_of_levels_is_a_value_error(levels):
    noise = [image(1, 3, 4, 4), image(1, 2, 2, 2), image(1, 2, 1, 1)][:levels]
    with pytest.raises(ValueError, match=f"each of 2 levels, found {levels}"):
        FLAT.decode(FLAT.encode(image(1, 1, 8, 8)), noise)


def test_posterior_scales_multiply_what_the_posteriors_are_read_from():
    plain, scaled = ladder(), ladder(posterior_scales=[2.0, 3.0])
    with torch.no_grad():
        for rung, scale in zip(plain.rungs, (2.0, 3.0), strict=True):
            rung.to_posterior.weight *= scale
    features = plain.encode(image(1, 1, 16, 16))
    noise = plain.standard_noise(features)
    found, expected = (network.decode(features, noise) for network in (scaled, plain))
    torch.testing.assert_close(found.output, expected.output)
    for one, other in zip(found.levels, expected.levels, strict=True):
        torch.testing.assert_close(one.posterior.mean, other.posterior.mean)
        torch.testing.assert_close(one.prior.mean, other.prior.mean)


def test_a_top_prior_may_differ_from_place_to_place():
    network = ladder(top_prior_size=(4, 3))
    with torch.no_grad():
        network.top_prior.copy_(image(1, 4, 4, 3))
    decoded = network(image(2, 1, 16, 12))
    torch.testing.assert_close(torch.cat(decoded.levels[1].prior, dim=1), network.top_prior)


def test_a_top_prior_with_places_ties_the_kl_to_a_size_but_not_the_output():
    network = ladder(top_prior_size=(4, 3))
    features = network.encode(image(1, 1, 20, 12))
    noise = network.standard_noise(features)
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(5, 3\).*without priors"):
        network.decode(features, noise)
    assert network.decode(features, noise, priors=False).output.shape == (1, 1, 20, 12)


@pytest.mark.parametrize(
    "arguments, what",
    [
        ({"posterior_scales": [1.0]}, "posterior_scales needs one number for each of 2 levels"),
        ({"top_prior_size": (4,)}, "top_prior_size needs 2 positive numbers"),
        ({"top_prior_size": (4, 0)}, "top_prior_size needs 2 positive numbers"),
        ({"top_prior_size": (4, 4), "dimensions": 3}, "top_prior_size needs 3"),
    ],
)
def test_scales_and_sizes_that_do_not_fit_are_a_value_error(arguments, what):
    with pytest.raises(ValueError, match=what):
        ladder(**arguments)
