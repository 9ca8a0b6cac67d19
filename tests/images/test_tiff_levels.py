"""The smaller copies in a pyramidal TIFF are images of their own: --level chooses one."""

import numpy as np
import pytest
import tifffile

from ladderscope.images import ImageError, find_images, open_image, read_image
from ladderscope.images.addresses import flattened

FULL = np.arange(3 * 96 * 64, dtype=np.uint16).reshape(3, 96, 64)


ABOUT = {"axes": "CYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2}


def pyramid(path, pixels=FULL, about=ABOUT, levels=2, **how):
    how = {"tile": (16, 16), "photometric": "minisblack"} | how
    with tifffile.TiffWriter(path, ome=about is not None) as file:
        file.write(pixels, subifds=levels, metadata=about, **how)
        for number in range(1, levels + 1):
            smaller = pixels[..., :: 2**number, :: 2**number]
            file.write(smaller, subfiletype=1, metadata=None, **how)
    return path


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=str)
def test_each_level_is_an_image_with_its_own_pixel_size(tmp_path, how):
    path = pyramid(tmp_path / "a.ome.tif", **how)
    for number in range(3):
        image = read_image(path, level=number)
        step = 2**number
        assert image.axes == "CYX" and np.array_equal(image.array, FULL[:, ::step, ::step])
        assert image.pixel_size == pytest.approx((0.2 * step, 0.1 * step))
    assert image.name == "a.ome.tif, level 2"


def test_a_level_has_an_address_that_names_its_outputs(tmp_path):
    path = pyramid(tmp_path / "a.ome.tif")
    (found,) = find_images(path, level=1).sources
    assert found == path / "1" and find_images(found).sources == [found]
    assert flattened(found).name == "a_1.ome.tif"
    assert np.array_equal(open_image(found).pixels[1, 3:9, 5], FULL[1, ::2, ::2][3:9, 5])


def test_a_pyramid_without_a_description_has_levels_too(tmp_path):
    path = pyramid(tmp_path / "a.tif", FULL[0], about=None)
    assert read_image(path, level=1).shape == (48, 32)


def test_a_level_that_is_not_there_is_refused(tmp_path):
    path = pyramid(tmp_path / "a.ome.tif")
    with pytest.raises(ImageError, match=r"a\.ome\.tif: level 3 .* levels 0 to 2"):
        open_image(path, level=3)
    tifffile.imwrite(tmp_path / "b.tif", FULL[0])
    with pytest.raises(ImageError, match=r"b\.tif: level 1 .* no smaller levels"):
        find_images(tmp_path / "b.tif", level=1)


@pytest.mark.parametrize("kept", [0.5, 0.8, 0.97])
def test_a_pyramid_that_is_cut_off_is_refused(tmp_path, kept):
    path = pyramid(tmp_path / "a.ome.tif")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ImageError, match=r"a\.ome\.tif"):
        read_image(path, level=2)
