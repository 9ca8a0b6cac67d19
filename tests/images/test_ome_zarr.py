"""OME-Zarr: levels, axes, sizes and channels; plates; and what is refused, in words."""

import json
import logging
import shutil

import numpy as np
import pytest
import zarr

from ladderscope.images import ImageError, find_images, open_image, open_images, read_image
from ladderscope.images.addresses import flattened
from ladderscope.images.large import read_unless_large

RNG = np.random.default_rng(0)
MOVIE = RNG.integers(0, 60000, (3, 2, 16, 24), dtype=np.uint16)
AXES = [
    {"name": "t", "type": "time", "unit": "minute"},
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "nanometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]
OMERO = {
    "channels": [
        {"label": "DAPI", "color": "0000FF", "window": {"start": 0, "end": 9}},
        {"label": "GFP", "color": "00FF00"},
    ]
}


def scaled(*scale):
    return [{"type": "scale", "scale": list(scale)}]


def write_group(path, attributes, version="0.5"):
    group = zarr.open_group(path, mode="a", zarr_format=3 if version == "0.5" else 2)
    group.attrs.update(
        {"ome": {"version": version, **attributes}} if version == "0.5" else attributes
    )
    return group


def write_image(
    path, levels=(MOVIE, MOVIE[..., ::2, ::2]), version="0.5", names=("0", "1"), **more
):
    """Write an image whose pixels are 250 nm high and 0.5 µm wide, a frame every two minutes."""
    datasets = [
        {"path": name, "coordinateTransformations": scaled(1, 1, 250 * 2**at, 0.25 * 2**at)}
        for at, name in enumerate(names)
    ]
    image = {
        "version": version,
        "axes": AXES,
        "datasets": datasets,
        "coordinateTransformations": scaled(2, 1, 1, 2),
    }
    group = write_group(path, {"multiscales": [image | more], "omero": OMERO}, version)
    for name, level in zip(names, levels, strict=True):
        group.create_array(name, data=level, chunks=(*[1] * (level.ndim - 2), 8, 8))
    return path


def edit(path, change):
    """Change the description of an image of version 0.5."""
    file = path / "zarr.json"
    about = json.loads(file.read_text())
    change(about["attributes"]["ome"])
    file.write_text(json.dumps(about))
    return path


def refusal(path, axes=None, **more):
    messages = []
    for function in (open_image, read_image):
        with pytest.raises(ImageError) as caught:
            function(path, axes, **more)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    return messages[0]


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, "ladderscope")
    return lambda: " ".join(record.getMessage() for record in caplog.records)


# -- images


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_finest_level_is_read_with_all_that_is_known_of_it(tmp_path, version, said):
    image = read_image(write_image(tmp_path / "a.ome.zarr", version=version))
    assert np.array_equal(image.pixels, MOVIE)
    assert (image.axes, image.name) == ("TCYX", "a.ome.zarr")
    assert image.pixel_size == (0.25, 0.5)
    assert image.acquisition.frame_interval == 120
    assert image.channel_names == ("DAPI", "GFP")
    assert image.acquisition.channel_colours == ((0, 0, 255), (0, 255, 0))
    assert said() == ""


def test_a_level_is_chosen_by_its_number_or_by_its_own_path(tmp_path):
    path = write_image(tmp_path / "a.zarr", names=("full", "deep/half"))
    half = open_image(path, level=1)
    assert half.shape == (3, 2, 8, 12)
    assert (half.axes, half.pixel_size) == ("TCYX", (0.5, 1.0))
    assert half.path == path / "deep" / "half"
    assert open_image(half.path).pixel_size == (0.5, 1.0)
    assert find_images(path, level=1).sources == [half.path]
    assert "the levels 0 to 1" in refusal(path, level=2)
    assert "no levels" in refusal(path / "full", level=1)


def test_a_crop_reads_the_chunks_that_it_touches(tmp_path):
    path = write_image(tmp_path / "a.zarr")
    for chunk in (path / "0" / "c").glob("*/*/1/*"):
        chunk.write_bytes(b"not a chunk")
    assert np.array_equal(open_image(path).crop({"Y": slice(8)}).pixels, MOVIE[..., :8, :])
    with pytest.raises(ImageError, match=r"a\.zarr: its values cannot be read"):
        open_image(path).plane({"T": 0})


@pytest.mark.parametrize(
    ("layout", "options"),
    [
        ("sharded", {"shards": (3, 2, 16, 16)}),
        ("big-endian", {"serializer": zarr.codecs.BytesCodec(endian="big")}),
        ("F-order", {"filters": [zarr.codecs.TransposeCodec(order=(3, 2, 1, 0))]}),
        ("big-endian, F-order, version 2", {"zarr_format": 2, "order": "F", "dtype": ">u2"}),
    ],
)
def test_every_layout_of_the_values_is_read(tmp_path, layout, options, said):
    path = write_image(tmp_path / "a.zarr", [MOVIE], names=["1"])
    options = {"shape": MOVIE.shape, "dtype": "u2", "chunks": (1, 1, 8, 8)} | options
    shutil.rmtree(path / "1")
    zarr.create_array(path / "1", **options)[...] = MOVIE
    image = read_image(path)
    assert np.array_equal(image.pixels, MOVIE)
    assert image.dtype == np.uint16
    assert said() == ""


def test_units_that_are_none_of_length_or_time_are_named_and_not_used(tmp_path, said):
    axes = [{**axis, "unit": "furlong"} if "unit" in axis else axis for axis in AXES]
    image = open_image(write_image(tmp_path / "a.zarr", axes=axes))
    assert (image.pixel_size, image.acquisition.frame_interval) == (None, None)
    assert "T in “furlong”, X in “furlong” and Y in “furlong”" in said()


def test_without_units_or_scales_there_is_no_pixel_size(tmp_path, said):
    bare = [{"name": axis["name"]} for axis in AXES]
    assert open_image(write_image(tmp_path / "a.zarr", axes=bare)).pixel_size is None
    unscaled = {"datasets": [{"path": "0"}, {"path": "1"}], "coordinateTransformations": []}
    assert open_image(write_image(tmp_path / "b.zarr", **unscaled)).pixel_size is None
    assert said() == ""


def test_axes_that_are_not_described_are_asked_for(tmp_path):
    path = write_image(tmp_path / "a.zarr", axes=None)
    assert "give axes" in refusal(path)
    image = open_image(path, "TCYX")
    assert (image.pixel_size, image.channel_names) == (None, ("DAPI", "GFP"))
    five = MOVIE[:, :, None]
    earliest = write_image(tmp_path / "b.zarr", [five], names=["0"], axes=None, version="0.5")
    edit(earliest, lambda ome: ome["multiscales"][0].update(version="0.1"))
    assert open_image(earliest).axes == "TCZYX"
    named = write_image(tmp_path / "c.zarr", axes=list("tcyx"))
    assert open_image(named).axes == "TCYX"


def test_a_first_axis_that_is_neither_time_nor_channel_nor_depth_is_asked_for(tmp_path):
    path = write_image(tmp_path / "a.zarr", axes=[{"name": "angle", "type": "other"}, *AXES[1:]])
    said = refusal(path)
    assert '"angle"' in said and "give axes" in said
    assert open_image(path, "SCYX").pixel_size == (0.25, 0.5)
    assert "dimensions are named" in refusal(path, "SCXY")


# -- plates


def write_plate(path, wells=("A/1", "B/12"), fields=2, version="0.5"):
    about = [{"path": well, "rowIndex": 0, "columnIndex": 0} for well in wells]
    write_group(path, {"plate": {"wells": about}}, version)
    for number, well in enumerate(wells):
        listed = [{"path": str(field)} for field in range(fields)]
        write_group(path / well, {"well": {"images": listed}}, version)
        for field in range(fields):
            level = MOVIE + np.uint16(10 * number + field)
            write_image(path / well / str(field), [level], version, ["0"])
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_every_field_of_every_well_is_an_image(tmp_path, version):
    plate = write_plate(tmp_path / "plate.zarr", version=version)
    images = open_images(plate)
    assert [image.name for image in images] == [
        "plate.zarr, well A1, field 0",
        "plate.zarr, well A1, field 1",
        "plate.zarr, well B12, field 0",
        "plate.zarr, well B12, field 1",
    ]
    assert np.array_equal(images[3].array, MOVIE + np.uint16(11))
    assert {image.pixel_size for image in images} == {(0.25, 0.5)}
    assert len(open_images(plate / "A" / "1")) == 2
    assert [one.name for one in find_images(plate, level=0).sources] == ["0", "1"] * 2
    assert str(plate / "A" / "1" / "0") in refusal(plate)


def test_outputs_of_fields_are_named_by_well_and_field(tmp_path):
    names = [
        flattened(image).name for image in find_images(write_plate(tmp_path / "p.zarr")).sources
    ]
    assert names == ["p_A1_0.zarr", "p_A1_1.zarr", "p_B12_0.zarr", "p_B12_1.zarr"]


def test_a_well_that_is_missing_is_refused_by_its_own_name(tmp_path):
    plate = write_plate(tmp_path / "plate.zarr")
    shutil.rmtree(plate / "B")
    found = find_images(plate).sources
    assert len(found) == 3
    assert "B/12" in refusal(found[-1]).replace("\\", "/")


def test_the_series_of_a_conversion_are_images(tmp_path):
    write_group(tmp_path / "a.zarr", {"bioformats2raw.layout": 3}, "0.4")
    for number in range(2):
        write_image(tmp_path / "a.zarr" / str(number), version="0.4")
    assert [image.name for image in open_images(tmp_path / "a.zarr")] == ["a.zarr/0", "a.zarr/1"]


# -- refused, or said


def test_missing_chunks_are_the_fill_value_or_an_error(tmp_path, said):
    path = write_image(tmp_path / "a.zarr")
    chunk = path / "0" / "c" / "1" / "0" / "0" / "2"
    chunk.unlink()
    image = read_unless_large(path)
    assert not image.plane({"T": 1})[:8, 16:].any()
    assert said().count("1 of its 36 chunks are missing") == 1 and "the fill value 0" in said()
    with pytest.raises(ImageError, match=r"a\.zarr: 1 of its 36 chunks are missing"):
        find_images(path, missing_chunks="refuse")
    assert len(find_images(path, level=1, missing_chunks="refuse").sources) == 1


def test_a_group_without_an_image_is_refused_with_what_is_in_it(tmp_path):
    write_group(tmp_path / "a.zarr", {}).create_array("raw", data=MOVIE)
    said = refusal(tmp_path / "a.zarr")
    assert "without an OME-Zarr image" in said and str(tmp_path / "a.zarr" / "raw") in said


def test_labels_are_refused(tmp_path):
    path = write_image(tmp_path / "a.zarr")
    assert "labels" in refusal(edit(path, lambda ome: ome.update({"image-label": {}})))


def codec(path, **entries):
    file = next(path.glob("0/zarr.json"), path / "0" / ".zarray")
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))
    return path


def test_a_codec_that_is_not_known_is_named(tmp_path):
    said = '"mystery" is not installed'
    new = write_image(tmp_path / "a.zarr")
    assert said in refusal(codec(new, codecs=[{"name": "mystery", "configuration": {}}]))
    old = write_image(tmp_path / "b.zarr", version="0.4")
    assert said in refusal(codec(old, compressor={"id": "mystery"}))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda ome: ome["multiscales"][0]["datasets"].clear(), "names no array"),
        (lambda ome: ome["multiscales"][0]["datasets"][0].update(path="../b"), "not inside"),
        (lambda ome: ome["multiscales"][0]["datasets"][0].update(path="/etc"), "not inside"),
        (lambda ome: ome["multiscales"][0]["datasets"][0].update(path="9"), "is not there"),
        (lambda ome: ome.update(multiscales=7), "without an OME-Zarr image"),
        (lambda ome: ome["multiscales"][0].update(axes=AXES[:2]), "give axes"),
    ],
)
def test_descriptions_that_lead_nowhere_are_refused(tmp_path, change, expected):
    assert expected in refusal(edit(write_image(tmp_path / "a.zarr"), change))


@pytest.mark.parametrize(
    "damage",
    [
        lambda ome: ome.update(omero={"channels": [1, {"label": 3}, {}]}),
        lambda ome: ome.update(omero=[]),
        lambda ome: ome["omero"].update(channels=[{"label": "only one", "color": "red"}]),
        lambda ome: ome["omero"]["channels"][0].update(label="", color="zzzzzz"),
    ],
)
def test_what_is_malformed_about_channels_is_left_out(tmp_path, damage):
    image = open_image(edit(write_image(tmp_path / "a.zarr"), damage))
    assert (image.channel_names, image.acquisition.channel_colours) == (None, None)
    assert image.pixel_size == (0.25, 0.5)


@pytest.mark.parametrize("scale", [["a"] * 4, [1, 1], [-1, 0, float("nan"), 1e300], {}, None])
def test_what_is_malformed_about_scales_is_left_out(tmp_path, scale):
    def change(ome):
        for one in (ome["multiscales"][0]["datasets"][0], ome["multiscales"][0]):
            one["coordinateTransformations"] = [{"type": "scale", "scale": scale}, 3]

    assert open_image(edit(write_image(tmp_path / "a.zarr"), change)).pixel_size is None
