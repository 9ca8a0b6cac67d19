"""Frames of one scene are told from frames that differ, whatever their noise."""

import numpy as np
import pytest
from scipy import ndimage

from ladderscope.images import sample_image
from ladderscope.noise import NoiseError
from ladderscope.noise_estimation.same_scene import compare_frames

SCENE = ndimage.gaussian_filter(sample_image("cells").pixels[:256, :256].astype(float), 1) / 8


def counted(scenes, seed=0):
    return np.random.default_rng(seed).poisson(scenes).astype(float)


def correlated(scenes):
    noise = np.random.default_rng(0).normal(0, 5, np.shape(scenes))
    return scenes + ndimage.gaussian_filter(noise, (0, 0.8, 0.8))


def with_spot(at, size=30):
    spot = np.zeros_like(SCENE)
    spot[40 + at, 60] = size * 2 * np.pi * 9
    return SCENE + ndimage.gaussian_filter(spot, 3)


STILL = {
    "two": counted([SCENE] * 2),
    "eight": counted([SCENE] * 8),
    "few photons": counted([SCENE / 4] * 8),
    "many photons": counted([SCENE * 30] * 4),
    "correlated": correlated([SCENE] * 4),
    "fading": counted([SCENE * fraction for fraction in (1.0, 0.96, 0.9, 0.87)]),
    "a black level": counted([SCENE] * 4) + 400,
    "8 bits": counted([SCENE] * 4).clip(0, 30),
}
DIFFERENT = {
    "turned": [SCENE, np.rot90(SCENE)],
    "one of six turned": [SCENE] * 5 + [np.rot90(SCENE)],
    "drifting by half a pixel": [ndimage.shift(SCENE, (0, 0.5 * n), order=1) for n in range(4)],
    "drifting by two pixels": [ndimage.shift(SCENE, (2 * n, 0), order=1) for n in range(4)],
    "one spot moves": [with_spot(2 * n) for n in range(6)],
    "one spot flashes": [with_spot(0, 90 * (n == 2)) for n in range(6)],
}


@pytest.mark.parametrize("frames", STILL.values(), ids=STILL)
def test_a_still_scene_is_recognised(frames):
    found = compare_frames(frames)
    assert found.is_same
    assert found.difference == ""


@pytest.mark.parametrize("scenes", DIFFERENT.values(), ids=DIFFERENT)
def test_scenes_that_differ_are_not_taken_for_one(scenes):
    found = compare_frames(counted(scenes))
    assert not found.is_same
    assert found.difference


def test_frames_without_structure_are_neither_the_same_nor_different():
    found = compare_frames(counted(np.full((4, 128, 128), 20.0)))
    assert not found.is_same
    assert found.difference == ""


@pytest.mark.parametrize("frames", [[SCENE], np.zeros((3, 64, 64)), counted([SCENE[:20, :20]] * 3)])
def test_what_cannot_be_compared_is_refused(frames):
    with pytest.raises(NoiseError):
        compare_frames(frames)


def test_the_displacement_is_measured():
    moved = [ndimage.shift(SCENE, (0, at), order=1) for at in (-1.0, 1.0)]
    found = compare_frames(counted(moved))
    assert found.shift == pytest.approx(1.0, abs=0.3)
