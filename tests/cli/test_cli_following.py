"""Following a command: --log-json for programs, --quiet for people."""

import json

import pytest
import tifffile
from invoked import run

from ladderscope.cli import json_log


@pytest.fixture
def noisy(tmp_path, crops):
    tifffile.imwrite(tmp_path / "noisy.tif", crops[0])
    return tmp_path / "noisy.tif"


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_log_has_all_that_happens_from_start_to_end(tmp_path, noisy, monkeypatch):
    monkeypatch.setattr(json_log, "_PAUSE", 0.0)
    log, out = tmp_path / "run.jsonl", tmp_path / "out"
    done = run(
        "denoise",
        noisy,
        "-o",
        out,
        "--preset",
        "tiny",
        "--steps",
        4,
        "--samples",
        2,
        "--quiet",
        "--log-json",
        log,
    )
    assert done.code == 0
    told = events(log.read_text())
    kinds = [one["event"] for one in told]
    assert kinds[0] == "started" and kinds[-1] == "ended" and told[-1]["status"] == 0
    steps = [one for one in told if one["event"] == "training_step"]
    assert [one["step"] for one in steps] == [1, 2, 3, 4] and steps[-1]["seconds_left"] == 0
    assert {"noise_measured", "validation", "message"} <= set(kinds)
    *_, last = (one for one in told if one["event"] == "restoring")
    assert last["megapixels_done"] == last["megapixels"] == pytest.approx(crops_size(noisy) / 1e6)
    written = {one["file"] for one in told if one["event"] == "written"}
    assert written == {str(path) for path in out.iterdir()}
    assert "model saved" not in done.said


def crops_size(path):
    return tifffile.imread(path).size


def test_standard_error_has_nothing_but_events(tmp_path):
    done = run("predict", tmp_path / "no.ladder", "a.tif", "-o", tmp_path, "--log-json", "-")
    *_, error, end = events(done.errors)
    assert error["level"] == "error" and "no.ladder" in error["text"]
    assert end["event"] == "ended" and end["status"] == done.code == 1


def test_quiet_keeps_warnings_and_results(tmp_path, noisy):
    loud, quiet = (run("check", noisy, *option) for option in ([], ["--quiet"]))
    assert quiet.shown == loud.shown


def test_a_log_that_cannot_be_written_is_named(tmp_path, noisy):
    done = run("check", noisy, "--log-json", tmp_path)
    assert done.code == 1 and "--log-json" in done.said and str(tmp_path) in done.said
