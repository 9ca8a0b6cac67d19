"""What a viewer holds: how pictures are reduced, how samples move, and how large it may get."""

import io
import re

import numpy as np
import pytest
from PIL import Image as Picture

from ladderscope.pictures import animated, encoded
from ladderscope.report.viewer import animation, detail_of, viewer_markup, viewer_of

RNG = np.random.default_rng(0)


def viewer(shape, channels=1, n=16):
    planes = RNG.normal(100, 20, (channels, *shape)).astype(np.float32)
    rows, columns = detail_of(planes)
    sides = rows.stop - rows.start, columns.stop - columns.start
    draws = RNG.normal(100, 20, (n, channels, *sides)).astype(np.float32)
    labels = [f"channel {number}" for number in range(channels)] if channels > 1 else [""]
    return viewer_of("a.tif", planes, planes / 5, draws, labels, noisy=planes + 1), draws


def frames(content):
    moving = Picture.open(io.BytesIO(content))
    found = []
    for number in range(moving.n_frames):
        moving.seek(number)
        found.append(np.asarray(moving.convert("L")))
    return np.stack(found)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_an_animation_keeps_every_grey_of_every_frame(file_format):
    planes = RNG.integers(0, 256, (5, 40, 30))
    moving = animated(planes, 0, 256, file_format=file_format)
    assert np.array_equal(frames(moving), planes)
    assert Picture.open(io.BytesIO(moving)).info["loop"] == 0  # endless


def test_the_animation_shows_each_channel_of_each_sample_in_its_own_range():
    found, draws = viewer((150, 160), channels=2, n=3)
    moving = frames(animation(found))
    assert moving.shape == (3, 3 * 128, 3 * (128 + 4 + 128))
    for channel, first in enumerate((0, 132)):
        part = moving[:, ::3, 3 * first : 3 * (first + 128) : 3]
        low, high = next(
            (one.low, one.high)
            for one in found.pictures
            if (one.kind, one.channel) == ("samples", f"channel {channel}")
        )
        wanted = (draws[:, channel] - low) / (high - low) * 256
        assert np.abs(part - wanted.clip(0, 255)).max() <= 1


def test_a_picture_is_drawn_in_the_colours_of_matplotlib():
    import matplotlib

    plane = np.linspace(-1, 1, 256)[None]
    for colours in ("gray", "magma", "RdBu_r"):
        drawn = np.asarray(Picture.open(io.BytesIO(encoded(plane, -1, 1, colours))).convert("RGB"))
        wanted = 255 * matplotlib.colormaps[colours](np.linspace(0, 1, 256))[:, :3]
        assert np.abs(drawn[0] - wanted).max() <= 2


def test_a_large_image_is_reduced_its_detail_is_not_and_both_are_said():
    found, _ = viewer((1100, 700))
    shapes = {(one.kind, one.whole.shape) for one in found.pictures if one.whole is not None}
    assert shapes == {(kind, (367, 234)) for kind in ("noisy", "restored", "error bar")}
    assert {one.detail.shape[1:] for one in found.pictures} == {(128, 128)}
    html = viewer_markup(found)
    rows, columns = found.detail
    assert "1100×700 pixels, of which one row and column in 3 is drawn" in html
    assert f"128×128 pixels at full resolution, from row {rows.start} and column" in html
    assert f"left:{100 * columns.start / 700:.2f}%" in html


def test_a_small_image_is_its_own_detail():
    html = viewer_markup(viewer((50, 60))[0])
    assert 'class="stage whole"' not in html and html.count('data-kind="noisy"') == 1


def test_pictures_of_noise_which_compress_worst_take_as_much_as_the_documentation_says():
    assert len(viewer_markup(viewer((1024, 1024))[0])) < 1.6e6


def test_more_channels_than_are_shown_are_counted():
    html = viewer_markup(viewer((40, 40), channels=6, n=2)[0])
    assert "The first 4 of 6 channels" in html
    assert len(set(re.findall(r'data-channel="(channel \d)"', html))) == 4
