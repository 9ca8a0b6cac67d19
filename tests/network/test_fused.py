"""A ladder for prediction computes what the ladder computes."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ladderscope.network import LadderVAE
from ladderscope.network import fused as under_test
from ladderscope.network.fused import WideConvolution, fused


@pytest.fixture
def uncompiled(monkeypatch):
    """What is compiled, step by step."""
    monkeypatch.setattr(under_test, "_compiled", lambda function: function)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)


def network(**arguments):
    torch.manual_seed(0)
    made = LadderVAE(**({"latent_channels": (4, 4), "filters": 8} | arguments)).eval()
    return made.to(memory_format=torch.channels_last) if made.dimensions == 2 else made


def decoded(network, autocast=None):
    generator = torch.Generator().manual_seed(0)
    space = (3, 30, 41)[-network.dimensions :]
    image = torch.randn((2, network.views, *space), generator=generator)
    with torch.inference_mode(), torch.autocast("cpu", autocast, enabled=autocast is not None):
        features = network.encode(image)
        return network.decode(
            features, network.standard_noise(features, generator), priors=False, variance=True
        )


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"output_channels": 3, "variance_filters": 4, "blocks": 2},
        {"batch_norm": True, "dropout": 0.5},
        {"views": 2},
        {"dimensions": 3},
        {"dimensions": 3, "decoder_dimensions": 2},
        {"activation": nn.LeakyReLU},
    ],
)
def test_it_decodes_as_the_network_that_it_copies(arguments, uncompiled):
    plain = network(**arguments)
    expected, found = decoded(plain), decoded(fused(plain))
    torch.testing.assert_close(found.output, expected.output, rtol=1e-4, atol=1e-5)
    if expected.log_variance is not None:
        torch.testing.assert_close(found.log_variance, expected.log_variance)


def test_in_bfloat16_it_is_as_exact_as_the_network_that_it_copies(uncompiled):
    plain = network(filters=16)
    exact = decoded(plain).output

    def error(network):
        return (decoded(network, torch.bfloat16).output - exact).square().mean().sqrt()

    assert 0 < error(fused(plain)) < 1.2 * error(plain)


def test_the_network_that_it_copies_stays_as_it_is(uncompiled):
    plain = network()
    before = str(plain)
    assert str(fused(plain)) != before and str(plain) == before


def test_activations_in_bfloat16_are_rounded_as_exact_ones_but_for_a_last_bit(uncompiled):
    numbers = torch.linspace(-40, 8, 5001).bfloat16()
    step = torch.finfo(torch.bfloat16).eps
    exact = functional.elu(numbers.float())
    assert ((under_test._elu(numbers).float() - exact).abs() <= step * exact.abs()).all()
    gate = under_test._gated(torch.ones_like(numbers), numbers)
    assert ((gate.float() - numbers.float().sigmoid()).abs() <= step).all()


def test_what_is_no_number_stays_none(uncompiled):
    nothing = torch.tensor([float("nan")] * 2).bfloat16()
    assert under_test._elu(nothing).isnan().all()
    assert under_test._gated(nothing, torch.ones_like(nothing)).isnan().all()
    assert under_test._gated(torch.ones_like(nothing), nothing).isnan().all()


@pytest.mark.parametrize("size", [(1, 1), (4, 8), (5, 7), (16, 3)])
def test_a_wide_convolution_computes_what_the_convolution_computes(size):
    torch.manual_seed(0)
    convolution, features = nn.Conv2d(6, 2, 3, padding=1), torch.randn(2, 6, *size)
    with torch.inference_mode():
        found = WideConvolution(convolution)(features)
        torch.testing.assert_close(found, convolution(features), rtol=1e-5, atol=1e-6)
