"""The pieces of a level that are ours, against those of torch that they stand in for."""

import pytest
import torch
from torch import nn

from ladderscope.network import LadderVAE
from ladderscope.network.blocks import ELU, Upsampling

OF_TORCH = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def random(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=dtype, requires_grad=True)


def test_elu_and_its_gradient_are_those_of_torch():
    values = torch.linspace(-30, 5, 71, dtype=torch.float64, requires_grad=True)
    found, expected = ELU()(values), nn.ELU()(values)
    assert torch.equal(found, expected)
    weights = torch.linspace(1, 2, 71)
    gradients = [torch.autograd.grad((y * weights).sum(), values)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-15)
    assert torch.autograd.gradcheck(ELU(), random(3, 4))


@pytest.mark.parametrize("given", [nn.ELU, ELU])
def test_a_ladder_has_this_elu_whichever_is_given(given):
    network = LadderVAE(latent_channels=(2, 2), filters=4, activation=given)
    kinds = {type(module) for module in network.modules()}
    assert ELU in kinds and nn.ELU not in kinds


def test_elu_keeps_its_result_and_not_its_input():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        result = ELU()(random(5))
    assert [torch.equal(tensor, result) for tensor in kept] == [True]


@pytest.mark.parametrize("dimensions, space", [(2, (3, 5)), (3, (2, 3, 5))])
def test_upsampling_is_the_transposed_convolution_of_torch(dimensions, space):
    depth = dimensions - 2
    expected = OF_TORCH[dimensions](
        4,
        4,
        3,
        stride=(1,) * depth + (2, 2),
        padding=1,
        output_padding=(0,) * depth + (1, 1),
    ).double()
    found = Upsampling(dimensions, 4).double()
    found.load_state_dict(expected.state_dict(), strict=True)
    coarse = random(2, 4, *space)
    outputs = [module(coarse) for module in (found, expected)]
    assert outputs[0].shape[2:] == (*space[:depth], *(2 * side for side in space[depth:]))
    torch.testing.assert_close(*outputs)
    with torch.no_grad():
        torch.testing.assert_close(found(coarse), outputs[1])
    gradients = [
        torch.autograd.grad(output.square().sum(), (coarse, module.weight, module.bias))
        for module, output in zip((found, expected), outputs, strict=True)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_upsampling_begins_with_the_weights_that_torch_draws(dimensions):
    torch.manual_seed(0)
    found = Upsampling(dimensions, 3).state_dict()
    torch.manual_seed(0)
    expected = OF_TORCH[dimensions](3, 3, 3).state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("gradients", [True, False])
def test_upsampling_stays_in_bfloat16_and_in_its_memory_format(gradients):
    module = Upsampling(2, 4).to(memory_format=torch.channels_last)
    coarse = random(2, 4, 4, 4, dtype=torch.float32).contiguous(memory_format=torch.channels_last)
    with torch.set_grad_enabled(gradients), torch.autocast("cpu", torch.bfloat16):
        finer = module(coarse)
    assert finer.dtype == torch.bfloat16
    assert finer.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(finer.float(), module(coarse), rtol=0.02, atol=0.02)
