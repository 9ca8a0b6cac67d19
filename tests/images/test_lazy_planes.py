"""Opening without reading: the same planes as a whole read gives, in the memory of one plane."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.images import (
    Image,
    ImageError,
    channel_statistics,
    joined,
    open_image,
    open_images,
    read_image,
)
from ladderscope.images.check import check_worth
from ladderscope.mapped import part_of

STACK = np.random.default_rng(0).integers(0, 60000, (6, 24, 32), dtype=np.uint16)
COLOURS = np.random.default_rng(1).integers(0, 255, (4, 24, 32, 3), dtype=np.uint8)
MICROSCOPE = {
    "axes": "TCYX",
    "PhysicalSizeX": 0.2,
    "PhysicalSizeXUnit": "µm",
    "PhysicalSizeY": 0.3,
    "PhysicalSizeYUnit": "µm",
    "Channel": {"Name": ["DAPI", "GFP"]},
}
TIFFS = {
    "plain": (STACK, {"metadata": {"axes": "TYX"}}),
    "no metadata": (STACK, {"metadata": None}),
    "one page": (STACK[0], {"metadata": None}),
    "ImageJ, big-endian": (STACK, {"imagej": True, "metadata": {"axes": "ZYX"}}),
    "OME": (STACK.reshape(3, 2, 24, 32), {"ome": True, "metadata": MICROSCOPE}),
    "zlib": (STACK, {"metadata": {"axes": "TYX"}, "compression": "zlib"}),
    "zlib with a predictor": (
        STACK,
        {"metadata": {"axes": "TYX"}, "compression": "zlib", "predictor": True},
    ),
    "OME, zlib": (
        STACK.reshape(3, 2, 24, 32),
        {"ome": True, "metadata": MICROSCOPE, "compression": "zlib"},
    ),
    "big-endian, zlib": (
        STACK,
        {"metadata": {"axes": "TYX"}, "compression": "zlib", "byteorder": ">"},
    ),
    "tiles": (STACK, {"metadata": {"axes": "TYX"}, "tile": (16, 16)}),
    "strips, LZW": (STACK, {"metadata": {"axes": "TYX"}, "compression": "lzw", "rowsperstrip": 5}),
    "channels last": (COLOURS, {"photometric": "rgb", "metadata": {"axes": "TYXS"}}),
    "channels last, zlib": (
        COLOURS,
        {"photometric": "rgb", "metadata": {"axes": "TYXS"}, "compression": "zlib"},
    ),
    "planar channels, zlib": (
        np.moveaxis(COLOURS, -1, 1),
        {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"},
    ),
    "time last": (np.moveaxis(STACK, 0, -1).copy(), {"metadata": {"axes": "YXT"}}),
    "volumes": (
        np.tile(STACK, (3, 1, 1))[:16],
        {"metadata": {"axes": "ZYX"}, "tile": (16, 16, 16), "compression": "zlib"},
    ),
    "tiles, LZW": (
        STACK,
        {"metadata": {"axes": "TYX"}, "compression": "lzw", "tile": (16, 16), "predictor": True},
    ),
    "BigTIFF, tiles, zlib": (
        STACK,
        {"bigtiff": True, "metadata": {"axes": "TYX"}, "compression": "zlib", "tile": (16, 16)},
    ),
    "singletons": (STACK[:, None, :, None], {"metadata": {"axes": "TZYCX"}}),
}


def written(folder, kind):
    pixels, options = TIFFS[kind]
    path = folder / "a.tif"
    tifffile.imwrite(path, pixels, **({"photometric": "minisblack"} | options))
    axes = {"no metadata": "SYX", "planar channels, zlib": "TCYX"}.get(kind)
    axes = "TYXC" if kind.startswith("channels last") else axes
    return path, axes


def planes_of(image):
    return np.array([list(image.planes(channel)) for channel in range(image.channels)])


# -- the same as reading


@pytest.mark.parametrize("kind", TIFFS)
def test_every_plane_of_a_tiff_is_that_of_a_whole_read(tmp_path, kind):
    path, axes = written(tmp_path, kind)
    opened, whole = open_image(path, axes), read_image(path, axes)
    assert np.array_equal(planes_of(opened), whole.fields().swapaxes(0, 1))
    assert (opened.shape, opened.dtype) == (whole.pixels.shape, whole.pixels.dtype)
    for known in ("axes", "name", "path", "pixel_size", "channel_names", "channels"):
        assert getattr(opened, known) == getattr(whole, known)
    assert next(opened.planes()).dtype.isnative


@pytest.mark.parametrize("kind", TIFFS)
def test_every_part_of_a_tiff_is_that_of_a_whole_read(tmp_path, kind):
    path, axes = written(tmp_path, kind)
    opened, whole = open_image(path, axes).pixels, read_image(path, axes).pixels
    rng = np.random.default_rng(0)
    for _ in range(20):
        ends = [sorted(rng.integers(0, size + 1, 2).tolist()) for size in opened.shape]
        key = tuple(
            int(rng.integers(size)) if rng.random() < 0.2 else slice(*end, rng.choice([None, 2]))
            for end, size in zip(ends, opened.shape, strict=True)
        )
        assert np.array_equal(opened[key], whole[key])


def test_pages_that_do_not_follow_each_other_are_read_in_part(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for plane in STACK:
            tiff.write(plane, contiguous=False, metadata=None)
    pixels = open_image(path, "TYX").pixels
    assert np.array_equal(pixels[1:3, 5:9, 7:20], STACK[1:3, 5:9, 7:20])


def test_strips_that_a_file_leaves_out_are_what_it_says_they_are(tmp_path):
    path = tmp_path / "a.tif"
    tiles = [STACK[0, :16, :16], None]
    how = {"dtype": "uint16", "tile": (16, 16), "compression": "zlib"}
    tifffile.imwrite(path, iter(tiles), shape=(16, 32), **how)
    found = open_image(path).pixels[2:5, 10:20]
    assert np.array_equal(found[:, :6], STACK[0, 2:5, 10:16])
    assert not found[:, 6:].any()


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_file_that_changes_or_vanishes_after_it_was_opened_is_named(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], compression=compression)
    pixels = open_image(path).pixels
    assert np.array_equal(pixels[:4, :4], STACK[0, :4, :4])
    tifffile.imwrite(path, STACK[1, :20], compression=compression)
    with pytest.raises(ImageError, match=r"a\.tif: has changed since"):
        pixels[:4, :4]
    path.unlink()
    with pytest.raises(ImageError, match=r"a\.tif: is gone"):
        pixels[:4, :4]


def test_a_hyperstack_that_describes_its_first_page_only_is_read_where_its_planes_lie(tmp_path):
    # what ImageJ writes beyond 4 GB
    path = tmp_path / "a.tif"
    description = "ImageJ=1.54f\nimages=6\nframes=6\n"
    tifffile.imwrite(path, STACK[0], metadata=None, description=description)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages.first.dataoffsets[0] + STACK[0].nbytes == path.stat().st_size
    with path.open("ab") as file:
        file.write(STACK[1:].tobytes())
    opened = open_image(path)
    assert np.array_equal(read_image(path).pixels, STACK)
    assert np.array_equal(planes_of(opened)[0], STACK)


def test_zarr_arrays_on_disk_and_in_memory_are_opened(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=STACK, chunks=(1, 24, 20))
    opened = open_image(tmp_path / "a.zarr", "TYX")
    assert (opened.name, opened.path) == ("a.zarr", tmp_path / "a.zarr")
    assert np.array_equal(planes_of(opened)[0], STACK)
    assert np.array_equal(planes_of(open_image(zarr.array(STACK), "TYX"))[0], STACK)


def test_arrays_in_memory_are_taken_as_they_are_and_images_keep_what_is_known():
    opened = open_image(STACK, "TYX")
    assert opened.pixels is STACK
    assert np.shares_memory(opened.plane({"T": 1}), STACK)
    image = Image(STACK, "ZYX", "a.tif", pixel_size=(1.0, 1.0))
    assert open_image(image).pixels is STACK
    assert (open_image(image).axes, open_image(image, "tyx").axes) == ("ZYX", "TYX")
    assert open_image(image).pixel_size == (1.0, 1.0)


@pytest.mark.parametrize("axes", ["YX", "XY", "TYX", "XTY", "CZYX", "YCXT", "STCZYX"])
def test_planes_are_rows_by_columns_whatever_the_order_of_axes(axes):
    sizes = {"S": 2, "T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}
    pixels = np.arange(np.prod([sizes[letter] for letter in axes])).reshape(
        [sizes[letter] for letter in axes]
    )
    opened = open_image(pixels, axes)
    assert np.array_equal(planes_of(opened), Image(pixels, axes, "a").fields().swapaxes(0, 1))
    assert opened.others == {letter: sizes[letter] for letter in axes if letter not in "CYX"}
    assert len(list(opened.positions())) == np.prod(list(opened.others.values()), dtype=int)


@pytest.mark.parametrize("space", ["YX", "ZYX"])
@pytest.mark.parametrize("axes", ["ZYX", "XZY", "TCZYX", "YXZCT"])
def test_fields_come_one_by_one_as_they_come_all_at_once(axes, space):
    sizes = {"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}
    shape = [sizes[letter] for letter in axes]
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    opened = replace(open_image(zarr.array(pixels), axes), padding=pixels > 200)
    positions = list(opened.positions(space))
    for one_by_one, at_once in (
        (opened.field, Image(pixels, axes, "a").fields(space)),
        (opened.padding_of, Image(pixels > 200, axes, "a").fields(space)),
    ):
        found = [
            [one_by_one(position, channel, space) for channel in range(opened.channels)]
            for position in positions
        ]
        assert np.array_equal(found, at_once)
    assert len(positions) == opened.field_count(space)
    assert opened.field_shape(space) == tuple(sizes[letter] for letter in space)


def test_a_crop_is_read_into_memory_with_the_names_of_its_channels(tmp_path):
    path, _ = written(tmp_path, "OME, zlib")
    crop = open_image(path).crop({"T": slice(1, 3), "C": slice(1, 2), "X": slice(4, 20)})
    expected = STACK.reshape(3, 2, 24, 32)[1:3, 1:2, :, 4:20]
    assert np.array_equal(crop.pixels, expected) and isinstance(crop.pixels, np.ndarray)
    assert crop.channel_names == ("GFP",)
    assert crop.pixel_size == (0.3, 0.2)


@pytest.mark.parametrize("kind", ["plain", "time last", "OME, zlib", "channels last"])
def test_statistics_are_the_same_to_the_last_bit_read_plane_by_plane_or_whole(tmp_path, kind):
    path, axes = written(tmp_path, kind)
    found = (channel_statistics([read(path, axes)]) for read in (open_image, read_image))
    one, other = found
    assert one == other


# -- values are checked while they are read


def film_with_a_gap(folder, **options):
    film = STACK.astype(np.float32).reshape(3, 2, 24, 32)
    film[2, 1, 7, 9] = np.nan
    path = folder / "film.tif"
    tifffile.imwrite(path, film, photometric="minisblack", metadata={"axes": "TCYX"}, **options)
    return path, film


@pytest.mark.parametrize(
    "read",
    [
        lambda image: image.plane({"T": 2}, 1),
        lambda image: image.array,
        lambda image: image.crop({"Y": slice(5, 8), "X": slice(9, 10)}),
        lambda image: list(image.channel(1).planes()),
        lambda image: joined([image, image], "S").plane({"S": 1, "T": 2}, 1),
        lambda image: channel_statistics([image]),
        read_image,
    ],
    ids=["plane", "whole", "crop", "channel", "joined", "statistics", "read"],
)
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=["plain", "zlib"])
def test_whoever_reads_nan_is_given_an_error_with_the_file_and_the_position(
    tmp_path, options, read
):
    path, film = film_with_a_gap(tmp_path, **options)
    for opened in (open_image(path), open_image(Image(film, "TCYX", "film.tif"))):
        assert np.array_equal(opened.plane({"T": 2}, 0), film[2, 0])
        with pytest.raises(ImageError, match=r"film\.tif: 1 of .*T=2, C=1, Y=7, X=9"):
            read(opened)


def test_what_was_read_from_a_file_is_not_checked_again_and_cannot_be_changed(
    tmp_path, monkeypatch
):
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata={"axes": "TYX"})
    image = replace(read_image(tmp_path / "a.tif"), name="another name")
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0, 0] = 1
    seen = []
    monkeypatch.setattr("ladderscope.images.read.check_worth", seen.append)
    assert read_image(image) is image
    assert read_image(replace(image, axes="ZYX")).pixels is image.pixels
    assert not seen
    for other in (STACK, Image(STACK, "TYX", "a"), replace(image, pixels=image.array + 1)):
        read_image(other, "TYX")
    assert len(seen) == 3


@pytest.mark.parametrize(
    "made",
    [
        lambda image: image.channel(1),
        lambda image: joined([image, image], "S"),
        lambda image: joined([image.channel(0), image.channel(1)], "S"),
        lambda image: image.channel(1).crop({"T": slice(1, 3)}),
        lambda image: open_image(image).channel(1),
        lambda image: joined([open_image(image), image], "S"),
    ],
    ids=["channel", "joined", "joined channels", "crop", "checked channel", "joined half checked"],
)
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (lambda film: np.where(film == film.max(), np.nan, film), "pixels? are NaN or infinite"),
        (lambda film: np.where(film == film.max(), -np.inf, film), "pixels? are NaN or infinite"),
        (lambda film: film + 0j, "complex"),
        (lambda film: film > 9, "true or false"),
        (lambda film: 0 * film, "is blank"),
        (lambda film: 1e9 + 1e-3 * film, "single precision"),
    ],
    ids=["NaN", "infinity", "complex", "boolean", "blank", "precision"],
)
def test_what_is_made_of_arrays_is_checked_like_arrays(made, bad, said):
    film = np.random.default_rng(0).normal(100, 5, (3, 2, 24, 32))
    film[2, 1, 7, 9] = 1000
    good = made(Image(film, "TCYX", "film"))
    assert np.array_equal(read_image(good).pixels, good.array)
    with pytest.raises(ImageError, match=f"film.*{said}"):
        read_image(made(Image(bad(film), "TCYX", "film")))


def test_what_is_joined_has_a_type_that_holds_all_of_it():
    counts, broken = Image(STACK[0], "YX", "a"), Image(np.full((24, 32), np.nan), "YX", "b")
    assert joined([counts, counts], "T").dtype == np.uint16
    with pytest.raises(ImageError, match="NaN"):
        read_image(joined([counts, broken], "T"))


def test_pixels_that_are_checked_already_are_not_checked_twice(tmp_path, monkeypatch):
    path, _ = film_with_a_gap(tmp_path)
    opened = open_image(path)
    monkeypatch.delattr("ladderscope.images.read.checking")
    for image in (opened, opened.channel(1), joined([opened, opened], "S")):
        assert open_image(image) is image
    with pytest.raises(ImageError, match="T=2, C=1, Y=7, X=9"):
        read_image(opened.channel(1))


def test_an_error_names_positions_along_the_axes_that_were_given_last(tmp_path):
    path, _ = film_with_a_gap(tmp_path)
    opened = open_image(path)
    with pytest.raises(ImageError, match="Z=2, C=1, Y=7, X=9"):
        read_image(opened, "ZCYX")
    with pytest.raises(ImageError, match="Z=2, Y=7, X=9"):
        read_image(opened.channel(1), "ZYX")


def test_a_channel_that_is_blank_is_named_once_axes_make_it_one(tmp_path, caplog):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([0 * STACK[0], STACK[1]]), metadata=None)
    image = read_image(tmp_path / "a.tif", "TYX")
    assert not caplog.messages
    assert read_image(image, "CYX").channels == 2
    assert "channel 1 of 2 is blank" in caplog.text


@pytest.mark.parametrize("axes", ["TYX", "YXT", "TCYX"])
def test_worth_is_the_same_plane_by_plane(axes):
    rng = np.random.default_rng(0)
    pixels = 10**9 + rng.integers(0, 10, [{"T": 7, "C": 1, "Y": 250, "X": 97}[a] for a in axes])
    said = []
    for image in (open_image(zarr.array(pixels), axes), Image(pixels, axes, "array 1")):
        with pytest.raises(ImageError, match="single precision") as caught:
            check_worth(image)
        said.append(str(caught.value))
    assert said[0] == said[1]


# -- indexing


def keys(shape):
    part = [
        st.integers(-size, size - 1) | st.slices(size).filter(lambda one: one.step != 0)
        for size in shape
    ]
    whole = st.tuples(*part)
    return whole | whole.map(lambda key: key[:2]) | whole.map(lambda key: (..., key[-1]))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    tifffile.imwrite(folder / "pages.tif", STACK, metadata={"axes": "TYX"}, compression="zlib")
    tifffile.imwrite(folder / "mapped.tif", STACK, metadata={"axes": "TYX"})
    return [open_image(folder / name).pixels for name in ("pages.tif", "mapped.tif")]


@given(key=keys(STACK.shape))
def test_integers_slices_and_an_ellipsis_index_as_they_do_in_numpy(stored, key):
    for pixels in stored:
        assert np.array_equal(pixels[key], STACK[key])


@pytest.mark.parametrize("key", [6, (0, 0, 0, 0), (..., ...), "a", ([0, 1],), (0, 24), -7])
def test_what_does_not_index_is_refused(stored, key):
    for pixels in stored:
        with pytest.raises(IndexError):
            pixels[key]


def test_the_whole_is_an_array_when_one_is_asked_for(stored):
    for pixels in stored:
        assert np.array_equal(np.asarray(pixels), STACK)
        assert np.asarray(pixels, dtype=float).dtype == float


# -- refusals


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (STACK[0] > 100, "true or false"),
        (STACK[0] + 1j, "complex"),
        (np.zeros((0, 8)), "has no pixels"),
        (np.zeros(8), "two dimensions or more"),
        (STACK, "give axes"),
        (3, "cannot read an image from int"),
    ],
)
def test_what_reading_refuses_is_refused_in_the_same_words(pixels, said):
    messages = []
    for function in (open_image, read_image):
        with pytest.raises(ImageError, match=said) as caught:
            function(pixels)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_files_are_refused_in_the_same_words(tmp_path):
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.tif").write_text("these are not pixels")
    tifffile.imwrite(tmp_path / "photo.tif", COLOURS[0], photometric="rgb")
    tifffile.imwrite(tmp_path / "pages.tif", STACK, metadata=None)
    tifffile.imwrite(tmp_path / "whole.tif", STACK, metadata={"axes": "TYX"})
    whole = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    for path in [*sorted(tmp_path.iterdir()), tmp_path / "missing.tif", tmp_path]:
        if path.name == "whole.tif":
            continue
        messages = []
        for function in (open_image, read_image):
            with pytest.raises(ImageError) as caught:
                function(path)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
        assert path.name in messages[0]


def test_a_page_that_cannot_be_decoded_is_said_to_be_damaged_when_it_is_reached(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, metadata={"axes": "TYX"}, compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        start, length = (tiff.pages[3].dataoffsets[0], tiff.pages[3].databytecounts[0])
    content = bytearray(path.read_bytes())
    content[start : start + length] = bytes(length)
    path.write_bytes(content)
    opened = open_image(path)
    assert np.array_equal(opened.plane({"T": 2}), STACK[2])
    with pytest.raises(ImageError, match=r"a\.tif: cannot be read as a TIFF"):
        opened.plane({"T": 3})


def test_a_store_that_fails_is_named():
    class Broken:
        shape, dtype = (8, 8), np.dtype(np.uint16)

        def __getitem__(self, key):
            raise OSError("the cable is out")

        def __array__(self):
            raise OSError("the cable is out")

    with pytest.raises(ImageError, match="array 1: its values cannot be read"):
        next(open_image(Broken()).planes())


def test_sets_of_images_are_of_one_kind(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    tifffile.imwrite(tmp_path / "b.tif", STACK[1, :9])
    assert [image.name for image in open_images(tmp_path)] == ["a.tif", "b.tif"]
    tifffile.imwrite(tmp_path / "c.tif", STACK, metadata={"axes": "TYX"})
    with pytest.raises(ImageError, match=r"c\.tif has axes TYX"):
        open_images(tmp_path)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_part_of_a_mapped_file_is_a_copy_and_leaves_the_array_as_it_is(tmp_path, mode):
    np.save(tmp_path / "a.npy", STACK)
    mapped = np.load(tmp_path / "a.npy", mmap_mode=mode)
    if mode != "r":
        mapped[2] = 7
    part = part_of(mapped[1:, ::-1], 1)
    assert np.array_equal(part, mapped[2, ::-1])
    assert (part == 7).all() == (mode != "r")
    assert np.shares_memory(part, mapped) == (mode == "c")
    assert part_of(mapped, (2, 3, 4)) == mapped[2, 3, 4]


# -- memory

WIDE = (40, 512, 512)
PLANE_BYTES = 2 * 512 * 512


def wide_stack(folder, kind):
    path = folder / kind.replace(" ", "_")
    if kind == "zarr":
        store = zarr.create_array(path, shape=WIDE, dtype="u2", chunks=(1, 512, 512))
        for number in range(WIDE[0]):
            store[number] = number
        return path
    if kind == "mapped.npy":
        mapped = np.lib.format.open_memmap(path, "w+", np.uint16, WIDE)
        mapped[:] = np.arange(WIDE[0])[:, None, None]
        return path
    options = {"compression": "zlib"} if "compressed" in kind else {}
    planes = (np.full(WIDE[1:], number, np.uint16) for number in range(WIDE[0]))
    tifffile.imwrite(path, planes, shape=WIDE, dtype=np.uint16, metadata={"axes": "TYX"}, **options)
    return path


@pytest.mark.parametrize("kind", ["plain", "compressed", "zarr"])
def test_a_stack_is_read_in_the_memory_of_a_few_planes(tmp_path, kind):
    opened = open_image(wide_stack(tmp_path, kind), "TYX")
    next(opened.planes())
    tracemalloc.start()
    seen = [int(plane[0, 0]) for plane in opened.planes()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == list(range(WIDE[0]))
    assert peak < 6 * PLANE_BYTES


RESIDENT = """
import sys
from pathlib import Path
import numpy as np
from ladderscope.images import joined, open_image

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

given = sys.argv[1]
if given.endswith(".npy"):
    given = np.load(given, mmap_mode="r")[:, :, ::-1]
opened = joined([open_image(given, "TYX")] * 2, "S")
next(opened.planes())
before = most()
for plane in opened.planes():
    plane.sum()
for plane in opened.channel(0).planes():
    plane.sum()
print(most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say")
@pytest.mark.parametrize("kind", ["plain", "compressed", "mapped.npy"])
def test_what_the_system_counts_as_in_use_stays_at_a_few_planes_too(tmp_path, kind):
    path = wide_stack(tmp_path, kind)
    run = subprocess.run(
        [sys.executable, "-c", RESIDENT, path], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 8 * PLANE_BYTES / 1024
