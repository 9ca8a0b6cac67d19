"""Reading: axes, pixel sizes and names from every kind of TIFF; bad input refused by name."""

import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr

from ladderscope.images import (
    Image,
    ImageError,
    check_same_kind,
    read_image,
    read_images,
)

STACK = np.random.default_rng(0).integers(0, 60000, (5, 24, 32), dtype=np.uint16)
PLANE = STACK[0]


def refusal(source, axes=None):
    with pytest.raises(ImageError) as caught:
        read_image(source, axes)
    return str(caught.value)


# -- axes


@pytest.mark.parametrize("axes", ["TYX", "ZYX", "CYX"])
@pytest.mark.parametrize("kind", [{"ome": True}, {"imagej": True}, {}])
def test_axes_come_from_ome_imagej_or_tifffile_metadata(tmp_path, axes, kind):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, metadata={"axes": axes}, photometric="minisblack", **kind)
    image = read_image(path)
    assert (image.axes, image.name, image.path) == (axes, "a.tif", path)
    assert np.array_equal(image.pixels, STACK)


def test_a_hyperstack_of_imagej_keeps_its_five_dimensions(tmp_path):
    pixels = STACK[:4, :, :24].reshape(2, 2, 1, 24, 24).repeat(3, axis=1)[:, :3]
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "TZCYX"})
    assert read_image(tmp_path / "a.tif").axes == "TZYX"


def test_pixels_of_imagej_come_in_the_machines_own_byte_order(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PLANE, imagej=True)
    image = read_image(tmp_path / "a.tif")
    assert image.pixels.dtype.isnative
    assert np.array_equal(image.pixels, PLANE)


def test_two_dimensions_need_no_metadata(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PLANE, metadata=None)
    assert read_image(tmp_path / "a.tif").axes == "YX"


def test_axes_given_win_over_metadata(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata={"axes": "TYX"})
    assert read_image(tmp_path / "a.ome.tif", "zyx").axes == "ZYX"


def test_samples_in_tifffiles_metadata_are_samples(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata={"axes": "SYX"}, photometric="minisblack")
    assert read_image(tmp_path / "a.tif").axes == "SYX"


@pytest.mark.parametrize("metadata", [{}, None])
def test_pages_without_axes_are_asked_about_with_file_shape_and_example(tmp_path, metadata):
    tifffile.imwrite(tmp_path / "pages.tif", STACK, metadata=metadata)
    said = refusal(tmp_path / "pages.tif")
    assert "pages.tif" in said
    assert "(5, 24, 32)" in said
    assert '"TYX"' in said
    assert read_image(tmp_path / "pages.tif", "SYX").axes == "SYX"


def test_axes_that_do_not_fit_name_the_file_and_its_shape(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK)
    said = refusal(tmp_path / "a.tif", "TCYX")
    assert "a.tif" in said
    assert "(5, 24, 32)" in said


# -- pixel size and channel names


@pytest.mark.parametrize(
    ("size", "unit", "micrometres"),
    [
        (0.5, "µm", 0.5),
        (0.5, None, 0.5),
        (500, "nm", 0.5),
        (0.5, "mm", 500),
        (5000, "Å", 0.5),
        (0.5, "pixel", None),
        (0, "µm", None),
    ],
)
def test_pixel_size_of_ome_is_in_micrometres_whatever_its_unit(tmp_path, size, unit, micrometres):
    metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": 2 * size}
    if unit is not None:
        metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(tmp_path / "a.ome.tif", PLANE, metadata=metadata)
    found = read_image(tmp_path / "a.ome.tif").pixel_size
    expected = None if micrometres is None else pytest.approx((2 * micrometres, micrometres))
    assert found == expected


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [
        ("micron", 0.25),
        ("µm", 0.25),
        ("um", 0.25),
        ("\\u00B5m", 0.25),
        ("nm", 0.00025),
        ("mm", 250),
        ("cm", 2500),
        ("pixel", None),
        ("", None),
    ],
)
def test_pixel_size_of_imagej_is_in_micrometres(tmp_path, unit, micrometres):
    path = tmp_path / "a.tif"
    description = f"ImageJ=1.54f\nunit={unit}\n"
    tifffile.imwrite(
        path, PLANE, metadata=None, description=description.encode(), resolution=(4.0, 2.0)
    )
    found = read_image(path).pixel_size
    expected = None if micrometres is None else pytest.approx((2 * micrometres, micrometres))
    assert found == expected


def test_a_plain_tiff_has_no_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PLANE, resolution=(72, 72), resolutionunit="INCH")
    assert read_image(tmp_path / "a.tif").pixel_size is None


def test_channel_names_of_ome_are_kept(tmp_path):
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP & co"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK[:2], metadata=metadata)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.channel_names == ("DAPI", "GFP & co")
    assert image.channels == 2


def test_channel_names_go_when_the_axes_given_deny_the_channels(tmp_path):
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK[:2], metadata=metadata)
    assert read_image(tmp_path / "a.ome.tif", "TYX").channel_names is None


# -- arrays


def test_arrays_are_named_by_their_number():
    assert [image.name for image in read_images([PLANE, PLANE + 1])] == ["array 1", "array 2"]


def test_a_zarr_array_is_read(tmp_path):
    image = read_image(zarr.array(STACK), "TYX")
    assert np.array_equal(image.pixels, STACK)
    zarr.save_array(tmp_path / "a.zarr", STACK)
    image = read_image(tmp_path / "a.zarr", "TYX")
    assert (image.name, image.path) == ("a.zarr", tmp_path / "a.zarr")
    assert np.array_equal(image.pixels, STACK)


def test_a_zarr_group_is_refused_with_the_arrays_in_it(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("0", data=STACK)
    said = refusal(tmp_path / "a.zarr")
    assert str(tmp_path / "a.zarr" / "0") in said
    assert read_image(tmp_path / "a.zarr" / "0", "TYX").axes == "TYX"


def test_a_folder_named_zarr_without_zarr_in_it_is_refused(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    assert "a.zarr" in refusal(tmp_path / "a.zarr")


def test_an_image_is_read_as_itself_and_may_be_given_axes():
    image = Image(STACK, "TYX", "a")
    assert read_image(image).pixels is STACK
    assert read_image(image, "ZYX").axes == "ZYX"


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", ">u2"])
def test_real_numbers_are_accepted_as_they_are(dtype):
    image = read_image((PLANE % 100).astype(dtype))
    assert image.pixels.dtype == np.dtype(dtype).newbyteorder("=")


def test_an_array_of_unknown_axes_is_asked_about():
    assert "(5, 24, 32)" in refusal(STACK)


def test_something_else_is_refused():
    assert "array 1: cannot read an image from int" in refusal(3)


# -- files that are no images


def test_a_text_file_named_tif_is_refused(tmp_path):
    (tmp_path / "a.tif").write_text("these are not pixels")
    assert "a.tif: is not an image" in refusal(tmp_path / "a.tif")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.tif").touch()
    assert "a.tif: the file is empty" in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("kind", "reason"), [("PNG", "screenshots"), ("JPEG", "compression has altered the noise")]
)
def test_other_pictures_are_refused_with_why_they_are_unsuitable(tmp_path, kind, reason):
    PIL.Image.fromarray((PLANE % 256).astype(np.uint8)).save(tmp_path / "picture", format=kind)
    said = refusal(tmp_path / "picture")
    assert f"picture: is a {kind}" in said
    assert reason in said
    assert "use the original recording" in said


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    assert "there is no such file" in refusal(tmp_path / "missing.tif")
    assert "this is a folder" in refusal(tmp_path)


@pytest.mark.parametrize("share", [0.002, 0.3, 0.6, 0.97])
@pytest.mark.parametrize(
    "kind",
    [
        {"metadata": None},
        {"metadata": {"axes": "TYX"}},
        {"metadata": {"axes": "TYX"}, "ome": True},
        {"metadata": {"axes": "TYX"}, "imagej": True},
        {"metadata": None, "compression": "zlib"},
        {"metadata": {"axes": "TYX"}, "ome": True, "compression": "zlib"},
        {"metadata": None, "tile": (16, 16)},
    ],
    ids=str,
)
def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path, kind, share):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, STACK, **kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for axes in (None, "TYX", "YX"):
        said = refusal(path, axes)
        assert "cut.tif" in said
        assert "truncated or damaged" in said


def test_several_images_in_one_file_are_refused_with_their_shapes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(PLANE, metadata=None)
        file.write(PLANE[:12], metadata=None)
    said = refusal(tmp_path / "a.tif")
    assert "a.tif: holds 2 separate images" in said
    assert "(12, 32)" in said


def test_a_compression_that_needs_a_package_says_which(tmp_path):
    image = PIL.Image.fromarray((PLANE % 256).astype(np.uint8))
    image.save(tmp_path / "a.tif", compression="tiff_lzw")
    try:
        assert read_image(tmp_path / "a.tif").axes == "YX"
    except ImageError as error:
        assert "pip install imagecodecs" in str(error)


# -- pixels that are no observations


def test_a_photograph_is_refused_with_the_ways_out(tmp_path):
    colours = np.moveaxis(STACK[:3], 0, -1)
    tifffile.imwrite(tmp_path / "photo.tif", colours, photometric="rgb")
    said = refusal(tmp_path / "photo.tif")
    assert "photo.tif: is an RGB photograph" in said
    assert 'axes="YXC"' in said
    assert refusal(tmp_path / "photo.tif", "CYX") == said
    image = read_image(tmp_path / "photo.tif", "YXC")
    assert image.channels == 3
    assert np.array_equal(image.pixels, colours)


def test_a_series_of_photographs_is_refused_with_axes_that_fit(tmp_path):
    colours = np.moveaxis(STACK[:3], 0, -1)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([colours] * 2), photometric="rgb", metadata=None)
    assert 'axes="TYXC"' in refusal(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif", "TYXC").channels == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_counted_and_located(tmp_path, bad):
    pixels = STACK.astype(np.float32)
    pixels[3, 10, 4] = pixels[4, 0, 0] = bad
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata={"axes": "TYX"})
    said = refusal(tmp_path / "a.tif")
    assert "a.tif: 2 of 3840 pixels are NaN or infinite" in said
    assert "T=3, Y=10, X=4" in said


def test_a_blank_image_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 8), 7, np.uint8))
    said = refusal(tmp_path / "a.tif")
    assert "a.tif: is blank" in said
    assert "is 7" in said


@pytest.mark.parametrize("axes", ["CYX", "YXC", "TCYX"])
def test_a_blank_channel_beside_others_is_named_and_found(caplog, axes):
    pixels = np.stack([STACK[0], np.full_like(PLANE, 100), STACK[1]])
    pixels = {"CYX": pixels, "YXC": np.moveaxis(pixels, 0, -1), "TCYX": pixels[None]}[axes]
    read_image(Image(pixels, axes, "a.tif", channel_names=("DAPI", "GFP", "Cy5")))
    assert "a.tif: channel 2 of 3 (GFP) is blank: every pixel is 100" in caplog.text


def test_a_channel_that_is_blank_in_some_frames_only_is_not_blank(caplog):
    read_image(np.stack([np.full_like(STACK[:2], 7), STACK[:2]]), "TCYX")
    assert "blank" not in caplog.text


def test_an_image_whose_channels_are_all_blank_is_refused_with_their_values():
    pixels = np.stack([np.full((8, 8), 3.0), np.full((8, 8), 5.0)])
    assert "each of its 2 channels is 3.0, 5.0" in refusal(pixels, "CYX")


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (PLANE + 1j, "complex numbers"),
        (PLANE > 100, "true or false"),
        (PLANE.astype(object), "of type object"),
        (np.array([["a", "b"]]), "of type <U1"),
        (PLANE.astype(np.longdouble), "at most 64 bits"),
        (np.zeros((0, 8)), "has no pixels"),
        (np.zeros(8), "two dimensions or more"),
        (np.float64(3), "two dimensions or more"),
    ],
)
def test_arrays_that_are_no_observations_are_refused(pixels, said):
    message = refusal(pixels)
    assert message.startswith("array 1")
    assert said in message


@pytest.mark.parametrize(("dtype", "said"), [(bool, "true or false"), (np.complex64, "complex")])
def test_files_that_are_no_observations_are_refused(tmp_path, dtype, said):
    tifffile.imwrite(tmp_path / "a.tif", (PLANE > 100).astype(dtype))
    message = refusal(tmp_path / "a.tif")
    assert "a.tif" in message
    assert said in message


# -- sets of images


@pytest.mark.parametrize(
    ("axes", "shape", "said"),
    [("CYX", (3, 8, 8), "CYX and 3 channels"), ("YXC", (8, 8, 2), "axes YXC")],
)
def test_images_of_two_kinds_are_refused_by_both_names(axes, shape, said):
    images = [Image(np.zeros((2, 8, 8)), "CYX", "a.tif"), Image(np.zeros(shape), axes, "b.tif")]
    with pytest.raises(ImageError, match=said) as caught:
        check_same_kind(images)
    assert "a.tif has axes CYX and 2 channels" in str(caught.value)
    assert "b.tif" in str(caught.value)


def test_a_folder_is_read_and_its_images_may_differ_in_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PLANE)
    tifffile.imwrite(tmp_path / "b.tif", PLANE[:9])
    assert [image.name for image in read_images(tmp_path)] == ["a.tif", "b.tif"]


def test_reading_stops_at_the_first_bad_image(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PLANE)
    (tmp_path / "b.tif").touch()
    with pytest.raises(ImageError, match=r"b\.tif"):
        read_images(tmp_path)
