"""Restoring a plane: moments of the very samples that can be drawn, whatever the tiles."""

import copy
import math
import weakref

import numpy as np
import pytest
import torch

from ladderscope.network import Decoded, LadderVAE
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

# From any latent or pixel to the output it is less than 64 pixels in this network.
FAR = 64


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return LadderVAE(latent_channels=(3, 2), filters=4).eval()


def plane(height=90, width=70):
    return torch.randn(height, width, generator=torch.Generator().manual_seed(1)).numpy()


TILED = Geometry(core=32, margin=16)
WHOLE = Geometry(core=448, margin=32)


@pytest.mark.parametrize("geometry", [TILED, WHOLE])
def test_the_moments_are_those_of_antithetic_samples(network, geometry, monkeypatch):
    asked = {"samples": 11, "seed": 5, "geometry": geometry}
    restored = restore(network, plane(), **asked)
    monkeypatch.setattr(sampler, "latent_noise", antithetic_noise)
    draws = draw(network, plane(), **asked)
    first, second = draws[0:10:2], draws[1:10:2]
    assert draws.shape == (11, 1, 90, 70)
    torch.testing.assert_close(restored.mean, draws.mean(dim=0), rtol=1e-5, atol=1e-6)
    between = ((first + second) / 2).var(dim=0, correction=1)
    wanted = (between + ((first - second) / 2).square().mean(dim=0)).sqrt()
    torch.testing.assert_close(restored.std, wanted, rtol=1e-4, atol=1e-6)


def test_one_sample_is_the_first_that_is_drawn(network):
    asked = {"samples": 1, "seed": 5, "geometry": TILED}
    assert torch.equal(restore(network, plane(), **asked).mean, draw(network, plane(), **asked)[0])


@pytest.mark.parametrize("count", [2, 4, 7, 16])
@pytest.mark.parametrize("correlation", [-1.0, -0.6, 0.0, 0.5])
def test_the_variance_of_pairs_is_unbiased_however_they_correlate(count, correlation):
    if count < 4 and correlation > -1:
        pytest.skip("one pair tells nothing about how it correlates")
    normal = torch.randn((count, 2**16), generator=torch.Generator().manual_seed(0))
    drawn = normal.clone()
    drawn[1::2] = (
        correlation * normal[: count // 2 * 2 : 2] + (1 - correlation**2) ** 0.5 * normal[1::2]
    )
    moments = sampler._Moments()
    moments.add(drawn[:3])
    moments.add(drawn[3:])
    assert moments.std().square().mean().item() == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(moments.mean, drawn.mean(dim=0), rtol=1e-4, atol=1e-5)


def test_a_mean_of_antithetic_samples_is_closer_to_that_of_many(network):
    asked = {"samples": 256, "seed": 1, "geometry": WHOLE}
    many = draw(network, plane(40, 40), **asked).mean(dim=0)
    few = draw(network, plane(40, 40), **asked | {"samples": 4}).mean(dim=0)
    pairs = restore(network, plane(40, 40), **asked | {"samples": 4, "seed": 2}).mean
    assert (pairs - many).square().mean() < (few - many).square().mean() / 4


def test_moments_far_from_zero_lose_no_digits(network):
    asked = {"samples": 20, "geometry": WHOLE}
    near = restore(network, plane(20, 20), **asked)
    far_off = copy.deepcopy(network)
    with torch.no_grad():
        far_off.output.bias += 1000
    far = restore(far_off, plane(20, 20), **asked)
    # float32 steps by 6e-5 at 1,000; a sum of squares would be off by 0.1
    torch.testing.assert_close(far.std, near.std, rtol=0, atol=2e-4)
    torch.testing.assert_close(far.mean, near.mean + 1000, rtol=0, atol=2e-4)


def test_decoding_one_sample_at_a_time_changes_nothing(network, monkeypatch):
    asked = {"samples": 9, "geometry": TILED}
    together = restore(network, plane(), **asked)
    monkeypatch.setattr(sampler, "SAMPLES_AT_ONCE", 1)
    alone = restore(network, plane(), **asked)
    torch.testing.assert_close(alone.mean, together.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(alone.std, together.std, rtol=1e-4, atol=1e-5)


def test_asking_for_more_samples_keeps_the_first_ones(network):
    few, many = (draw(network, plane(), samples=n, geometry=WHOLE) for n in (2, 11))
    torch.testing.assert_close(many[:2], few, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changed", [{"seed": 1}, {"number": 1}])
def test_seed_and_plane_give_other_samples(network, changed):
    asked = {"samples": 1, "geometry": WHOLE}
    assert not torch.equal(
        draw(network, plane(), **asked), draw(network, plane(), **asked, **changed)
    )


def test_the_same_question_has_the_same_answer_to_the_bit(network):
    asked = {"samples": 3, "seed": 2, "number": 4, "geometry": TILED}
    first, second = (restore(network, plane(), **asked) for _ in range(2))
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.std, second.std)


def test_samples_do_not_depend_on_the_tiles_once_the_margin_covers_what_the_network_sees(network):
    observation = plane(230, 150)
    whole = draw(network, observation, samples=2, geometry=WHOLE)
    tiled = draw(network, observation, samples=2, geometry=Geometry(core=64, margin=FAR))
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-5)


def jump_at_borders(draws, core, margin):
    """How much larger steps between neighbours are across tile borders than elsewhere."""
    steps = (draws[..., 1:, :] - draws[..., :-1, :]).abs().mean(dim=(0, 1, 3))
    across = torch.arange(len(steps)) % core == margin - 1
    return float(steps[across].mean() / steps[~across & (torch.arange(len(steps)) % 4 == 3)].mean())


def test_samples_have_no_seams_where_fresh_noise_a_tile_would_make_them(network, monkeypatch):
    asked = {"samples": 4, "geometry": Geometry(core=32, margin=8)}
    observation = np.zeros((160, 160), np.float32)
    ours = jump_at_borders(draw(network, observation, **asked), 32, 8)
    monkeypatch.setattr(
        sampler,
        "latent_noise",
        lambda seed, field, sample, level, channels, *where: torch.randn(
            channels, *(side.stop - side.start for side in where)
        ),
    )
    torch.manual_seed(0)
    fresh = jump_at_borders(draw(network, observation, **asked), 32, 8)
    assert 0.9 < ours < 1.1
    assert fresh > 1.2


def test_no_samples_decode_the_posterior_means_once(network):
    restored = restore(network, plane(), samples=0, geometry=WHOLE)
    features = network.encode(torch.from_numpy(plane())[None, None])
    zeros = [torch.zeros_like(part) for part in network.standard_noise(features)]
    with torch.no_grad():
        wanted = network.decode(features, zeros).output[0]
    torch.testing.assert_close(restored.mean, wanted, rtol=1e-5, atol=1e-6)
    assert restored.std is None


def test_one_sample_has_no_spread(network):
    restored = restore(network, plane(), samples=1, geometry=WHOLE)
    assert restored.std is None
    assert torch.equal(restored.mean, draw(network, plane(), samples=1, geometry=WHOLE)[0])


@pytest.mark.parametrize("height, width", [(1, 1), (1, 40), (3, 5), (33, 64)])
def test_a_plane_of_any_size_is_restored_in_its_size(network, height, width):
    restored = restore(network, plane(height, width), samples=2, geometry=TILED)
    assert restored.mean.shape == restored.std.shape == (1, height, width)
    assert torch.isfinite(restored.mean).all() and torch.isfinite(restored.std).all()


@pytest.mark.parametrize("samples", [0, 1, 20])
def test_the_count_of_ticks_is_told_beforehand(network, samples):
    ticks = []
    asked = {"samples": samples, "geometry": TILED, "tick": lambda: ticks.append(1)}
    restore(network, plane(), **asked)
    assert len(ticks) == sum(
        decodings(tile, samples) for tile in tiles_of(network, (90, 70), TILED)
    )


def test_a_tile_is_encoded_once_however_many_samples(network, monkeypatch):
    encoded = []
    encode = network.encode
    monkeypatch.setattr(network, "encode", lambda image: (encoded.append(1), encode(image))[1])
    restore(network, plane(), samples=30, geometry=TILED)
    assert len(encoded) == 4


def test_what_is_kept_does_not_grow_with_the_samples(network, monkeypatch):
    kept, most = [], {}
    decode = network.decode

    def watched(*arguments, **options):
        decoded = decode(*arguments, **options)
        array = decoded.output.numpy().copy()
        kept.append(weakref.ref(array))
        return Decoded(torch.from_numpy(array), decoded.levels)

    monkeypatch.setattr(network, "decode", watched)
    for samples in (16, 80):
        kept.clear()
        alive = []
        restore(
            network,
            plane(20, 20),
            samples=samples,
            geometry=WHOLE,
            tick=lambda alive=alive: alive.append(sum(ref() is not None for ref in kept)),
        )
        most[samples] = max(alive)
    assert most[80] == most[16] <= 2


def spoil_free_memory():
    """Fill memory with NaN and free it, so that whoever reads it unwritten finds NaN."""
    blocks = [torch.full((2**size,), math.nan) for size in range(4, 17) for _ in range(20)]
    del blocks


@pytest.mark.parametrize("width", [1, 3, 4, 5, 8])
def test_in_bfloat16_a_tall_and_narrow_plane_is_restored_too(network, width):
    asked = {"samples": 2, "geometry": WHOLE}
    exact = restore(network, plane(60, width), **asked)
    for _ in range(5):
        spoil_free_memory()
        rounded = restore(network, plane(60, width), **asked, autocast=torch.bfloat16)
        torch.testing.assert_close(rounded.mean, exact.mean, rtol=0.05, atol=0.05)


def test_bfloat16_gives_float32_and_nearly_the_same(network):
    exact = restore(network, plane(), samples=4, geometry=WHOLE)
    rounded = restore(network, plane(), samples=4, geometry=WHOLE, autocast=torch.bfloat16)
    assert rounded.mean.dtype == rounded.std.dtype == torch.float32
    torch.testing.assert_close(rounded.mean, exact.mean, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("geometry", [TILED, WHOLE])
def test_blind_levels_give_their_mean_to_every_sample(geometry):
    torch.manual_seed(0)
    network = LadderVAE(latent_channels=(3, 2), filters=4, blind_levels=1).eval()
    observation = plane(32, 24)
    draws = draw(network, observation, samples=2, seed=3, geometry=geometry)
    coarse = [latent_noise(3, 0, sample, 2, 2, slice(0, 8), slice(0, 6)) for sample in range(2)]
    with torch.no_grad():
        wanted = network.decode(
            network.encode(torch.from_numpy(observation)[None, None]),
            [torch.zeros(1, 3, 16, 12), torch.stack(coarse)],
        ).output
    assert not torch.equal(draws[0], draws[1])
    torch.testing.assert_close(draws, wanted, rtol=1e-4, atol=1e-5)
