"""Restoring across Z and with lateral context, from training to the restored image."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from ladderscope import Denoiser, Splitter, load
from ladderscope.errors import LadderscopeError
from ladderscope.images.lateral_context import views_around
from ladderscope.noise import Gaussian
from ladderscope.prediction import sampler


def tiny(noise=None, **settings):
    return Denoiser("tiny", noise=noise or Gaussian(6.0), **({"steps": 3} | settings))


def split(**settings):
    return Splitter(
        "microsplit", "tiny", Gaussian(6.0), **({"steps": 3, "dimensions": 3} | settings)
    )


def noisy(*shape, seed=0):
    """Waves along every axis, with noise."""
    waves = sum(np.sin(positions / 4 + axis) for axis, positions in enumerate(np.indices(shape)))
    read = np.random.default_rng(seed).normal(0, 6, shape)
    return (100 + 20 * waves + read).astype(np.float32)


@pytest.fixture(scope="module")
def stack():
    return noisy(7, 40, 36)


@pytest.fixture(scope="module")
def solid(stack):
    """A denoiser of three dimensions, hardly trained. Do not fit it anew."""
    return tiny(dimensions=3).fit(stack, "ZYX", steps=8, progress=False)


@pytest.fixture(scope="module")
def halves(stack):
    """Two structures of their own, as stacks."""
    return stack, 3 * noisy(7, 40, 36, seed=1)[:, ::-1]


@pytest.fixture(scope="module")
def solid_splitter(halves):
    return split(context=2).fit(list(halves), "ZYX", steps=8, progress=False)


@pytest.mark.parametrize("axes", ["ZYX", "TZYX", "CZYX", "YXZ"])
def test_stacks_of_every_kind_are_denoised_across_z(stack, axes):
    image = stack if axes != "YXZ" else stack.transpose(1, 2, 0)
    for letter in axes[-4::-1] if axes != "YXZ" else "":
        image = np.stack([image, (3 if letter == "C" else 1) * image[..., ::-1, :]])
    fitted = tiny(dimensions=3).fit(image, axes, progress=False)
    restored = fitted.predict(image, axes, samples=2)
    assert restored.axes == fitted.model.axes == axes
    assert restored.mean.shape == restored.std.shape == image.shape
    assert restored.mean.dtype == restored.std.dtype == np.float32
    assert np.isfinite(restored.mean).all() and (restored.std >= 0).all()
    assert not any("one by one" in notice for notice in fitted.model.notices)


@pytest.mark.parametrize("axes", ["ZYX", "TZYX", "CZYX"])
def test_stacks_of_every_kind_are_split_across_z(solid_splitter, halves, axes):
    image = sum(halves)[None] if axes == "CZYX" else sum(halves)
    image = np.stack([image, image[::-1]]) if axes == "TZYX" else image
    restored = solid_splitter.predict(image, axes, samples=2)
    others = axes.replace("C", "")
    assert restored.axes == f"C{others}"
    assert restored.mean.shape == restored.std.shape == (2, *image.shape[-len(others) :])
    assert restored.residual.shape == image.shape
    mixing = solid_splitter.model.mixture.mixing
    explained = mixing.offset + sum(
        weight * (mean - offset)
        for weight, mean, offset in zip(mixing.weights, restored.mean, mixing.offsets, strict=True)
    )
    np.testing.assert_allclose(
        restored.residual.reshape(explained.shape),
        image.reshape(explained.shape) - explained,
        atol=0.05,
    )


@pytest.mark.parametrize("context", [1, 2])
def test_what_lies_in_another_plane_is_seen_in_three_dimensions_alone(stack, context):
    other = stack.copy()
    other[3] = other[3, ::-1]
    for dimensions, seen in ((2, False), (3, True)):
        fitted = tiny(dimensions=dimensions, context=context).fit(stack, "ZYX", progress=False)
        before, after = (fitted.predict(one, "ZYX", samples=0).mean for one in (stack, other))
        assert not np.array_equal(before[3], after[3])
        assert np.array_equal(before[4], after[4]) is not seen


def test_movies_of_stacks_are_restored_stack_by_stack(solid, stack):
    movie = np.stack([stack, stack[:, ::-1]])
    together = solid.predict(movie, "TZYX", samples=0).mean
    for found, alone in zip(together, movie, strict=True):
        np.testing.assert_allclose(found, solid.predict(alone, "ZYX", samples=0).mean, rtol=1e-5)


def test_stacks_and_channels_are_drawn_independently(stack):
    same = np.stack([stack, stack])
    noise = [Gaussian(6.0), Gaussian(6.0)]
    fitted = tiny(noise, dimensions=3).fit(same, "CZYX", progress=False)
    draws = fitted.sample(np.stack([same, same]), "TCZYX", n=6)
    residuals = (draws - draws.mean(axis=0)).reshape(6, 4, -1)
    for one in range(4):
        for other in range(one):
            correlation = np.corrcoef(residuals[:, one].ravel(), residuals[:, other].ravel())
            assert abs(correlation[0, 1]) < 0.1


@pytest.mark.parametrize("kind", ["solid", "solid_splitter"])
def test_a_saved_model_of_stacks_gives_the_same_numbers_to_the_bit(kind, request, stack, tmp_path):
    fitted = request.getfixturevalue(kind)
    opened = load(fitted.save(tmp_path / "m.ladder"))
    one, other = (model.predict(stack, "ZYX", samples=2) for model in (fitted, opened))
    assert np.array_equal(one.mean, other.mean) and np.array_equal(one.std, other.std)
    assert np.array_equal(*(model.sample(stack, "ZYX", n=2) for model in (fitted, opened)))
    assert opened.model.settings.dimensions == 3
    assert opened.model.thumbnail.startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["solid", "solid_splitter"])
def test_mean_and_spread_of_stacks_are_those_of_samples(kind, request, stack):
    fitted = request.getfixturevalue(kind)
    restored = fitted.predict(stack, "ZYX", samples=32)
    draws = fitted.sample(stack, "ZYX", n=32).astype(float)
    spread = draws.std(axis=0, ddof=1).mean()
    assert np.abs(restored.mean - draws.mean(axis=0)).mean() < 1.5 * spread / np.sqrt(32)
    if fitted.kind == "denoiser":
        assert restored.std.mean() == pytest.approx(spread, rel=0.05)
    else:
        assert restored.std.mean() > spread  # the decoder's variance is in it


def test_how_many_stacks_are_decoded_at_once_changes_nothing(solid, stack, monkeypatch):
    together = solid.predict(stack, "ZYX", samples=5)
    monkeypatch.setattr(sampler, "SAMPLES_AT_ONCE", 2)
    apart = solid.predict(stack, "ZYX", samples=5)
    for one, other in ((together.mean, apart.mean), (together.std, apart.std)):
        np.testing.assert_allclose(other, one, atol=0.02 * stack.std())


@pytest.mark.parametrize(
    "settings, tiles",
    [
        ({"context": 2}, {"tile_core": 32, "tile_margin": 64}),
        ({"dimensions": 3}, {"tile_depth": 3, "tile_depth_margin": 30}),
        ({"dimensions": 3, "context": 2}, {"tile_core": 16, "tile_margin": 64}),
    ],
    ids=str,
)
def test_tiles_change_nothing_where_their_margin_covers_what_is_seen(stack, settings, tiles):
    whole = {"tile_core": 448, "tile_margin": 64, "tile_depth": 448}
    axes, image = ("ZYX", stack[:4]) if "dimensions" in settings else ("YX", noisy(70, 50))
    fitted = tiny(**settings, **whole).fit(image, axes, steps=2, progress=False)
    tiled = fitted.model.settings.model_copy(update=tiles)
    other = Denoiser.from_model(replace(fitted.model, settings=tiled))
    one, other = (model.predict(image, axes, samples=2) for model in (fitted, other))
    # bfloat16, where there is such, rounds another way in other shapes
    np.testing.assert_allclose(other.mean, one.mean, atol=0.03 * image.std())
    np.testing.assert_allclose(other.std, one.std, atol=0.03 * image.std())


@pytest.mark.parametrize(
    "context, axes", [(2, "YX"), (2, "ZYX"), (2, "CYX"), (3, "YX"), (3, "TCYX")]
)
def test_a_denoiser_with_context_gives_back_every_kind_of_image(context, axes):
    image = noisy(48, 44)
    for letter in axes[-3::-1]:
        image = np.stack([image, (3 if letter == "C" else 1) * image[..., ::-1, :]])
    fitted = tiny(context=context, patch=16).fit(image, axes, progress=False)
    restored = fitted.predict(image, axes, samples=2)
    assert restored.axes == axes
    assert restored.mean.shape == restored.std.shape == image.shape
    assert np.isfinite(restored.mean).all() and (restored.std >= 0).all()


@pytest.fixture(scope="module")
def of_three_views():
    return tiny(context=3).fit(noisy(64, 64), progress=False)


@pytest.mark.parametrize("shape", [(1, 2), (3, 70), (17, 1), (33, 31)])
def test_with_context_an_image_smaller_than_a_patch_is_restored(of_three_views, shape):
    image = noisy(64, 70)[: shape[0], : shape[1]]
    restored = of_three_views.predict(image, samples=2)
    assert restored.mean.shape == shape and np.isfinite(restored.mean).all()


def test_the_means_are_the_network_s_of_the_views_in_camera_units():
    image = noisy(48, 40)
    fitted = tiny(context=2, tile_margin=16).fit(image, progress=False)
    (known,) = fitted.model.statistics
    normalised = (image - np.float32(known.mean)) / np.float32(known.std)
    observed = torch.from_numpy(views_around(normalised, slice(-16, 64), slice(-16, 56), 2))[None]
    network = fitted._ready_network()
    with torch.no_grad():
        features = network.encode(observed)
        zeros = [torch.zeros_like(part) for part in network.standard_noise(features)]
        wanted = network.decode(features, zeros).output[0, 0, 16:64, 16:56].numpy()
    found = fitted.predict(image, samples=0).mean
    np.testing.assert_allclose(found, wanted * known.std + known.mean, atol=0.03 * known.std)


@pytest.mark.parametrize("depth, height, width", [(2, 3, 5), (20, 9, 11), (3, 64, 4)])
def test_a_stack_of_any_size_is_restored_in_its_size(solid, depth, height, width):
    image = noisy(depth, height, width)
    restored = solid.predict(image, "ZYX", samples=2)
    assert restored.mean.shape == image.shape and np.isfinite(restored.mean).all()


@pytest.mark.parametrize(
    "axes, shape", [("YX", (40, 36)), ("ZYX", (1, 40, 36)), ("TYX", (5, 40, 36))]
)
@pytest.mark.parametrize("kind", ["denoiser", "splitter"])
def test_a_single_plane_given_as_a_stack_is_an_error_that_says_what_to_do(kind, axes, shape):
    image = noisy(*shape)
    with pytest.raises(LadderscopeError, match=r"at least 2 Z planes.*use dimensions=2"):
        if kind == "denoiser":
            tiny(dimensions=3).fit(image, axes, progress=False)
        else:
            split().fit([image, image[..., ::-1]], axes, progress=False)


def test_a_single_plane_is_no_stack_to_predict_either(solid, solid_splitter, stack):
    for fitted in (solid, solid_splitter):
        for image, axes in ((stack[0], "YX"), (stack[:1], "ZYX")):
            with pytest.raises(LadderscopeError, match="at least 2 Z planes"):
                fitted.predict(image, axes)
            with pytest.raises(LadderscopeError, match="at least 2 Z planes"):
                fitted.sample(image, axes)


def test_one_short_stack_among_others_is_found(stack):
    with pytest.raises(LadderscopeError, match=r"array 2 .*at least 2 Z planes"):
        tiny(dimensions=3).fit([stack, stack[:1]], "ZYX", progress=False)


def test_a_patch_is_no_deeper_than_the_shallowest_stack_and_that_is_said(stack):
    fitted = tiny(dimensions=3, depth=6).fit([stack, stack[:5]], "ZYX", progress=False)
    assert fitted.model.settings.depth == 5
    assert any("5 planes deep instead of 6" in notice for notice in fitted.model.notices)


def test_paired_stacks_of_different_depth_are_refused_and_unpaired_ones_are_not(halves):
    channels = [halves[0], halves[1][:5]]
    with pytest.raises(LadderscopeError, match=r"same shape.*\(7, 40, 36\).*\(5, 40, 36\)"):
        split().fit(channels, "ZYX", paired=True, progress=False)
    fitted = split().fit(channels, "ZYX", progress=False)
    assert fitted.predict(sum(halves), "ZYX", samples=0).mean.shape == (2, 7, 40, 36)


def test_recorded_mixtures_of_stacks_are_taken(halves):
    recorded = halves[0] + 2 * halves[1]
    fitted = split().fit(list(halves), "ZYX", mixed=recorded, progress=False)
    assert fitted.model.mixture.mixing.weights == pytest.approx((1, 2), rel=1e-3)


@pytest.mark.parametrize("settings", [{"context": 2}, {"dimensions": 3}], ids=str)
def test_a_seed_fixes_training_to_the_bit(stack, settings):
    image, axes = (stack, "ZYX") if "dimensions" in settings else (noisy(64, 64), "YX")
    one, again = (tiny(seed=5, **settings).fit(image, axes, progress=False) for _ in "ab")
    wanted = one.predict(image, axes, samples=0).mean
    assert np.array_equal(again.predict(image, axes, samples=0).mean, wanted)


def test_the_thumbnail_of_a_tall_stack_restores_a_few_planes_of_it(solid, tmp_path, monkeypatch):
    tall = noisy(40, 24, 24)
    fitted = tiny(dimensions=3).fit(tall, "ZYX", progress=False)
    seen = []
    restore = Denoiser._restore
    monkeypatch.setattr(
        Denoiser,
        "_restore",
        lambda self, image, **how: (seen.append(image.pixels.shape), restore(self, image, **how))[
            1
        ],
    )
    fitted.save(tmp_path / "m.ladder")
    ((depth, *_),) = seen
    assert 2 <= depth <= 8


def test_context_is_noted_where_it_is_wider_than_the_image(caplog):
    caplog.set_level(logging.INFO, "ladderscope")
    tiny(context=2).fit(noisy(44, 80), progress=False)
    assert "the widest view, 64×64 pixels, is larger than the smallest image (44" in caplog.text
    with pytest.raises(LadderscopeError, match="context=3 shows 128×128 pixels"):
        tiny(context=3).fit(noisy(44, 80), progress=False)


def test_training_on_two_planes_skips_no_batch(crops):
    stack = np.stack([crops[0], crops[0][::-1], crops[0][:, ::-1], crops[1]])
    fitted = Denoiser("tiny", noise=Gaussian(10.0), dimensions=3, depth=2)
    fitted.fit(stack, "ZYX", steps=8, progress=False)
    assert fitted.model.outcome.skipped == 0
    assert not fitted.warnings
