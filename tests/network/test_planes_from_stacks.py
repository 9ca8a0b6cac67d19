"""A 3-D encoder under a 2-D decoder: one plane from a stack."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ladderscope.losses import gaussian_kl, samplewise
from ladderscope.network import DiagonalGaussian, LadderVAE


def ladder(**arguments):
    torch.manual_seed(0)
    shape = {"latent_channels": (3, 2), "filters": 4} | arguments
    return LadderVAE(**shape, dimensions=3, decoder_dimensions=2).eval()


def image(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


PLANE = ladder()
IN_CONTEXT = ladder(views=3, output_channels=2)


@settings(max_examples=15)
@given(depth=st.integers(1, 4), height=st.integers(1, 13), width=st.integers(1, 13))
def test_a_stack_of_any_size_becomes_a_plane_of_its_size(depth, height, width):
    for network, views in ((PLANE, 1), (IN_CONTEXT, 3)):
        features = network.encode(image(2, views, depth, height, width))
        decoded = network.decode(features, network.standard_noise(features))
        assert decoded.output.shape == (2, network.output_channels, height, width)
        assert all(level_map.ndim == 4 for level_map in features.levels)
        assert all(level.sample.ndim == 4 for level in decoded.levels)


def test_every_map_is_gated_and_averaged_over_z():
    stack = image(1, 1, 3, 8, 8)
    below = PLANE.first(stack)
    for index, found in enumerate(PLANE.encode(stack).levels):
        below = PLANE.bottom_up[index](below)
        gate = PLANE.z_gates[index]
        value = functional.leaky_relu(gate.value(below), 0.01)
        expected = (value * torch.sigmoid(gate.gate(below))).mean(dim=2)
        torch.testing.assert_close(found, expected)
        assert gate.value.kernel_size == gate.gate.kernel_size == (3, 3, 3)


def test_the_order_of_planes_matters():
    stack = image(1, 1, 3, 8, 8)
    found, other = (PLANE.encode(one).levels for one in (stack, stack[:, :, [1, 0, 2]]))
    assert not torch.allclose(found[0], other[0])


@pytest.mark.parametrize("arguments", [{}, {"dimensions": 2}, {"dimensions": 3}], ids=str)
def test_only_who_averages_has_gates(arguments):
    assert len(LadderVAE(latent_channels=(2, 2), filters=4, **arguments).z_gates) == 0
    assert len(PLANE.z_gates) == 2


@pytest.mark.parametrize(
    "arguments",
    [{}, {"views": 3}, {"blocks": 2, "batch_norm": True, "views": 2}, {"blind_levels": 1}],
    ids=str,
)
def test_every_parameter_gets_a_gradient(arguments):
    network = ladder(**arguments).train()
    decoded = network(image(2, network.views, 2, 16, 16))
    loss = decoded.output.square().mean() + sum(
        samplewise(gaussian_kl(*level.posterior, *level.prior)).mean()
        for level in decoded.levels[network.blind_levels :]
    )
    loss.backward()
    silent = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not torch.any(parameter.grad)
    ]
    # A bias straight before batch normalisation is subtracted again with the mean.
    assert not [name for name in silent if not (network.views == 2 and name.endswith("bias"))]


@pytest.mark.parametrize("network", [PLANE, IN_CONTEXT], ids=["alone", "in context"])
def test_the_output_depends_on_the_image_through_the_latents_alone(network, decoded_to):
    one, other = (network.encode(image(1, network.views, 3, 16, 12, seed=seed)) for seed in (0, 1))
    decoded = network.decode(one, network.standard_noise(one))
    again = decoded_to(network, other, [level.sample for level in decoded.levels])
    torch.testing.assert_close(again.output, decoded.output, rtol=1e-4, atol=1e-4)


def test_under_bfloat16_autocast_it_stays_close_and_float32_outside():
    observation = image(2, 3, 3, 16, 16)
    torch.manual_seed(1)
    exact = IN_CONTEXT(observation)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = IN_CONTEXT(observation)
    assert rounded.output.dtype == torch.float32
    torch.testing.assert_close(rounded.output, exact.output, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("dimensions, below", [(2, 3), (3, 1), (2, 1), (3, 4)])
def test_other_decoders_are_a_value_error(dimensions, below):
    with pytest.raises(ValueError, match=f"decoder_dimensions must be 2.*not {below}"):
        LadderVAE(dimensions=dimensions, decoder_dimensions=below)


def test_compiled_as_one_graph_it_equals_eager(monkeypatch):
    # dynamo stumbles over checked methods of tuples that are made in the graph
    monkeypatch.setattr(DiagonalGaussian, "sample", inspect.unwrap(DiagonalGaussian.sample))
    torch.compiler.reset()
    observation = image(2, 1, 3, 8, 8)
    noise = PLANE.standard_noise(PLANE.encode(observation))

    def passed(observation):
        return PLANE.decode(PLANE.encode(observation), noise).output

    compiled = torch.compile(passed, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(observation), passed(observation))
