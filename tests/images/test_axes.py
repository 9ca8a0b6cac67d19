"""Axes: what is refused, and that planes go back where they came from."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.images import Image, ImageError
from ladderscope.images.axes import check_axes, to_ome_order

any_axes = st.lists(st.sampled_from("STCZ"), unique=True).flatmap(
    lambda others: st.permutations([*others, "Y", "X"]).map("".join)
)


@st.composite
def images(draw):
    axes = draw(any_axes)
    shape = draw(st.tuples(*(st.integers(1, 4) for _ in axes)))
    pixels = np.arange(np.prod(shape)).reshape(shape)
    return Image(pixels, axes, "a.tif")


@given(images())
def test_planes_return_to_the_shape_and_order_they_had(image):
    planes = image.fields()
    assert planes.shape[1] == image.channels
    assert np.array_equal(image.from_fields(planes), image.pixels)


@given(images())
def test_every_plane_is_a_plane_of_the_image(image):
    order = [image.axes.index(letter) for letter in "YX"]
    others = [i for i in range(image.pixels.ndim) if i not in order]
    channel_last = sorted(others, key=lambda i: image.axes[i] == "C")
    expected = image.pixels.transpose([*channel_last, *order])
    planes = image.fields()
    assert np.array_equal(planes.reshape(-1, *planes.shape[2:]).ravel(), expected.ravel())


@given(images())
def test_restored_planes_keep_their_own_type(image):
    restored = image.from_fields(image.fields().astype(np.float32))
    assert restored.dtype == np.float32
    assert restored.shape == image.pixels.shape


@pytest.mark.parametrize("axes", ["YX", "CYX", "TCYX", "STZCYX"])
def test_planes_of_an_image_in_the_usual_order_are_a_view(axes):
    image = Image(np.zeros((2,) * len(axes)), axes, "a.tif")
    assert np.shares_memory(image.fields(), image.pixels)


def test_planes_of_another_shape_are_refused():
    image = Image(np.zeros((5, 8, 9)), "TYX", "a.tif")
    with pytest.raises(ImageError, match=r"\(5, 1, 8, 9\)"):
        image.from_fields(np.zeros((4, 1, 8, 9)))


@pytest.mark.parametrize(
    ("axes", "shape", "said"),
    [
        ("QYX", (5, 8, 9), "unknown letter 'Q'"),
        ("TTYX", (5, 5, 8, 9), "repeats T"),
        ("TY", (5, 8), "lacks X"),
        ("TC", (5, 8), "lacks Y and X"),
        ("TYX", (8, 9), "names 3 dimensions, but the image has 2"),
        ("", (8, 9), "lacks Y and X"),
        (3, (8, 9), "must be a string"),
    ],
)
def test_axes_that_do_not_describe_the_image_are_refused_by_name(axes, shape, said):
    with pytest.raises(ImageError, match=said) as refusal:
        Image(np.zeros(shape), axes, "cells.tif")
    assert "cells.tif" in str(refusal.value)


def test_axes_may_be_given_in_lower_case():
    assert check_axes("tyx", (5, 8, 9), "a.tif") == "TYX"


@given(images())
def test_ome_order_is_a_subsequence_of_tczyx_and_keeps_every_pixel(image):
    ordered, axes = to_ome_order(image.pixels, image.axes)
    assert axes == "".join(letter for letter in "TCZYX" if letter in axes)
    assert ordered.ndim == len(axes)
    assert sorted(ordered.ravel()) == sorted(image.pixels.ravel())


@pytest.mark.parametrize("axes", ["".join(order) for order in permutations("STZYX", 5)][:20])
def test_samples_with_time_and_depth_run_along_time(axes):
    sizes = dict(zip("STZYX", (2, 3, 4, 5, 6), strict=True))
    ordered, written = to_ome_order(np.zeros([sizes[letter] for letter in axes]), axes)
    assert (written, ordered.shape) == ("TZYX", (6, 4, 5, 6))


@pytest.mark.parametrize(("axes", "written"), [("SYX", "TYX"), ("TSYX", "TZYX"), ("ZSYX", "TZYX")])
def test_samples_take_the_place_of_an_axis_that_is_free(axes, written):
    ordered, letters = to_ome_order(np.zeros((2, 3, 8, 9)[-len(axes) :]), axes)
    assert letters == written
    assert ordered.ndim == len(written)
