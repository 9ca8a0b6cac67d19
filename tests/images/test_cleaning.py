"""Artefacts filled part by part, as an image is read: the same pixels as a clean copy has."""

import numpy as np
import pytest

from ladderscope.images import Image
from ladderscope.images.artefacts import filled, find_artefacts
from ladderscope.images.cleaning import clean
from ladderscope.images.parts import packed
from ladderscope.images.stored import StoredPixels

RNG = np.random.default_rng(0)


def noisy(rows=150, columns=97):
    return RNG.poisson(100, (rows, columns)).astype(np.uint16)


def with_artefacts(number):
    """Draw a plane with outliers, and with borders or a wedge of padding."""
    plane = noisy()
    plane[RNG.integers(150, size=3), RNG.integers(97, size=3)] = 60000
    if number % 3 == 1:
        plane[:, :20], plane[-30:] = 0, 0
    if number % 3 == 2:
        for row in range(len(plane)):
            plane[row, 90 - row // 3 :] = 0
    return plane


def stored(image):
    pixels = StoredPixels(image.shape, image.dtype, image.pixels.__getitem__)
    return Image(pixels, image.axes, image.name)


def boxes(shape, count=30):
    for _ in range(count):
        ends = [sorted(RNG.integers(0, size + 1, 2).tolist()) for size in shape]
        yield tuple(slice(*end) for end in ends)


@pytest.mark.parametrize("axes", ["TYX", "CYX", "XYT", "YXC"])
def test_every_part_is_that_of_the_clean_copy_and_that_of_its_planes(axes):
    planes = np.stack([with_artefacts(number) for number in range(6)])
    planes[2] = 0
    order = [{"Y": 1, "X": 2}.get(letter, 0) for letter in axes]
    image = Image(planes.transpose(order), axes, "a.tif")
    whole, parts = clean(image), clean(stored(image))
    assert isinstance(parts.pixels, StoredPixels) and isinstance(whole.pixels, np.ndarray)
    expected = np.stack([filled(plane, find_artefacts(plane)) for plane in planes])
    if "T" in axes:
        expected[2] = expected[1]
    assert np.array_equal(whole.pixels, expected.transpose(order))
    assert whole.padding.any()
    assert np.array_equal(parts.array, whole.pixels)
    for box in boxes(image.shape):
        assert np.array_equal(parts.pixels[box], whole.pixels[box])
        assert np.array_equal(parts.padding[box], whole.padding[box])


def test_an_image_without_artefacts_is_read_as_it_is():
    image = stored(Image(noisy(), "YX", "a.tif"))
    assert clean(image).pixels is image.pixels
    assert clean(image).padding is None


def test_the_image_is_blank_where_all_of_it_is():
    image = Image(np.stack([np.zeros((40, 40)), np.full((40, 40), 3.0)]), "TYX", "a.tif")
    assert np.array_equal(clean(stored(image)).array, image.pixels)


@pytest.mark.parametrize("shape", [(1, 1), (64, 8), (65, 9), (200, 130)])
def test_a_packed_mask_is_the_mask(shape):
    mask = RNG.random(shape) < 0.3
    kept = packed(mask)
    assert np.array_equal(np.asarray(kept), mask)
    for box in boxes(shape):
        assert np.array_equal(kept[box], mask[box])
