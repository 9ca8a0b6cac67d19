"""Frames of one scene: reported, and averaged where the user says so."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from typer.testing import CliRunner

from ladderscope import Denoiser, LadderscopeError, load
from ladderscope.cli import app
from ladderscope.cli.summary import training_rows
from ladderscope.images import sample_image
from ladderscope.noise import PhotonCounting

SCENE = ndimage.gaussian_filter(sample_image("cells").pixels[:128, :128].astype(float), 1) / 2
FRAMES = np.random.default_rng(0).poisson([SCENE] * 4).astype(np.uint16)
CAMERA = PhotonCounting(gain=1.0, offset=0.0, read_noise=0.3)


@pytest.fixture(scope="module")
def of_average():
    denoiser = Denoiser("tiny", noise=CAMERA, repeats="T", device="cpu")
    return denoiser.fit(FRAMES, "TYX", steps=8, progress=False)


def test_frames_of_one_scene_are_reported_with_the_remedy():
    denoiser = Denoiser("tiny", noise=CAMERA, device="cpu")
    denoiser.fit(FRAMES, "TYX", steps=2, progress=False)
    (notice,) = (one for one in denoiser.model.notices if "same scene" in one)
    assert denoiser.advice == (notice,)
    assert "4 frames" in notice and 'repeats="T"' in notice and "--repeats T" in notice
    assert denoiser.predict(FRAMES, "TYX", samples=0).mean.shape == FRAMES.shape


def test_their_average_is_restored_with_its_own_noise(of_average, tmp_path):
    assert of_average.model.noise_models == (PhotonCounting(0.25, 0.0, 0.15),)
    assert any("average" in one and "1/4" in one for one in of_average.model.notices)
    assert of_average.model.axes == "YX"
    restored = of_average.predict(FRAMES, "TYX", samples=2)
    assert restored.axes == "YX"
    reopened = load(of_average.save(tmp_path / "a.ladder"))
    again = reopened.predict(FRAMES, "TYX", samples=2)
    np.testing.assert_array_equal(restored.mean, again.mean)
    averages = of_average.predict(FRAMES.mean(axis=0).astype(np.float32), samples=2)
    np.testing.assert_allclose(averages.mean, restored.mean, rtol=1e-4)


def test_noise_measured_on_the_frames_is_that_of_the_average():
    one = Denoiser("tiny", device="cpu").fit(FRAMES, "TYX", steps=1, progress=False)
    four = Denoiser("tiny", repeats="T", device="cpu").fit(FRAMES, "TYX", steps=1, progress=False)
    single, average = one.model.noise_models[0], four.model.noise_models[0]
    assert average.deviation_at(30.0) == pytest.approx(single.deviation_at(30.0) / 2)
    assert any("average of 4" in reason for reason in four.model.noise_choices[0].reasons)


def test_declared_repeats_that_are_none_are_refused_with_the_difference(of_average):
    turned = FRAMES.copy()
    turned[2] = FRAMES[2].T
    fresh = Denoiser("tiny", noise=CAMERA, repeats="T", device="cpu")
    for use in (
        lambda: fresh.fit(turned, "TYX", steps=1, progress=False),
        lambda: of_average.predict(turned, "TYX"),
    ):
        with pytest.raises(LadderscopeError, match=r"along T.*structure in common.*repeats"):
            use()


def test_slight_differences_between_declared_repeats_are_a_warning():
    moving = FRAMES.copy()
    moving[2, 40:60, 40:60] += 60
    denoiser = Denoiser("tiny", noise=CAMERA, repeats="T", device="cpu")
    denoiser.fit(moving, "TYX", steps=1, progress=False)
    (warning,) = denoiser.warnings
    assert "along T" in warning and "blurred" in warning


@pytest.mark.parametrize(
    ("images", "axes", "named"),
    [
        (FRAMES[0], "YX", "YX"),
        (FRAMES[:1], "TYX", "two or more"),
        ([FRAMES, FRAMES[:3]], "TYX", "array 2"),
    ],
)
def test_images_that_cannot_be_averaged_alike_are_refused(images, axes, named):
    with pytest.raises(LadderscopeError, match=named):
        Denoiser("tiny", noise=CAMERA, repeats="T").fit(images, axes, steps=1, progress=False)


def test_another_axis_is_refused():
    with pytest.raises(LadderscopeError, match="repeats"):
        Denoiser("tiny", repeats="Z")


def test_the_end_of_a_run_says_that_frames_could_be_averaged(of_average):
    several = Denoiser("tiny", noise=CAMERA, device="cpu")
    several.fit(FRAMES, "TYX", steps=1, progress=False)
    for denoiser, said in ((several, True), (of_average, False)):
        rows = training_rows(denoiser, Path("model.ladder"))
        assert any(label == "notice" and "--repeats T" in text for label, text in rows) == said


def test_the_command_line_writes_the_restored_average(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, imagej=True, metadata={"axes": "TYX"})
    options = ["--repeats", "T", "--preset", "tiny", "--steps", "8", "--samples", "2"]
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["denoise", str(tmp_path / "a.tif"), "-o", str(out), *options])
    assert result.exit_code == 0, result.output
    assert tifffile.imread(out / "a_restored.ome.tif").shape == SCENE.shape
    assert "average of 4 frames" in (out / "report.html").read_text()
    checked = CliRunner().invoke(app, ["check", str(tmp_path / "a.tif")])
    assert "--repeats T" in " ".join(checked.output.split())
