"""Raw frames that are PNG files, which are read when the user asks for them with axes YX."""

import numpy as np
import PIL.Image
import pytest

from ladderscope.images import ImageError, find_images, open_image, read_image

FRAME = np.random.default_rng(0).integers(0, 256, (24, 30))


def save(path, pixels):
    PIL.Image.fromarray(pixels).save(path, format="PNG")
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_frames_in_grey_levels_are_read_as_they_are(tmp_path, dtype):
    for number in range(2):
        save(tmp_path / f"{number}.png", (FRAME + number).clip(0, 255).astype(dtype))
    paths = find_images(tmp_path / "*.png").sources
    first, second = (read_image(path, "YX") for path in paths)
    assert first.dtype == dtype and (first.axes, first.name) == ("YX", "0.png")
    assert np.array_equal(first.array, FRAME.astype(dtype))
    assert np.array_equal(open_image(paths[1], "YX").pixels[3:9, 5], second.array[3:9, 5])


def test_without_asking_the_refusal_says_how(tmp_path):
    path = save(tmp_path / "a.png", FRAME.astype(np.uint8))
    with pytest.raises(ImageError, match="--axes YX"):
        open_image(path)


@pytest.mark.parametrize("mode", ["RGB", "P", "1", "LA"])
def test_other_pictures_stay_refused(tmp_path, mode):
    path = tmp_path / "a.png"
    PIL.Image.fromarray(FRAME.astype(np.uint8)).convert(mode).save(path)
    with pytest.raises(ImageError, match=r"a\.png: .*grey levels of 8 or 16 bits"):
        open_image(path, "YX")


@pytest.mark.parametrize("kept", [9, 30, 200])
def test_a_frame_that_is_cut_off_is_refused(tmp_path, kept):
    path = save(tmp_path / "a.png", FRAME.astype(np.uint8))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ImageError, match=r"a\.png: .*(cut off|damaged)"):
        read_image(path, "YX")


def test_a_frame_that_announces_more_than_it_has_is_refused(tmp_path):
    path = save(tmp_path / "a.png", FRAME.astype(np.uint8))
    content = bytearray(path.read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    path.write_bytes(content)
    with pytest.raises(ImageError, match="60000×60000"):
        open_image(path, "YX")
