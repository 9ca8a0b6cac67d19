"""Images of other channels or another sampling than a model was trained on."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from ladderscope import Denoiser, Splitter, load
from ladderscope.images import Acquisition, Image, ImageError
from ladderscope.noise import Gaussian


def tiny(**settings):
    return Denoiser("tiny", noise=Gaussian(6.0), steps=1, **settings)


@pytest.fixture(scope="module")
def pair(crops):
    """Two channels of very different brightness, named."""
    pixels = np.stack([crops[0], 50 * crops[1] + 1000])[:, :40, :40]
    return Image(pixels, "CYX", "pair.tif", pixel_size=(0.1, 0.1), channel_names=("GFP", "DAPI"))


@pytest.fixture(scope="module")
def fitted(pair):
    return tiny().fit(pair, progress=False)


def swapped(image, *names):
    pixels = np.ascontiguousarray(image.pixels[::-1])
    return replace(image, pixels=pixels, name="swapped.tif", channel_names=names)


def warnings(caplog):
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


# -- channels


def test_channels_in_another_order_are_matched_by_name_and_that_is_said(fitted, pair, caplog):
    straight = fitted.predict(pair, samples=2)
    assert not warnings(caplog)
    turned = fitted.predict(swapped(pair, "dapi", "gfp"), samples=2)
    assert turned.channel_names == ("dapi", "gfp")
    np.testing.assert_array_equal(turned.mean, straight.mean[::-1])
    np.testing.assert_array_equal(turned.std, straight.std[::-1])
    (said,) = warnings(caplog)
    for fact in ("swapped.tif", "dapi and gfp", "GFP and DAPI"):
        assert fact in said


def test_samples_are_in_the_order_of_the_image_too(fitted, pair):
    straight = fitted.sample(pair, n=1)
    turned = fitted.sample(swapped(pair, "DAPI", "GFP"), n=1)
    np.testing.assert_array_equal(turned, straight[:, ::-1])


def test_channels_of_other_names_are_matched_by_order_and_that_is_said(fitted, pair, caplog):
    straight = fitted.predict(pair, samples=0)
    other = fitted.predict(replace(pair, channel_names=("GFP", "mCherry")), samples=0)
    np.testing.assert_array_equal(other.mean, straight.mean)
    (said,) = warnings(caplog)
    assert "GFP and mCherry" in said and "GFP and DAPI" in said


@pytest.mark.parametrize("names", [None, ("channel 1", "channel 2"), ("C1", "C0"), ("x", "x")])
def test_numbers_are_no_names(fitted, pair, caplog, names):
    fitted.predict(replace(pair, channel_names=names), samples=0)
    assert not warnings(caplog)


def test_laser_lines_are_names(pair, caplog):
    trained = tiny().fit(replace(pair, channel_names=("488", "405")), progress=False)
    trained.predict(swapped(pair, "405", "488"), samples=0)
    assert "405 and 488" in warnings(caplog)[0]


def test_training_images_with_channels_in_two_orders_are_refused(pair):
    with pytest.raises(ImageError) as error:
        tiny().fit([pair, swapped(pair, "DAPI", "GFP")], progress=False)
    for fact in ("pair.tif", "swapped.tif", "GFP and DAPI", "DAPI and GFP"):
        assert fact in str(error.value)


def test_training_images_of_other_channels_draw_a_warning(pair, caplog):
    other = replace(pair, name="other.tif", channel_names=("GFP", "mCherry"))
    model = tiny().fit([pair, other], progress=False).model
    (said,) = (text for text in warnings(caplog) if "other.tif" in text)
    assert "pair.tif" in said and "mCherry" in said
    assert said in model.notices


# -- sampling


def test_a_model_keeps_the_pixel_size_of_its_training_images(fitted, pair, tmp_path):
    path = fitted.save(tmp_path / "a.ladder")
    assert load(path).model.pixel_size == fitted.model.pixel_size == (0.1, 0.1)


@pytest.mark.parametrize(("size", "warns"), [(0.105, False), (0.2, True), (0.05, True)])
def test_an_image_of_another_pixel_size_draws_a_warning(fitted, pair, caplog, size, warns):
    fitted.predict(replace(pair, pixel_size=(size, size)), samples=0)
    assert bool(warnings(caplog)) == warns
    if warns:
        assert "0.1 × 0.1 µm" in caplog.text and f"{size:g} × {size:g} µm" in caplog.text


def test_what_is_not_known_is_not_compared(fitted, pair, caplog):
    fitted.predict(replace(pair, pixel_size=None), samples=0)
    assert not warnings(caplog)


def test_training_images_of_two_pixel_sizes_draw_a_warning(pair, caplog):
    coarse = replace(pair, name="coarse.tif", pixel_size=(0.2, 0.2))
    assert tiny().fit([pair, coarse], progress=False).model.pixel_size is None
    (said,) = (text for text in warnings(caplog) if "coarse.tif" in text)
    for fact in ("pair.tif", "0.1 × 0.1 µm", "0.2 × 0.2 µm"):
        assert fact in said


def test_a_pixel_size_that_one_image_lacks_is_that_of_the_others(pair):
    silent = replace(pair, name="silent.tif", pixel_size=None)
    model = tiny().fit([silent, pair], progress=False).model
    assert model.pixel_size == (0.1, 0.1)
    assert any("silent.tif" in text for text in model.notices)


def test_the_distance_of_slices_counts_in_three_dimensions_alone(crops, caplog):
    pixels = np.stack([crops[0, :32, :32]] * 4)
    stack = Image(pixels, "ZYX", "a.tif", acquisition=Acquisition(slice_spacing=0.5))
    far = replace(stack, acquisition=Acquisition(slice_spacing=2.0))
    flat, solid = (tiny(dimensions=number).fit(stack, progress=False) for number in (2, 3))
    caplog.clear()
    flat.predict(far, samples=0)
    assert flat.model.slice_spacing is None and not warnings(caplog)
    restored = solid.predict(far, samples=0)
    assert restored.acquisition == far.acquisition
    (said,) = warnings(caplog)
    assert "0.5 µm" in said and "2 µm" in said


def test_a_splitter_compares_pixel_sizes_and_keeps_its_own_names(crops, caplog):
    images = [
        Image(crops[at, :40, :40], "YX", f"{at}.tif", None, (0.1, 0.1), (name,), Acquisition(0.5))
        for at, name in enumerate(("DAPI", "GFP"))
    ]
    splitter = Splitter("musplit", "tiny", steps=1).fit(
        images, names=("nuclei", "actin"), progress=False
    )
    coloured = Acquisition(frame_interval=2.0, channel_colours=((0, 255, 0),))
    mixed = Image(
        images[0].pixels + images[1].pixels,
        "YX",
        "mixed.tif",
        None,
        (0.2, 0.2),
        ("both",),
        coloured,
    )
    caplog.clear()
    split = splitter.predict(mixed, samples=0)
    assert split.channel_names == ("nuclei", "actin")
    assert split.acquisition == Acquisition(frame_interval=2.0)
    (said,) = warnings(caplog)
    assert "mixed.tif" in said and "0.2 × 0.2 µm" in said
