"""Statistics: those of NumPy in float64, without its memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.images import Image, ImageError, Statistics, channel_statistics


@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(*[st.integers(1, 5)] * 3), min_size=1, max_size=4),
    st.sampled_from(["u1", "u2", "i4", "f4"]),
)
def test_statistics_are_those_of_all_pixels_together(seed, shapes, dtype):
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, 256, (*shape, 2)).astype(dtype) for shape in shapes]
    found = channel_statistics([Image(one, "YTXC", "a") for one in arrays])
    for channel, statistics in enumerate(found):
        values = np.concatenate([one[..., channel].ravel() for one in arrays]).astype(np.float64)
        assert statistics.mean == pytest.approx(values.mean(), abs=1e-12)
        assert statistics.std == pytest.approx(values.std(), abs=1e-9)


def test_a_large_offset_costs_no_digits():
    noise = np.random.default_rng(0).normal(size=(4, 32, 32))
    (statistics,) = channel_statistics([Image(noise + 1e9, "TYX", "a")])
    assert statistics.std == pytest.approx(noise.std(), rel=1e-6)


def test_nothing_overflows():
    pixels = np.full((300, 300), 65535, np.uint16)
    assert channel_statistics([Image(pixels, "YX", "a")]) == (
        Statistics(65535.0, 0.0, 65535.0, 65535.0),
    )


def test_images_with_other_channels_are_refused_by_name():
    one, two = Image(np.zeros((8, 8)), "YX", "a.tif"), Image(np.zeros((2, 8, 8)), "CYX", "b.tif")
    with pytest.raises(ImageError, match=r"b\.tif has 2 channels and a\.tif has 1"):
        channel_statistics([one, two])


def test_no_images_have_no_statistics():
    with pytest.raises(ImageError, match="no images"):
        channel_statistics([])


def test_padding_is_no_part_of_the_statistics():
    pixels = np.random.default_rng(0).poisson(100, (2, 32, 32))
    pixels[:, :8] = 0
    padding = pixels == 0
    (found,) = channel_statistics([Image(pixels, "TYX", "a", padding=padding)])
    assert found.mean == pytest.approx(pixels[:, 8:].mean())
    assert found.std == pytest.approx(pixels[:, 8:].std())
    assert (found.darkest, found.brightest) == (pixels[:, 8:].min(), pixels.max())


def test_an_image_of_padding_alone_has_no_spread():
    blank = np.full((8, 8), 7.0)
    padding = np.ones((8, 8), dtype=bool)
    assert channel_statistics([Image(blank, "YX", "a", padding=padding)])[0].std == 0
