"""Summaries as JSON, the exit statuses, and paths with signs of any kind."""

import json

import numpy as np
import pytest
import tifffile
from invoked import run

from ladderscope.cli import doctor as doctor_module
from ladderscope.images import sample_image

ODD = ["two words.tif", "run [1].tif", "Größe µm.tif", "100% & <x>.tif", "日本語.tif", "it's.tif"]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.tif"
    pixels = sample_image("cells").pixels[300:396, 100:196].astype(float)
    tifffile.imwrite(path, (pixels + np.random.default_rng(0).normal(0, 5, pixels.shape)))
    return path


def test_a_summary_is_written_as_json_beside_the_text(image, tmp_path):
    file = tmp_path / "look.json"
    result = run("check", image, "--json", file)
    found = json.loads(file.read_text("utf-8"))
    assert result.code == 0 and "96×96" in result.printed
    assert found["summaries"][0]["file"] == [str(image)]
    assert "96×96" in found["summaries"][0]["image"][0]
    assert found["errors"] == []


def test_a_summary_is_printed_as_json_in_place_of_the_text(image):
    result = run("noise", "check", image, "--noise", "gaussian:5", "--json", "-")
    (found,) = json.loads(result.printed)["summaries"]
    assert found["file"] == [str(image)] and found["noise"]


def test_the_json_says_what_went_wrong_and_what_went_well(image, tmp_path):
    (tmp_path / "b.tif").write_bytes(b"none")
    result = run("check", tmp_path, "--json", "-")
    found = json.loads(result.printed)
    assert result.code == 1 and "b.tif" in result.said
    assert len(found["summaries"]) == 1
    assert len(found["errors"]) == 1 and "b.tif" in found["errors"][0]


def test_the_json_of_a_command_that_fails_says_why(tmp_path):
    result = run("info", tmp_path / "none.ladder", "--json", "-")
    found = json.loads(result.printed)
    assert result.code == 1
    assert found["summaries"] == [] and "none.ladder" in found["errors"][0]


def test_a_summary_replaces_no_file_and_is_named_as_json(image, tmp_path):
    assert run("check", image, "--json", image).code == 1
    (tmp_path / "old.json").write_text("old")
    assert run("check", image, "--json", tmp_path / "old.json").code == 1
    assert (tmp_path / "old.json").read_text() == "old"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--version"], 0),
        (["doctor"], 0),
        (["check", "nowhere.tif"], 1),
        (["check", "a.tif", "--level", "-1"], 2),
        (["predict", "m.ladder", "--no-such-option"], 2),
        (["restore"], 2),
    ],
)
def test_the_exit_status_says_how_a_command_ended(words, status, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*words).code == status


def test_doctor_says_what_a_bug_report_needs():
    (found,) = json.loads(run("doctor", "--json", "-").printed)["summaries"]
    assert found["version"][0].startswith("Ladderscope ")
    assert any(one.startswith("torch ") for one in found["package"])
    assert {"python", "system", "memory", "disk", "device", "bfloat16", "compiler"} <= found.keys()
    assert any(one.startswith("evaluation: ") for one in found["extra"])


def test_doctor_never_fails(monkeypatch):
    def broken(*_):
        raise OSError("libcudart is missing")

    monkeypatch.setattr(doctor_module, "_device", broken)
    monkeypatch.setattr(doctor_module.shutil, "disk_usage", broken)
    result = run("doctor")
    assert result.code == 0 and result.shown.count("libcudart is missing") == 3


@pytest.mark.parametrize("name", ODD)
def test_images_of_any_name_are_found_and_named(image, tmp_path, name):
    folder = tmp_path / f"day {name} [2]"
    folder.mkdir()
    odd = image.rename(folder / name)
    for given in (odd, folder, f"{folder}/*.tif"):
        result = run("check", given, "--json", "-")
        (found,) = json.loads(result.printed)["summaries"]
        assert result.code == 0 and found["file"] == [str(odd)]
