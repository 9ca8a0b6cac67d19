"""A restoration that cannot be one is found; a good one is left in peace."""

import numpy as np
import pytest

from ladderscope.prediction.last_look import failed, out_of_range, places, squares

NOISE, CONTRAST = 5.0, 10.0


@pytest.fixture
def shown():
    return np.random.default_rng(0).normal(100.0, NOISE, (64, 80))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e31])
def test_one_pixel_that_is_no_number_fails_its_square(shown, value):
    restored = np.full(shown.shape, 100.0)
    restored[20, 40] = value
    marked = failed(squares(shown), restored, NOISE, CONTRAST)
    assert marked.sum() == 16 * 16
    assert marked[16:32, 32:48].all()


def test_a_mean_that_moves_by_many_deviations_fails(shown):
    restored = np.full(shown.shape, 100.0)
    restored[:16, :16] += 8 * NOISE
    assert np.argwhere(failed(squares(shown), restored, NOISE, CONTRAST)).max() == 15


def test_a_good_restoration_does_not_fail(shown):
    assert failed(squares(shown), np.full(shown.shape, 100.0), NOISE, CONTRAST) is None


def test_noise_that_differs_between_squares_is_minded(shown):
    restored = np.full(shown.shape, 100.0)
    restored[:16, :16] += 8 * NOISE
    deviation = np.full((4, 5), NOISE)
    deviation[0, 0] = 2 * NOISE
    assert failed(squares(shown), restored, deviation, CONTRAST) is None


def test_every_plane_of_a_stack_is_looked_at(shown):
    stack = np.stack([shown, shown])
    restored = np.full(stack.shape, 100.0)
    restored[1, 63, 79] = np.nan
    marked = failed(squares(stack), restored, NOISE, CONTRAST)
    assert marked.sum(axis=(1, 2)).tolist() == [0, 256]


@pytest.mark.parametrize("shape", [(5, 7), (16, 16), (17, 40), (3, 31, 33)])
def test_squares_have_their_means_whatever_the_size(shape):
    pixels = np.random.default_rng(0).normal(size=shape)
    means = squares(pixels)
    assert means.shape[-2:] == tuple(max(1, size // 16) for size in shape[-2:])
    np.testing.assert_allclose(means[..., 0, 0], first_square(pixels).mean(axis=(-2, -1)))


def first_square(pixels):
    return pixels[..., *(slice(16 if size >= 32 else None) for size in pixels.shape[-2:])]


def test_values_beside_a_range_are_marked():
    values = np.array([[1.0, np.inf, 3.0], [-np.inf, 5.0, np.nan]])
    assert out_of_range(values, 0.0, 4.0).tolist() == [[False, True, False], [True, True, True]]
    assert out_of_range(values[:, :1].clip(0, 4), 0.0, 4.0) is None


def test_places_name_count_size_and_position():
    mask = np.zeros((3, 64, 64), dtype=bool)
    mask[1, 8:20, 30:42] = mask[2, 0, 0] = True
    said = places(mask)
    assert "145 pixels" in said
    assert "2 regions" in said
    assert "12×12" in said
    assert "plane 1, row 8, column 30" in said
    assert places(mask[2]).startswith("1 pixel (")
