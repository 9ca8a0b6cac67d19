"""Restoring with wider views and across Z: what the network itself says, whatever the tiles."""

import numpy as np
import pytest
import torch

from ladderscope.images.lateral_context import views_around
from ladderscope.network import LadderVAE
from ladderscope.prediction import (
    Geometry,
    decodings,
    draw,
    latent_noise,
    restore,
    tiles_of,
)

ONE_TILE = Geometry(core=448, margin=16)


def ladder(views=1, dimensions=2, **arguments):
    torch.manual_seed(0)
    known = {"latent_channels": (3, 2), "filters": 4} | arguments
    return LadderVAE(views=views, dimensions=dimensions, **known).eval()


def field(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).numpy()


NETWORKS = {views: ladder(views) for views in (2, 3)}
SOLID = ladder(dimensions=3)


@torch.no_grad()
def decoded(network, observed, noise):
    """What the network makes of its input, asked directly."""
    return network.decode(network.encode(torch.from_numpy(observed)[None]), noise).output


@pytest.mark.parametrize("views", NETWORKS)
@pytest.mark.parametrize("height, width", [(64, 48), (50, 61), (7, 90)])
def test_the_means_are_the_network_s_of_the_views_around_the_whole_image(views, height, width):
    network, image = NETWORKS[views], field(height, width)
    restored = restore(network, image, samples=0, geometry=ONE_TILE)
    # the window: the image with a margin around it, in multiples of 2^(levels + 1)
    rows, columns = (slice(-16, -16 - (-(side + 32) // 8) * 8) for side in (height, width))
    observed = views_around(image, rows, columns, views)
    features = network.encode(torch.from_numpy(observed)[None])
    zeros = [torch.zeros_like(part) for part in network.standard_noise(features)]
    wanted = decoded(network, observed, zeros)[0, :, 16 : 16 + height, 16 : 16 + width]
    assert restored.mean.shape == (1, height, width)
    torch.testing.assert_close(restored.mean, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("views, extents", [(2, (2, 2)), (3, (2, 4))])
def test_samples_are_the_network_s_with_the_noise_of_their_place(views, extents):
    network, image = NETWORKS[views], field(32, 24)
    draws = draw(network, image, samples=2, seed=3, number=7, geometry=ONE_TILE)
    noise = []
    for level, channels in ((1, 3), (2, 2)):
        wide = extents[level - 1]  # how many times as wide as the window its map is
        where = []
        for side in (64, 56):  # the window's, which begins 16 pixels before the image
            before = -16 - (wide - 1) * side // 2
            where.append(slice(before >> level, (before + wide * side) >> level))
        maps = [latent_noise(3, 7, sample, level, channels, *where) for sample in range(2)]
        noise.append(torch.stack(maps))
    observed = views_around(image, slice(-16, 48), slice(-16, 40), views)
    wanted = decoded(network, observed, noise)[..., 16:48, 16:40]
    assert not torch.equal(draws[0], draws[1])
    torch.testing.assert_close(draws, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("views", NETWORKS)
def test_with_views_samples_do_not_depend_on_the_tiles_where_the_margin_covers_what_is_seen(views):
    network, image = NETWORKS[views], field(150, 60)
    asked = {"samples": 1, "seed": 5}
    whole = draw(network, image, **asked, geometry=Geometry(core=448, margin=72))
    tiled = draw(network, image, **asked, geometry=Geometry(core=64, margin=72))
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("views", NETWORKS)
@pytest.mark.parametrize("height, width", [(1, 1), (1, 40), (3, 5), (33, 64)])
def test_with_views_an_image_of_any_size_is_restored_in_its_size(views, height, width):
    asked = {"samples": 2, "geometry": Geometry(core=32, margin=16)}
    restored = restore(NETWORKS[views], field(height, width), **asked)
    assert restored.mean.shape == restored.std.shape == (1, height, width)
    assert torch.isfinite(restored.mean).all() and torch.isfinite(restored.std).all()


@pytest.mark.parametrize("views", NETWORKS)
def test_what_lies_outside_of_a_tile_is_seen_by_it(views):
    network, image = NETWORKS[views], field(96, 96)
    other = image.copy()
    other[:, 56:] += 3  # beyond the window of the first tile, and its views see it
    asked = {"samples": 0, "geometry": Geometry(core=32, margin=8)}
    first, second = (restore(network, one, **asked).mean[:, :32, :32] for one in (image, other))
    narrow = [restore(ladder(), one, **asked).mean[:, :32, :32] for one in (image, other)]
    assert torch.equal(*narrow)
    assert not torch.equal(first, second)


def test_only_the_first_outputs_are_given_where_only_they_are_wanted():
    network = ladder(2, output_channels=4)
    asked = {"samples": 3, "geometry": Geometry(core=32, margin=8)}
    every, two = (restore(network, field(40, 40), outputs=n, **asked) for n in (None, 2))
    assert every.mean.shape == (4, 40, 40) and two.mean.shape == two.std.shape == (2, 40, 40)
    assert torch.equal(two.mean, every.mean[:2]) and torch.equal(two.std, every.std[:2])
    assert draw(network, field(40, 40), outputs=2, **asked).shape == (3, 2, 40, 40)


@pytest.mark.parametrize("depth, height, width", [(5, 32, 24), (2, 17, 30), (1, 8, 8)])
def test_a_stack_in_one_tile_is_what_the_network_makes_of_it(depth, height, width):
    stack = field(depth, height, width)
    asked = {"seed": 2, "number": 1, "geometry": ONE_TILE}
    draws = draw(SOLID, stack, samples=3, **asked)
    noise = []
    for level, channels in ((1, 3), (2, 2)):
        space = (depth, *(-(-side // 4) * 4 >> level for side in (height, width)))
        where = [slice(0, side) for side in space]
        maps = [latent_noise(2, 1, sample, level, channels, *where) for sample in range(3)]
        noise.append(torch.stack(maps))
    wanted = decoded(SOLID, stack[None], noise)
    assert draws.shape == (3, 1, depth, height, width)
    torch.testing.assert_close(draws, wanted, rtol=1e-4, atol=1e-5)
    pair = torch.cat(
        [decoded(SOLID, stack[None], [sign * n[:1] for n in noise]) for sign in (1, -1)]
    )
    restored = restore(SOLID, stack, samples=2, **asked)
    torch.testing.assert_close(restored.mean, pair.mean(dim=0), rtol=1e-4, atol=1e-5)
    half = (pair[0] - pair[1]).abs() / 2
    torch.testing.assert_close(restored.std, half, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("views", [1, 2])
def test_a_stack_does_not_depend_on_its_tiles_in_z_where_their_margin_covers_what_is_seen(views):
    network = ladder(views, dimensions=3, latent_channels=(2,))
    stack = field(44, 24, 24)
    # in Z nothing is halved, so that nine convolutions and the kernel of a view see 11 planes
    deep = {"core": 64, "margin": 8, "depth": 64, "depth_margin": 0}
    asked = {"samples": 1, "seed": 1}
    whole = draw(network, stack, **asked, geometry=Geometry(**deep))
    for core in (5, 9):
        tiled = Geometry(**{**deep, "depth": core, "depth_margin": 12})
        assert len(list(tiles_of(network, stack.shape, tiled))) == -(-(44 - 2 * 12) // core)
        torch.testing.assert_close(
            draw(network, stack, **asked, geometry=tiled), whole, rtol=1e-4, atol=1e-5
        )


def test_a_margin_in_z_is_seen_and_one_that_is_missing_is_not():
    stack = field(8, 16, 16)
    other = stack.copy()
    other[5] += 3
    for margin, seen in ((0, False), (2, True)):
        asked = {"samples": 0, "geometry": Geometry(depth=4, depth_margin=margin)}
        first, second = (restore(SOLID, one, **asked).mean[:, :4] for one in (stack, other))
        assert torch.equal(first, second) is not seen


@pytest.mark.parametrize("views", [2, 3])
def test_views_and_planes_go_together(views):
    network = ladder(views, dimensions=3)
    stack = field(3, 20, 30)
    restored = restore(network, stack, samples=0, geometry=ONE_TILE)
    observed = views_around(stack, slice(-16, 40), slice(-16, 48), views)
    features = network.encode(torch.from_numpy(observed)[None])
    zeros = [torch.zeros_like(part) for part in network.standard_noise(features)]
    wanted = decoded(network, observed, zeros)[0, :, :, 16:36, 16:46]
    torch.testing.assert_close(restored.mean, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("samples", [0, 1, 10])
@pytest.mark.parametrize("shape", [(40, 70), (5, 20, 20)])
def test_ticks_of_views_and_stacks_are_told_beforehand(samples, shape):
    network = ladder(2, dimensions=len(shape))
    geometry = Geometry(core=32, margin=8, depth=4, depth_margin=1)
    ticks = []
    restore(
        network, field(*shape), samples=samples, geometry=geometry, tick=lambda: ticks.append(1)
    )
    assert len(ticks) == sum(
        decodings(tile, samples) for tile in tiles_of(network, shape, geometry)
    )


def test_the_network_sees_one_size_of_tile_however_large_the_field(monkeypatch):
    network, seen = NETWORKS[2], []
    encode = network.encode
    monkeypatch.setattr(
        network, "encode", lambda image: (seen.append(tuple(image.shape)), encode(image))[1]
    )
    restore(network, np.zeros((130, 70), np.float32), samples=0, geometry=Geometry(32, 8))
    assert len(seen) > 10 and set(seen) == {(1, 2, 48, 40)}
