"""``ladderscope check``: what it says of images, and how much of them it reads at a time."""

import weakref

import numpy as np
import pytest
import tifffile
import zarr
from typer.testing import CliRunner

from ladderscope.cli import app
from ladderscope.images import Image, pages
from ladderscope.noise_estimation.same_scene import MOST_FRAMES


@pytest.fixture
def film(tmp_path):
    pixels = np.random.default_rng(0).poisson(100, (50, 64, 64)).astype(np.float32)
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "TYX"})
    return path


def test_an_image_is_looked_at_plane_by_plane(film, monkeypatch):
    def whole(*_):
        raise AssertionError("read as a whole")

    monkeypatch.setattr(pages, "_whole", whole)
    result = CliRunner().invoke(app, ["check", str(film)])
    assert result.exit_code == 0, result.output
    assert "50×64×64 (TYX), float32" in result.output
    assert "noise" in result.output


def test_few_planes_are_held_at_once(film, monkeypatch):
    read, held, plane_of = [], [], Image.plane

    def watched(image, *where):
        plane = plane_of(image, *where)
        read.append(weakref.ref(plane))
        held.append(sum(one() is not None for one in read))
        return plane

    monkeypatch.setattr(Image, "plane", watched)
    assert CliRunner().invoke(app, ["check", str(film)]).exit_code == 0
    assert len(read) > 100 and max(held) <= MOST_FRAMES


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.where(np.arange(64) > 50, np.nan, np.ones((64, 64), np.float32)), "NaN"),
        (np.ones((64, 64), np.float32), "blank"),
        (1e9 + np.random.default_rng(0).normal(size=(64, 64)), "single precision"),
    ],
    ids=["NaN", "blank", "precision"],
)
def test_an_image_that_cannot_be_used_is_a_failure_beside_the_others(film, pixels, said):
    bad = film.with_name("bad.tif")
    tifffile.imwrite(bad, pixels)
    result = CliRunner().invoke(app, ["check", str(bad), str(film)])
    assert result.exit_code == 1
    assert "bad.tif" in result.output and said in result.output
    assert "50×64×64" in result.output


def test_a_level_of_a_pyramid_is_chosen_and_missing_chunks_are_refused(tmp_path):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w")
    fine = np.random.default_rng(0).poisson(100, (64, 64)).astype(np.uint16)
    axes = [{"name": name, "type": "space"} for name in "yx"]
    datasets = [{"path": "0"}, {"path": "1"}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    for name, level in (("0", fine), ("1", fine[:32, :32])):
        group.create_array(name, data=level, chunks=(32, 32))
    result = CliRunner().invoke(app, ["check", str(path), "--level", "1"])
    assert result.exit_code == 0, result.output
    assert "32×32 (YX)" in result.output
    (path / "0" / "c" / "0" / "1").unlink()
    result = CliRunner().invoke(app, ["check", str(path), "--missing-chunks", "refuse"])
    assert result.exit_code == 1
    assert "1 of its 4 chunks are missing" in f"{result.output} {result.exception}"
