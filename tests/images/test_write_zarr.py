"""OME-Zarr: what its metadata say, its levels, its memory, and what is never replaced."""

import json
import resource
from datetime import datetime

import numpy as np
import pytest
import zarr

from ladderscope.files import OutputError
from ladderscope.images import (
    Acquisition,
    ImageError,
    Objective,
    find_images,
    open_image,
    write_image,
)
from ladderscope.images import write_zarr as writing
from ladderscope.images.metadata import description_of, is_own_output
from ladderscope.images.stored import StoredPixels
from ladderscope.images.write import remove_written

RNG = np.random.default_rng(0)
STACK = RNG.poisson(50, (2, 2, 3, 300, 521)).astype(np.uint16)
KNOWN = Acquisition(
    0.5, 2.5, ((255, 0, 0), (0, 16, 255)), datetime(2020, 1, 2), Objective("20x", 20, None)
)


def stored(pixels):
    return StoredPixels(pixels.shape, pixels.dtype, pixels.__getitem__)


def attributes(path):
    return json.loads((path / "zarr.json").read_text())["attributes"]


def tree(path):
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "a.ome.zarr"
    write_image(
        path,
        stored(STACK),
        "TCZYX",
        pixel_size=(0.2, 0.1),
        channel_names=["α", "b"],
        acquisition=KNOWN,
        description="restored",
    )
    return path


def test_the_finest_level_has_the_pixels_and_names_its_axes(written):
    level = zarr.open_array(written / "0", mode="r")
    assert np.array_equal(level[:], STACK)
    assert level.dtype == STACK.dtype
    assert level.metadata.dimension_names == ("t", "c", "z", "y", "x")
    assert level.chunks == (1, 1, 1, 300, 521)


def test_a_coarser_level_is_the_rounded_mean_of_two_by_two_pixels(written):
    level = zarr.open_array(written / "1", mode="r")[:]
    even = np.pad(STACK, [(0, 0)] * 4 + [(0, 1)], mode="edge").astype(float)
    means = even.reshape(2, 2, 3, 150, 2, 261, 2).mean((4, 6))
    assert np.array_equal(level, np.rint(means))
    assert sorted(one.name for one in written.iterdir()) == ["0", "1", "2", "zarr.json"]
    assert zarr.open_array(written / "2", mode="r").shape[-2:] == (75, 131)


def test_the_metadata_are_those_of_ome_zarr_0_5(written):
    ome = attributes(written)["ome"]
    assert ome["version"] == "0.5"
    (image,) = ome["multiscales"]
    assert image["name"] == "a"
    assert image["axes"] == [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": "micrometer"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    assert [one["path"] for one in image["datasets"]] == ["0", "1", "2"]
    finest, coarser, _ = (one["coordinateTransformations"] for one in image["datasets"])
    assert finest == [{"type": "scale", "scale": [2.5, 1, 0.5, 0.2, 0.1]}]
    scale, shift = coarser
    assert scale == {"type": "scale", "scale": [2.5, 1, 0.5, 0.4, 0.2]}
    assert shift == {"type": "translation", "translation": [0, 0, 0, 0.1, 0.05]}


def test_a_viewer_is_told_names_colours_and_a_range_that_leaves_out_a_thousandth(written):
    rendering = attributes(written)["ome"]["omero"]
    assert [one["label"] for one in rendering["channels"]] == ["α", "b"]
    assert [one["color"] for one in rendering["channels"]] == ["FF0000", "0010FF"]
    for channel, one in enumerate(rendering["channels"]):
        values = STACK[:, channel]
        assert (one["window"]["min"], one["window"]["max"]) == (values.min(), values.max())
        assert one["window"]["start"] == pytest.approx(np.quantile(values, 0.001), abs=1)
        assert one["window"]["end"] == pytest.approx(np.quantile(values, 0.999), abs=1)


def test_what_nobody_knows_is_not_made_up(tmp_path):
    write_image(tmp_path / "a.zarr", np.full((2, 8, 9), np.nan, np.float32), "CYX")
    found = attributes(tmp_path / "a.zarr")
    assert all("unit" not in axis for axis in found["ome"]["multiscales"][0]["axes"])
    channels = found["ome"]["omero"]["channels"]
    assert all("label" not in one for one in channels)
    assert channels[0]["color"] != channels[1]["color"]
    assert channels[0]["window"]["start"] < channels[0]["window"]["end"]
    assert list(found["ladderscope"]) == ["software"]


def test_it_says_who_wrote_it_and_how(written):
    assert is_own_output(written)
    assert description_of(written) == "restored"
    notes = attributes(written)["ladderscope"]
    assert notes["date"] == "2020-01-02T00:00:00"
    assert notes["objective"] == {"model": "20x", "magnification": 20}
    again = open_image(written)
    assert (again.acquisition, again.pixel_size) == (KNOWN, (0.2, 0.1))
    assert again.channel_names == ("α", "b")
    with pytest.raises(ImageError, match="written by Ladderscope itself"):
        find_images(written)


@pytest.mark.parametrize("shards", [False, True])
def test_the_same_pixels_give_the_same_bytes(tmp_path, monkeypatch, shards):
    if shards:
        monkeypatch.setattr(writing, "_MOST_FILES", 4)
        monkeypatch.setattr(writing, "_CHUNK", 128)
    for name in ("one", "other"):
        write_image(tmp_path / name / "a.zarr", stored(STACK), "TCZYX")
    found = tree(tmp_path / "one")
    assert found == tree(tmp_path / "other")
    if shards:
        level = zarr.open_array(tmp_path / "one" / "a.zarr" / "0", mode="r")
        assert level.shards == (2, 1, 3, 384, 640)
        assert np.array_equal(level[:], STACK)
        assert sum(name.startswith("a.zarr/0/c") for name in found) == 2


@pytest.mark.parametrize("dtype", ["i1", "u8", "i8", "f2", "f8", ">u2"])
@pytest.mark.parametrize("compression", [None, "none", "deflate"])
def test_every_type_is_kept(tmp_path, dtype, compression):
    pixels = (np.arange(300 * 2) - 20).reshape(300, 2).astype(dtype)
    write_image(tmp_path / "a.zarr", pixels, "YX", compression=compression)
    level = zarr.open_array(tmp_path / "a.zarr" / "0", mode="r")
    assert level.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(level[:], pixels)
    assert zarr.open_array(tmp_path / "a.zarr" / "1", mode="r").shape == (150, 1)


def test_chunks_of_zeros_are_written_too(tmp_path):
    write_image(tmp_path / "a.zarr", np.zeros((3, 8, 8), np.uint8), "ZYX")
    assert sum(name.startswith("0/c/") for name in tree(tmp_path / "a.zarr")) == 3


def test_it_is_replaced_only_if_it_is_ours_and_nothing_else_is_in_it(tmp_path):
    written = tmp_path / "a.ome.zarr"
    write_image(written, STACK[:1, :, 0], "TCYX")
    before = tree(written)
    with pytest.raises(OutputError, match=r"a\.ome\.zarr already exists"):
        write_image(written, STACK[0, 0], "ZYX")
    assert tree(written) == before
    (written / "labels").mkdir()
    for attempt in (
        lambda: write_image(written, STACK[0, 0], "ZYX", overwrite=True),
        lambda: remove_written(written),
    ):
        with pytest.raises(OutputError, match="contains labels, which Ladderscope did not write"):
            attempt()
    assert tree(written) == before
    (written / "labels").rmdir()
    write_image(written, STACK[0, 0], "ZYX", overwrite=True)
    assert zarr.open_array(written / "0", mode="r").ndim == 3
    remove_written(written)
    assert not list(written.parent.iterdir())


@pytest.mark.parametrize("kind", ["empty", "of another program", "file", "link"])
def test_what_others_wrote_is_never_replaced(tmp_path, written, kind):
    path = tmp_path / "b.zarr"
    if kind == "file":
        path.write_text("mine")
    elif kind == "link":
        path.symlink_to(written)
    else:
        path.mkdir()
    if kind == "of another program":
        zarr.create_array(path / "0", data=STACK[0, 0, 0])
    before = tree(tmp_path)
    with pytest.raises(OutputError, match=r"b\.zarr is not an OME-Zarr written by Ladderscope"):
        write_image(path, STACK[0, 0, 0], "YX", overwrite=True)
    assert tree(tmp_path) == before


def test_a_full_disk_leaves_nothing_and_says_what_is_needed(tmp_path):
    pixels = RNG.integers(0, 2**16, (2, 600, 600), np.uint16)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"a\.zarr: the disk is full.* at most 1\.\d MB"):
            write_image(tmp_path / "a.zarr", pixels, "ZYX")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_what_fails_while_it_is_read_leaves_nothing(tmp_path):
    def read(key):
        raise ImageError("a damaged piece")

    with pytest.raises(ImageError, match="a damaged piece"):
        write_image(tmp_path / "a.zarr", StoredPixels((8, 8), np.dtype(np.float32), read), "YX")
    assert not list(tmp_path.iterdir())
