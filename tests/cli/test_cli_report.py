"""The report of a model, and a report that is rebuilt from what a run has left."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from test_cli_commands import noisy, run

from ladderscope import Denoiser
from ladderscope.images import write_image
from ladderscope.images.metadata import description_of
from ladderscope.noise import Gaussian

KINDS = r'data-kind="([^"]*)"'


@pytest.fixture(scope="module")
def done(denoiser, tmp_path_factory):
    """Restore two images, of which one has a name that XML does not like."""
    root = tmp_path_factory.mktemp("report")
    for number, name in enumerate(("a", "ä & <b>")):
        tifffile.imwrite(root / f"{name}.tif", noisy(140, 150, seed=number).astype(np.float32))
    model, out, page = root / "m.ladder", root / "out", root / "r.html"
    denoiser.save(model)
    arguments = ["predict", model, root, "-o", out, "--samples", 2, "--report", page]
    assert run(*arguments).code == 0
    return SimpleNamespace(root=root, model=model, out=out, html=page.read_text("utf-8"))


def rebuilt(done, *arguments, out=None):
    page = done.root / "again.html"
    folder = out or done.out
    options = ["--model", done.model, "-o", page, "--overwrite"]
    result = run("report", folder, *arguments, *options)
    return result, page.read_text("utf-8") if page.exists() else ""


@pytest.fixture
def moved(done, tmp_path):
    """The results alone, elsewhere."""
    for path in done.out.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def pictures(html):
    return re.findall('data:image/png;base64,([^"]+)"', html)


def test_a_rebuilt_report_has_the_same_pictures_and_checks_samples_included(done):
    result, html = rebuilt(done)
    assert result.code == 0
    assert pictures(html) == pictures(done.html) and len(pictures(html)) > 12
    for part in ("Can the restorations be used?", "All checks", "Camera noise"):
        both = [
            page.partition(f"{part}</h2>")[2].partition("<h2>")[0] for page in (html, done.html)
        ]
        assert both[0] == both[1] != ""
    assert "rebuilt" in html


def test_a_result_says_where_its_original_is_as_seen_from_its_folder(done):
    said = description_of(done.out / "ä & <b>_restored.ome.tif")
    assert ", 2 samples, seed 0, float32, input " in said
    assert said.endswith(") from ../ä & <b>.tif")


def test_what_is_missing_is_said_where_the_originals_are_gone_and_comes_back_with_them(done, moved):
    result, html = rebuilt(done, out=moved)
    assert result.code == 0
    assert "a_restored.ome.tif" in result.shown and "not found" in result.shown
    assert f"ladderscope report {moved} IN..." in html
    assert set(re.findall(KINDS, html)) == {"restored", "error bar"}
    assert "Can the restorations be used?" not in html
    _, html = rebuilt(done, done.root / "a.tif", out=moved)
    assert "noisy" in re.findall(KINDS, html) and "samples" in re.findall(KINDS, html)


def test_another_model_is_refused_for_each_image(done, tmp_path):
    other = Denoiser("tiny", noise=Gaussian(5.0))
    other.fit(noisy(64, 64), steps=1, progress=False)
    other.save(tmp_path / "other.ladder")
    arguments = [
        "report",
        done.out,
        "--model",
        tmp_path / "other.ladder",
        "-o",
        tmp_path / "r.html",
    ]
    result = run(*arguments)
    assert result.code == 1 and "another model restored this image" in result.said
    assert "a_restored.ome.tif" in result.said


def test_a_model_alone_has_its_training_its_noise_and_its_statistics(done, tmp_path):
    result = run("report", done.model, "-o", tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text("utf-8")
    assert result.code == 0 and "A denoiser that was trained for 25 steps" in html
    for heading in ("Training images", "Camera noise", "Training", "Settings"):
        assert f"{heading}</h2>" in html
    assert ">Images</h2>" not in html


def test_what_cannot_be_rebuilt_is_refused_with_what_to_do(done, tmp_path):
    write_image(tmp_path / "none" / "a.ome.tif", noisy(), "YX")
    for arguments, said in (
        ([done.out], "--model"),  # a prediction leaves no model in its folder
        ([tmp_path / "none", "--model", done.model], "ladderscope denoise"),
        ([done.model, "--model", done.model], "not a folder"),
        ([tmp_path / "missing.ladder", "-o", tmp_path / "r.html"], "missing.ladder"),
        ([done.model, "-o", tmp_path / "r.txt"], ".html"),
    ):
        result = run("report", *arguments)
        assert result.code == 1 and said in result.said
    assert not list(tmp_path.glob("r.*"))
