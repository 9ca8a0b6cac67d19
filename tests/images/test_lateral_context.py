"""Wider views: block means of the image reflected at its border, around one centre."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import block_reduce

from ladderscope.data import Field, PatchShape, cut
from ladderscope.data.fields import Position
from ladderscope.images.lateral_context import views_around


def by_hand(pixels, rows, columns, views):
    """Reflect the whole image far enough, cut each view out of it at full size, average blocks."""
    margin = 2**views * max(rows.stop - rows.start, columns.stop - columns.start)
    margin += max(0, -rows.start, -columns.start, rows.stop, columns.stop)
    space = (0, 0), *((margin, margin),) * 2
    reflected = np.pad(pixels.astype(np.float64).reshape(-1, *pixels.shape[-2:]), space, "reflect")
    found = []
    for factor in 2 ** np.arange(views):
        widened = []
        for side in (rows, columns):
            around = int(factor - 1) * (side.stop - side.start) // 2
            widened.append(slice(side.start - around + margin, side.stop + around + margin))
        shown = reflected[:, *widened]
        found.append(block_reduce(shown, (1, factor, factor), np.mean))
    return np.stack(found).reshape(views, *pixels.shape[:-2], *found[0].shape[-2:])


SIDE = st.integers(1, 6).map(lambda half: 2 * half)
PLACE = st.integers(-20, 30)


@settings(max_examples=150)
@given(
    height=st.integers(1, 25),
    width=st.integers(1, 25),
    corner=st.tuples(PLACE, PLACE),
    size=st.tuples(SIDE, SIDE),
    views=st.integers(1, 4),
)
def test_views_are_block_means_of_the_reflected_image(height, width, corner, size, views):
    pixels = np.random.default_rng(height * width).normal(50, 9, (height, width))
    rows, columns = (slice(first, first + side) for first, side in zip(corner, size, strict=True))
    found = views_around(pixels, rows, columns, views)
    assert found.shape == (views, *size) and found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(pixels, rows, columns, views), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, ">u2", np.int32, np.float64])
def test_integers_of_any_type_neither_wrap_nor_round(dtype):
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    low, high = (info.min, info.max) if info else (-1e3, 1e3)
    if info and info.bits == 32:
        low, high = -(2**20), 2**20
    pixels = np.random.default_rng(0).integers(low, high, (20, 24), endpoint=True).astype(dtype)
    pixels[4:12, 4:12] = high  # sums of these leave a small type's range
    found = views_around(pixels, slice(4, 12), slice(4, 12), 3)
    wanted = by_hand(pixels, slice(4, 12), slice(4, 12), 3)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=abs(high) * 1e-6)
    assert (found[0] == high).all()


@given(rows=PLACE, columns=PLACE, views=st.integers(1, 3))
def test_every_plane_of_a_stack_is_viewed_as_if_alone(rows, columns, views):
    stack = np.random.default_rng(1).integers(0, 4000, (3, 17, 22), dtype=np.uint16)
    window = slice(rows, rows + 8), slice(columns, columns + 8)
    together = views_around(stack, *window, views)
    assert together.shape == (views, 3, 8, 8)
    for plane, number in zip(stack, range(3), strict=True):
        assert np.array_equal(together[:, number], views_around(plane, *window, views))


@pytest.mark.parametrize("views", [2, 3, 4])
def test_views_share_their_centre(views):
    ramp = np.add.outer(100.0 * np.arange(400), np.arange(400.0))
    found = views_around(ramp, slice(192, 208), slice(200, 216), views)
    # a ramp averaged over anything symmetric about a point has that point's value
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 100 * 199.5 + 207.5, rtol=1e-6)
    steps = np.diff(found, axis=-1).mean(axis=(1, 2))
    np.testing.assert_allclose(steps, 2.0 ** np.arange(views), rtol=1e-3)


@settings(max_examples=50)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 3))
def test_the_middle_of_a_view_is_the_view_before_it_averaged(top, left, views):
    pixels = np.random.default_rng(2).normal(size=(56, 60))
    found = views_around(pixels, slice(top, top + 16), slice(left, left + 16), views + 1)
    for narrow, wide in pairwise(found):
        averaged = block_reduce(narrow, (2, 2), np.mean)
        np.testing.assert_allclose(wide[4:12, 4:12], averaged, atol=1e-6)


def test_the_image_is_left_as_it_was_and_the_views_are_copies():
    pixels = np.random.default_rng(3).normal(size=(32, 32)).astype(np.float32)
    before = pixels.copy()
    found = views_around(pixels, slice(8, 16), slice(8, 16), 2)
    found += 1
    assert np.array_equal(pixels, before)


def test_an_image_that_is_not_contiguous_is_viewed_all_the_same():
    pixels = np.random.default_rng(4).normal(size=(40, 44))
    window = slice(-4, 12), slice(30, 46)
    turned = np.asfortranarray(pixels[::-1])
    assert np.array_equal(
        views_around(turned, *window, 3),
        views_around(np.ascontiguousarray(pixels[::-1]), *window, 3),
    )


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("depth", [None, 2])
def test_a_patch_is_cut_with_its_views(views, depth):
    shape = (6, 40, 44) if depth else (40, 44)
    pixels = np.random.default_rng(5).normal(size=shape)
    patch = cut(Field(pixels), Position(3, 6, 20), PatchShape(16, depth, views))
    shown = pixels[3:5] if depth else pixels
    wanted = by_hand(shown, slice(6, 22), slice(20, 36), views)
    assert patch.shape == wanted.shape
    np.testing.assert_allclose(patch, wanted, rtol=1e-5, atol=1e-6)


def test_one_view_is_the_window_to_the_bit_whatever_its_size():
    pixels = np.random.default_rng(6).integers(0, 60000, (9, 11), dtype=np.uint16)
    (found,) = views_around(pixels, slice(2, 7), slice(1, 4))
    assert np.array_equal(found, pixels[2:7, 1:4])
