"""Images that stay in their file: padding where it is asked for, and a small view to look at."""

import numpy as np
import pytest

from ladderscope.images import Image, ImageError, large
from ladderscope.images.artefacts import with_padding
from ladderscope.images.check import check_worth
from ladderscope.images.stored import StoredPixels


def stored(pixels, axes, name="big.tif"):
    """Give an image that remembers how many pixels were read at once."""
    most = []

    def read(key):
        part = pixels[key]
        most.append(part.size)
        return part

    return Image(StoredPixels(pixels.shape, pixels.dtype, read), axes, name), most


@pytest.fixture
def scene():
    pixels = np.random.default_rng(0).poisson(100, (2, 200, 320)).astype(np.uint16)
    pixels[0, :60] = 0
    pixels[0, 60:, 250:] = 0
    return pixels


def test_planes_of_usual_size_have_the_padding_that_they_have_in_memory(scene):
    image, small = large.opened_large(stored(scene, "TYX")[0])
    assert image is small
    assert np.array_equal(image.padding[...], with_padding(Image(scene, "TYX", "a")).padding)
    assert image.padding_of({"T": 1}).sum() == 0
    assert np.array_equal(image.crop({"Y": slice(50, 70)}).padding, image.padding[:, 50:70])


def test_the_padding_of_large_planes_is_found_in_parts(scene, monkeypatch):
    monkeypatch.setattr(large, "LARGE", scene[0].size // 4)
    opened, most = stored(scene, "TYX")
    image, small = large.opened_large(opened)
    expected = with_padding(Image(scene, "TYX", "a")).padding
    assert np.array_equal(image.padding[...], expected)
    assert small.shape == (2, 100, 160) and np.array_equal(small.array, scene[:, ::2, ::2])
    assert np.array_equal(small.padding[...], expected[:, ::2, ::2])
    part = image.padding_of({"T": 0}, region=(slice(55, 65), slice(3, 9)))
    assert np.array_equal(part, expected[0, 55:65, 3:9])
    most.clear()
    image.field({"T": 1}, region=(slice(0, 8), slice(0, 9)))
    assert max(most) == 72


def test_a_large_plane_is_blank_only_if_every_pixel_is_alike(monkeypatch):
    monkeypatch.setattr(large, "LARGE", 1000)
    plane = np.full((64, 80), 7, np.uint16)
    image, small = large.opened_large(stored(plane, "YX")[0])
    assert image.padding[...].all()
    with pytest.raises(ImageError, match="blank"):
        check_worth(small)
    plane[33, 35] = 9
    image, small = large.opened_large(stored(plane, "YX")[0])
    check_worth(small)


def test_of_a_large_image_the_middle_is_shown(monkeypatch):
    stack = np.arange(3 * 40 * 60).reshape(3, 40, 60)
    image = Image(stack, "ZYX", "stack.tif")
    assert large.corner_shown(image) == (0, 0)
    assert np.array_equal(large.shown_planes(image), image.middle_planes())
    monkeypatch.setattr(large, "LARGE", 1000)
    monkeypatch.setattr(large, "_MIDDLE", 20)
    assert large.corner_shown(image) == (10, 20)
    assert np.array_equal(large.shown_planes(image), stack[1:2, 10:30, 20:40])
