"""Restored to a file, tile by tile: what is finished outlives the process."""

import errno
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from conftest import CAMERA
from interrupting import Killed, after, files_in, tiles_asked_for
from typer.testing import CliRunner

from ladderscope import Denoiser, Splitter, folders
from ladderscope.claims import claimed
from ladderscope.cli.commands import app
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Calibration
from ladderscope.files import OutputError
from ladderscope.images import large, open_image
from ladderscope.models import (
    restoration,
    streaming,
    windows,
    working_folder,
)
from ladderscope.models.output import Output
from ladderscope.models.working_folder import folder_of
from ladderscope.unfinished import hidden

TILES = 4


@pytest.fixture(scope="module")
def tiled(crops):
    """A denoiser that restores a crop in four tiles."""
    return Denoiser("tiny", noise=CAMERA, tile_core=32).fit(crops[0], steps=3, progress=False)


@pytest.fixture(scope="module")
def image(crops, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "a.tif"
    in_micrometres = {"unit": "um", "axes": "YX"}
    tifffile.imwrite(path, crops[0], imagej=True, resolution=(10, 10), metadata=in_micrometres)
    return path


@pytest.fixture(scope="module")
def undisturbed(tiled, image, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "r.ome.tif"
    tiled.predict(image, samples=3, out=out)
    return files_in(out.parent)


@pytest.fixture
def asked(monkeypatch):
    """List the tiles for which the network is asked."""
    return tiles_asked_for(monkeypatch)


def test_tile_by_tile_gives_what_the_whole_does(tiled, image, tmp_path):
    whole = tiled.predict(image, samples=3)
    read = tiled.predict(image, samples=3, out=tmp_path / "r.ome.tif")
    assert np.array_equal(read.mean, whole.mean) and np.array_equal(read.std, whole.std)
    assert (read.axes, read.checks, read.pixel_size) == ("YX", whole.checks, (0.1, 0.1))
    lower, upper = read.interval(0.9)
    assert np.array_equal(lower, whole.interval(0.9)[0]) and (upper >= lower).all()
    assert {path.name for path in tmp_path.iterdir()} == {"r.ome.tif", "r_spread.ome.tif"}
    assert np.array_equal(read.mean[10:20, 5], whole.mean[10:20, 5])


def test_channels_in_another_order_frames_and_residuals_are_put_together_alike(crops, tmp_path):
    stack = np.stack([crops[:2], crops[1:]], axis=-1)  # CYXT
    stack[0, :, :, 1] = 7.0  # a blank plane
    two = Denoiser("tiny", noise=CAMERA, tile_core=32).fit(stack, "CYXT", steps=2, progress=False)
    split = Splitter("musplit", "tiny", context=2, tile_core=32)
    split.fit(list(crops[:2]), steps=2, progress=False)
    for restorer, pixels, axes in ((two, stack, "CYXT"), (split, crops[0] + crops[1], "YX")):
        whole = restorer.predict(pixels, axes, samples=2)
        out = Output(tmp_path / f"{axes}.ome.tif", samples=True)
        read = restorer.predict(pixels, axes, samples=2, out=out)
        order = [whole.axes.index(letter) for letter in read.axes]
        assert np.array_equal(read.mean, np.transpose(whole.mean, order))
        assert np.array_equal(read.std, np.transpose(whole.std, order))
        assert (read.residual is None) == (whole.residual is None)
        if whole.residual is not None:
            assert np.array_equal(read.residual, whole.residual)
            drawn = open_image(tmp_path / "YX_samples.ome.tif")
            assert drawn.sizes["C"] == 2 and drawn.sizes["T"] == 2  # OME has no S
            np.testing.assert_allclose(drawn.array.mean(axis=0), read.mean, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("done", range(TILES))
@pytest.mark.parametrize("moment", ["before", "within", "behind"])
def test_killed_at_any_tile_it_goes_on_where_it_was(
    tiled, image, undisturbed, asked, tmp_path, monkeypatch, done, moment
):
    out, saved = tmp_path / "r.ome.tif", streaming.saved

    def saved_then_killed(*args):
        saved(*args)
        if sum(1 for _ in folder_of(out).glob("*/*")) > done:
            raise Killed

    with monkeypatch.context() as patched:
        if moment == "before":
            patched.setattr(streaming, "saved", after(done, saved, Killed))
        elif moment == "within":
            patched.setattr(working_folder, "save", after(done, working_folder.save, Killed))
        else:
            patched.setattr(streaming, "saved", saved_then_killed)
        with pytest.raises(Killed):
            tiled.predict(image, samples=3, out=out)
    assert not out.exists()
    first = len(asked)
    tiled.predict(image, samples=3, out=out, resume=True)
    assert len(asked) - first == TILES - done - (moment == "behind")
    assert files_in(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("where", "name", "count"),
    [
        (restoration, "write_image", 0),
        (restoration, "write_image", 1),
        (streaming, "_removed", 0),
    ],
)
def test_killed_while_the_file_is_written_nothing_is_restored_again(
    tiled, image, undisturbed, asked, tmp_path, monkeypatch, where, name, count
):
    out = tmp_path / "r.ome.tif"
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(where, name, after(count, getattr(where, name), Killed))
        tiled.predict(image, samples=3, out=out)
    assert len(asked) == TILES
    tiled.predict(image, samples=3, out=out, resume=True)
    assert len(asked) == TILES and files_in(tmp_path) == undisturbed


def test_killed_while_pieces_are_removed_the_next_output_removes_the_rest(
    tiled, image, undisturbed, tmp_path, monkeypatch
):
    out = tmp_path / "r.ome.tif"
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(streaming, "shutil", SimpleNamespace(rmtree=after(0, None, Killed)))
        tiled.predict(image, samples=3, out=out)
    assert len(list(tmp_path.iterdir())) > len(undisturbed)
    tiled.predict(image, samples=3, out=out, overwrite=True)
    assert files_in(tmp_path) == undisturbed


def test_killed_while_a_zarr_is_replaced_it_is_put_in_place_by_resuming(
    tiled, image, asked, tmp_path, monkeypatch
):
    out, whole = tmp_path / "r.ome.zarr", tmp_path / "whole" / "r.ome.zarr"
    read = tiled.predict(image, samples=3, out=whole)
    assert not isinstance(read.mean, np.ndarray) and read.std[5, 3:9].shape == (6,)
    tiled.predict(image, samples=0, out=out)

    def killed_between_two_names(unfinished, final, *_):
        final.rename(hidden(final.parent))
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(folders, "_take_name", killed_between_two_names)
        tiled.predict(image, samples=3, out=out, overwrite=True)
    assert not (tmp_path / "r_spread.ome.zarr").exists() or not out.exists()
    before = len(asked)
    tiled.predict(image, samples=3, out=out, resume=True)
    expected = files_in(whole.parent)
    shutil.rmtree(whole.parent)
    assert len(asked) == before and files_in(tmp_path) == expected


def interrupted(tiled, image, out, monkeypatch, samples=3):
    """Restore two tiles of four."""
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(streaming, "saved", after(2, streaming.saved, Killed))
        tiled.predict(image, samples=samples, out=out)
    return sorted(folder_of(out).glob("*/*.safetensors"))


@pytest.mark.parametrize("damage", ["flipped", "cut", "swapped", "gone"])
def test_a_damaged_piece_is_restored_again(
    tiled, image, undisturbed, asked, tmp_path, monkeypatch, damage
):
    first, second = interrupted(tiled, image, tmp_path / "r.ome.tif", monkeypatch)
    content = bytearray(first.read_bytes())
    content[-5] ^= 1
    if damage == "flipped":
        first.write_bytes(content)
    elif damage == "cut":
        first.write_bytes(content[:-100])
    elif damage == "swapped":
        first.write_bytes(second.read_bytes())
    else:
        first.unlink()
    before = len(asked)
    tiled.predict(image, samples=3, out=tmp_path / "r.ome.tif", resume=True)
    assert len(asked) - before == TILES - 1 and files_in(tmp_path) == undisturbed


def test_another_model_image_or_setting_is_refused_by_what_differs(
    tiled, denoiser, image, crops, tmp_path, monkeypatch
):
    out = tmp_path / "r.ome.tif"
    interrupted(tiled, image, out, monkeypatch)
    for restorer, pixels, settings, differs in (
        (denoiser, image, {}, "model was"),
        (tiled, crops[1], {}, "image was"),
        (tiled, image, {"samples": 4}, "samples was 3, now 4"),
        (tiled, image, {"seed": 5}, "seed was 0, now 5"),
    ):
        with pytest.raises(LadderscopeError, match=differs):
            restorer.predict(pixels, **{"samples": 3, **settings}, out=out, resume=True)
    with pytest.raises(LadderscopeError, match=r"interrupted prediction.*--resume"):
        tiled.predict(image, samples=3, out=out)
    again = tiled.predict(crops[1], samples=0, out=out, overwrite=True)
    assert np.array_equal(again.mean, tiled.predict(crops[1], samples=0).mean)


def test_what_exists_is_not_replaced_and_found_out_before_anything_is_restored(
    tiled, image, asked, tmp_path
):
    (tmp_path / "r_spread.ome.tif").write_text("mine")
    with pytest.raises(OutputError, match=r"r_spread\.ome\.tif already exists"):
        tiled.predict(image, samples=3, out=tmp_path / "r.ome.tif", resume=True)
    assert not asked and (tmp_path / "r_spread.ome.tif").read_text() == "mine"


def test_a_second_process_is_refused(tiled, image, asked, tmp_path):
    out = tmp_path / "r.ome.tif"
    with claimed(out), pytest.raises(OutputError, match="another process"):
        tiled.predict(image, samples=3, out=out)
    assert not asked


def test_on_a_full_disk_it_says_what_is_finished_and_can_be_resumed(
    tiled, image, undisturbed, asked, tmp_path, monkeypatch
):
    out, full = tmp_path / "r.ome.tif", OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patched, pytest.raises(OutputError) as refused:
        patched.setattr(working_folder, "save", after(3, working_folder.save, full))
        tiled.predict(image, samples=3, out=out)
    for fact in ("disk is full", "3 parts of 4", str(folder_of(out)), "--resume"):
        assert fact in str(refused.value)
    tiled.predict(image, samples=3, out=out, resume=True)
    assert len(asked) == TILES + 1 and files_in(tmp_path) == undisturbed


def test_it_stops_between_tiles_when_asked_and_goes_on_later(tiled, image, undisturbed, tmp_path):
    out, seen = tmp_path / "r.ome.tif", []
    with pytest.raises(LadderscopeError, match="stopped"):
        tiled.predict(
            image,
            samples=3,
            out=out,
            should_stop=lambda: len(seen) > 2,
            progress=lambda fraction, message: seen.append(fraction),
        )
    tiled.predict(image, samples=3, out=out, resume=True)
    assert files_in(tmp_path) == undisturbed


def test_several_images_go_into_a_folder_and_those_that_are_complete_are_kept(
    tiled, image, crops, tmp_path, monkeypatch
):
    first, second = tiled.predict([image, crops[1]], samples=0, out=tmp_path / "restored")
    names = {path.name for path in (tmp_path / "restored").iterdir()}
    assert {"a_restored.ome.tif", "array_1_restored.ome.tif"} <= names
    assert first.name == "a.tif" and second.mean.shape == crops[1].shape
    with monkeypatch.context() as patched:
        patched.setattr(streaming, "pieces", None)  # nothing is restored again
        again = tiled.predict([image, crops[1]], samples=0, out=tmp_path / "restored", resume=True)
    assert np.array_equal(again[0].mean, first.mean) and np.array_equal(again[1].std, second.std)
    assert again[0].light == first.light
    with pytest.raises(LadderscopeError, match="names one file"):
        tiled.predict([image, crops[1]], samples=0, out=tmp_path / "r.tif")
    assert open_image(tmp_path / "restored" / "a_restored.ome.tif").pixel_size == (0.1, 0.1)


def test_the_manifest_names_what_is_predicted(tiled, image, tmp_path, monkeypatch):
    interrupted(tiled, image, tmp_path / "r.ome.tif", monkeypatch)
    manifest = json.loads((tmp_path / "r.ome.tif.parts" / "manifest.json").read_text())
    assert manifest["samples"] == 3 and manifest["arithmetic"].endswith("cpu")


def test_an_image_that_stays_in_its_file_is_restored_like_one_in_memory(
    tiled, crops, tmp_path, monkeypatch
):
    pixels = np.concatenate([crops[0], crops[1]], axis=1).clip(0).astype(np.uint16)
    pixels[:20] = 0
    tifffile.imwrite(tmp_path / "a.tif", pixels, rowsperstrip=16)
    whole = tiled.predict(tmp_path / "a.tif", samples=2)
    for module, name in ((large, "IN_MEMORY"), (windows, "LARGE")):
        monkeypatch.setattr(module, name, 5000)
    parts, read = [], windows.Windows.part
    monkeypatch.setattr(
        windows.Windows, "part", lambda field, region: parts.append(region) or read(field, region)
    )
    found = tiled.predict(tmp_path / "a.tif", samples=2, out=tmp_path / "r.ome.tif")
    inside = np.s_[60:]  # the network sees nothing of the padding there
    assert np.array_equal(found.mean[inside], whole.mean[inside])
    assert np.array_equal(found.mean[:20], pixels[:20])
    assert len(parts) == 8 and found.light == whole.light


def test_the_samples_whose_mean_it_is_are_written_on_request(tiled, image, crops, tmp_path):
    out = Output(tmp_path / "r.ome.tif", samples=True)
    restored = tiled.predict(image, samples=4, out=out)
    samples = tifffile.imread(tmp_path / "r_samples.ome.tif")
    assert samples.shape == (4, *crops[0].shape)
    np.testing.assert_allclose(samples.mean(axis=0), restored.mean, rtol=1e-4)
    assert out.files(restored)[-1].name == "r_samples.ome.tif"
    with pytest.raises(LadderscopeError, match="samples=1 or more"):
        tiled.predict(image, samples=0, out=out)


def test_the_command_line_goes_on_too_and_keeps_what_is_whole(
    tiled, image, undisturbed, asked, tmp_path, monkeypatch
):
    model = tiled.save(tmp_path / "m.ladder") or tmp_path / "m.ladder"
    given = ["predict", str(model), str(image), "-o", str(tmp_path / "out"), "--samples", "3"]
    assert CliRunner().invoke(app, given).exit_code == 0
    first, out = files_in(tmp_path / "out"), tmp_path / "out" / "a_restored.ome.tif"
    shutil.rmtree(tmp_path / "out")
    asked.clear()
    with monkeypatch.context() as patched:
        patched.setattr(streaming, "saved", after(2, streaming.saved, KeyboardInterrupt))
        stopped = CliRunner().invoke(app, given)
    assert stopped.exit_code == 130 and "--resume" in stopped.stderr and len(asked) == 3
    assert CliRunner().invoke(app, given).exit_code == 1
    assert len(asked) == 3
    for _ in range(2):
        assert CliRunner().invoke(app, [*given, "--resume"]).exit_code == 0
    assert len(asked) == 5 and not folder_of(out).exists()
    assert files_in(tmp_path / "out") == first


def test_what_is_finished_is_of_just_this_input_and_calibration(tiled, crops, asked, tmp_path):
    model, image = tmp_path / "m.ladder", tmp_path / "a.tif"
    given = ["predict", str(model), str(image), "-o", str(tmp_path / "out"), "--samples", "2"]

    def run(option):
        asked.clear()
        return CliRunner().invoke(app, [*given, option])

    def calibrated(factor):
        known = Calibration((1.0, 9.0), (factor, 9 * factor), before=(0.5,) * 5, after=(0.5,) * 5)
        one = Denoiser.from_model(replace(tiled.model, calibration=(known,)))
        one.save(model, overwrite=True, thumbnail=False)

    calibrated(1.5)
    tifffile.imwrite(image, crops[0])
    assert run("--resume").exit_code == 0 and len(asked) == TILES
    assert run("--resume").exit_code == 0 and not asked
    calibrated(2.0)
    assert "is from another prediction (model" in run("--resume").stderr and not asked
    report = CliRunner().invoke(app, ["report", str(tmp_path / "out"), "--model", str(model)])
    assert report.exit_code and "calibrated anew" in report.stderr
    calibrated(1.5)
    tifffile.imwrite(image, crops[0] + np.float32(1))
    assert "is from another prediction (model" in run("--resume").stderr and not asked


def test_progress_and_stopping_go_on_while_a_large_file_is_written(
    tiled, image, asked, undisturbed, tmp_path
):
    out, heard = tmp_path / "r.ome.tif", []
    with pytest.raises(LadderscopeError, match=r"stopped while writing r"):
        tiled.predict(
            image,
            samples=3,
            out=out,
            progress=lambda fraction, message: heard.append((fraction, message)),
            should_stop=lambda: any("writing" in message for _, message in heard),
        )
    fraction, message = heard[-1]
    assert fraction == 1.0 and "megapixels" in message and len(asked) == TILES
    tiled.predict(image, samples=3, out=tmp_path / "r.ome.tif", resume=True)
    assert files_in(tmp_path) == undisturbed
