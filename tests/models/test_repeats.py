"""Frames of one scene: reported, and averaged where the user says so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from typer.testing import CliRunner

from ladderscope import Denoiser, LadderscopeError, load
from ladderscope.cli import app
from ladderscope.cli.summary import training_rows
from ladderscope.images import Image, sample_image
from ladderscope.models.file import write_model
from ladderscope.noise import Gaussian, PhotonCounting
from ladderscope.report import noise_in_words

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
    own = Image(FRAMES.mean(axis=0).astype(np.float32), "YX", "own.tif", frames=4)
    averages = of_average.predict(own, samples=2)
    np.testing.assert_allclose(averages.mean, restored.mean, rtol=1e-4)


def test_noise_measured_on_the_frames_is_that_of_the_average():
    one = Denoiser("tiny", device="cpu").fit(FRAMES, "TYX", steps=1, progress=False)
    four = Denoiser("tiny", repeats="T", device="cpu").fit(FRAMES, "TYX", steps=1, progress=False)
    single, average = one.model.noise_models[0], four.model.noise_models[0]
    assert average.deviation_at(30.0) == pytest.approx(single.deviation_at(30.0) / 2)
    told = noise_in_words(average, four.model.noise_choices[0], four.model.frames)
    assert told.startswith("Measured on single frames.") and "average of 4" in told
    assert told.endswith(average.summary())


def test_a_model_of_averages_says_when_it_gets_another_number_of_frames(
    of_average, tmp_path, caplog
):
    reopened = load(of_average.save(tmp_path / "a.ladder"))
    assert reopened.model.frames == 4
    for denoiser in (of_average, reopened):
        denoiser.predict(FRAMES, "TYX", samples=0)
        assert "averages of" not in caplog.text
        for frames, factor in ((FRAMES[:1], "is 4 times"), (FRAMES[:2], "is 2 times")):
            caplog.clear()
            denoiser.predict(Image(frames, "TYX", "few.tif"), samples=0)
            (said,) = (one for one in caplog.messages if "averages of 4 frames" in one)
            assert said.startswith(f"few.tif: found {len(frames)} frame") and factor in said
        caplog.clear()


def test_a_single_frame_is_refused_by_a_model_of_averages(of_average):
    with pytest.raises(LadderscopeError, match=r"one\.tif has the axes YX.*averages of 4 frames"):
        of_average.predict(Image(FRAMES[0], "YX", "one.tif"), samples=0)


def test_a_file_that_lacks_the_number_of_frames_still_opens(of_average, tmp_path, caplog):
    earlier = Denoiser.from_model(replace(of_average.model, frames=None), device="cpu")
    opened = load(earlier.save(tmp_path / "a.ladder", thumbnail=False))
    assert opened.model.frames is None
    opened.predict(FRAMES[:2], "TYX", samples=0)
    assert "averages of" not in caplog.text
    with pytest.raises(LadderscopeError, match="without T"):
        opened.predict(FRAMES[0], "YX", samples=0)


def test_frames_without_an_axis_are_no_model_file(of_average, tmp_path):
    settings = of_average.model.settings.model_copy(update={"repeats": None})
    with pytest.raises(LadderscopeError, match=r"frames is 4, but settings\.repeats"):
        write_model(tmp_path / "a.ladder", replace(of_average.model, settings=settings))


def test_noise_that_was_given_is_told_as_it_was_given():
    told = noise_in_words(Gaussian(6.0), frames=4)
    assert told.index("standard deviation 12") < told.index("average of 4 frames")
    assert told.endswith("standard deviation 6.")


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


def test_a_run_with_repeats_is_resumed_and_keeps_the_type_of_the_file(tmp_path):
    source, out = tmp_path / "a.tif", tmp_path / "out"
    tifffile.imwrite(source, FRAMES[:3], imagej=True, metadata={"axes": "TYX"})
    given = ["--preset", "tiny", "--steps", "2", "--samples", "0", "--repeats", "T", "--keep-dtype"]

    def run(noise, *others):
        arguments = ["denoise", source, "-o", out, *given, "--noise", noise, *others]
        return CliRunner().invoke(app, [str(one) for one in arguments])

    assert run("gaussian:12").exit_code == 0
    assert tifffile.imread(out / "a_restored.ome.tif").dtype == FRAMES.dtype
    assert "Given for one frame: Gaussian noise of standard deviation 12." in (
        out / "report.html"
    ).read_text(encoding="utf-8")
    (out / "report.html").unlink()
    other = run("gaussian:6", "--resume")
    assert other.exit_code == 1 and "now Gaussian(sigma=6.0)" in " ".join(other.output.split())
    same = run("gaussian:12", "--resume")
    assert same.exit_code == 0 and "already restored" in " ".join(same.output.split())
