"""Files of microscopes through bioio: a stand-in for it, and a real CZI where it is installed."""

import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import tifffile

from ladderscope.images import ImageError, find_images, open_image, open_images, read_image
from ladderscope.images.addresses import flattened

SCENES = np.random.default_rng(0).integers(0, 60000, (2, 3, 2, 1, 16, 24), dtype=np.uint16)


class UnsupportedFileFormatError(Exception):
    pass


class Stored:
    """An array that counts what is read of it."""

    read = 0

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, key):
        return Stored(self.values[key])

    def __array__(self, *args, **kwargs):
        Stored.read += self.values.size
        return self.values


class BioImage:
    scenes = ("P1", "P2")
    physical_pixel_sizes = SimpleNamespace(Z=None, Y=0.1, X=0.2)
    channel_names = ("DAPI", "GFP")
    time_interval = timedelta(seconds=5)
    dims = "TCZYX"

    def __init__(self, path):
        if not Path(path).read_bytes().startswith(b"CZI"):
            raise UnsupportedFileFormatError("no reader")
        self.scene = 0

    def set_scene(self, number):
        self.scene = number

    @property
    def xarray_dask_data(self):
        return SimpleNamespace(dims=tuple(self.dims), data=Stored(SCENES[self.scene]))


@pytest.fixture
def czi(tmp_path, monkeypatch):
    module = ModuleType("bioio")
    module.BioImage = BioImage
    monkeypatch.setitem(sys.modules, "bioio", module)
    path = tmp_path / "cells.czi"
    path.write_bytes(b"CZI")
    return path


def test_every_scene_is_an_image_that_is_read_lazily(czi):
    Stored.read = 0
    images = open_images(czi)
    assert [image.name for image in images] == ["cells.czi, scene 0", "cells.czi, scene 1"]
    assert [(image.axes, image.shape) for image in images] == [("TCYX", (3, 2, 16, 24))] * 2
    assert Stored.read == 0
    crop = images[1].crop({"T": slice(2, 3), "Y": slice(4, 8)})
    assert np.array_equal(crop.pixels, SCENES[1][2:, :, 0, 4:8])
    assert Stored.read == crop.size
    assert np.array_equal(read_image(czi / "1").pixels, SCENES[1][:, :, 0])
    assert [flattened(one).name for one in find_images(czi).sources] == [
        "cells_0.czi",
        "cells_1.czi",
    ]


def test_sizes_names_and_interval_are_known(czi):
    image = open_image(czi / "0")
    assert (image.pixel_size, image.channel_names) == ((0.1, 0.2), ("DAPI", "GFP"))
    assert image.acquisition.frame_interval == 5
    assert image.acquisition.slice_spacing is None


def test_a_folder_stands_for_files_of_every_kind(czi):
    tifffile.imwrite(czi.with_name("b.tif"), SCENES[0, 0, 0, 0])
    assert [one.name for one in find_images(czi.parent).sources] == ["b.tif", "0", "1"]


def test_a_single_scene_is_its_file(czi, monkeypatch):
    monkeypatch.setattr(BioImage, "scenes", ("P1",))
    (found,) = find_images(czi).sources
    assert (found, open_image(found).name) == (czi, "cells.czi")


def test_what_cannot_be_read_is_refused_in_words(czi, monkeypatch):
    def refusal(path):
        with pytest.raises(ImageError) as caught:
            open_image(path)
        return str(caught.value)

    assert "2 scenes" in refusal(czi) and str(czi / "0") in refusal(czi)
    assert "no scene 7" in refusal(czi / "7")
    monkeypatch.setattr(BioImage, "xarray_dask_data", photograph())
    assert "RGB photograph" in refusal(czi / "0")
    czi.write_bytes(b"damaged")
    assert "bioio-czi" in refusal(czi) and "ladderscope[formats]" in refusal(czi)
    assert find_images(czi).sources == [czi]
    monkeypatch.setitem(sys.modules, "bioio", None)
    assert 'pip install "ladderscope[formats]"' in refusal(czi)


def photograph():
    colours = SimpleNamespace(dims=tuple("YXS"), data=Stored(np.zeros((8, 8, 3), np.uint8)))
    return property(lambda image: colours)


def test_a_real_czi_is_read(tmp_path):
    pytest.importorskip("bioio_czi")
    writer = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "cells.czi"
    with writer.create_czi(str(path)) as file:
        for time, channel in np.ndindex(3, 2):
            plane = {"T": time, "C": channel, "Z": 0}
            file.write(data=SCENES[0, time, channel, 0, ..., None], plane=plane)
        names = {0: "DAPI", 1: "GFP"}
        file.write_metadata("cells", channel_names=names, scale_x=2e-7, scale_y=1e-7)
    (image,) = open_images(path)
    assert image.axes == "TCYX"
    assert np.array_equal(image.crop({"Y": slice(3, 9)}).pixels, SCENES[0, :, :, 0, 3:9])
    assert image.pixel_size == pytest.approx((0.1, 0.2))
    assert image.channel_names == ("DAPI", "GFP")
