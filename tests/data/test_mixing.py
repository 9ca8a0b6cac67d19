"""Mixtures: the formula, which places meet in one, and what is drawn how often."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from torch.utils.data import DataLoader

from ladderscope.data import (
    Channels,
    Field,
    Foreground,
    MixedPatches,
    Mixing,
    PatchShape,
    Position,
    find_foreground,
    hold_out,
    measure_mixtures,
    validation_mixtures,
)
from ladderscope.images import sample_image

SUM = Mixing(offsets=(0.0, 0.0), weights=(1.0, 1.0))


def numbered(*shape, first=0):
    """Pixels that all differ, so that a patch tells where it comes from."""
    return np.arange(first, first + np.prod(shape), dtype=np.float64).reshape(shape)


def of(*pixels, **known):
    """One field a channel."""
    return Channels([[Field(one)] for one in pixels], **known)


def drawn(channels, *, mixing=SUM, side=8, batch=32, seed=0, number=0, **shape):
    return MixedPatches(channels, mixing, PatchShape(side, **shape), batch, seed)[number]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


NUMBERS = st.floats(-500, 500, width=32)


@given(
    pixels=st.lists(NUMBERS, min_size=3, max_size=3),
    offsets=st.tuples(NUMBERS, NUMBERS, NUMBERS),
    weights=st.tuples(*[st.floats(0.125, 8)] * 3),
    ratio=st.lists(st.floats(0.125, 3, width=32), min_size=3, max_size=3),
    offset=NUMBERS,
)
def test_a_mixture_is_the_sum_of_what_exceeds_the_offsets(pixels, offsets, weights, ratio, offset):
    mixing = Mixing(offsets, weights, offset)
    channels = np.array(pixels, np.float32)
    parts = [w * r * (y - o) for w, r, y, o in zip(weights, ratio, pixels, offsets, strict=True)]
    tolerance = 1e-5 * (sum(map(abs, parts)) + abs(offset) + 500)
    found = mixing.mixed(channels, np.array(ratio, np.float32))
    assert float(found) == pytest.approx(sum(parts) + offset, abs=tolerance)
    plain = sum(w * (y - o) for w, y, o in zip(weights, pixels, offsets, strict=True)) + offset
    assert float(mixing.mixed(channels)) == pytest.approx(plain, abs=tolerance)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("depth", [None, 3])
def test_every_mixed_patch_is_the_formula_of_its_channels(paired, views, depth):
    shape = (5, 40, 40) if depth else (40, 40)
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 60_000, shape, dtype=np.uint16), rng.normal(9, 2, shape)]
    mixing = Mixing(offsets=(100.0, 3.0), weights=(0.5, 40.0), offset=17.0, ratios=(0.5, 2.0))
    batch = drawn(of(*pixels, paired=paired), mixing=mixing, views=views, depth=depth)
    space = (depth, 8, 8) if depth else (8, 8)
    assert batch.observation.shape == (32, views, *space)
    assert batch.target.shape == (32, 2, *space) and batch.ratio.shape == (32, 2)
    assert {part.dtype for part in batch} == {torch.float32}
    ratio = batch.ratio.double().reshape(32, 2, *(1,) * len(space))
    first, second = (batch.target.double()).unbind(1)
    wanted = 17 + 0.5 * ratio[:, 0] * (first - 100) + 40 * ratio[:, 1] * (second - 3)
    torch.testing.assert_close(batch.observation[:, 0].double(), wanted, rtol=1e-5, atol=0.02)


def test_wider_views_are_mixed_of_wider_views():
    one, other = np.random.default_rng(1).normal(50, 9, (2, 64, 64))
    mixing = Mixing(offsets=(10.0, 20.0), weights=(1.0, 3.0), offset=5.0)
    shape = {"views": 3, "seed": 4}
    together = drawn(of(one, other, paired=True), mixing=mixing, **shape)
    # what adds up before it is averaged is the same as what does after
    added = mixing.mixed(np.stack([one, other]).astype(np.float32))
    whole = Mixing(offsets=(0.0, 0.0), weights=(1.0, 0.0))
    recorded = drawn(of(added, added, paired=True), mixing=whole, **shape)
    torch.testing.assert_close(together.observation, recorded.observation, rtol=1e-5, atol=1e-3)


def test_paired_channels_come_from_one_place_with_one_turn():
    first = numbered(40, 50)
    batch = drawn(of(first, first + 10_000, paired=True), batch=200)
    assert torch.equal(batch.target[:, 1], batch.target[:, 0] + 10_000)
    # all eight turns: how a step down and a step right change the number
    steps = {
        (int(patch[1, 0] - patch[0, 0]), int(patch[0, 1] - patch[0, 0]))
        for patch in batch.target[:, 0]
    }
    assert steps == {
        (a * s, b * t) for a, b in ((1, 50), (50, 1)) for s in (1, -1) for t in (1, -1)
    }


def test_paired_stacks_come_from_one_place_of_one_field():
    stacks = [numbered(6, 20, 24), numbered(6, 30, 16, first=5000)]
    channels = Channels(
        [
            [Field(stack, image=image) for image, stack in enumerate(stacks)],
            [Field(stack + 20_000, image=image) for image, stack in enumerate(stacks)],
        ],
        paired=True,
    )
    batch = drawn(channels, depth=2, batch=100)
    assert torch.equal(batch.target[:, 1], batch.target[:, 0] + 20_000)
    assert {bool(patch[0].min() >= 5000) for patch in batch.target} == {True, False}
    # planes stay in their order, however the patch is turned
    of_first = batch.target[:, 0][(batch.target[:, 0] < 5000).flatten(1).all(1)]
    assert torch.equal(of_first[:, 1] - of_first[:, 0], torch.full((len(of_first), 8, 8), 480.0))


def test_unpaired_channels_are_cut_independently():
    place = numbered(40, 40)
    batch = drawn(of(place, place), batch=600)
    corners = batch.target.flatten(2).min(dim=2).values
    rows, columns = corners // 40, corners % 40
    for coordinate in (rows, columns):
        correlation = np.corrcoef(coordinate.T)[0, 1]
        assert abs(correlation) < 4 / np.sqrt(600)
    turns = batch.target[:, :, 0, 1] - batch.target[:, :, 0, 0]
    agreeing = (turns[:, 0] == turns[:, 1]).float().mean()
    assert float(agreeing) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 600))


def test_unpaired_channels_may_differ_in_number_and_size_and_larger_fields_count_more():
    small, large = np.zeros((20, 20)), np.ones((60, 20))
    channels = Channels([[Field(small), Field(large)], [Field(numbered(9, 12))]])
    batch = drawn(channels, batch=600)
    assert float(batch.target[:, 0].mean()) == pytest.approx(
        0.75, abs=4 * np.sqrt(0.75 * 0.25 / 600)
    )
    patches = MixedPatches(channels, SUM, PatchShape(8), batch=5, seed=0)
    assert patches.batches_per_epoch == round(1600 / (5 * 64))


@pytest.mark.parametrize("views", [1, 2])
def test_a_recorded_mixture_is_used_as_it_was_recorded(views):
    first = numbered(40, 50)
    mixed = np.sqrt(first) + 7  # no sum of the channels
    channels = of(first, -first, paired=True, mixed=[Field(mixed)])
    nonsense = Mixing(offsets=(5.0, 5.0), weights=(9.0, 9.0), offset=1e3, ratios=(2.0, 3.0))
    batch = drawn(channels, mixing=nonsense, views=views)
    torch.testing.assert_close(batch.observation[:, 0], batch.target[:, 0].sqrt() + 7)
    assert (batch.ratio == 1).all()
    if views > 1:
        means = batch.observation[:, 1, 2:6, 2:6].mean(dim=(1, 2))
        torch.testing.assert_close(means, batch.observation[:, 0].mean(dim=(1, 2)))


def test_a_recorded_mixture_is_that_of_the_field_that_was_drawn():
    fields = [Field(numbered(20, 20, first=1000 * image), image=image) for image in range(3)]
    mixed = [Field(2 * field.pixels, image=field.image) for field in fields]
    channels = Channels([fields, fields], paired=True, mixed=mixed)
    batch = drawn(channels, batch=100)
    assert torch.equal(batch.observation[:, 0], 2 * batch.target[:, 0])
    held_out = validation_mixtures(channels, SUM, PatchShape(8), seed=0)
    assert torch.equal(held_out.observation[:, 0], 2 * held_out.target[:, 0])
    assert len(held_out.target) == 3 * 4


CHANNELS = of(numbered(40, 50), numbered(64, 33, first=5000))


def test_a_batch_depends_on_seed_and_number_alone():
    mixing = replace(SUM, ratios=(0.5, 1.5))
    one, other = (MixedPatches(CHANNELS, mixing, PatchShape(16), 4, seed=3) for _ in range(2))
    wanted = [one[number] for number in range(6)]
    np.random.seed(1)  # noqa: NPY002
    for number in (5, 0, 3, 3):
        assert same(other[number], wanted[number])
    assert not same(one[0], one[1])
    assert not same(one[0], MixedPatches(CHANNELS, mixing, PatchShape(16), 4, seed=4)[0])


def test_workers_change_no_batch():
    patches = MixedPatches(CHANNELS, SUM, PatchShape(16, views=2), 4, seed=0)
    loader = DataLoader(patches, batch_size=None, sampler=range(5), num_workers=2)
    for number, batch in enumerate(loader):
        assert same(batch, patches[number])


def test_ratios_fill_their_range_each_by_itself():
    batch = drawn(CHANNELS, mixing=replace(SUM, ratios=(0.25, 2.0)), batch=600)
    ratio = batch.ratio.double()
    assert ratio.min() >= 0.25 and ratio.max() <= 2
    assert ratio.min() < 0.26 and ratio.max() > 1.99
    # uniform: its moments within four standard errors
    assert float(ratio.mean()) == pytest.approx(1.125, abs=4 * 1.75 / np.sqrt(12 * 1200))
    assert abs(np.corrcoef(ratio.T)[0, 1]) < 4 / np.sqrt(600)
    assert (drawn(CHANNELS).ratio == 1).all()


def test_what_is_drawn_where_does_not_depend_on_the_ratios():
    alike = drawn(CHANNELS)
    varied = drawn(CHANNELS, mixing=replace(SUM, ratios=(0.5, 2.0)), batch=1)
    assert torch.equal(alike.target[0], varied.target[0])


@settings(max_examples=25)
@given(
    sizes=st.lists(st.tuples(st.integers(8, 70), st.integers(8, 70)), min_size=2, max_size=2),
    images=st.integers(1, 7),
    paired=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_training_never_sees_a_pixel_that_is_held_out_in_any_channel(sizes, images, paired, seed):
    if paired:
        sizes = sizes[:1] * 2
    fields = [
        [Field(numbered(*size, first=10_000 * image), image=image) for image in range(images)]
        for size in sizes
    ]
    divided = [hold_out(of_channel, 8, seed) for of_channel in fields]
    assume(all("too small" not in channel.notice for channel in divided))
    kept_apart = []
    for channel in divided:
        of_channel = []
        for field in channel.validation:
            top, left, side = field.reserved or (0, 0, 10_000)
            of_channel.append(field.pixels[top : top + side, left : left + side].ravel())
        kept_apart.append(np.concatenate(of_channel))
    batch = drawn(Channels([one.training for one in divided], paired), batch=60, seed=seed)
    for target, held_out in zip(batch.target.unbind(1), kept_apart, strict=True):
        assert not np.isin(target.numpy(), held_out).any()
    seen = validation_mixtures(
        Channels([one.validation for one in divided], paired), SUM, PatchShape(8), seed
    )
    for target, held_out in zip(seen.target.unbind(1), kept_apart, strict=True):
        assert np.isin(target.numpy(), held_out).all()
    if paired:
        assert torch.equal(seen.target[:, 0], seen.target[:, 1])


def test_validation_repeats_and_is_the_seed_s():
    channels = of(numbered(160, 160), numbered(90, 50))
    one, again, other = (
        validation_mixtures(channels, SUM, PatchShape(8), seed) for seed in (0, 0, 1)
    )
    assert same(one, again) and not same(one, other)
    assert len(one.observation) == 64
    assert (one.ratio == 1).all()
    torch.testing.assert_close(one.observation[:, 0], one.target.sum(dim=1))
    # no patch twice while there are enough of them
    assert all(
        len(np.unique(target[:, 0, 0])) == 64 for target in one.target.numpy().swapaxes(0, 1)
    )


def test_validation_has_the_strengths_of_training():
    mixing = replace(SUM, ratios=(2.0, 4.0))
    seen = validation_mixtures(of(numbered(160, 160), numbered(90, 50)), mixing, PatchShape(8), 0)
    assert seen.ratio.min() >= 2 and seen.ratio.max() <= 4
    assert len(seen.ratio.unique()) == seen.ratio.numel()
    torch.testing.assert_close(
        seen.observation[:, 0], (seen.target * seen.ratio[..., None, None]).sum(dim=1)
    )


def test_unpaired_validation_combines_every_patch_with_several_others():
    place = numbered(48, 48)
    batch = validation_mixtures(of(place, place), SUM, PatchShape(8), seed=0)
    assert len(batch.target) == 64
    first, second = batch.target[:, :, 0, 0].T
    assert len(first.unique()) == len(second.unique()) == 36
    assert len({*zip(first.tolist(), second.tolist(), strict=True)}) == 64
    assert float((first == second).float().mean()) < 0.3
    uneven = validation_mixtures(of(place, place[:16, :16]), SUM, PatchShape(8), seed=0)
    assert uneven.target[:, 1, 0, 0].unique(return_counts=True)[1].tolist() == [16] * 4


def test_validation_of_stacks_covers_their_planes():
    stack = numbered(7, 16, 16)
    batch = validation_mixtures(of(stack, stack, paired=True), SUM, PatchShape(8, depth=3), 0)
    assert batch.target.shape == (8, 2, 3, 8, 8)
    assert len(batch.target[:, 0].unique()) == 6 * 256


def test_the_statistics_are_those_of_the_mixtures():
    rng = np.random.default_rng(0)
    one, other = rng.normal(50, 4, (2, 300, 300))
    mixing = Mixing(offsets=(10.0, 30.0), weights=(1.0, 2.0), offset=20.0)
    patches = MixedPatches(of(one, other), mixing, PatchShape(16, views=2), batch=16, seed=0)
    found, intensities = measure_mixtures(patches)
    # 40 + 2·20 + 20, and the root of 4² + (2·4)²
    assert found.mean == pytest.approx(100, abs=0.2)
    assert found.std == pytest.approx(np.sqrt(80), rel=0.01)
    # a Gaussian's 99.9th percentile
    assert intensities == pytest.approx([100 - 3.09 * np.sqrt(80), 100 + 3.09 * np.sqrt(80)], abs=1)


def test_the_statistics_know_the_ratios():
    flat = np.full((40, 40), 110.0)
    mixing = Mixing(offsets=(10.0, 10.0), weights=(1.0, 2.0), ratios=(0.5, 1.5))
    found, _ = measure_mixtures(MixedPatches(of(flat, flat), mixing, PatchShape(8), 16, seed=0))
    # r₁·100 + r₂·200 of uniform ratios, 1,024 of them: variance (100² + 200²)/12
    deviation = np.sqrt(50_000 / 12)
    assert found.mean == pytest.approx(300, abs=4 * deviation / 32)
    assert found.std == pytest.approx(deviation, rel=0.1)


def test_the_statistics_are_of_what_training_draws_to_the_bit():
    patches = MixedPatches(CHANNELS, SUM, PatchShape(8, views=2), 4, seed=5)
    drawn_ = torch.cat([patches[number].observation[:, 0] for number in range(64)]).double()
    found, _ = measure_mixtures(patches)
    assert found.mean == pytest.approx(float(drawn_.mean()), rel=1e-12)
    assert found.std == pytest.approx(float(drawn_.std(correction=0)), rel=1e-12)


def half_empty(seed=0):
    """Noise around 10 on the left, around 100 on the right."""
    plane = np.random.default_rng(seed).normal(10, 1, (128, 256))
    plane[:, 128:] += 90
    return plane


def test_the_threshold_is_otsu_s_of_the_smoothed_image():
    planes = [sample_image(name).pixels for name in ("dna", "cells")]
    foreground = find_foreground([Field(plane) for plane in planes])
    smoothed = [gaussian_filter(plane.astype(np.float32), 2.0) for plane in planes]
    assert foreground.threshold == pytest.approx(threshold_otsu(np.stack(smoothed)), rel=0.02)
    for mask, plane in zip(foreground.masks, smoothed, strict=True):
        assert np.array_equal(mask, plane > foreground.threshold)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_threshold_lies_between_background_and_structure_in_any_type(dtype):
    foreground = find_foreground([Field(half_empty().round().astype(dtype))])
    assert 20 < foreground.threshold < 90
    assert foreground.masks[0][:, 140:].all() and not foreground.masks[0][:, :110].any()


def test_a_stack_is_smoothed_plane_by_plane():
    stack = np.stack([half_empty(), half_empty()[:, ::-1], half_empty()])
    foreground = find_foreground([Field(stack)])
    (mask,) = foreground.masks
    assert mask.shape == stack.shape
    assert mask[1, :, :110].all() and not mask[::2, :, :110].any()
    shape = PatchShape(16, depth=2)
    assert foreground.seen_in(0, Position(0, 0, 0), shape)
    assert not foreground.seen_in(0, Position(2, 0, 0), PatchShape(16, depth=1))


def test_a_hundredth_of_the_pixels_is_structure_enough():
    masks = np.zeros((20, 40), bool)
    masks[:2, :2] = masks[0, 20:23] = True  # 4 of 400, and 3 of 400
    foreground = Foreground(0.0, (masks,))
    seen = [foreground.seen_in(0, Position(0, 0, left), PatchShape(20)) for left in (0, 20)]
    assert seen == [True, False]


def share_of_background(channels, batch=1000):
    """Of all patches that lie in one half, how many are of background, channel by channel."""
    target = drawn(channels, batch=batch).target
    dark, bright = (target < 50).flatten(2).all(2), (target > 50).flatten(2).all(2)
    return dark.sum(0) / (dark.sum(0) + bright.sum(0)), dark


def test_patches_of_background_alone_are_drawn_a_fifth_as_often():
    pixels = half_empty(), half_empty(1)[::-1]
    foreground = [find_foreground([Field(one)]) for one in pixels]
    plain, _ = share_of_background(of(*pixels))
    fewer, dark = share_of_background(of(*pixels, foreground=foreground))
    error = 4 * np.sqrt(0.25 / 800)
    for channel in (0, 1):
        assert float(plain[channel]) == pytest.approx(0.5, abs=error)
        # one in five against five in five
        assert float(fewer[channel]) == pytest.approx(1 / 6, abs=error)
    # each channel by itself: both dark is as rare as chance has it
    both = float((dark[:, 0] & dark[:, 1]).float().mean())
    assert both == pytest.approx(float(dark.float().mean(0).prod()), abs=0.03)


def test_paired_patches_are_background_where_all_channels_are():
    left, right = half_empty(), half_empty(1)[:, ::-1]
    nothing = np.random.default_rng(2).normal(10, 1, left.shape)
    nothing[:2, :2] = 100.0
    found = [find_foreground([Field(one)]) for one in (left, right)]
    # each half shows one of the two structures: there is no background
    shares, _ = share_of_background(of(left, right, paired=True, foreground=found))
    assert float(shares[0]) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 800))
    found = [found[0], Foreground(50.0, (np.zeros(left.shape, bool),))]
    shares, _ = share_of_background(of(left, nothing, paired=True, foreground=found))
    assert float(shares[0]) == pytest.approx(1 / 6, abs=4 * np.sqrt(0.25 / 800))


def test_an_image_without_any_foreground_is_drawn_from_all_the_same():
    plane = np.random.default_rng(0).normal(size=(40, 40))
    nothing = Foreground(99.0, (np.zeros((40, 40), bool),))
    batch = drawn(of(plane, plane, foreground=[nothing, nothing]))
    assert torch.isfinite(batch.observation).all()


def test_foreground_belongs_to_its_field():
    fields = [Field(half_empty(), image=0), Field(half_empty()[:, ::-1], image=1)]
    found = find_foreground(fields)
    assert found.seen_in(0, Position(0, 0, 200), PatchShape(16))
    assert found.seen_in(1, Position(0, 0, 20), PatchShape(16))
    assert not found.seen_in(1, Position(0, 0, 200), PatchShape(16))
    channels = Channels([fields, fields], paired=True, foreground=[found, found])
    shares, _ = share_of_background(channels)
    assert float(shares[0]) == pytest.approx(1 / 6, abs=4 * np.sqrt(0.25 / 800))
