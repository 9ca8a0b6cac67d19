"""Writing: what is read again is what was written, and files are whole or not there."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError
from ladderscope.images import ImageError, cast_to, read_image, write_image, write_tiff
from ladderscope.images.axes import to_ome_order
from ladderscope.images.stored import StoredPixels

PLANE = np.arange(64, dtype=np.uint16).reshape(8, 8)
KEPT_TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]


@st.composite
def pixels_and_axes(draw):
    others = draw(st.lists(st.sampled_from("STCZ"), unique=True))
    axes = "".join(draw(st.permutations([*others, "Y", "X"])))
    shape = draw(st.tuples(*(st.integers(2, 4) for _ in axes)))
    dtype = draw(st.sampled_from(KEPT_TYPES))
    return (np.arange(np.prod(shape)) % 120).astype(dtype).reshape(shape), axes


# -- what is read again


@settings(max_examples=40, deadline=None)
@given(pixels_and_axes())
def test_what_is_written_is_read_again(image):
    pixels, axes = image
    ordered, written = to_ome_order(pixels, axes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.ome.tif")
        write_image(path, pixels, axes, pixel_size=(0.2, 0.1))
        again = read_image(path)
    assert again.axes == written
    assert again.pixels.dtype == pixels.dtype
    assert np.array_equal(again.pixels, ordered)
    assert again.pixel_size == (0.2, 0.1)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a"])
def test_the_file_is_ome_whatever_its_name(tmp_path, name):
    write_image(tmp_path / name, PLANE, "YX", description='a < b & "c"')
    with tifffile.TiffFile(tmp_path / name) as tiff:
        assert tiff.is_ome
        assert "a &lt; b &amp; &quot;c&quot;" in tiff.ome_metadata


def test_channel_names_are_read_again(tmp_path):
    names = ["DAPI", "α-tubulin <b>\x07"]
    write_image(tmp_path / "a.ome.tif", np.stack([PLANE] * 2, -1), "YXC", channel_names=names)
    again = read_image(tmp_path / "a.ome.tif")
    assert again.channel_names == ("DAPI", "α-tubulin <b>")
    assert again.pixels.shape == (2, 8, 8)


@pytest.mark.parametrize("planes", [3, 4])
def test_three_or_four_channels_are_not_taken_for_colours(tmp_path, planes):
    pixels = np.stack([PLANE.astype(np.uint8)] * planes)
    write_image(tmp_path / "a.ome.tif", pixels, "CYX")
    assert read_image(tmp_path / "a.ome.tif").axes == "CYX"


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (1, 8), (8, 1), (4, 4)])
def test_narrow_images_keep_their_shape(tmp_path, shape):
    pixels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    write_image(tmp_path / "a.ome.tif", pixels, "YX")
    assert np.array_equal(read_image(tmp_path / "a.ome.tif").pixels, pixels)


def test_the_pixel_size_of_imagej_survives(tmp_path):
    path, copy = tmp_path / "a.tif", tmp_path / "copy.ome.tif"
    tifffile.imwrite(path, PLANE, imagej=True, resolution=(8, 5), metadata={"unit": "micron"})
    image = read_image(path)
    write_image(copy, image.pixels, image.axes, pixel_size=image.pixel_size)
    assert read_image(copy).pixel_size == image.pixel_size == (0.2, 0.125)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([[0, 2**32 - 1]], np.uint64), np.uint32),
        (np.array([[-5, 7]], np.int64), np.int32),
        (np.array([[-5, 2**40]], np.int64), np.float64),
        (np.array([[0, 0.5]], np.float16), np.float32),
    ],
)
def test_types_that_ome_lacks_are_written_as_one_that_holds_the_values(tmp_path, values, dtype):
    write_image(tmp_path / "a.ome.tif", values, "YX")
    again = read_image(tmp_path / "a.ome.tif").pixels
    assert again.dtype == dtype
    assert np.array_equal(again, values)


def test_files_say_who_wrote_them(tmp_path):
    write_image(tmp_path / "a.ome.tif", PLANE, "YX")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.pages[0].software.startswith("Ladderscope ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"axes": "TYX"}, "names 3 dimensions"),
        ({"axes": "YX", "channel_names": ["a", "b"]}, "has 1 channel;"),
        ({"axes": "YX", "channel_names": "a"}, "has 1 channel;"),
        ({"axes": "YX", "pixel_size": (0.0, 1.0)}, "pixel size"),
        ({"axes": "YX", "pixels": PLANE > 3}, "type bool cannot be written"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, arguments, said):
    with pytest.raises(ImageError, match=said) as refusal:
        write_image(tmp_path / "a.ome.tif", **{"pixels": PLANE, **arguments})
    assert "a.ome.tif" in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


# -- larger than memory


def stored(pixels, asked=None):
    def read(key):
        if asked is not None:
            asked.append(pixels[key].nbytes)
        return pixels[key]

    return StoredPixels(pixels.shape, pixels.dtype, read)


@settings(max_examples=20, deadline=None)
@given(pixels_and_axes())
def test_stored_pixels_are_written_as_arrays_are(image):
    pixels, axes = image
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder, "1", "a.ome.tif"), Path(folder, "2", "a.ome.tif")
        write_image(one, pixels, axes)
        write_image(other, stored(pixels), axes)
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("compression", [None, "none", "deflate", "zstd"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_large_planes_are_read_and_stored_in_tiles(tmp_path, monkeypatch, compression, dtype):
    monkeypatch.setattr(write_tiff, "_LARGE_PLANE", 64**2)
    monkeypatch.setattr(write_tiff, "_TILE", 64)
    monkeypatch.setattr(write_tiff, "_BAND_BYTES", 3 * 64**2 * 2)
    pixels = np.arange(2 * 100 * 301).reshape(2, 100, 301).astype(dtype)
    asked = []
    path = tmp_path / "a.ome.tif"
    write_image(path, stored(pixels, asked), "ZYX", compression=compression)
    assert max(asked) <= 3 * 64**2 * 2
    with tifffile.TiffFile(path) as tiff:
        assert {page.tile for page in tiff.pages} == {(64, 64)}
        assert (tiff.pages[0].compression == 1) == (compression in (None, "none"))
    assert np.array_equal(read_image(path).pixels, pixels)


def test_small_planes_are_compressed_on_request(tmp_path):
    pixels = np.zeros((3, 100, 100), np.uint16) + np.arange(100, dtype=np.uint16)
    write_image(tmp_path / "a.ome.tif", pixels, "ZYX", compression="zstd")
    assert (tmp_path / "a.ome.tif").stat().st_size < pixels.nbytes / 10
    assert np.array_equal(read_image(tmp_path / "a.ome.tif").pixels, pixels)


def test_what_a_classic_tiff_cannot_hold_becomes_a_bigtiff(tmp_path, monkeypatch):
    for limit, expected in ((8 * 8 * 2, False), (8 * 8 * 2 - 1, True)):
        monkeypatch.setattr(write_tiff, "_CLASSIC_TIFF_BYTES", limit)
        write_image(tmp_path / "a.ome.tif", PLANE, "YX", overwrite=True)
        with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
            assert tiff.is_bigtiff == expected
        assert np.array_equal(read_image(tmp_path / "a.ome.tif").pixels, PLANE)


def test_another_compression_is_refused(tmp_path):
    with pytest.raises(ImageError, match='"none", "deflate" or "zstd"'):
        write_image(tmp_path / "a.ome.tif", PLANE, "YX", compression="jpeg")
    assert list(tmp_path.iterdir()) == []


# -- whole files


def test_a_file_that_exists_is_replaced_when_allowed(tmp_path):
    write_image(tmp_path / "a.tif", PLANE, "YX")
    write_image(tmp_path / "a.tif", PLANE + 1, "YX", overwrite=True)
    assert read_image(tmp_path / "a.tif").pixels.min() == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("4096 requested and 512 written"),
    ],
)
def test_a_full_disk_is_said_with_the_file_and_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(path, *_, **__):
        Path(path).write_bytes(b"II*")
        raise error

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(OutputError, match=r"a\.ome\.tif: the disk is full.*no partial file"):
        write_image(tmp_path / "a.ome.tif", PLANE, "YX")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"a\.tif: cannot be written"):
        write_image(tmp_path / "file" / "a.tif", PLANE, "YX")


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        write_image(tmp_path / "a.tif", PLANE, "YX")


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        write_image(tmp_path, PLANE, "YX", overwrite=True)


def test_both_errors_are_ladderscopes():
    assert issubclass(OutputError, LadderscopeError)
    assert issubclass(ImageError, LadderscopeError)


# -- types


@given(
    st.lists(st.floats(allow_nan=False, width=32), min_size=1),
    st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]),
    st.sampled_from(["f4", "f8"]),
)
def test_floats_become_the_nearest_integer_in_range(values, dtype, working):
    info = np.iinfo(dtype)
    cast = cast_to(np.array(values, working), dtype)
    assert cast.dtype == dtype
    for value, found in zip(values, cast.tolist(), strict=True):
        nearest = min(max(value, info.min), info.max)
        if abs(nearest) < 2**52:
            assert found == round(nearest)
        else:
            assert found == pytest.approx(nearest)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_pass(dtype):
    pixels = np.array([-0.5, 1e30], np.float32)
    assert np.array_equal(cast_to(pixels, dtype), pixels)


def test_the_largest_of_a_smaller_float_is_kept_finite():
    assert cast_to(np.array([1e9, -1e9]), np.float16).tolist() == [65504, -65504]
    assert cast_to(np.array([65535], np.uint16), np.float16).tolist() == [65504]


def test_integers_are_clipped_to_smaller_ones():
    assert cast_to(np.array([-3, 300], np.int16), np.uint8).tolist() == [0, 255]
    assert cast_to(np.array([200], np.uint8), np.int64).tolist() == [200]


def test_the_pixels_given_are_not_changed():
    pixels = np.array([1.6])
    cast_to(pixels, np.uint8)
    assert pixels[0] == 1.6


@pytest.mark.parametrize("dtype", [bool, complex])
def test_other_types_are_refused(dtype):
    with pytest.raises(ImageError, match="cannot be converted to"):
        cast_to(PLANE, dtype)


def test_stored_pixels_are_converted_when_they_are_read():
    cast = cast_to(stored(np.array([[-3.0, 1.6], [300.0, np.nan]])), np.uint8)
    assert cast.dtype == np.uint8
    assert cast[0].tolist() == [0, 2]
    assert cast[1, :1].tolist() == [255]
    with pytest.raises(ImageError, match="NaN"):
        cast[1]


def test_nan_does_not_become_an_integer():
    with pytest.raises(ImageError, match="NaN"):
        cast_to(np.array([np.nan]), np.uint8)
