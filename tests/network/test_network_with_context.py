"""Lateral context: where each view joins, what stays centred, and what it costs without views."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from ladderscope.losses import gaussian_kl, samplewise
from ladderscope.network import DiagonalGaussian, LadderVAE
from ladderscope.network.context import LateralContext, centre, pad_around

LEVELS = 3
EVERY = [1, 2, 3, 4]
WIDE = [2, 3, 4]


def ladder(views, **arguments):
    torch.manual_seed(0)
    shape = {"latent_channels": (3, 2, 4), "filters": 4} | arguments
    return LadderVAE(**shape, views=views).eval()


def image(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


NETWORKS = {views: ladder(views) for views in EVERY}


@pytest.mark.parametrize("views", EVERY)
def test_maps_shrink_only_above_the_widest_view(views):
    features = NETWORKS[views].encode(image(2, views, 16, 24))
    for level, level_map in enumerate(features.levels, start=1):
        halved = max(0, level - views + 1)
        assert level_map.shape == (2, 4, 16 // 2**halved, 24 // 2**halved)


@pytest.mark.parametrize("views", EVERY)
@settings(max_examples=12)
@given(height=st.integers(1, 19), width=st.integers(1, 19))
def test_views_of_any_size_come_back_in_the_size_of_the_patch(views, height, width):
    network = NETWORKS[views]
    decoded = network(image(1, views, height, width))
    assert decoded.output.shape == (1, 1, height, width)
    padded = [math.ceil(side / network.multiple) * network.multiple for side in (height, width)]
    halved = 2 ** max(0, LEVELS - views + 1)
    assert decoded.levels[-1].sample.shape[2:] == tuple(side // halved for side in padded)


@pytest.mark.parametrize("views, multiple", [(1, 8), (2, 4), (3, 4), (4, 4)])
def test_the_multiple_is_what_needs_no_padding(views, multiple):
    network = NETWORKS[views]
    assert network.multiple == multiple
    features = network.encode(image(1, views, multiple, 3 * multiple))
    assert features.levels[0].shape[-1] == 3 * multiple // (2 if views == 1 else 1)


def test_more_levels_than_views_need_larger_multiples():
    assert ladder(2, latent_channels=(1,) * 5).multiple == 16


@pytest.mark.parametrize("view", [1, 2, 3])
def test_a_view_joins_at_its_own_level_and_is_seen_by_all_above(view):
    network = NETWORKS[4]
    observation = image(1, 4, 16, 16)
    other = observation.clone()
    other[:, view] = image(16, 16, seed=1)
    pairs = zip(network.encode(observation).levels, network.encode(other).levels, strict=True)
    changed = [not torch.equal(one, two) for one, two in pairs]
    assert changed == [level >= view for level in (1, 2, 3)]


def test_what_lies_outside_of_the_patch_reaches_the_output():
    network = NETWORKS[4]
    observation = image(1, 4, 16, 16)
    features = network.encode(observation)
    noise = network.standard_noise(features)
    for view in (1, 2, 3):
        other = observation.clone()
        other[:, view, 0, 0] += 1
        changed = network.decode(network.encode(other), noise).output
        assert not torch.equal(changed, network.decode(features, noise).output)


class Watched(nn.Module):
    """In place of a merge: the first of its maps, with a note of the second."""

    def forward(self, features, wide):
        self.wide = wide
        return features


@pytest.mark.parametrize("depth", [[], [5]], ids=str)
def test_features_lie_in_the_middle_of_the_view_with_zeros_around(depth):
    features, view = image(1, 2, *depth, 4, 6), image(1, 2, *depth, 8, 12)
    place = LateralContext(nn.Identity(), Watched())
    merged = place(features, view)
    expected = torch.zeros(1, 2, *depth, 8, 12)
    expected[..., 2:6, 3:9] = features
    assert torch.equal(merged, expected)
    assert place.merge.wide is view
    assert torch.equal(centre(merged, (4, 6)), features)


@pytest.mark.parametrize("size", [(66, 66), (10, 14), (9, 30), (3, 4)], ids=str)
@pytest.mark.parametrize(
    "views, levels", [(views, levels) for levels in (1, 3, 5) for views in range(1, levels + 2)]
)
def test_an_image_of_any_size_gives_what_its_padding_gives(views, levels, size):
    network = ladder(views, latent_channels=(1,) * levels, filters=2)
    observation = image(2, views, *size)
    (top, bottom), (left, right) = margins = [
        # the far end, or around: every view is padded by as many of its own pixels
        (0, missing) if views == 1 else (missing // 2, missing - missing // 2)
        for missing in (-side % network.multiple for side in size)
    ]
    reflected = all(max(pair) < side for pair, side in zip(margins, size, strict=True))
    padded = functional.pad(
        observation, (left, right, top, bottom), mode="reflect" if reflected else "replicate"
    )
    found, expected = network.encode(observation), network.encode(padded)
    for one, other in zip(found.levels, expected.levels, strict=True):
        assert torch.equal(one, other)
    noise = network.standard_noise(found)
    whole = network.decode(expected, noise).output
    inner = whole[..., top : top + size[0], left : left + size[1]]
    assert torch.equal(network.decode(found, noise).output, inner)


@settings(max_examples=30)
@given(height=st.integers(1, 20), width=st.integers(1, 20), depth=st.sampled_from([None, 1, 3]))
def test_padding_around_leaves_the_image_in_the_middle(height, width, depth):
    plane = image(1, 2, *([] if depth is None else [depth]), height, width)
    padded = pad_around(plane, 4)
    assert all(side % 4 == 0 for side in padded.shape[-2:])
    assert torch.equal(centre(padded, (height, width)), plane)
    for axis in (-2, -1):
        before = (padded.shape[axis] - plane.shape[axis]) // 2
        after = padded.shape[axis] - plane.shape[axis] - before
        assert after - before in (0, 1)


@pytest.mark.parametrize("views", WIDE)
@pytest.mark.parametrize("arguments", [{}, {"blocks": 2, "batch_norm": True}], ids=str)
def test_every_parameter_gets_a_gradient_through_every_view(views, arguments):
    network = ladder(views, **arguments).train()
    decoded = network(image(2, views, 16, 16))
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
    assert not [name for name in silent if not (arguments and name.endswith("bias"))]


def test_one_view_has_the_weights_of_a_network_without_views():
    assert [name for name in NETWORKS[1].state_dict() if "view" in name] == []
    torch.manual_seed(0)
    plain = LadderVAE(latent_channels=(3, 2, 4), filters=4)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, NETWORKS[1].state_dict()[name])


@pytest.mark.parametrize("views", WIDE)
def test_every_wider_view_starts_with_a_convolution_of_five_pixels(views):
    network = NETWORKS[views]
    assert len(network.wider_views) == views - 1
    for view in network.wider_views:
        assert view.first[0].kernel_size == (5, 5)
        assert view.first[0] is not network.first[0]


@pytest.mark.parametrize("views", WIDE)
def test_the_output_depends_on_the_image_through_the_latents_alone(views, decoded_to):
    network = NETWORKS[views]
    one, other = (network.encode(image(1, views, 16, 16, seed=seed)) for seed in (0, 1))
    decoded = network.decode(one, network.standard_noise(one))
    again = decoded_to(network, other, [level.sample for level in decoded.levels])
    torch.testing.assert_close(again.output, decoded.output, rtol=1e-4, atol=1e-4)


def test_images_of_several_channels_come_view_by_view():
    network = ladder(3, input_channels=2, output_channels=5)
    observation = image(1, 6, 16, 16)
    other = observation.clone()
    other[:, 2:4] += 1
    changed = [
        not torch.equal(one, two)
        for one, two in zip(
            network.encode(observation).levels, network.encode(other).levels, strict=True
        )
    ]
    assert changed == [True] * 3
    other = observation.clone()
    other[:, 4:] += 1
    assert torch.equal(network.encode(other).levels[0], network.encode(observation).levels[0])
    assert network(observation).output.shape == (1, 5, 16, 16)


def test_the_features_of_one_image_serve_a_batch_of_noise():
    network = NETWORKS[3]
    features = network.encode(image(1, 3, 16, 12))
    noises = [network.standard_noise(features) for _ in range(3)]
    together = network.decode(features, [torch.cat(parts) for parts in zip(*noises, strict=True)])
    for row, noise in enumerate(noises):
        torch.testing.assert_close(together.output[row], network.decode(features, noise).output[0])


@pytest.mark.parametrize("views", [0, 5, -1])
def test_more_views_than_levels_can_take_are_a_value_error(views):
    with pytest.raises(ValueError, match=f"from 1 to 4.*3 levels.*not {views}"):
        ladder(views)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_another_number_of_views_is_a_value_error_that_says_what_is_taken(channels):
    with pytest.raises(ValueError, match=r"\(batch, 3, Y X\) with 3 views of the patch"):
        NETWORKS[3].encode(image(1, channels, 16, 16))


def test_under_bfloat16_autocast_it_stays_close_and_float32_outside():
    network = ladder(4, filters=8)
    observation = image(2, 4, 16, 16)
    torch.manual_seed(1)
    exact = network(observation)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(observation)
    assert rounded.output.dtype == torch.float32
    torch.testing.assert_close(rounded.output, exact.output, rtol=0.05, atol=0.05)


def test_channels_last_stays_channels_last():
    network = ladder(3).to(memory_format=torch.channels_last)
    observation = image(2, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    features = network.encode(observation)
    for level in features.levels:
        assert level.is_contiguous(memory_format=torch.channels_last)
    wanted = ladder(3).encode(observation.contiguous())
    torch.testing.assert_close(features.levels[2], wanted.levels[2])


def test_compiled_as_one_graph_it_equals_eager(monkeypatch):
    # dynamo stumbles over checked methods of tuples that are made in the graph
    monkeypatch.setattr(DiagonalGaussian, "sample", inspect.unwrap(DiagonalGaussian.sample))
    torch.compiler.reset()
    network = ladder(2, latent_channels=(2, 3))
    observation = image(2, 2, 8, 6)
    noise = network.standard_noise(network.encode(observation))

    def passed(observation):
        return network.decode(network.encode(observation), noise).output

    compiled = torch.compile(passed, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(observation), passed(observation))
