"""A network that restores a plane from a stack is asked for every plane of a field."""

import pytest
import torch

from ladderscope.network import LadderVAE
from ladderscope.prediction import (
    Geometry,
    antithetic_noise,
    decodings,
    draw,
    latent_noise,
    restore,
    sampler,
    tiles_of,
)

WHOLE = Geometry(depth=1, depth_margin=1)
TILED = Geometry(core=64, margin=64, depth=1, depth_margin=1)
AROUND = [[1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 2]]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return LadderVAE(
        latent_channels=(3, 2), filters=4, dimensions=3, decoder_dimensions=2, output_channels=2
    ).eval()


def stack(depth=4, height=40, width=36):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(depth, height, width, generator=generator).numpy()


def decoded(network, planes, noise=None):
    features = network.encode(torch.from_numpy(planes)[None, None])
    if noise is None:
        noise = [torch.zeros_like(one) for one in network.standard_noise(features)]
    with torch.no_grad():
        return network.decode(features, noise, priors=False).output[0]


def test_each_plane_is_restored_from_those_around_it_reflected_at_the_ends(network):
    field = stack()
    restored = restore(network, field, samples=0, geometry=WHOLE).mean
    assert restored.shape == (2, *field.shape)
    for plane, around in enumerate(AROUND):
        wanted = decoded(network, field[around])
        torch.testing.assert_close(restored[:, plane], wanted, rtol=1e-5, atol=1e-6)


def test_more_planes_around_than_there_are_are_reflected_as_often_as_it_takes(network):
    field = stack(depth=2)
    wide = Geometry(depth=1, depth_margin=3)
    restored = restore(network, field, samples=0, geometry=wide).mean
    wanted = decoded(network, field[[1, 0, 1, 0, 1, 0, 1]])
    torch.testing.assert_close(restored[:, 0], wanted, rtol=1e-5, atol=1e-6)


def test_the_noise_of_a_plane_is_its_own(network):
    field = stack()
    draws = draw(network, field, samples=3, seed=5, number=2, geometry=WHOLE)
    for plane, around in enumerate(AROUND):
        noise = [
            latent_noise(
                5,
                2,
                1,
                level,
                channels,
                slice(plane, plane + 1),
                slice(0, 40 >> level),
                slice(0, 36 >> level),
            )[None, :, 0]
            for level, channels in ((1, 3), (2, 2))
        ]
        wanted = decoded(network, field[around], noise)
        torch.testing.assert_close(draws[1, :, plane], wanted, rtol=1e-4, atol=1e-5)


def test_tiles_in_y_and_x_change_nothing(network):
    field = stack(depth=2, height=150, width=70)
    whole, tiled = (
        draw(network, field, samples=2, seed=1, geometry=geometry) for geometry in (WHOLE, TILED)
    )
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-5)


def test_the_moments_are_those_of_antithetic_samples_and_ticks_are_counted(network, monkeypatch):
    ticks = []
    asked = {"samples": 11, "geometry": TILED}
    field = stack(depth=3, height=80, width=20)
    restored = restore(network, field, **asked, tick=lambda: ticks.append(1))
    monkeypatch.setattr(sampler, "latent_noise", antithetic_noise)
    draws = draw(network, field, **asked)
    torch.testing.assert_close(restored.mean, draws.mean(dim=0), rtol=1e-5, atol=1e-6)
    first, second = draws[0:10:2], draws[1:10:2]
    variance = ((first + second) / 2).var(dim=0) + ((first - second) / 2).square().mean(dim=0)
    torch.testing.assert_close(restored.std, variance.sqrt(), rtol=1e-4, atol=1e-6)
    assert (
        len(ticks) == sum(decodings(tile, 11) for tile in tiles_of(network, field.shape, TILED)) > 3
    )


def test_wider_views_are_shown_of_every_plane_around():
    torch.manual_seed(0)
    network = LadderVAE(
        latent_channels=(3, 2), filters=4, dimensions=3, decoder_dimensions=2, views=2
    ).eval()
    field = stack(height=33, width=50)
    restored = restore(network, field, samples=2, geometry=WHOLE)
    assert restored.mean.shape == (1, *field.shape)
    changed = field.copy()
    changed[3] += 1
    again = restore(network, changed, samples=2, geometry=WHOLE)
    same = [torch.equal(again.mean[:, z], restored.mean[:, z]) for z in range(4)]
    assert same == [True, True, False, False]
