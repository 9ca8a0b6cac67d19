"""Damaged and hostile TIFFs: refused in words, before anything large is read or made room for."""

import io
import struct
from itertools import pairwise

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope.images import ImageError, find_images, open_image, read_image
from ladderscope.images.chain import walk_pages

STACK = np.random.default_rng(0).poisson(80, (3, 24, 32)).astype(np.uint16)


def refusal(path, content=None):
    if content is not None:
        path.write_bytes(content)
    messages = []
    for function in (read_image, open_image):
        with pytest.raises(ImageError) as caught:
            function(path)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert path.name in messages[0]
    return messages[0]


def written(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **{"photometric": "minisblack", "metadata": None} | options)
    return file.getvalue()


def with_tag(content, code, value, count=1):
    """Replace the value of a tag in the first page, as a number of 32 bits."""
    at = struct.unpack_from("<I", content, 4)[0]
    changed = bytearray(content)
    for number in range(*struct.unpack_from("<H", content, at)):
        tag = at + 2 + 12 * number
        if struct.unpack_from("<H", content, tag)[0] == code:
            struct.pack_into("<HHII", changed, tag, code, 4, count, value)
    return bytes(changed)


def chain(starts):
    """Write pages of 8 by 8 pixels that follow each other in this order of their places."""
    tags = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
    page = struct.pack("<H", 8) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    places = [72 + (len(page) + 4) * start for start in starts]
    following = dict(pairwise(places))
    start = struct.pack("<2sHI", b"II", 42, places[0]) + bytes(range(64))
    numbers = range(72, 72 + (len(page) + 4) * (max(starts) + 1), len(page) + 4)
    return start + b"".join(page + struct.pack("<I", following.get(at, 0)) for at in numbers)


# -- the list of pages


@pytest.mark.parametrize("starts", [[0, 0], [0, 1, 2, 1], [*range(150), 120]])
def test_a_circular_list_of_pages_is_damage(tmp_path, starts):
    assert "circular" in refusal(tmp_path / "a.tif", chain(starts))


def test_more_pages_than_the_file_can_hold_images_are_refused_with_their_number(tmp_path):
    assert "more than 20000 pages" in refusal(tmp_path / "a.tif", chain(range(20_500)))


def test_pages_beyond_the_end_of_the_file_are_damage(tmp_path):
    content = chain([0, 1])
    for at in (len(content) - 20, len(content) + 20):
        pointing = content[:4] + struct.pack("<I", at) + content[8:]
        assert "beyond the end" in refusal(tmp_path / "a.tif", pointing)


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_pages_are_counted_and_told_apart(tmp_path, options):
    with tifffile.TiffWriter(tmp_path / "a.tif", **options) as writer:
        for plane in (STACK[0], STACK[1], STACK[0, :9], STACK[2].astype(np.float32)):
            writer.write(plane, metadata=None)
    kinds = walk_pages(tmp_path / "a.tif")
    assert len(kinds) == 4
    assert kinds[0] == kinds[1]
    assert len(set(kinds)) == 3


# -- announcements


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
def test_pixels_that_the_file_cannot_hold_are_refused(tmp_path, compression):
    content = written(STACK[0], compression=compression)
    for code in (256, 257, 278):
        content = with_tag(content, code, 60_000)
    said = refusal(tmp_path / "a.tif", content)
    assert "7.2 GB of pixels" in said
    assert "(60000, 60000)" in said


def test_a_page_with_fewer_parts_than_its_size_needs_is_damaged(tmp_path):
    content = with_tag(written(STACK[0], rowsperstrip=8), 257, 48)
    assert "3 of 6 parts" in refusal(tmp_path / "a.tif", content)


def test_a_tag_of_millions_of_values_is_refused(tmp_path):
    content = written(np.zeros((3000, 3000), np.uint8))
    assert "2100000 values" in refusal(tmp_path / "a.tif", with_tag(content, 282, 8, 2_100_000))


def test_a_description_longer_than_any_is_refused(tmp_path):
    description = "x" * 34_000_000
    assert "takes 34 MB" in refusal(tmp_path / "a.tif", written(STACK[0], description=description))


def test_an_ome_description_of_too_many_parts_is_refused(tmp_path):
    text = f"<OME>{'<a/>' * 600_000}</OME>"
    assert "600002 tags" in refusal(tmp_path / "a.tif", written(STACK[0], description=text))


def test_a_type_of_pixels_that_nobody_knows_is_refused(tmp_path):
    assert "77 bits" in refusal(tmp_path / "a.tif", with_tag(written(STACK[0]), 258, 77))


# -- compressed pictures


def encoded(kind, pixels):
    colours = np.stack([pixels] * 3, -1)
    return {
        "jpeg": lambda: imagecodecs.jpeg_encode(pixels),
        "jpeg2000": lambda: imagecodecs.jpeg2k_encode(pixels, level=40, reversible=False),
        "jpegxl": lambda: imagecodecs.jpegxl_encode(pixels, effort=1),
        "webp": lambda: imagecodecs.webp_encode(colours, level=80, lossless=False),
    }[kind]()


def picture(kind, pixels, shape):
    colours = {"photometric": "rgb", "shape": (*shape, 3)} if kind == "webp" else {"shape": shape}
    return written(
        iter([encoded(kind, pixels)]),
        **{"dtype": np.uint8, "compression": kind, "rowsperstrip": shape[0]} | colours,
    )


NOISE = np.random.default_rng(0).integers(0, 255, (40, 48), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["jpeg", "jpeg2000", "jpegxl", "webp"])
def test_a_picture_larger_than_its_page_is_damaged(tmp_path, kind):
    path = tmp_path / "a.tif"
    path.write_bytes(picture(kind, NOISE, (24, 24)))
    with pytest.raises(ImageError, match="40 by 48 pixels, where 24 by 24"):
        read_image(path, "YXC" if kind == "webp" else None)


@pytest.mark.parametrize("kind", ["jpeg", "jpeg2000", "jpegxl", "webp"])
def test_lossy_compression_is_warned_of_once_per_file(tmp_path, caplog, kind):
    path = tmp_path / "a.tif"
    path.write_bytes(picture(kind, NOISE, (40, 48)))
    image = open_image(path, "YXC" if kind == "webp" else None)
    next(image.planes())
    assert len(caplog.records) == 1
    assert "a.tif" in caplog.text
    assert "altered" in caplog.text


@pytest.mark.parametrize("kind", ["zlib", "lzw", "zstd", "lzma", "jpeg2000"])
def test_compression_without_loss_is_nothing_to_warn_of(tmp_path, caplog, kind):
    (tmp_path / "a.tif").write_bytes(written(NOISE, compression=kind))
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, NOISE)
    assert caplog.text == ""


def test_a_compression_that_is_not_read_is_named_by_its_number(tmp_path):
    said = refusal(tmp_path / "a.tif", with_tag(written(NOISE, compression="zlib"), 259, 34887))
    assert "LERC, 34887" in said


# -- anything

SEEDS = [
    written(STACK, metadata={"axes": "TYX"}, ome=True, compression="zlib"),
    written(STACK, imagej=True, metadata={"axes": "TYX"}),
    written(STACK, tile=(16, 16), compression="lzw"),
    written(STACK, bigtiff=True),
    written(STACK[0].astype(np.uint8), compression="jpeg"),
]


@settings(max_examples=60, deadline=None)
@given(
    content=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=6),
    end=st.integers(200, 6000),
)
def test_whatever_a_tiff_has_become_it_is_read_or_refused(tmp_path_factory, content, edits, end):
    changed = bytearray(content)
    for at, value in edits:
        changed[at] = value
    path = tmp_path_factory.mktemp("changed") / "a.tif"
    path.write_bytes(changed[:end])
    for function in (find_images, read_image, open_image):
        try:
            result = function(path)
            if function is open_image:
                next(result.planes())
        except ImageError as error:
            assert "a.tif" in str(error)
