"""``ladderscope evaluate``: which files it compares, what it prints and writes, what it refuses."""

import csv
import json
import sys
from types import SimpleNamespace

import invoked
import numpy as np
import pytest
import tifffile
from skimage.io import imread

from ladderscope.evaluation import evaluate, interval_factor
from ladderscope.images import Image, sample_image, write_image
from ladderscope.models.interval_record import interval_record
from ladderscope.noise import Gaussian

RNG = np.random.default_rng(0)
DNA, CELLS = (sample_image(name).pixels[:64, :80] for name in ("dna", "cells"))
CLEAN = {"a": DNA, "b": CELLS}
NOISY = {name: clean + RNG.normal(0, 9, clean.shape) for name, clean in CLEAN.items()}


def run(*arguments):
    return invoked.run("evaluate", *arguments)


def write(path, pixels, axes="YX", **about):
    write_image(path, np.asarray(pixels, np.float32), axes, **about)
    return path


@pytest.fixture(autouse=True)
def without_microssim(monkeypatch):
    monkeypatch.setitem(sys.modules, "microssim", None)


@pytest.fixture
def folders(tmp_path):
    """Restorations as Ladderscope writes them, and their truth in plain TIFFs."""
    (tmp_path / "truth").mkdir()
    for name, clean in CLEAN.items():
        write(tmp_path / "out" / f"{name}_restored.ome.tif", NOISY[name])
        write(tmp_path / "out" / f"{name}_spread.ome.tif", 1 + np.abs(NOISY[name] - clean))
        tifffile.imwrite(tmp_path / "truth" / f"{name}.tif", clean)
    (tmp_path / "out" / "report.html").write_text("")
    return tmp_path


@pytest.fixture
def split(tmp_path):
    """A split image of two channels, and the truth of each in a folder of its own."""
    pixels = np.stack([NOISY["a"], NOISY["b"]])
    names = ["nuclei", "cell bodies"]
    path = write(tmp_path / "mixed_restored.ome.tif", pixels, "CYX", channel_names=names)
    for folder, clean in (("nuclei", DNA), ("bodies", CELLS)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "mixed.tif", clean)
    return path


def decibels(name):
    return f"{evaluate(Image(NOISY[name], 'YX', ''), Image(CLEAN[name], 'YX', ''))[0].psnr:.2f}"


# -- which files are compared


def test_a_file_and_its_truth(folders):
    path = folders / "out" / "a_restored.ome.tif"
    result = run(path, folders / "truth" / "a.tif")
    assert result.code == 0
    assert f"file {path} truth {folders / 'truth' / 'a.tif'} spread" in result.shown
    assert f"PSNR, dB {decibels('a')}" in result.shown
    assert "spread ranks errors 1.000" in result.shown


@pytest.mark.parametrize("whole", [True, False], ids=["folders", "patterns"])
def test_images_are_matched_by_name_and_spreads_are_no_predictions(folders, whole):
    ends = ("", "") if whole else ("/*.ome.tif", "/?.tif")
    result = run(f"{folders}/out{ends[0]}", f"{folders}/truth{ends[1]}")
    assert (result.code, result.said) == (0, "")
    assert result.shown.count("PSNR, dB") == 2
    for name in CLEAN:
        assert (
            f"{name}.tif spread {folders}/out/{name}_spread.ome.tif PSNR, dB {decibels(name)}"
            in (result.shown)
        )


def test_two_single_files_may_be_called_as_they_like(folders):
    other = folders / "truth" / "a.tif"
    result = run(folders / "out" / "b_restored.ome.tif", other)
    assert (result.code, str(other) in result.shown) == (0, True)


def test_files_of_one_name_are_told_apart_by_their_folders_as_when_they_were_written(tmp_path):
    for day, name in (("day1", "a"), ("day2", "b")):
        (tmp_path / day).mkdir()
        tifffile.imwrite(tmp_path / day / "x.tif", CLEAN[name])
        write(tmp_path / "out" / f"{day}_x_restored.ome.tif", NOISY[name])
    result = run(tmp_path / "out", tmp_path / "day1", tmp_path / "day2")
    assert result.code == 0
    for name in CLEAN:
        assert decibels(name) in result.shown


def test_a_prediction_without_a_truth_is_named(folders):
    (folders / "truth" / "b.tif").rename(folders / "truth" / "c.tif")
    result = run(folders / "out", folders / "truth")
    assert result.code == 1
    assert "no truth for b; truths without a prediction: c." in result.said
    assert "called b.tif" in result.said


def test_a_truth_without_a_prediction_is_told_and_left_out(folders):
    result = run(folders / "out" / "a_restored.ome.tif", folders / "truth")
    assert (result.code, result.shown.count("PSNR, dB")) == (0, 1)
    assert "no prediction for b" in result.said


def test_a_pattern_that_the_shell_took_apart_is_not_compared_with_itself(folders):
    files = sorted((folders / "out").glob("*_restored.ome.tif"))
    result = run(*files, folders / "truth" / "b.tif")
    assert result.code == 1
    assert "quote patterns" in result.said


def test_a_spread_may_be_named_or_lie_elsewhere(folders):
    constant = folders / "elsewhere.tif"
    tifffile.imwrite(constant, RNG.random(DNA.shape, np.float32))
    named = run(folders / "out" / "a_restored.ome.tif", folders / "truth", "--spread", constant)
    assert (named.code, f"spread {constant}" in named.shown) == (0, True)
    assert "spread ranks errors 1.000" not in named.shown
    several = run(folders / "out", folders / "truth", "--spread", constant)
    assert (several.code, "2 predictions" in several.said) == (1, True)


def test_without_a_spread_none_is_ranked(folders):
    (folders / "out" / "a_spread.ome.tif").unlink()
    result = run(folders / "out" / "a_restored.ome.tif", folders / "truth" / "a.tif")
    assert (result.code, "spread ranks" in result.shown) == (0, False)


# -- channels


def test_channels_have_a_column_each_whether_truth_is_one_file_or_several(split, tmp_path):
    truths = [tmp_path / folder for folder in ("nuclei", "bodies")]
    whole = write(tmp_path / "whole.tif", np.stack([DNA, CELLS]), "CYX")
    results = [run(split, *truths), run(split, whole)]
    for result in results:
        assert result.code == 0
        heads, values = (
            next(line for line in result.printed.splitlines() if word in line).split()
            for word in ("cell bodies", "PSNR, dB")
        )
        assert heads == ["nuclei", "cell", "bodies"]
        assert values[2:] == [decibels("a"), decibels("b")]
    assert str(whole) in results[1].shown
    assert all(f"truth {folder}/mixed.tif" in results[0].shown for folder in truths)


def test_another_number_of_truths_than_channels_is_refused(split, tmp_path):
    truth = tmp_path / "nuclei" / "mixed.tif"
    one = run(split, truth)
    assert one.code == 1
    assert f"{split} has 2 channels" in one.said and str(truth) in one.said
    assert "1 channel" in one.said
    three = run(split, truth, truth, truth)
    assert three.code == 1
    assert "has 2 channels, but 3 truths are given" in three.said


def test_axes_are_those_of_the_files_that_have_so_many(split, tmp_path):
    truth = tmp_path / "plain.tif"
    tifffile.imwrite(truth, np.stack([DNA, CELLS]), metadata=None)
    assert "--axes" in run(split, truth).said
    result = run(split, truth, "--axes", "CYX")
    assert (result.code, f"PSNR, dB {decibels('a')} {decibels('b')}" in result.shown) == (0, True)
    parts = [tmp_path / folder for folder in ("nuclei", "bodies")]
    assert run(split, *parts, "--axes", "cyx").code == 0
    assert "unknown letter" in run(split, *parts, "--axes", "CYQ").said


# -- what cannot be computed


def test_what_is_missing_is_explained_in_its_place(folders):
    result = run(folders / "out" / "a_restored.ome.tif", folders / "truth" / "a.tif")
    assert "MS-SSIM – (needs images of at least 176×176 pixels)" in result.shown
    install = '– (needs the microssim package: run "pip install microssim")'
    assert f"MicroSSIM {install}" in result.shown
    assert f"MicroMS3IM {install}" in result.shown


def test_microssim_is_shown_where_it_is_installed(folders, monkeypatch):
    class StandIn:
        def fit(self, truth, prediction):
            return self

        def score(self, truth, prediction):
            return 0.625

    stand_in = SimpleNamespace(MicroSSIM=StandIn, MicroMS3IM=StandIn)
    monkeypatch.setitem(sys.modules, "microssim", stand_in)
    result = run(folders / "out" / "a_restored.ome.tif", folders / "truth" / "a.tif")
    assert "MicroSSIM 0.625" in result.shown
    assert "MicroMS3IM – (needs images of at least 176×176 pixels)" in result.shown


def spoil(path, what):
    pixels = tifffile.imread(path).astype(np.float32)
    if what == "nan":
        pixels[3, :5] = np.nan
    elif what in ("constant", "negative"):
        pixels[:] = 7 if what == "constant" else -7
    elif what == "size":
        pixels = pixels[:-1]
    else:
        pixels = np.stack([pixels, pixels])
    tifffile.imwrite(path, pixels, metadata={"axes": "TYX"[-pixels.ndim :]})


@pytest.mark.parametrize(
    ("file", "what", "said"),
    [
        ("truth/b.tif", "nan", "b.tif: 5 of 5120 pixels"),
        ("out/b_restored.ome.tif", "nan", "b_restored.ome.tif: 5 of 5120 pixels"),
        ("out/b_spread.ome.tif", "nan", "b_spread.ome.tif: 5 of 5120 pixels"),
        ("truth/b.tif", "constant", "b.tif: every pixel of channel 1 is 7"),
        ("out/b_spread.ome.tif", "negative", "b_spread.ome.tif: the lowest value is -7"),
        ("truth/b.tif", "size", "(63, 80) (YX)"),
        ("out/b_spread.ome.tif", "size", "(63, 80) (YX)"),
        ("truth/b.tif", "stack", "(2, 64, 80) (TYX)"),
    ],
)
def test_one_bad_image_is_said_and_stops_no_other(folders, file, what, said):
    spoil(folders / file, what)
    result = run(folders / "out", folders / "truth", "--json", folders / "scores.json")
    assert result.code == 1
    assert said in result.said
    assert "Traceback" not in result.said
    assert f"PSNR, dB {decibels('a')}" in result.shown
    written = json.loads((folders / "scores.json").read_text())
    assert len(written["images"]) == len(written["failures"]) == 1
    assert said in written["failures"][0]["reason"]


def test_a_blank_prediction_is_a_bad_one_and_has_its_score(folders):
    path = write(folders / "blank.tif", np.full(DNA.shape, 7))
    result = run(path, folders / "truth" / "a.tif")
    assert (result.code, "range-invariant, dB" in result.shown) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.tif", "truth"], "missing.tif: there is no such file"),
        (["out", "missing"], "missing: there is no such file"),
        (["out", "truth/*.png"], "*.png"),
        (["out/report.html", "truth/a.tif"], "report.html"),
        (["out/a_restored.ome.tif", "truth", "--spread", "missing.tif"], "missing.tif"),
    ],
)
def test_files_that_are_not_there_are_said(folders, monkeypatch, arguments, said):
    monkeypatch.chdir(folders)
    result = run(*arguments)
    assert (result.code, result.shown) == (1, "")
    assert said in result.said


# -- the spread


@pytest.fixture
def calibrated(tmp_path):
    """Two restorations with an error bar of the right size, of which the truth has noise too."""
    for name in ("a", "b"):
        clean = np.broadcast_to(np.linspace(50, 150, 120), (96, 120))
        write(tmp_path / "out" / f"{name}_restored.ome.tif", RNG.normal(clean, 4))
        write(tmp_path / "out" / f"{name}_spread.ome.tif", np.full_like(clean, 4))
        (tmp_path / "truth").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "truth" / f"{name}.tif", RNG.normal(clean, 6 / np.sqrt(4)))
    Gaussian(6.0).save(tmp_path / "camera.json")
    return tmp_path


def cell(result, label):
    return next(line for line in result.printed.splitlines() if line.startswith(label)).split()[-1]


def test_the_coverage_of_the_spread_is_shown_with_its_bounds(calibrated):
    arguments = [calibrated / "out" / "a_restored.ome.tif", calibrated / "truth" / "a.tif"]
    naive = run(*arguments)
    share = 0.81  # of a normal error of √(4² + 3²) within 1.645 · 4
    assert float(cell(naive, "90 % intervals cover")) == pytest.approx(share, abs=0.015)
    noise = ["--truth-noise", calibrated / "camera.json", "--truth-frames", 4]
    corrected = run(*arguments, *noise)
    assert float(cell(corrected, "90 % intervals cover")) == pytest.approx(0.9, abs=0.012)
    bounds = [line.split()[-1] for line in corrected.printed.splitlines() if "confidence" in line]
    assert len(bounds) == 3
    lower, upper = map(float, bounds[1].split("–"))
    assert lower < 0.9 < upper < lower + 0.03
    assert float(cell(corrected, "calibration error")) < 0.012
    assert float(cell(naive, "calibration error")) > 0.05
    assert cell(corrected, "90 %: darkest fifth").startswith("0.")
    assert "spread ranks errors – (the spread or the error is constant)" in naive.shown


def test_intervals_are_as_wide_as_the_file_of_the_spread_says(calibrated):
    restored, truth = calibrated / "out" / "a_restored.ome.tif", calibrated / "truth" / "a.tif"
    wide = interval_record([lambda level: 1.25 * interval_factor(level)])  # √(4² + 3²) is 1.25 · 4
    spread = write(calibrated / "wide.ome.tif", np.full((96, 120), 4), description=f"sd. {wide}.")
    assert float(cell(run(restored, truth), "90 % intervals cover")) < 0.84
    judged = run(restored, truth, "--spread", spread)
    assert float(cell(judged, "90 % intervals cover")) == pytest.approx(0.9, abs=0.012)


def test_scores_are_also_written_as_a_table_and_drawn(calibrated):
    table, picture = calibrated / "scores.csv", calibrated / "reliability.png"
    outputs = ["--csv", table, "--picture", picture, "--json", calibrated / "scores.json"]
    assert run(calibrated / "out", calibrated / "truth", *outputs).code == 0
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    written = json.loads((calibrated / "scores.json").read_text())["images"]
    assert [row["prediction"] for row in rows] == [one["prediction"] for one in written]
    for row, one in zip(rows, written, strict=True):
        (score,) = one["channels"]
        spread = score["spread"]
        assert float(row["psnr"]) == score["psnr"]
        assert (row["ms_ssim"], row["spread_ranks_errors"]) == ("", "")
        assert float(row["crps"]) == spread["crps"]
        assert float(row["coverage_90_lower"]) == spread["coverage"][1]["lower"]
        assert spread["coverage"][1]["level"] == 0.9
        assert float(row["coverage_90_fifth_5"]) == spread["by_brightness"][4]
        assert dict(zip(spread["levels"], spread["covered"], strict=True))[0.9] == pytest.approx(
            spread["coverage"][1]["found"]
        )
        assert sum(each["pixels"] for each in spread["bins"]) == 96 * 120
    height, width = imread(picture).shape[:2]
    assert width > 2 * height


def test_without_a_spread_nothing_can_be_drawn_and_no_noise_be_allowed_for(folders):
    for name in CLEAN:
        (folders / "out" / f"{name}_spread.ome.tif").unlink()
    drawn = run(folders / "out", folders / "truth", "--picture", folders / "a.png")
    assert (drawn.code, "no prediction has one" in drawn.said) == (1, True)
    frames = run(folders / "out", folders / "truth", "--truth-frames", 50)
    assert (frames.code, "--truth-noise" in frames.said) == (1, True)


def test_a_truth_in_other_units_is_told_where_intervals_are_judged(calibrated):
    path = calibrated / "truth" / "a.tif"
    tifffile.imwrite(path, tifffile.imread(path) + 100)
    result = run(calibrated / "out" / "a_restored.ome.tif", path)
    assert result.code == 0
    assert "more than half of the squared error of channel 1" in result.said


# -- JSON


def test_the_numbers_are_written_for_other_programs(split, tmp_path):
    truths = [tmp_path / folder / "mixed.tif" for folder in ("nuclei", "bodies")]
    assert run(split, *truths, "--json", tmp_path / "new" / "scores.json").code == 0
    text = (tmp_path / "new" / "scores.json").read_text()
    (written,) = json.loads(text)["images"]
    assert written["prediction"] == str(split)
    assert written["truth"] == [str(truth) for truth in truths]
    assert written["spread"] is None
    pixels = Image(np.stack([NOISY["a"], NOISY["b"]]).astype(np.float32), "CYX", "")
    expected = evaluate(pixels, [Image(DNA, "YX", ""), Image(CELLS, "YX", "")])
    for found, score in zip(written["channels"], expected, strict=True):
        assert found["psnr"] == pytest.approx(score.psnr)
        assert found["ssim"] == pytest.approx(score.ssim)
        assert (found["ms_ssim"], found["micro_ssim"]) == (None, None)
    assert [found["channel"] for found in written["channels"]] == ["nuclei", "cell bodies"]


def test_an_infinite_number_is_null_and_the_file_strict_json(folders):
    truth, out = folders / "truth" / "a.tif", folders / "scores.json"
    assert "PSNR, dB inf" in run(truth, truth, "--json", out).shown

    def refuse(word):
        raise AssertionError(word)

    written = json.loads(out.read_text(), parse_constant=refuse)
    assert written["images"][0]["channels"][0]["psnr"] is None


def test_a_file_that_exists_is_kept_unless_told_otherwise(folders):
    out = folders / "scores.json"
    out.write_text("mine")
    arguments = [folders / "out", folders / "truth", "--json", out]
    refused = run(*arguments)
    assert (refused.code, refused.shown, out.read_text()) == (1, "", "mine")
    assert "already exists: give --overwrite" in refused.said
    assert run(*arguments, "--overwrite").code == 0
    assert len(json.loads(out.read_text())["images"]) == 2


def test_no_input_is_overwritten_and_nothing_is_written_when_all_fail(folders):
    truth = folders / "truth" / "a.tif"
    before = truth.read_bytes()
    for inside in (truth, folders / "out" / "a_spread.ome.tif"):
        result = run(folders / "out", folders / "truth", "--json", inside, "--overwrite")
        assert (result.code, "is a .json file" in result.said) == (1, True)
    assert truth.read_bytes() == before
    assert run(truth, folders / "truth" / "b.tif", "--json", folders / "a.json").code == 0
    spoil(truth, "constant")
    path = folders / "out" / "a_restored.ome.tif"
    assert run(path, truth, "--json", folders / "none.json").code == 1
    assert not (folders / "none.json").exists()
