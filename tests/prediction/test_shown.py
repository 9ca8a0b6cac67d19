"""What a network is shown of a field that is unlike its training."""

import numpy as np
import pytest

from ladderscope.images import Statistics
from ladderscope.prediction import limits, show

TRAINED = Statistics(100.0, 10.0, darkest=70.0, brightest=160.0)


@pytest.fixture
def field():
    return np.random.default_rng(0).normal(100.0, 10.0, (64, 64)).clip(75, 150)


def test_limits_are_three_times_the_range_of_training():
    assert limits(TRAINED) == (10.0, 280.0)


def test_limits_of_an_unknown_range_are_wide():
    low, high = limits(Statistics(100.0, 10.0))
    assert (low, high) == (-200.0, 400.0)


def test_a_field_like_the_training_is_shown_as_it_is(field):
    shown = show(field, TRAINED)
    assert shown.pixels is field
    assert shown.excess is None
    assert shown.beyond is None
    np.testing.assert_allclose(shown.normalised, (field - 100) / 10, atol=1e-5)


@pytest.mark.parametrize("value", [65535.0, 1e30, -1e6, 3e38])
def test_what_is_far_beyond_is_limited_and_kept_as_excess(field, value):
    field[20:32, 30:42] = value
    shown = show(field, TRAINED)
    assert limits(TRAINED)[0] <= shown.pixels.min()
    assert shown.pixels.max() <= limits(TRAINED)[1]
    assert np.argwhere(shown.beyond)[[0, -1]].tolist() == [[20, 30], [31, 41]]
    np.testing.assert_allclose(shown.pixels + shown.excess, field, rtol=1e-6)


def test_a_hot_pixel_is_replaced_by_its_surroundings(field):
    field[20, 30] = 65535.0
    shown = show(field, TRAINED)
    assert abs(shown.pixels[20, 30] - 100) < 20
    assert shown.pixels[20, 30] + shown.excess[20, 30] == pytest.approx(65535)
    assert np.count_nonzero(shown.excess) == 1
    assert not shown.beyond.any()  # it is named as a hot pixel


def test_integers_are_limited_without_wrapping_around():
    field = np.full((32, 32), 100, np.uint16)
    field[::2] = 110
    field[8:20, 8:20] = 65535
    shown = show(field, TRAINED)
    assert shown.excess.max() == 65535 - 280
    assert shown.excess.min() == 0


def test_padding_is_filled_and_not_called_beyond(field):
    padding = np.zeros(field.shape, dtype=bool)
    padding[:10] = True
    field[padding] = 0
    shown = show(field, TRAINED, padding)
    assert shown.pixels[:10].min() > 70
    assert not shown.beyond.any()
    assert not shown.is_blank


def test_bright_padding_is_filled_and_told(field):
    padding = np.zeros(field.shape, dtype=bool)
    padding[:10] = True
    field[padding] = 65535
    shown = show(field, TRAINED, padding)
    assert shown.pixels.max() < 160
    assert np.array_equal(shown.beyond, padding)


def test_a_field_of_padding_alone_is_blank(field):
    assert show(field, TRAINED, np.ones(field.shape, dtype=bool)).is_blank


def test_every_plane_of_a_stack_is_looked_at_by_itself(field):
    stack = np.stack([field, field[::-1], field[:, ::-1]])
    stack[1, 20, 30] = 65535
    padding = np.zeros(stack.shape, dtype=bool)
    padding[2, :, :8] = True
    stack[padding] = 0
    shown = show(stack, TRAINED, padding)
    assert np.argwhere(shown.excess[:2]).tolist() == [[1, 20, 30]]
    assert np.array_equal(shown.pixels[0], stack[0])
    assert shown.pixels[2].min() > 70


def test_a_large_offset_costs_no_digits():
    offset = 2.0**30
    exact = np.random.default_rng(0).normal(0, 1, (16, 16))
    normalised = show(offset + exact, Statistics(offset, 1.0)).normalised
    np.testing.assert_allclose(normalised, exact, atol=1e-5)


def test_a_channel_that_was_blank_in_training_is_shown_as_zero(field):
    assert not show(field, Statistics(100.0, 0.0)).normalised.any()
