"""What a first look says of images, and what it is silent about."""

import numpy as np
import pytest
from scipy import ndimage

from ladderscope.images import Image, ImageError, sample_image
from ladderscope.inspection import about_correlation, compare, first_look, look_at

SIZE = 96
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]


def camera(seed=0, gain=2.0, offset=100, frames=None):
    clean = 100 * (1 + np.sin(COLUMNS / 7)) * (0.5 + 0.5 * np.cos(ROWS / 11)) ** 2
    rng = np.random.default_rng(seed)
    shape = clean.shape if frames is None else (frames, *clean.shape)
    recorded = gain * rng.poisson(np.broadcast_to(clean / gain, shape)) + offset
    return np.rint(recorded + rng.normal(0, 3, shape)).clip(0).astype(np.uint16)


def told(pixels, axes="YX"):
    return [finding.text for finding in look_at(Image(pixels, axes, "a.tif")).findings]


def test_nothing_is_said_of_a_good_recording():
    assert told(camera()) == []
    assert told(camera(frames=6), "TYX") == []
    assert first_look([Image(camera(seed), "YX", f"{seed}.tif") for seed in range(3)])[1] == []


def test_hot_pixels_are_named_with_count_place_and_value_and_taken_out():
    pixels = camera()
    pixels[20, 30] = pixels[70, 10] = 65535
    image, _, (finding,) = look_at(Image(pixels, "YX", "a.tif"))
    assert finding.is_warning
    for part in ("a.tif", "2 pixels", "Y=20, X=30", "Y=70, X=10", "65535"):
        assert part in finding.text
    assert image.pixels.max() < 1000
    assert pixels.max() == 65535


def test_padding_is_a_notice_with_its_share():
    pixels = camera()
    pixels[:, :24] = 0
    image, _, (finding,) = look_at(Image(pixels, "YX", "a.tif"))
    assert not finding.is_warning
    assert "25 %" in finding.text
    assert image.padding.mean() == 0.25
    assert image.pixels.min() > 50


def test_blank_frames_are_named():
    pixels = camera(frames=6)
    pixels[2], pixels[4] = 0, 7
    (text,) = told(pixels, "TYX")
    assert "2 planes" in text
    assert "T=2" in text
    assert "T=4" in text


def test_a_blank_channel_is_named():
    pixels = np.stack([camera(), np.full((SIZE, SIZE), 9, np.uint16)])
    assert any("channel 2" in text and "blank" in text for text in told(pixels, "CYX"))


def test_saturation_is_named_with_the_ceiling():
    (text,) = told(camera().clip(0, 250))
    assert "saturated" in text
    assert "250" in text


def test_saturated_frames_are_named_with_what_to_do():
    pixels = camera(frames=30).clip(0, 400)
    pixels[7] = (4 * pixels[7]).clip(0, 400)
    (text,) = told(pixels, "TYX")
    for part in ("T=7", "5 %", "leave it out of the training", "Record with less light"):
        assert part in text
    (text,) = told(pixels[7])
    assert "This image" in text


def test_a_few_saturated_pixels_that_set_the_scale_are_named():
    pixels = np.tile(camera(), (2, 2))
    pixels[40:48, 50:58] = 65535
    (text,) = told(pixels)
    assert "65535" in text


def test_copied_frames_are_named():
    pixels = camera(frames=6)
    pixels[4] = pixels[1]
    (text,) = told(pixels, "TYX")
    assert "T=4" in text


def test_bleaching_is_a_notice():
    pixels = camera(frames=9).astype(float)
    fade = np.linspace(1, 0.3, 9)[:, None, None]
    looked = look_at(Image((pixels - 100) * fade + 100, "TYX", "a.tif"))
    (finding,) = looked.findings
    assert not finding.is_warning
    assert "falls" in finding.text


def images(*arrays):
    return [Image(pixels, "YX", f"{number}.tif") for number, pixels in enumerate(arrays)]


def test_images_of_two_types_and_scales_are_refused_by_name():
    eight_bits = (camera(1) / 40).astype(np.uint8)
    with pytest.raises(ImageError, match=r"0\.tif.*uint16.*1\.tif.*uint8"):
        first_look(images(camera(), eight_bits))


def test_images_of_two_types_and_one_scale_are_named():
    findings = first_look(images(camera(), camera(1).astype(np.float32)))[1]
    assert any("uint16" in text and "float32" in text for text, *_ in findings)


def test_findings_of_one_kind_in_many_images_become_one_that_names_the_first_and_the_count():
    pixels = [camera(seed) for seed in range(8)]
    for number, plane in enumerate(pixels):
        plane[20, 30] = 65535
        if number < 2:
            plane[:, :24] = 0
    findings = first_look(images(*pixels))[1]
    padding = [finding.text for finding in findings if not finding.is_warning]
    assert [text[:5] for text in padding] == ["0.tif", "1.tif"]
    (outliers,) = [finding.text for finding in findings if finding.is_warning]
    for part in ("0.tif", "Y=20, X=30", "7 other images", "1.tif, 2.tif, 3.tif and 4 more"):
        assert part in outliers


def test_images_of_two_scales_are_named():
    findings = first_look(images(camera(), 12 * camera(1)))[1]
    assert any("scale" in text and "1.tif" in text for text, *_ in findings)


def test_what_was_measured_can_be_compared_without_the_pixels():
    looks = [look_at(image).look for image in images(camera(), camera(1))]
    assert compare(looks) == []


SMOOTHED = {
    "zoomed": lambda plane: ndimage.zoom(plane, 2, order=1),
    "zoomed by cubic splines": lambda plane: ndimage.zoom(plane, 1.7, order=3),
    "shifted by half a pixel": lambda plane: ndimage.shift(plane, (0.5, 0.5), order=1),
    "smoothed": lambda plane: ndimage.gaussian_filter(plane, 0.6),
    "median": lambda plane: ndimage.median_filter(plane, 3),
}


@pytest.mark.parametrize("change", SMOOTHED.values(), ids=SMOOTHED)
def test_correlated_noise_is_named(change):
    finding = about_correlation([change(camera().astype(float))], "GFP")
    assert finding.is_warning
    assert "GFP" in finding.text


def test_binned_noise_is_white():
    plane = camera().astype(float)
    binned = plane.reshape(SIZE // 2, 2, SIZE // 2, 2).sum(axis=(1, 3))
    assert about_correlation([plane]) is None
    assert about_correlation([binned]) is None


def test_fine_structure_of_a_small_binned_image_is_no_correlation():
    clean = sample_image("cells").pixels[:256, :256] + 100.0
    rng = np.random.default_rng(0)
    plane = 2.0 * rng.poisson(clean / 2) + rng.normal(0, 3, clean.shape)
    assert about_correlation([plane.reshape(128, 2, 128, 2).sum(axis=(1, 3))]) is None
