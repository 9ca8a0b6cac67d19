"""The samples that differ most: by structure, not by what differs from pixel to pixel."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from ladderscope.evaluation import most_different
from ladderscope.evaluation.differing import correlation_width

RNG = np.random.default_rng(0)


def smooth(n, width=3.0, side=96):
    return gaussian_filter(RNG.normal(size=(n, side, side)), (0, width, width))


def test_samples_with_other_structures_are_chosen_before_noisier_ones():
    samples = 0.1 * smooth(8) / smooth(8).std()
    samples[2, 20:40, 20:40] += 1
    samples[5, 60:80, 60:80] -= 1
    samples[7] += 0.15 * RNG.normal(size=samples[7].shape)  # a larger distance, pixel by pixel
    assert set(most_different(samples)[:2]) == {2, 5}


def test_the_first_two_are_the_farthest_pair_and_each_next_is_farthest_from_those_chosen():
    values = RNG.normal(size=9)
    samples = np.ones((9, 16, 16)) * values[:, None, None]  # the filter leaves constants alone
    chosen = most_different(samples, k=4)
    pairs = itertools.combinations(range(9), 2)
    assert set(chosen[:2]) == set(max(pairs, key=lambda pair: abs(np.subtract(*values[[*pair]]))))
    for count in (2, 3):
        gaps = np.abs(values[:, None] - values[chosen[:count]]).min(axis=1)
        assert chosen[count] == gaps.argmax()


@given(st.integers(1, 5), st.integers(1, 6))
def test_as_many_different_ones_as_asked_for_if_there_are(n, k):
    chosen = most_different(np.zeros((n, 2, 8, 8)), k)
    assert len(set(chosen)) == len(chosen) == min(n, k)
    assert set(chosen) <= set(range(n))


@pytest.mark.parametrize("width", [1.0, 2.0, 4.0])
def test_the_width_is_that_of_the_filter_that_smoothed_the_deviations(width):
    assert correlation_width(smooth(8, width, 160)) == pytest.approx(width, rel=0.06)


@pytest.mark.parametrize("shape", [(3, 1, 20), (3, 20, 1), (3, 2, 2)])
def test_narrow_planes_have_a_width_too(shape):
    assert 0 <= correlation_width(RNG.normal(size=shape)) <= 1
    assert len(most_different(RNG.normal(size=(5, *shape[1:])))) == 3


def test_independent_and_constant_deviations_have_no_width_and_ramps_a_limited_one():
    assert correlation_width(RNG.normal(size=(16, 128, 128))) < 0.5
    assert correlation_width(np.zeros((2, 16, 16))) == 0
    assert correlation_width(np.ones((2, 16, 16))) == 2  # an eighth of the side
