"""What is handed to the user, and its files."""

from dataclasses import replace

import numpy as np
import pytest

from ladderscope import Restoration
from ladderscope.files import OutputError
from ladderscope.images import Acquisition, find_images, read_image
from ladderscope.images.stored import StoredPixels

MEAN = np.linspace(-20, 300, 2 * 6 * 8, dtype=np.float32).reshape(2, 6, 8)
RESTORATION = Restoration(
    mean=MEAN,
    std=np.sqrt(np.abs(MEAN)),
    axes="CYX",
    name="a.tif",
    pixel_size=(0.25, 0.5),
    channel_names=("actin", "nuclei"),
    samples=12,
    acquisition=Acquisition(0.3, 2.5, ((255, 0, 0), (0, 0, 255))),
)


def test_the_mean_and_the_spread_are_written_with_axes_pixel_size_and_channels(tmp_path):
    written = RESTORATION.save(tmp_path / "a_restored.ome.tif")
    assert [path.name for path in written] == ["a_restored.ome.tif", "a_spread.ome.tif"]
    for path, pixels in zip(written, (RESTORATION.mean, RESTORATION.std), strict=True):
        image = read_image(path)
        assert image.axes == "CYX"
        assert image.pixels.dtype == np.float32
        assert np.array_equal(image.pixels, pixels)
        assert image.pixel_size == pytest.approx((0.25, 0.5))
        assert image.channel_names == ("actin", "nuclei")
        assert image.acquisition == RESTORATION.acquisition


@pytest.mark.parametrize(
    "name, beside",
    [
        ("a.tif", "a_spread.tif"),
        ("a_restored.tif", "a_spread.tif"),
        ("b.ome.tiff", "b_spread.ome.tiff"),
        ("plate.1_restored.ome.tif", "plate.1_spread.ome.tif"),
    ],
)
def test_the_spread_goes_beside_the_mean(tmp_path, name, beside):
    assert [path.name for path in RESTORATION.save(tmp_path / name)] == [name, beside]
    assert {path.name for path in tmp_path.iterdir()} == {name, beside}


def test_the_spread_goes_where_it_is_told(tmp_path):
    RESTORATION.save(tmp_path / "a.tif", spread_path=tmp_path / "elsewhere" / "s.tif")
    assert (tmp_path / "elsewhere" / "s.tif").is_file()
    assert not (tmp_path / "a_spread.tif").exists()


def test_without_a_spread_there_is_one_file(tmp_path):
    quick = Restoration(MEAN, None, "CYX")
    assert quick.save(tmp_path / "a.tif") == [tmp_path / "a.tif"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("taken", ["a_restored.ome.tif", "a_spread.ome.tif"])
def test_if_either_file_exists_neither_is_written(tmp_path, taken):
    (tmp_path / taken).write_text("precious")
    with pytest.raises(OutputError, match=taken):
        RESTORATION.save(tmp_path / "a_restored.ome.tif")
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "precious"


def test_overwriting_replaces_both(tmp_path):
    path = tmp_path / "a.tif"
    Restoration(MEAN + 1, RESTORATION.std + 1, "CYX").save(path)
    RESTORATION.save(path, overwrite=True)
    assert np.array_equal(read_image(path).pixels, MEAN)
    assert np.array_equal(read_image(tmp_path / "a_spread.tif").pixels, RESTORATION.std)


def test_another_type_is_rounded_and_clipped_and_the_spread_stays_float(tmp_path):
    RESTORATION.save(tmp_path / "a.tif", dtype=np.uint8)
    mean = read_image(tmp_path / "a.tif").pixels
    assert mean.dtype == np.uint8
    assert np.array_equal(mean, np.rint(MEAN.clip(0, 255)))
    assert read_image(tmp_path / "a_spread.tif").pixels.dtype == np.float32


@pytest.mark.parametrize("name", ["a.png", ".zarr", "a", "out/", ".tif"])
def test_a_name_of_something_else_than_an_image_is_refused(tmp_path, name):
    for given in ({"path": name}, {"path": "a.tif", "spread_path": name}):
        with pytest.raises(OutputError):
            RESTORATION.save(**{key: f"{tmp_path}/{value}" for key, value in given.items()})
    assert not list(tmp_path.iterdir())


SPLIT = Restoration(
    mean=np.stack([MEAN, MEAN[::-1]]),
    std=None,
    axes="CZYX",
    channel_names=("actin", "nuclei"),
    pixel_size=(0.25, 0.5),
    residual=MEAN - 7,
    acquisition=RESTORATION.acquisition,
)


def test_a_residual_is_written_beside_the_mean_and_belongs_to_no_channel(tmp_path):
    written = SPLIT.save(tmp_path / "a_restored.ome.tif", dtype=np.uint8)
    assert [path.name for path in written] == ["a_restored.ome.tif", "a_residual.ome.tif"]
    assert read_image(written[0]).channel_names == ("actin", "nuclei")
    residual = read_image(written[1])
    assert (residual.axes, residual.pixels.dtype) == ("ZYX", np.float32)
    assert np.array_equal(residual.pixels, SPLIT.residual)
    assert residual.channel_names is None
    assert residual.pixel_size == pytest.approx((0.25, 0.5))
    assert residual.acquisition == Acquisition(0.3, 2.5)


def test_of_an_image_with_one_channel_the_residual_is_written_without_its_axis(tmp_path):
    with_axis = replace(SPLIT, residual=SPLIT.residual[..., None])
    residual = read_image(with_axis.save(tmp_path / "a.tif")[1])
    assert residual.axes == "ZYX" and np.array_equal(residual.pixels, SPLIT.residual)


def test_the_residual_goes_where_it_is_told_and_replaces_nothing_unasked(tmp_path):
    where = tmp_path / "elsewhere" / "r.tif"
    SPLIT.save(tmp_path / "a.tif", residual_path=where)
    assert where.is_file() and not (tmp_path / "a_residual.tif").exists()
    with pytest.raises(OutputError, match=r"r\.tif"):
        SPLIT.save(tmp_path / "b.tif", residual_path=where)
    assert not (tmp_path / "b.tif").exists()


def test_ome_zarr_is_written_with_all_that_a_tiff_has(tmp_path):
    written = RESTORATION.save(tmp_path / "a_restored.ome.zarr")
    assert [path.name for path in written] == ["a_restored.ome.zarr", "a_spread.ome.zarr"]
    for path, pixels in zip(written, (RESTORATION.mean, RESTORATION.std), strict=True):
        image = read_image(path)
        assert (image.axes, image.dtype) == ("CYX", np.float32)
        assert np.array_equal(image.pixels, pixels)
        assert image.pixel_size == pytest.approx((0.25, 0.5))
        assert image.channel_names == ("actin", "nuclei")
        assert image.acquisition.channel_colours == RESTORATION.acquisition.channel_colours


def test_folders_of_others_are_kept_and_nothing_is_left_beside_them(tmp_path):
    (tmp_path / "a_spread.zarr").mkdir()
    with pytest.raises(OutputError, match=r"a_spread\.zarr is not an OME-Zarr written by"):
        RESTORATION.save(tmp_path / "a.zarr", overwrite=True)
    assert [one.name for one in tmp_path.iterdir()] == ["a_spread.zarr"]


def test_what_is_stored_is_written_part_by_part(tmp_path):
    def stored(pixels):
        def read(key):
            assert key[0] != slice(None)
            return pixels[key]

        return StoredPixels(pixels.shape, pixels.dtype, read)

    mean, residual = SPLIT.mean, SPLIT.residual[..., None]
    split = replace(SPLIT, mean=stored(mean), std=stored(mean), residual=stored(residual))
    for path, pixels in zip(
        split.save(tmp_path / "a.tif"), (mean, mean, residual[..., 0]), strict=True
    ):
        assert np.array_equal(read_image(path).pixels, pixels)


def test_files_of_no_use_without_the_others_are_removed(tmp_path):
    def read(key):
        raise OSError("a disk was unplugged")

    broken = replace(RESTORATION, mean=StoredPixels(MEAN.shape, MEAN.dtype, read))
    for name in ("a.tif", "a.zarr"):
        with pytest.raises(OSError, match="unplugged"):
            broken.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_the_files_are_not_taken_for_input_later(tmp_path, name):
    written = RESTORATION.save(tmp_path / name)
    found = find_images([*written, np.zeros((4, 4))])
    assert sorted(found.skipped) == sorted(written)
