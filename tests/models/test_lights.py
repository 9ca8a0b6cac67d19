"""The borders of tiles are looked for where there are any, and found where they show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ladderscope import load
from ladderscope.images import Image
from ladderscope.models import lights, tile_borders

SIDE = 192
SPLITTER = Path(__file__).parent / "fixtures" / "format_2" / "splitter_microsplit.ladder"


def in_small_tiles(model):
    settings = model.settings.model_copy(update={"tile_core": 32, "tile_margin": 16})
    return replace(model, settings=settings)


def smooth(seed=0, side=SIDE):
    white = np.random.default_rng(seed).normal(size=(side, side))
    return (100 + 40 * gaussian_filter(white, 2)).astype(np.float32)


def tiled(plane, model, height):
    """Raise every tile by its own amount."""
    borders, rng = tile_borders(model, plane.shape), np.random.default_rng(1)
    assert len(borders.rows) > 2
    for axis, starts in enumerate((borders.rows, borders.columns)):
        for start in starts:
            plane = plane + rng.normal(0, height) * (np.indices(plane.shape)[axis] >= start)
    return plane.astype(np.float32)


def found(mean, model):
    image = Image(mean + np.float32(0.1), "YX", "a.tif")
    checks = lights.denoised_checks(image, mean[None, None], model, [0], "YX")
    return [check for check in checks if check.name == "borders of tiles"]


def test_tiles_that_show_are_red_and_others_green(denoiser):
    model = in_small_tiles(denoiser.model)
    (sound,) = found(smooth(), model)
    assert (sound.light, sound.remedy) == ("green", "")
    (broken,) = found(tiled(smooth(), model, 3.0), model)
    assert broken.light == "red"
    assert "steps of" in broken.reason and "tile_margin" in broken.remedy


def test_of_a_large_plane_the_middle_is_looked_at(denoiser, monkeypatch):
    monkeypatch.setattr(lights, "_BORDERED", 128)
    model = in_small_tiles(denoiser.model)
    outside = smooth()
    outside[:40], outside[-40:] = tiled(smooth(1), model, 9.0)[:40], 100
    assert found(outside, model)[0].light == "green"
    assert found(tiled(smooth(), model, 3.0), model)[0].light == "red"


@pytest.mark.parametrize("mean", [smooth(side=64), np.full((SIDE, SIDE), 7.0, np.float32)])
def test_where_no_borders_can_be_compared_nothing_is_said(denoiser, mean):
    assert found(mean, in_small_tiles(denoiser.model)) == []


def test_every_channel_of_a_split_is_looked_at():
    model = in_small_tiles(load(SPLITTER).model)
    one, other = (40 * smooth(seed) for seed in (0, 1))
    mean = np.stack([one, tiled(other, model, 120.0)])[None]
    image = Image(mean[0].sum(axis=0), "YX", "a.tif")
    checks = lights.mixed_checks(image, mean, model, model.mixture, "YX")
    of_borders = [check for check in checks if check.name == "borders of tiles"]
    assert [check.light for check in of_borders] == ["green", "red"]
    first, second = model.channel_names or ("channel 1", "channel 2")
    assert of_borders[0].reason.startswith(first) and of_borders[1].reason.startswith(second)
