"""Calibrating on the command line: what is kept in the model, said, and refused."""

import numpy as np
import pytest
import tifffile
from invoked import run

from ladderscope.models.file import read_model

QUICK = ["--preset", "tiny", "--steps", 4, "--noise", "gaussian:5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, trained and calibrated on noise, and two images with their truth."""
    folder = tmp_path_factory.mktemp("calibrate")
    rng = np.random.default_rng(0)
    for kind in ("noisy", "clean"):
        (folder / kind).mkdir()
    for name in ("a", "b"):
        clean = 40 + 20 * np.sin(np.mgrid[:64, :64] / 9 + rng.uniform(0, 6)).prod(0)
        tifffile.imwrite(folder / "clean" / f"{name}.tif", clean.astype(np.float32))
        noisy = (clean + rng.normal(0, 5, clean.shape)).astype(np.float32)
        tifffile.imwrite(folder / "noisy" / f"{name}.tif", noisy)
    trained = run("train", "denoiser", folder / "noisy", "-o", folder / "m.ladder", *QUICK)
    assert trained.code == 0, trained.said
    assert "without truth" in trained.shown
    assert read_model(folder / "m.ladder").calibration[0].source == "noise model"
    return folder


def test_truth_replaces_what_training_calibrated(folder):
    noisy, clean = folder / "noisy", folder / "clean"
    done = run("calibrate", folder / "m.ladder", noisy, clean, "-o", folder / "truth.ladder")
    assert done.code == 0, done.said
    assert "with truth" in done.shown
    assert "90 % intervals contain 90 % of the true values" in done.shown
    assert read_model(folder / "truth.ladder").calibration[0].source == "truth"
    assert read_model(folder / "m.ladder").calibration[0].source == "noise model"
    assert "with truth" in run("info", folder / "truth.ladder").shown
    out = folder / "out"
    assert run("predict", folder / "truth.ladder", noisy / "a.tif", "-o", out).code == 0
    spread = tifffile.TiffFile(out / "a_spread.ome.tif").ome_metadata
    assert "Calibrated with truth" in spread


def test_a_second_exposure_is_one(folder):
    done = run(
        "calibrate", folder / "m.ladder", folder / "noisy", folder / "clean", "--truth-frames", 1
    )  # and the model itself is replaced
    assert done.code == 0, done.said
    assert read_model(folder / "m.ladder").calibration[0].source == "second exposure"


def test_what_cannot_be_is_refused(folder):
    before = (folder / "m.ladder").read_bytes()
    noisy, clean = folder / "noisy", folder / "clean"
    for arguments, facts in (
        ([noisy, "--match"], ["--match", "TRUTH"]),
        ([noisy, clean / "a.tif"], ["2 images", "1 truth"]),
        ([noisy, clean, "-o", noisy / "a.tif"], [".ladder"]),
    ):
        done = run("calibrate", folder / "m.ladder", *arguments)
        assert done.code == 1
        assert all(fact in done.said for fact in facts), done.said
    assert (folder / "m.ladder").read_bytes() == before
