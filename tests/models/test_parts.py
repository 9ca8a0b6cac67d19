"""One prediction by several processes that share its working folder."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import zarr
from conftest import CAMERA
from hypothesis import given
from hypothesis import strategies as st
from interrupting import files_in, tiles_asked_for
from typer.testing import CliRunner

from ladderscope import Denoiser
from ladderscope.claims import claimed
from ladderscope.cli.commands import app
from ladderscope.errors import LadderscopeError
from ladderscope.images import open_image
from ladderscope.models import streaming, working_folder
from ladderscope.models.output import Share, share_of
from ladderscope.models.working_folder import folder_of

TILES = 4


@pytest.fixture(scope="module")
def tiled(crops):
    """A denoiser that restores a crop in four tiles."""
    return Denoiser("tiny", noise=CAMERA, tile_core=32).fit(crops[0], steps=3, progress=False)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "r.ome.tif"


@pytest.fixture(scope="module")
def undisturbed(tiled, crops, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "r.ome.tif"
    tiled.predict(crops[0], samples=3, out=out)
    return files_in(out.parent)


@pytest.fixture
def asked(monkeypatch):
    """List the tiles for which the network is asked."""
    return tiles_asked_for(monkeypatch)


@given(st.integers(0, 40), st.integers(1, 9), st.integers(0, 20))
def test_each_piece_belongs_to_one_share_whatever_their_number(pieces, count, turn):
    shares = [Share(number, count).of(range(pieces), turn) for number in range(1, count + 1)]
    assert sorted(piece for share in shares for piece in share) == list(range(pieces))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("order", "count"), [([2, 1], 2), ([1, 3, 2], 3), ([5, 2, 6, 1, 4, 3], 6)])
def test_whoever_comes_last_writes_what_one_process_does(
    tiled, crops, undisturbed, asked, out, caplog, order, count
):
    def done(number):
        (found,) = tiled.predict_part(crops[0], part=(number, count), samples=3, out=out)
        return found

    *first, last = order
    with caplog.at_level(logging.INFO):
        assert [done(number) for number in first] == [None] * len(first)
    for number in first:
        assert f"array 1: part {number} of {count} is done" in caplog.text
    assert "of other parts" in caplog.text and "--resume" in caplog.text and not out.exists()
    assert done(first[0]) is None
    restored = done(last)
    assert len(asked) == TILES and files_in(out.parent) == undisturbed
    assert np.array_equal(restored.mean, tifffile.imread(out))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert done(first[0]) is None
    assert "already restored" in caplog.text
    assert len(asked) == TILES and files_in(out.parent) == undisturbed


def test_what_parts_have_left_is_completed_by_resuming(tiled, crops, undisturbed, asked, out):
    assert tiled.predict_part(crops[0], part=(2, 2), samples=3, out=out) == [None]
    tiled.predict(crops[0], samples=3, out=out, resume=True)
    assert len(asked) == TILES and files_in(out.parent) == undisturbed


def test_a_part_ends_where_another_process_has_completed_the_image(
    tiled, crops, undisturbed, out, monkeypatch, caplog
):
    saved, others = streaming.saved, []

    def saved_late(folder, piece):
        if not others:
            others.append(piece)
            tiled.predict(crops[0], samples=3, out=out, resume=True)
        saved(folder, piece)

    monkeypatch.setattr(streaming, "saved", saved_late)
    with caplog.at_level(logging.INFO):
        assert tiled.predict_part(crops[0], part=(1, 1), samples=3, out=out) == [None]
    assert "another process has written" in caplog.text
    assert files_in(out.parent) == undisturbed and not folder_of(out).exists()


def test_one_process_puts_the_image_together(tiled, crops, undisturbed, out, caplog):
    tiled.predict_part(crops[0], part=(1, 2), samples=3, out=out)
    with caplog.at_level(logging.INFO), claimed(out):
        assert tiled.predict_part(crops[0], part=(2, 2), samples=3, out=out) == [None]
    assert "is being put together" in caplog.text and "on this computer" in caplog.text
    assert not out.exists()
    (restored,) = tiled.predict_part(crops[0], part=(2, 2), samples=3, out=out)
    assert restored is not None and files_in(out.parent) == undisturbed


def test_two_parts_may_begin_at_once(tiled, crops, undisturbed, out, monkeypatch):
    internal_file = working_folder.internal_file

    def beaten(path, *args, **kwargs):
        if path.name == "manifest.json" and not path.exists():
            with internal_file(path) as unfinished:
                unfinished.write_text(manifests.pop())
        return internal_file(path, *args, **kwargs)

    tiled.predict_part(crops[0], part=(1, 2), samples=3, out=out)
    manifests = [(folder_of(out) / "manifest.json").read_text()]
    (folder_of(out) / "manifest.json").unlink()
    monkeypatch.setattr(working_folder, "internal_file", beaten)
    tiled.predict_part(crops[0], part=(2, 2), samples=3, out=out)
    assert not manifests and files_in(out.parent) == undisturbed


def test_parts_of_another_prediction_and_parts_that_do_not_exist_are_refused(tiled, crops, out):
    tiled.predict_part(crops[0], part=(1, 2), samples=3, out=out)
    with pytest.raises(LadderscopeError, match="seed was 0, now 1"):
        tiled.predict_part(crops[0], part=(2, 2), samples=3, seed=1, out=out)
    for part in ((0, 2), (3, 2)):
        with pytest.raises(LadderscopeError, match=f"part {part[0]} of 2"):
            share_of(part)


def test_the_command_line_restores_several_images_in_parts(tiled, crops, asked, tmp_path):
    model = tiled.save(tmp_path / "m.ladder")
    for name, crop in zip("ab", crops, strict=False):
        tifffile.imwrite(tmp_path / f"{name}.tif", crop)
    images = [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]

    def run(folder, *more):
        given = ["predict", str(model), *images, "-o", str(tmp_path / folder), "--samples", "2"]
        return CliRunner().invoke(app, [*given, *more])

    assert run("whole").exit_code == 0
    asked.clear()
    for number in (2, 1):
        result = run("parts", "--part", f"{number}/3")
        assert result.exit_code == 0 and TILES // 2 <= len(asked) <= 3 * TILES // 2
        assert "left to other parts" in result.stderr + result.stdout
    assert run("parts", "--part", "3/3").exit_code == 0
    assert run("parts", "--part", "2/3").exit_code == 0
    assert len(asked) == 2 * TILES
    assert files_in(tmp_path / "parts") == files_in(tmp_path / "whole")
    for wrong in (["--part", "2"], ["--part", "4/3"], ["--part", "1/2", "--resume"]):
        assert "--part" in run("parts", *wrong).stderr


def test_an_image_that_changes_while_it_is_restored_is_refused(tiled, crops, out, monkeypatch):
    pixels = zarr.create_array({}, data=crops[0], dimension_names=["y", "x"])
    image = replace(open_image(pixels), name="a.zarr")
    monkeypatch.setattr("ladderscope.images.large.IN_MEMORY", 100)

    def changed(fraction, message):
        pixels[:] = crops[1]

    with pytest.raises(LadderscopeError, match=r"a\.zarr has changed.*--overwrite"):
        tiled.predict(image, samples=2, out=out, progress=changed)
    assert not out.exists()
    again = tiled.predict(image, samples=2, out=out, overwrite=True)
    assert np.array_equal(again.mean, tiled.predict(crops[1], samples=2).mean)
