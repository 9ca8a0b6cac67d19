"""What the standard deviation of a restoration is made of: samples, the decoder, or both."""

import numpy as np
import pytest
import torch

from ladderscope.network import LadderVAE
from ladderscope.prediction import (
    Geometry,
    antithetic_noise,
    draw,
    of_posterior,
    of_prediction,
    restore,
    sampler,
)

WHOLE, TILED = Geometry(core=448, margin=32), Geometry(core=32, margin=32)
PLANE = torch.randn(90, 70, generator=torch.Generator().manual_seed(1)).numpy()


def ladder(**arguments):
    torch.manual_seed(0)
    return LadderVAE(**({"latent_channels": (3, 2), "filters": 4} | arguments)).eval()


@torch.no_grad()
@pytest.mark.parametrize("variances", [1, 2])
def test_without_samples_the_head_gives_the_deviation_at_the_posterior_means(variances):
    network = ladder(variance_filters=3, variances=variances)
    features = network.encode(torch.from_numpy(PLANE)[None, None])
    zeros = [torch.zeros_like(part) for part in network.standard_noise(features)]
    of_head = network.decode(features, zeros, variance=True).log_variance
    expected = (0.5 * of_head[0, variances - 1]).exp()
    for law in (of_posterior, of_prediction):
        restored = restore(network, PLANE, samples=0, geometry=WHOLE, law=law)
        torch.testing.assert_close(restored.std, expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, 2, 11])
def test_variances_of_samples_and_decoder_add_up(samples):
    # The decoder's is the same everywhere, so that the sum is known: e⁻¹.
    network = ladder(variance_filters=3, variances=2)
    network.variance_head.log_variance.weight.zero_()
    network.variance_head.log_variance.bias.copy_(torch.tensor([-1.0, 9.0]))
    asked = {"samples": samples, "geometry": WHOLE}
    restored = restore(network, PLANE, **asked, law=of_prediction)
    plain = restore(ladder(), PLANE, **asked)
    between = torch.zeros(1, 90, 70) if plain.std is None else plain.std.square()
    torch.testing.assert_close(restored.std.square(), between + np.exp(-1.0), rtol=1e-4, atol=1e-5)
    assert torch.equal(restored.mean, plain.mean)


@torch.no_grad()
def test_the_decoder_s_variance_is_its_mean_over_the_samples(monkeypatch):
    network = ladder(output_channels=4)
    asked = {"samples": 7, "geometry": WHOLE}
    restored = restore(network, PLANE, **asked, outputs=2, law=of_prediction)
    of_samples = restore(network, PLANE, **asked, outputs=2, law=of_posterior)
    monkeypatch.setattr(sampler, "latent_noise", antithetic_noise)
    decoded = draw(network, PLANE, **asked)[:, 2:].exp().mean(dim=0)
    expected = of_samples.std.square() + decoded
    torch.testing.assert_close(restored.std.square(), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_denoiser_s_spread_is_that_of_its_samples_whatever_the_head_says():
    network = ladder(variance_filters=3)
    asked = {"samples": 5, "geometry": WHOLE}
    headed, plain = (restore(one, PLANE, **asked, law=of_posterior) for one in (network, ladder()))
    assert torch.equal(headed.std, plain.std)
    alone = restore(network, PLANE, samples=1, geometry=WHOLE, law=of_posterior)
    assert alone.std is None


@torch.no_grad()
def test_log_variances_among_the_outputs_are_the_decoder_s():
    network = ladder(output_channels=4)
    restored = restore(network, PLANE, samples=0, outputs=2, geometry=WHOLE, law=of_prediction)
    every = restore(network, PLANE, samples=0, geometry=WHOLE).mean
    torch.testing.assert_close(restored.std, (0.5 * every[2:]).exp(), rtol=1e-5, atol=1e-6)
    assert restore(network, PLANE, samples=0, outputs=2, geometry=WHOLE).std is None


@torch.no_grad()
def test_the_predicted_deviation_has_no_seams_between_tiles():
    network = ladder(variance_filters=3)
    one, many = (
        restore(network, PLANE, samples=3, geometry=geometry, law=of_prediction).std
        for geometry in (WHOLE, TILED)
    )
    torch.testing.assert_close(many, one, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("decoder_dimensions", [2, 3])
@pytest.mark.parametrize("views", [1, 2])
def test_stacks_and_context_have_a_predicted_deviation_too(decoder_dimensions, views):
    network = ladder(
        dimensions=3,
        decoder_dimensions=decoder_dimensions,
        views=views,
        output_channels=2,
        variance_filters=3,
    )
    stack = torch.randn(3, 20, 24, generator=torch.Generator().manual_seed(2)).numpy()
    geometry = Geometry(32, 8, depth=4, depth_margin=1)
    restored = restore(network, stack, samples=2, geometry=geometry, law=of_prediction)
    assert restored.std.shape == restored.mean.shape == (2, 3, 20, 24)
    assert torch.isfinite(restored.std).all() and (restored.std > 0).all()
