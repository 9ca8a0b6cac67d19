"""Patches: the same for a seed, whatever the loading; never from what is held out."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from ladderscope.data import (
    Field,
    PatchShape,
    TrainingPatches,
    hold_out,
    side_for,
    validation_batch,
)
from ladderscope.errors import LadderscopeError
from ladderscope.models.building import turns_of
from ladderscope.noise import Coloured, Gaussian


def numbered(height, width, first=0):
    """Pixels that all differ, so that a patch tells where it comes from."""
    return np.arange(first, first + height * width, dtype=np.float64).reshape(height, width)


def same(one, other):
    return torch.equal(one.observation, other.observation) and torch.equal(
        one.channel, other.channel
    )


def reserved_part(field):
    top, left, side = field.reserved
    return field.pixels[..., top : top + side, left : left + side].ravel()


PLANES = [Field(numbered(40, 50)), Field(numbered(64, 33, 5000), channel=1, image=1)]


def test_a_batch_depends_on_seed_and_number_alone():
    one, other = (TrainingPatches(PLANES, PatchShape(16), 4, seed=3) for _ in range(2))
    wanted = [one[number] for number in range(6)]
    for number in (5, 0, 3, 3):
        assert same(other[number], wanted[number])
    assert not same(one[0], one[1])
    assert not same(one[0], TrainingPatches(PLANES, PatchShape(16), 4, seed=4)[0])


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_no_batch(workers):
    patches = TrainingPatches(PLANES, PatchShape(16), 4, seed=0)
    loader = DataLoader(patches, batch_size=None, sampler=range(5), num_workers=workers)
    for number, batch in enumerate(loader):
        assert same(batch, patches[number])


def test_the_global_random_state_changes_no_batch():
    patches = TrainingPatches(PLANES, PatchShape(16), 4, seed=0)
    before = patches[2]
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    assert same(patches[2], before)


def test_a_batch_is_float32_with_the_channel_of_each_patch():
    batch = TrainingPatches(PLANES, PatchShape(16), 8, seed=0)[0]
    assert batch.observation.shape == (8, 1, 16, 16)
    assert batch.observation.dtype == torch.float32
    from_second = (batch.observation >= 5000).flatten(1).all(dim=1)
    assert torch.equal(from_second.long(), batch.channel)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64, ">u2"])
def test_any_real_type_is_taken(dtype):
    batch = TrainingPatches([Field(numbered(15, 15).astype(dtype))], PatchShape(8), 2, seed=0)[0]
    assert batch.observation.dtype == torch.float32
    assert batch.observation.max() <= 224


def test_turning_a_patch_keeps_its_pixels_and_uses_all_eight_positions():
    square = numbered(8, 8)
    patches = TrainingPatches([Field(square)], PatchShape(8), 64, seed=0)
    seen = {patch.numpy().tobytes() for patch in patches[0].observation[:, 0]}
    turned = [np.rot90(side, turns) for side in (square, square.T) for turns in range(4)]
    assert seen == {np.ascontiguousarray(one, dtype=np.float32).tobytes() for one in turned}


def test_larger_planes_are_drawn_more_often_in_proportion():
    planes = [Field(np.zeros((30, 30))), Field(np.zeros((90, 90)), channel=1)]
    channel = TrainingPatches(planes, PatchShape(8), 4000, seed=0)[0].channel
    # nine tenths of the pixels; four standard deviations of 4,000 draws are 0.019
    assert float(channel.float().mean()) == pytest.approx(0.9, abs=0.019)


def test_an_epoch_has_as_many_pixels_as_the_planes():
    assert (
        TrainingPatches([Field(np.zeros((64, 64)))] * 3, PatchShape(16), 4, 0).batches_per_epoch
        == 12
    )
    assert TrainingPatches([Field(np.zeros((16, 16)))], PatchShape(16), 4, 0).batches_per_epoch == 1


def test_every_place_of_a_plane_can_be_drawn_its_corners_too():
    square = numbered(12, 12)
    seen = TrainingPatches([Field(square)], PatchShape(8), 500, seed=0)[0].observation.unique()
    assert len(seen) == square.size


@settings(max_examples=60)
@given(
    height=st.integers(8, 90),
    width=st.integers(8, 90),
    planes=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_training_never_sees_a_pixel_that_is_held_out(height, width, planes, seed):
    stack = [Field(numbered(height, width, 10_000 * number)) for number in range(planes)]
    divided = hold_out(stack, 8, seed)
    assume(any(plane.reserved for plane in divided.training))
    held_out = np.concatenate([reserved_part(field) for field in divided.validation])
    drawn = TrainingPatches(divided.training, PatchShape(8), 200, seed)[0].observation.numpy()
    assert not np.isin(drawn, held_out).any()


@settings(max_examples=60)
@given(height=st.integers(8, 120), width=st.integers(8, 120), seed=st.integers(0, 2**31))
def test_a_held_out_square_lies_in_the_plane_and_leaves_three_patches_of_it(height, width, seed):
    (plane,) = hold_out([Field(numbered(height, width))], 8, seed).training
    if plane.reserved is None:
        assert max(height, width) < 4 * 8 or min(height, width) < 8
        return
    top, left, side = plane.reserved
    assert side in (8, 16)
    assert 0 <= top <= height - side and 0 <= left <= width - side
    assert height * width - side**2 >= 3 * 8**2


def test_with_five_images_or_more_whole_ones_are_held_out():
    planes = [Field(numbered(20, 20), image=image) for image in range(12) for _ in range(2)]
    divided = hold_out(planes, 8, seed=0)
    training = {plane.image for plane in divided.training}
    validation = {plane.image for plane in divided.validation}
    assert not training & validation
    assert training | validation == set(range(12))
    assert len(validation) == 1  # a tenth, rounded
    assert all(plane.reserved is None for plane in divided.training)
    assert "1 of 12 images" in divided.notice


@pytest.mark.parametrize("images, whole", [(4, False), (5, True)])
def test_five_is_where_whole_images_begin(images, whole):
    planes = [Field(numbered(60, 60), image=image) for image in range(images)]
    divided = hold_out(planes, 8, seed=0)
    assert (len(divided.training) < images) is whole
    assert any(plane.reserved for plane in divided.training) is not whole


def test_which_are_held_out_is_the_seed_s_choice():
    planes = [Field(numbered(20, 20), image=image) for image in range(30)]
    choices = {
        tuple(plane.image for plane in hold_out(planes, 8, seed).validation) for seed in range(6)
    }
    assert len(choices) > 1
    again = [tuple(plane.image for plane in hold_out(planes, 8, 3).validation) for _ in range(2)]
    assert again[0] == again[1]


def test_planes_too_small_to_divide_are_used_for_both_and_that_is_said():
    planes = [Field(numbered(16, 20))]
    divided = hold_out(planes, 8, seed=0)
    assert divided.training == divided.validation == tuple(planes)
    assert "too small" in divided.notice


def test_validation_patches_tile_the_held_out_planes():
    batch = validation_batch([Field(numbered(16, 25), channel=2)], PatchShape(8), seed=0)
    assert batch.observation.shape == (6, 1, 8, 8)
    assert batch.channel.tolist() == [2] * 6
    assert len(batch.observation.unique()) == 6 * 64


def test_of_many_validation_patches_a_fixed_few_are_kept():
    planes = [Field(numbered(160, 160))]
    batch = validation_batch(planes, PatchShape(8), seed=0)
    assert len(batch.observation) == 64
    assert same(batch, validation_batch(planes, PatchShape(8), seed=0))
    assert not same(batch, validation_batch(planes, PatchShape(8), seed=1))


@given(
    sides=st.lists(st.integers(16, 300), min_size=2, max_size=6),
    wanted=st.sampled_from([16, 32, 64, 128]),
)
def test_the_patch_fits_every_plane_and_the_levels(sides, wanted):
    planes = [Field(np.broadcast_to(0.0, sides[at : at + 2])) for at in range(len(sides) - 1)]
    patch = side_for(planes, wanted, 16)
    assert patch % 16 == 0
    assert 0 < patch <= min(wanted, *sides)
    assert patch == wanted or patch + 16 > min(sides)


def test_a_plane_smaller_than_the_levels_need_is_an_error_that_says_how_much():
    with pytest.raises(LadderscopeError, match=r"15 pixels.* at least 16"):
        side_for([Field(np.zeros((100, 100))), Field(np.zeros((15, 100)))], 64, 16)


def test_patches_are_turned_only_as_the_noise_allows():
    rows = Field(np.arange(64.0)[:, None] * np.ones((1, 64)))
    along_rows = Coloured(Gaussian(1.0), [[0.6, 1.0, 0.6]])
    for noise, all_in_rows in ((Gaussian(1.0), False), (along_rows, True)):
        patches = TrainingPatches([rows], PatchShape(16), 8, 0, turns_of([noise]))
        steps = torch.cat([patches[number].observation.diff(dim=-1) for number in range(8)])
        assert bool((steps == 0).all()) is all_in_rows
