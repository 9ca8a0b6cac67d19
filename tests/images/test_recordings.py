"""Recordings in several files are one image; planes that are missing are counted."""

import logging
import os
from itertools import product
from math import prod

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope.images import ImageError, open_image, read_image, read_images
from ladderscope.images.blocks import whole_block

PLANES = np.random.default_rng(0).integers(0, 60000, (12, 20, 24), dtype=np.uint16)


def data(place, page=0, file=None, count=1):
    """Say where one plane is: its place (T, C, Z), its page, and the file it is in."""
    time, channel, depth = place
    inside = f'<UUID FileName="{file}">urn:uuid:{file}</UUID>' if file else ""
    return (
        f'<TiffData FirstT="{time}" FirstC="{channel}" FirstZ="{depth}" IFD="{page}" '
        f'PlaneCount="{count}">{inside}</TiffData>'
    )


def image(sizes, parts, names=()):
    """Describe an image of the sizes (T, C, Z)."""
    time, channels, depth = sizes
    called = "".join(f'<Channel Name="{name}" SamplesPerPixel="1"/>' for name in names)
    return (
        f'<Image><Pixels DimensionOrder="XYZCT" Type="uint16" SizeX="24" SizeY="20" '
        f'SizeZ="{depth}" SizeC="{channels}" SizeT="{time}">{called}{"".join(parts)}</Pixels>'
        "</Image>"
    )


def write(path, planes, images, own_id=None, **options):
    root = f' UUID="urn:uuid:{own_id}"' if own_id else ""
    text = f"<?xml version='1.0' encoding='UTF-8'?><OME{root}>{''.join(images)}</OME>"
    with tifffile.TiffWriter(path) as writer:
        for number, plane in enumerate(planes):
            description = text if number == 0 else None
            writer.write(plane, description=description, metadata=None, **options)
    return path


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, "ladderscope")
    return lambda: " ".join(record.getMessage() for record in caplog.records)


def both(path):
    """Read an image whole and plane by plane, which must agree."""
    whole, opened = read_image(path), open_image(path)
    assert (opened.axes, opened.channel_names) == (whole.axes, whole.channel_names)
    assert np.array_equal(np.asarray(opened.pixels), whole.pixels)
    return whole


# -- several files


def frames_in_files(folder, per_file, files=3, own_ids=True):
    """Write a movie over several files, each of which describes the whole of it."""
    names = [f"run_{number}.ome.tif" for number in range(files)]
    parts = [
        data((number * per_file + page, 0, 0), page, name)
        for number, name in enumerate(names)
        for page in range(per_file)
    ]
    described = [image((files * per_file, 1, 1), parts)]
    return [
        write(
            folder / name,
            PLANES[number * per_file : (number + 1) * per_file],
            described,
            own_id=name if own_ids else None,
        )
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize("own_ids", [True, False])
def test_a_recording_is_one_image_whichever_of_its_files_is_opened(tmp_path, said, own_ids):
    paths = frames_in_files(tmp_path, 4, own_ids=own_ids)
    for path in paths:
        found = both(path)
        assert np.array_equal(found.pixels, PLANES)
        assert (found.axes, found.path) == ("TYX", path)
    assert np.array_equal(open_image(paths[0]).crop({"T": slice(3, 9, 2)}).pixels, PLANES[3:9:2])
    assert [one.path for one in read_images(tmp_path)] == [paths[0]]
    assert said() == ""


def test_a_file_without_the_others_gives_its_own_frames(tmp_path, said):
    first, second, third = frames_in_files(tmp_path, 4)
    first.unlink()
    assert np.array_equal(both(second).pixels, PLANES[4:])
    assert "in its 2 files, 8 of 12 frames are present" in said()
    third.unlink()
    assert np.array_equal(both(second).pixels, PLANES[4:8])
    assert "4 of 12 frames are in this file, 8 in other files" in said()


def test_a_file_with_one_frame_is_a_plane(tmp_path):
    paths = frames_in_files(tmp_path, 1)
    for path in paths[:2]:
        path.unlink()
    assert both(paths[2]).axes == "YX"
    assert np.array_equal(both(paths[2]).pixels, PLANES[2])


def test_the_last_file_of_a_movie_may_have_one_frame_and_is_a_movie_still(tmp_path):
    files = {"a.ome.tif": range(4), "b.ome.tif": range(4, 8), "c.ome.tif": range(8, 9)}
    parts = [
        data((frame, 0, 0), page, file)
        for file, frames in files.items()
        for page, frame in enumerate(frames)
    ]
    for file, frames in files.items():
        described = [image((9, 1, 1), parts)]
        write(tmp_path / file, PLANES[frames.start : frames.stop], described, own_id=file)
    assert [one.pixels.shape for one in read_images(tmp_path)] == [(9, 20, 24)]
    for file in ("a.ome.tif", "b.ome.tif"):
        (tmp_path / file).unlink()
    assert (both(tmp_path / "c.ome.tif").axes, len(PLANES[8:9])) == ("TYX", 1)


def channels_in_files(folder, **options):
    files = ["red.ome.tif", "green.ome.tif"]
    parts = [
        data((0, channel, depth), depth, file)
        for channel, file in enumerate(files)
        for depth in range(3)
    ]
    described = [image((1, 2, 3), parts, names=("mCherry", "GFP"))]
    return [
        write(folder / file, PLANES[3 * at :][:3], described, own_id=file, **options)
        for at, file in enumerate(files)
    ]


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}], ids=str)
def test_channels_in_files_of_their_own_are_channels(tmp_path, options):
    found = both(channels_in_files(tmp_path, **options)[1])
    assert (found.axes, found.channel_names) == ("CZYX", ("mCherry", "GFP"))
    assert np.array_equal(found.pixels.reshape(6, 20, 24), PLANES[:6])


@pytest.mark.parametrize("keeper", ["all.companion.ome", "run_0.ome.tif"])
def test_files_that_leave_the_description_to_another_are_read_with_it(tmp_path, keeper):
    paths = frames_in_files(tmp_path, 4)
    if keeper.endswith(".companion.ome"):
        with tifffile.TiffFile(paths[0]) as file:
            (tmp_path / keeper).write_text(file.pages.first.description)
    text = f"<OME><BinaryOnly MetadataFile='{keeper}' UUID='urn:uuid:x'/></OME>"
    for number, path in enumerate(paths[1:], start=1):
        with tifffile.TiffWriter(path) as writer:
            for page, plane in enumerate(PLANES[4 * number :][:4]):
                writer.write(plane, description=None if page else text, metadata=None)
    for path in paths:
        assert np.array_equal(both(path).pixels, PLANES)


def test_a_damaged_file_of_a_recording_is_named(tmp_path):
    first, second, _ = frames_in_files(tmp_path, 4)
    second.write_bytes(second.read_bytes()[:3000])
    with pytest.raises(ImageError, match=r"run_1\.ome\.tif"):
        read_image(first)


def test_files_of_one_recording_with_planes_of_two_sizes_are_refused(tmp_path):
    red, green = channels_in_files(tmp_path)
    with tifffile.TiffFile(green) as file:
        text = file.pages.first.description
    with tifffile.TiffWriter(green) as writer:
        for page in range(3):
            writer.write(PLANES[page, :7], description=None if page else text, metadata=None)
    with pytest.raises(ImageError, match=r"green\.ome\.tif: its planes are of shape \(7, 24\)"):
        read_image(red)


def test_a_part_that_was_renamed_or_moved_gives_its_frames(tmp_path):
    paths = frames_in_files(tmp_path, 4)
    moved = paths[2].rename(tmp_path / "elsewhere.tif")
    for path in paths[:2]:
        path.unlink()
    assert np.array_equal(both(moved).pixels, PLANES[8:])


def test_a_renamed_file_that_holds_all_planes_needs_no_identifier(tmp_path, said):
    described = [image((3, 1, 1), [data((page, 0, 0), page, "old.tif") for page in range(3)])]
    path = write(tmp_path / "new.tif", PLANES[:3], described)
    assert both(path).axes == "TYX"
    assert said() == ""


def test_a_part_of_which_nothing_is_known_gives_its_pages_and_asks_for_axes(tmp_path, said):
    paths = frames_in_files(tmp_path, 4, own_ids=False)
    moved = paths[1].rename(tmp_path / "elsewhere.tif")
    with pytest.raises(ImageError, match="give axes"):
        read_image(moved)
    assert np.array_equal(read_image(moved, "TYX").pixels, PLANES[4:8])
    assert "which planes of the recording" in said()


def test_a_channel_in_a_file_of_its_own_keeps_its_name(tmp_path):
    files = ["red.ome.tif", "green.ome.tif"]
    parts = [
        data((0, channel, depth), depth, file)
        for channel, file in enumerate(files)
        for depth in range(3)
    ]
    described = [image((1, 2, 3), parts, names=("mCherry", "GFP"))]
    path = write(tmp_path / files[1], PLANES[3:6], described, own_id=files[1])
    found = both(path)
    assert (found.axes, found.channel_names) == ("ZYX", ("GFP",))


def test_positions_described_in_every_file_are_read_each_from_its_own(tmp_path, said):
    files = ["pos_0.ome.tif", "pos_1.ome.tif"]
    described = [
        image((3, 1, 2), [data((time, 0, 0), 2 * time, file, count=2) for time in range(3)])
        for file in files
    ]
    for number, file in enumerate(files):
        path = write(tmp_path / file, PLANES[6 * number : 6 * number + 6], described, own_id=file)
        found = both(path)
        assert found.axes == "TZYX"
        assert np.array_equal(found.pixels.reshape(6, 20, 24), PLANES[6 * number :][:6])
    assert said() == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes in folders")
def test_no_other_file_is_opened_whatever_the_description_names(tmp_path):
    os.mkfifo(tmp_path / "pipe.ome.tif")  # opening it would wait for ever
    others = ["pipe.ome.tif", "../../etc/passwd", "/dev/zero"]
    parts = [data((number + 1, 0, 0), 0, name) for number, name in enumerate(others)]
    path = write(
        tmp_path / "a.ome.tif",
        PLANES[:1],
        [image((4, 1, 1), [data((0, 0, 0), 0, "a.ome.tif"), *parts])],
        own_id="a.ome.tif",
    )
    assert np.array_equal(both(path).pixels, PLANES[0])


def test_the_metadata_are_those_of_the_image_that_is_in_the_file(tmp_path):
    described = [
        image((1, 1, 2), [data((0, 0, 0), 0, file, count=2)]).replace(
            "<Pixels", f'<Pixels PhysicalSizeX="{size}"'
        )
        for file, size in (("a.ome.tif", 0.1), ("b.ome.tif", 0.2))
    ]
    for file, size in (("a.ome.tif", 0.1), ("b.ome.tif", 0.2)):
        path = write(tmp_path / file, PLANES[:2], described, own_id=file)
        assert both(path).pixel_size == (size, size)


def test_two_images_in_one_file_are_still_refused(tmp_path):
    described = [image((1, 1, 1), [data((0, 0, 0), page)]) for page in range(2)]
    path = write(tmp_path / "a.ome.tif", PLANES[:2], described)
    with pytest.raises(ImageError, match="2 separate images"):
        read_image(path)


# -- stopped early


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_a_movie_that_was_stopped_early_gives_the_frames_there_are(tmp_path, said, options):
    described = [image((10, 1, 1), [data((time, 0, 0), time) for time in range(6)])]
    path = write(tmp_path / "a.ome.tif", PLANES[:6], described, **options)
    found = both(path)
    assert found.axes == "TYX"
    assert np.array_equal(found.pixels, PLANES[:6])
    assert "a.ome.tif: 6 of 10 frames are present" in said()


def test_an_incomplete_last_frame_is_left_out_and_counted(tmp_path, said):
    described = [image((5, 2, 2), [data((0, 0, 0), 0, count=11)])]
    found = both(write(tmp_path / "a.ome.tif", PLANES[:11], described))
    assert found.axes == "TCZYX"
    assert np.array_equal(found.pixels.reshape(8, 20, 24), PLANES[:8])
    assert "11 of 20 planes are present" in said()
    assert "3 planes of incomplete frames" in said()


def test_planes_with_gaps_everywhere_are_refused_with_their_number(tmp_path):
    parts = [data((number, number, number), number) for number in range(2)]
    path = write(tmp_path / "a.ome.tif", PLANES[:2], [image((2, 2, 2), parts)])
    with pytest.raises(ImageError, match=r"a\.ome\.tif: 2 of 8 planes"):
        read_image(path)


def test_pages_that_the_description_forgets_are_counted(tmp_path, said):
    described = [image((2, 1, 1), [data((time, 0, 0), time) for time in range(2)])]
    assert both(write(tmp_path / "a.ome.tif", PLANES[:5], described)).pixels.shape == (2, 20, 24)
    assert "3 of its 5 pages are left out" in said()


def test_planes_of_two_sizes_under_one_description_are_refused(tmp_path):
    described = [image((2, 1, 1), [data((time, 0, 0), time) for time in range(2)])]
    path = write(tmp_path / "a.ome.tif", [PLANES[0], PLANES[1, :7]], described)
    with pytest.raises(ImageError, match="differ in size"):
        read_image(path)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_a_hyperstack_of_imagej_that_was_stopped_early_keeps_its_axes(tmp_path, said, options):
    path = tmp_path / "a.tif"
    description = "ImageJ=1.54f\nimages=20\nslices=2\nframes=10\nhyperstack=true\n"
    with tifffile.TiffWriter(path) as writer:
        for number, plane in enumerate(PLANES[:7]):
            text = description if number == 0 else None
            writer.write(plane, description=text, metadata=None, **options)
    found = both(path)
    assert found.axes == "TZYX"
    assert np.array_equal(found.pixels.reshape(6, 20, 24), PLANES[:6])
    assert "7 of 20 planes are present" in said()


def test_a_hyperstack_of_imagej_with_one_plane_says_how_many_it_announced(tmp_path, said):
    path = tmp_path / "a.tif"
    description = "ImageJ=1.54f\nimages=5\nframes=5\n"
    tifffile.imwrite(path, PLANES[0], metadata=None, description=description)
    assert both(path).axes == "YX"
    assert "1 of 5 frames are present" in said()
    with path.open("ab") as file:
        file.write(PLANES[1:3].tobytes())  # as ImageJ does beyond 4 GB, but cut off
    with pytest.raises(ImageError, match="3 of 5 planes"):
        read_image(path)


# -- blocks

grids = st.tuples(*[st.integers(1, 4)] * 3)


@settings(max_examples=30, deadline=None)
@given(sizes=grids, count=st.integers(1, 64))
def test_planes_recorded_in_order_always_leave_a_whole_block(sizes, count):
    places = list(np.ndindex(sizes))[:count]
    block = whole_block("TCZ", places)
    assert block.planes == prod(block.shape)
    assert set(product(*block.kept)) <= set(places)
    if count >= prod(sizes):
        assert block.shape == sizes
