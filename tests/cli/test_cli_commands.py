"""The commands on small noisy images: what they write, what they refuse, how they end."""

import shutil
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import zarr
from invoked import run

from ladderscope.claims import claimed
from ladderscope.cli import summary
from ladderscope.data import TrainingPatches
from ladderscope.images import read_image, sample_image, write_image
from ladderscope.models import Restoration
from ladderscope.models.file import read_model

QUICK = ["--preset", "tiny", "--steps", "8", "--noise", "gaussian:5", "--samples", "2"]
TRAIN_QUICK = QUICK[:-2]


def noisy(height=96, width=96, seed=0):
    clean = sample_image("cells").pixels[300 : 300 + height, 100 : 100 + width].astype(float)
    return clean + np.random.default_rng(seed).normal(0, 5, clean.shape)


def written(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noisy().clip(0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Denoise two files of one name, one with a pixel size, and one that is blank."""
    root = tmp_path_factory.mktemp("batch")
    for day in (1, 2):
        (root / f"day{day}").mkdir()
        tifffile.imwrite(
            root / f"day{day}" / "a.ome.tif",
            np.stack([noisy(seed=day), noisy(seed=day + 5)]).astype(np.uint16),
            ome=True,
            metadata={
                "axes": "ZYX",
                "PhysicalSizeX": 0.2,
                "PhysicalSizeY": 0.3,
            },
        )
    tifffile.imwrite(root / "day2" / "blank.tif", np.zeros((1, 96, 96), np.uint8), imagej=True)
    out = root / "out"
    result = run("denoise", root / "day1", f"{root}/day2/*.tif", "-o", out, *QUICK, "--keep-dtype")
    return SimpleNamespace(root=root, out=out, result=result)


def test_everything_is_written_and_told_apart_by_folder(batch):
    assert written(batch.out) == [
        "day1_a_restored.ome.tif",
        "day1_a_samples.gif",
        "day1_a_spread.ome.tif",
        "day2_a_restored.ome.tif",
        "day2_a_samples.gif",
        "day2_a_spread.ome.tif",
        "model.ladder",
        "report.html",
    ]


def test_the_summary_says_where_everything_is(batch):
    assert "2 images" in batch.result.printed
    assert f"report    {batch.out / 'report.html'}" in batch.result.printed
    assert "8 steps" in batch.result.printed


def test_axes_and_pixel_size_and_type_are_kept(batch):
    restored = read_image(batch.out / "day1_a_restored.ome.tif")
    original = read_image(batch.root / "day1" / "a.ome.tif")
    assert (restored.axes, restored.pixel_size) == (original.axes, original.pixel_size)
    assert restored.pixel_size == pytest.approx((0.3, 0.2))
    assert restored.pixels.dtype == np.uint16
    assert restored.pixels.shape == original.pixels.shape
    spread = read_image(batch.out / "day1_a_spread.ome.tif")
    assert spread.pixels.dtype == np.float32
    assert (spread.pixels >= 0).all()


def test_a_bad_file_is_reported_and_stops_nothing(batch):
    assert batch.result.code == 1
    assert "blank.tif: is blank" in batch.result.said.split("error:")[1]
    assert "blank.tif" in (batch.out / "report.html").read_text(encoding="utf-8")


def test_warnings_of_one_kind_about_many_images_become_one_in_the_summary(batch, tmp_path):
    pixels = noisy(64, 64)
    pixels[20, 30] = 60000
    for name in "abcdefg":
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
    model, images = batch.out / "model.ladder", f"{tmp_path}/*.tif"
    result = run("predict", model, images, "-o", tmp_path / "out", "--samples", 0)
    assert result.printed.count("Y=20, X=30") == 1
    assert "6 other images: b.tif, c.tif, d.tif and 3 more" in result.printed
    assert len([line for line in result.said.split("warning:") if "Y=20, X=30" in line]) == 7


def test_own_outputs_are_no_input(batch, tmp_path):
    both = batch.out, batch.root / "day1"
    result = run("predict", batch.out / "model.ladder", *both, "-o", tmp_path, "--samples", 1)
    assert result.code == 0
    assert "left out because Ladderscope wrote them: day1_a_restored.ome.tif" in result.said
    assert written(tmp_path) == ["a_restored.ome.tif"]
    assert "spread    none" in result.printed


def test_a_single_pass_has_a_spread_too(batch, tmp_path):
    image = batch.root / "day1"
    result = run("predict", batch.out / "model.ladder", image, "-o", tmp_path, "--samples", 0)
    assert written(tmp_path) == ["a_restored.ome.tif", "a_spread.ome.tif"]
    assert "spread    none" not in result.printed


def test_outputs_that_exist_are_refused_before_training(batch):
    before = (batch.out / "model.ladder").read_bytes()
    result = run("denoise", batch.root / "day1", "-o", batch.out, *QUICK)
    assert result.code == 1
    assert "exist" in result.said and "--overwrite" in result.said
    assert "training" not in result.said
    assert (batch.out / "model.ladder").read_bytes() == before


def test_a_finished_training_cannot_be_resumed_and_says_what_to_do(batch):
    result = run("denoise", batch.root / "day1", "-o", batch.out, *QUICK, "--resume")
    assert result.code == 1
    assert "model.ladder" in result.said and "ladderscope predict" in result.said


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory):
    """Denoise three images, and be stopped while the second is restored."""
    root = tmp_path_factory.mktemp("stopped")
    for number in range(3):
        pixels = noisy(seed=number).clip(0, 255).astype(np.uint8)
        tifffile.imwrite(root / f"{number}.tif", pixels)
    saved = Restoration.save

    def interrupted(self, path, **arguments):
        if path.name.startswith("1"):
            raise KeyboardInterrupt
        return saved(self, path, **arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Restoration, "save", interrupted)
        assert run("denoise", root / "[0-2].tif", "-o", root / "out", *QUICK).code == 130
    done = ["0_restored.ome.tif", "0_samples.gif", "0_spread.ome.tif", "1_restored.ome.tif.parts"]
    assert written(root / "out") == [*done, "model.ladder"]
    return root


@pytest.fixture
def stopped(stopped_once, tmp_path):
    shutil.copytree(stopped_once, tmp_path, dirs_exist_ok=True)
    return SimpleNamespace(root=tmp_path, out=tmp_path / "out")


def resume(stopped, *others, images="[0-2].tif"):
    return run("denoise", stopped.root / images, "-o", stopped.out, *QUICK, *others, "--resume")


def dates(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_run_that_was_stopped_while_it_restored_goes_on_there(stopped):
    before = dates(stopped.out)
    result = resume(stopped)
    assert result.code == 0 and "3 images" in result.printed and "training:" not in result.said
    del before["1_restored.ome.tif.parts"]
    assert dates(stopped.out).items() >= before.items()
    assert len(written(stopped.out)) == 3 * 3 + 2
    page = (stopped.out / "report.html").read_text(encoding="utf-8")
    assert all(f"<h3>{number}.tif</h3>" in page for number in range(3))
    assert page.count('data-kind="samples"') == page.count('data-kind="error bar"') == 3

    images = stopped.out.glob("*.tif")
    whole = {path.name: tifffile.imread(path) for path in images}
    assert run("denoise", stopped.root / "[0-2].tif", "-o", stopped.out / "again", *QUICK).code == 0
    for name, pixels in whole.items():
        assert np.array_equal(tifffile.imread(stopped.out / "again" / name), pixels)


@pytest.mark.parametrize("lost", ["0_restored.ome.tif", "0_spread.ome.tif"])
def test_a_restoration_of_which_a_part_is_missing_is_made_anew(stopped, lost):
    (stopped.out / lost).unlink()
    before = dates(stopped.out)
    assert resume(stopped).code == 0
    assert len(written(stopped.out)) == 3 * 3 + 2
    same = {name for name, date in dates(stopped.out).items() if before.get(name) == date}
    assert same == {"model.ladder"}


@pytest.mark.parametrize("other", [["--samples", 3], ["--keep-dtype"]])
def test_so_is_one_that_was_restored_in_another_way(stopped, other):
    before = dates(stopped.out)
    assert resume(stopped, *other).code == 0
    assert dates(stopped.out)["0_restored.ome.tif"] > before["0_restored.ome.tif"]


@pytest.fixture
def warned(tmp_path, monkeypatch):
    """Denoise a channel whose noise is not as asked for, and a blank one, until it restores."""
    pixels = np.stack([noisy(), np.zeros((96, 96))]).clip(0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, metadata={"axes": "CYX"})
    quick = ["--preset", "tiny", "--steps", 3, "--samples", 0, "--noise", "photon-counting"]
    arguments = ["denoise", tmp_path / "a.ome.tif", "-o", tmp_path / "out", *quick]
    with monkeypatch.context() as patched:
        patched.setattr(Restoration, "save", lambda *_, **__: signal.raise_signal(signal.SIGINT))
        assert run(*arguments).code == 130
    return SimpleNamespace(image=tmp_path / "a.ome.tif", out=tmp_path / "out", arguments=arguments)


def warnings_shown(result):
    return [line for line in result.printed.splitlines() if line.startswith("warning")]


def test_a_channel_that_is_blank_does_not_make_a_model_another_one(warned):
    assert run(*warned.arguments[:-1], "gaussian:5", "--resume").code == 1
    result = run(*warned.arguments, "--resume")
    assert result.code == 0 and "training:" not in result.said
    assert "channel 1: photon-counting was asked for" in " ".join(warnings_shown(result))


def test_what_the_noise_model_does_not_describe_is_said_after_every_prediction(warned):
    model = warned.out / "model.ladder"
    result = run("predict", model, warned.image, "-o", warned.out / "b", "--samples", 0)
    of_noise = [line for line in warnings_shown(result) if "photon-counting" in line]
    assert len(of_noise) == 1 and "channel 1" in of_noise[0]


@pytest.mark.parametrize(
    ("others", "images", "fact"),
    [
        (["--steps", 9], "[0-2].tif", "steps was 8, now 9"),
        (["--seed", 3], "[0-2].tif", "seed was 0, now 3"),
        (["--noise", "gaussian:6"], "[0-2].tif", "Gaussian(sigma=5.0), now"),
        (["--noise", "auto"], "[0-2].tif", "Gaussian(sigma=5.0), now"),
        ([], "[0-1].tif", "other images"),
    ],
)
def test_a_model_of_another_run_is_not_taken_for_this_one(stopped, others, images, fact):
    before = dates(stopped.out)
    result = resume(stopped, *others, images=images)
    assert result.code == 1 and fact in result.said and "--overwrite" in result.said
    assert dates(stopped.out) == before


def test_info_reads_as_prose(batch):
    result = run("info", batch.out / "model.ladder")
    assert result.code == 0
    for text in (
        "kind      denoiser",
        "Ladderscope 0.",
        "axes ZYX, 1 channel",
        "Given: Gaussian noise of standard deviation 5",
        "8 steps in",
        "budget of 8 steps",
        "reconstruction",
        "nats per pixel",
        "latent_channels 4",
        "thumbnail yes",
    ):
        assert text in result.printed


def test_predict_writes_one_file_and_its_spread(batch, tmp_path):
    source = batch.root / "day1" / "a.ome.tif"
    arguments = ["predict", batch.out / "model.ladder", source, "--samples", 2]
    result = run(*arguments, "-o", tmp_path / "b.tif")
    assert result.code == 0
    assert written(tmp_path) == ["b.tif", "b_spread.tif"]
    assert tifffile.imread(tmp_path / "b.tif").dtype == np.float32
    assert run(*arguments, "-o", tmp_path / "b.tif").code == 1
    assert run(*arguments, "-o", tmp_path / "b.tif", "--overwrite", "--seed", 3).code == 0


def test_predict_writes_zarr_for_zarr_or_as_asked(batch, tmp_path):
    model, samples = batch.out / "model.ladder", ["--samples", 2]
    source = tmp_path / "in" / "c.ome.zarr"
    zarr.create_array(source, data=np.stack([noisy()] * 2), dimension_names=("z", "y", "x"))
    out = tmp_path / "out"
    assert run("predict", model, source, "-o", out, *samples).code == 0
    assert written(out) == ["c_restored.ome.zarr", "c_spread.ome.zarr"]
    assert read_image(out / "c_restored.ome.zarr").axes == "ZYX"
    page = ["report", out, "--model", model, "-o", tmp_path / "report.html"]
    assert "were not found" not in run(*page).printed
    assert "c_spread.ome.zarr" in (tmp_path / "report.html").read_text()
    found = run("evaluate", out / "c_restored.ome.zarr", source, "--json", tmp_path / "s.json")
    assert "c_spread.ome.zarr" in (tmp_path / "s.json").read_text(), found.said
    asked = ["predict", model, source, *samples, "--format", "tiff"]
    assert run(*asked, "-o", tmp_path / "tiff", "--compression", "zstd").code == 0
    with tifffile.TiffFile(tmp_path / "tiff" / "c_restored.ome.tif") as tiff:
        assert tiff.pages.first.compression == tifffile.COMPRESSION.ZSTD
    (out / "c_restored.ome.zarr" / "notes.txt").touch()
    refused = run("predict", model, source, "-o", out, *samples, "--overwrite")
    assert (refused.code, "notes.txt" in refused.said) == (1, True)
    assert "--format" in run(*asked, "-o", tmp_path / "c.zarr").said
    assert "inside the input" in run("predict", model, source, "-o", source / "out").said


def test_predict_never_overwrites_its_input(batch, image):
    before = image.read_bytes()
    result = run("predict", batch.out / "model.ladder", image, "-o", image, "--overwrite")
    assert (result.code, image.read_bytes()) == (1, before)
    assert "is an input" in result.said


def test_several_images_do_not_fit_one_file(batch, tmp_path):
    days = [batch.root / f"day{day}" / "a.ome.tif" for day in (1, 2)]
    result = run("predict", batch.out / "model.ladder", *days, "-o", tmp_path / "b.tif")
    assert result.code == 1
    assert "2 images" in result.said


def test_other_channels_than_the_model_s_are_refused_and_the_rest_restored(batch, tmp_path, image):
    two = tmp_path / "two.tif"
    tifffile.imwrite(two, np.stack([noisy(), noisy()]).astype(np.float32), metadata={"axes": "CYX"})
    out = tmp_path / "out"
    result = run("predict", batch.out / "model.ladder", two, image, "-o", out, "--samples", 1)
    assert result.code == 1
    assert "2 channels" in result.said and "trained on 1" in result.said
    assert written(out) == ["a_restored.ome.tif"]


def test_images_of_different_kinds_are_an_error_that_names_both(tmp_path, image):
    movie = tmp_path / "movie.tif"
    tifffile.imwrite(movie, np.stack([noisy()] * 2), metadata={"axes": "TYX"})
    result = run("denoise", image, movie, "-o", tmp_path / "out", *QUICK)
    assert result.code == 1
    assert "a.tif" in result.said and "movie.tif" in result.said
    assert written(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--noise", "gauss"], "gaussian:SIGMA"),
        (["--minutes", "0"], "minutes=0"),
        (["--steps", "-1"], "steps=-1"),
        (["--minutes", "1", "--steps", "5"], "one of minutes, steps or epochs"),
        (["--preset", "huge"], "no preset 'huge'"),
        (["--axes", "YQ"], "unknown letter"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (["--resume"], "nothing to resume"),
        (["--resume", "--overwrite"], "--overwrite"),
    ],
)
def test_bad_options_are_said_in_plain_words_and_train_nothing(tmp_path, image, arguments, words):
    result = run("denoise", image, "-o", tmp_path / "out", *arguments)
    assert result.code == 1
    assert words in result.said
    assert "Traceback" not in result.said
    assert not list(tmp_path.glob("out/*"))


def test_input_that_is_not_there_is_said(tmp_path):
    for name in ("none.tif", "*.tif"):
        result = run("denoise", tmp_path / name, "-o", tmp_path / "out", *QUICK)
        assert result.code == 1
        assert str(tmp_path) in result.said


def test_if_no_image_can_be_used_that_is_the_error(tmp_path):
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_bytes(b"not an image")
    result = run("denoise", tmp_path, "-o", tmp_path / "out", *QUICK)
    assert result.code == 1
    assert "none of the 2 images" in result.said


@pytest.mark.parametrize("command", ["denoise", "train"])
def test_a_folder_that_cannot_be_written_is_said_before_training(tmp_path, image, command):
    (tmp_path / "taken").write_text("a file")
    words = ["denoise"] if command == "denoise" else ["train", "denoiser"]
    target = tmp_path / "taken" / ("out" if command == "denoise" else "m.ladder")
    result = run(*words, image, "-o", target, *TRAIN_QUICK)
    assert result.code == 1
    assert "cannot be written" in result.said
    assert "validation" not in result.said


@pytest.mark.parametrize(
    ("words", "name", "right"),
    [
        (["denoise", "a.tif"], "single.tif", "single"),
        (["denoise", "a.tif"], "", "empty"),
        (["train", "denoiser", "a.tif"], "models/", "models/model.ladder"),
        (["train", "denoiser", "a.tif"], "models.tif", "models.ladder"),
        (["train", "splitter", "--channel", "a=a.tif", "--channel", "b=b.tif"], "m", "m.ladder"),
        (["predict", "m.ladder", "a.tif"], "a.png", "a.tif"),
        (["predict", "m.ladder", "a.tif", "--report", "page.pdf"], "out", "page.html"),
        (["noise", "fit", "a.tif"], "noise/", "noise/noise.json"),
        (["import", "careamics", "a.ckpt"], "m.ckpt", "m.ladder"),
        (["evaluate", "a.tif", "a.tif"], "scores.csv", "scores.json"),
        (["demo"], "demo.png", "demo"),
    ],
)
def test_a_name_that_means_something_else_is_refused_at_once(
    tmp_path, monkeypatch, image, words, name, right
):
    monkeypatch.chdir(tmp_path)
    result = run(*words, "-o", name)
    assert result.code == 1 and right in result.said
    assert written(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("command", ["denoise", "train", "predict"])
def test_a_name_too_long_for_the_file_system_is_refused_before_any_work(
    tmp_path, batch, image, command
):
    named = image.rename(tmp_path / ("n" * 243 + ".tif"))
    out, model = tmp_path / "out", batch.out / "model.ladder"
    result = {
        "denoise": lambda: run("denoise", named, "-o", out, *QUICK),
        "train": lambda: run("train", "denoiser", named, "-o", out / f"{'m' * 245}.ladder"),
        "predict": lambda: run("predict", model, named, "-o", out),
    }[command]()
    assert result.code == 1 and "too long" in result.said
    assert written(tmp_path) == [named.name]


@pytest.mark.parametrize("command", ["denoise", "train"])
def test_a_folder_where_the_state_goes_is_noticed_before_training(tmp_path, image, command):
    (tmp_path / "model.ladder.state").mkdir()
    words = ["denoise"] if command == "denoise" else ["train", "denoiser"]
    target = tmp_path if command == "denoise" else tmp_path / "model.ladder"
    result = run(*words, image, "-o", target, *TRAIN_QUICK)
    assert result.code == 1 and "model.ladder.state is a folder" in result.said
    assert written(tmp_path) == ["a.tif", "model.ladder.state"]


def test_an_unfinished_training_is_not_lost_unasked(tmp_path, image):
    state = tmp_path / "m.ladder.state"
    state.write_bytes(b"state")
    result = run("train", "denoiser", image, "-o", tmp_path / "m.ladder", *TRAIN_QUICK)
    assert result.code == 1
    assert "--resume" in result.said and state.read_bytes() == b"state"
    with claimed(tmp_path / "m.ladder"):
        result = run("train", "denoiser", image, "-o", tmp_path / "m.ladder", *TRAIN_QUICK)
    assert result.code == 1 and "another process" in result.said


def test_train_takes_a_file_of_settings_and_keeps_pictures_out(tmp_path, image):
    config = tmp_path / "run.yaml"
    config.write_text("preset: tiny\nsteps: 500\nfilters: 4\nnoise: gaussian:5\nseed: 3\n")
    model = tmp_path / "m.ladder"
    arguments = ["train", "denoiser", image, "-o", model, "--config", config, "--steps", 8]
    assert run(*arguments, "--no-thumbnail").code == 0
    found = read_model(model)
    assert (found.settings.filters, found.settings.steps, found.seed) == (4, 8, 3)
    assert found.thumbnail is None
    assert run(*arguments).code == 1
    assert run(*arguments, "--overwrite").code == 0
    assert read_model(model).thumbnail
    assert not list(tmp_path.glob("*.png"))  # the noise was given


def test_train_draws_the_noise_that_it_measured(tmp_path, image):
    model = tmp_path / "m.ladder"
    result = run("train", "denoiser", image, "-o", model, *QUICK[:4])
    assert result.code == 0 and "m_noise.png" in result.printed
    assert (tmp_path / "m_noise.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("command", ["train", "denoise"])
def test_blind_levels_are_asked_for_by_number_and_told(tmp_path, image, command):
    if command == "train":
        model = tmp_path / "model.ladder"
        asked = ["train", "denoiser", image, "-o", model, *TRAIN_QUICK]
    else:
        model = tmp_path / "out" / "model.ladder"
        asked = ["denoise", image, "-o", model.parent, *QUICK]
    refused = run(*asked, "--blind-levels", 2)
    assert refused.code == 1 and "blind_levels=2 and levels=2" in refused.said
    assert run(*asked, "--blind-levels", 1).code == 0
    assert read_model(model).settings.blind_levels == 1
    assert "Level 1 never sees the image" in " ".join(run("info", model).printed.split())


def test_info_on_something_else_is_an_error(image):
    result = run("info", image)
    assert result.code == 1
    assert "not a model file" in result.said


def test_one_image_that_fails_does_not_stop_the_others(batch, tmp_path, monkeypatch):
    saved = Restoration.save

    def full_disk(self, path, **arguments):
        if "day1" in Path(path).name:
            raise OSError(28, "No space left on device", str(path))
        return saved(self, path, **arguments)

    monkeypatch.setattr(Restoration, "save", full_disk)
    days = [batch.root / f"day{day}" / "a.ome.tif" for day in (1, 2)]
    result = run("predict", batch.out / "model.ladder", *days, "-o", tmp_path, "--samples", 1)
    assert result.code == 1
    assert "No space left" in result.said
    left = ["day1_a_restored.ome.tif.parts", "day2_a_restored.ome.tif"]
    assert written(tmp_path) == left


def test_a_report_that_cannot_be_written_takes_nothing_with_it(batch, tmp_path, image, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(summary, "write_report", refuse)
    (tmp_path / "bad.tif").write_bytes(b"not an image")
    page, out = tmp_path / "page.html", tmp_path / "out"
    model, inputs = batch.out / "model.ladder", [image, tmp_path / "bad.tif"]
    result = run("predict", model, *inputs, "-o", out, "--report", page)
    assert result.code == 1 and "1 image" in result.printed and str(page) not in result.printed
    assert "bad.tif" in result.said and f"{page}: No space left" in result.said
    assert written(out) == ["a_restored.ome.tif", "a_samples.gif", "a_spread.ome.tif"]


def test_a_spread_of_an_earlier_run_does_not_stay_beside_a_restoration_without_one(
    batch, tmp_path, image
):
    write_image(tmp_path / "out" / "a_spread.ome.tif", noisy(), "YX")
    arguments = ["predict", batch.out / "model.ladder", image, "-o", tmp_path / "out"]
    assert run(*arguments, "--samples", 1).code == 1
    assert run(*arguments, "--samples", 1, "--overwrite").code == 0
    assert written(tmp_path / "out") == ["a_restored.ome.tif"]


def test_demo_adds_noise_restores_and_compares(tmp_path, monkeypatch):
    whole = sample_image("dna")
    part = replace(whole, pixels=whole.pixels[200:328, 100:260])
    monkeypatch.setattr("ladderscope.images.sample_image", {"dna": part}.__getitem__)
    out = tmp_path / "demo"
    quick = ["--preset", "tiny", "--steps", 4, "--image", "dna"]
    result = run("demo", "-o", out, *quick)
    assert result.code == 0
    assert "dna.tif: noisy" in result.printed and "dB" in result.printed
    assert "CC0" in result.printed
    assert written(out) == [
        "demo.png",
        "dna_restored.ome.tif",
        "dna_samples.gif",
        "dna_spread.ome.tif",
        "model.ladder",
        "noisy",
        "report.html",
    ]
    assert read_image(out / "noisy" / "dna.tif").pixels.dtype == np.float32
    assert run("demo", "-o", out, *quick).code == 1


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_ends_training_early_uses_the_model_and_resume_finishes(
    tmp_path, image, monkeypatch, number, status
):
    batch_of = TrainingPatches.__getitem__

    def stopped(patches, step):
        if step == 5:
            signal.raise_signal(number)
        return batch_of(patches, step)

    out = tmp_path / "out"
    arguments = ["denoise", image, "-o", out, *QUICK, "--steps", "12"]
    with monkeypatch.context() as patched:
        patched.setattr(TrainingPatches, "__getitem__", stopped)
        result = run(*arguments)
    assert result.code == status
    assert "interrupted after 6 steps" in result.said
    outcome = read_model(out / "model.ladder").outcome
    assert outcome.interrupted and outcome.steps == 6
    assert {"a_restored.ome.tif", "report.html", "model.ladder.state"} <= set(written(out))
    assert not list(out.glob(".*"))

    assert run(*arguments, "--resume").code == 0
    assert read_model(out / "model.ladder").outcome.steps == 12
    assert "model.ladder.state" not in written(out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_prediction_ends_it_and_nothing_is_half_written(
    batch, tmp_path, image, monkeypatch, number
):
    monkeypatch.setattr(tifffile, "imwrite", lambda *_, **__: signal.raise_signal(number))
    result = run("predict", batch.out / "model.ladder", image, "-o", tmp_path / "out")
    assert result.code == 128 + number
    assert "interrupted" in result.said
    assert written(tmp_path / "out") == ["a_restored.ome.tif.parts"]
