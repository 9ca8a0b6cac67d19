"""Models exported on the command line."""

from pathlib import Path

import pytest
from invoked import run

FIXTURES = Path(__file__).parents[1] / "models" / "fixtures" / "format_2"


def test_the_command_writes_the_file_and_replaces_none_unasked(tmp_path):
    pytest.importorskip("onnx", reason='needs pip install "ladderscope[export]"')
    model, out = FIXTURES / "denoiser.ladder", tmp_path / "new folder" / "a.onnx"
    result = run("export", "onnx", model, "-o", out)
    assert result.code == 0, result.said
    assert "mean (batch, channel, y, x)" in result.shown
    before = out.read_bytes()
    assert "--overwrite" in run("export", "onnx", model, "-o", out).said
    assert out.read_bytes() == before
    assert run("export", "onnx", model, "-o", out, "--overwrite").code == 0
    assert [file.name for file in out.parent.iterdir()] == ["a.onnx"]


@pytest.mark.parametrize(
    "name, output, why",
    [
        ("denoiser_context.ladder", "a.onnx", "lateral context"),
        ("careamics_stacks.ladder", "a.onnx", "middle plane"),
        ("denoiser.ladder", "a.zip", "a.onnx"),
        ("nowhere.ladder", "a.onnx", "nowhere.ladder"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(tmp_path, name, output, why):
    result = run("export", "onnx", FIXTURES / name, "-o", tmp_path / output)
    assert result.code == 1 and why in result.said
    assert name in result.said or output in result.said
    assert not list(tmp_path.iterdir())


def test_a_package_is_exported_and_imported_again(tmp_path):
    pytest.importorskip("onnx", reason='needs pip install "ladderscope[export]"')
    pytest.importorskip("bioimageio.spec", reason='needs pip install "ladderscope[export]"')
    model, package, back = FIXTURES / "denoiser.ladder", tmp_path / "a.zip", tmp_path / "a.ladder"
    result = run("export", "bioimage", model, "-o", package, "--author", "A. Nobody")
    assert result.code == 0, result.said
    assert "--licence" in result.shown
    assert "--overwrite" in run("export", "bioimage", model, "-o", package).said
    assert run("import", "bioimage", package, "-o", back).code == 0
    assert back.read_bytes() == model.read_bytes()
    assert "--overwrite" in run("import", "bioimage", package, "-o", back).said


def test_a_model_that_cannot_be_exported_leaves_no_package(tmp_path):
    context = FIXTURES / "splitter_musplit.ladder"
    result = run("export", "bioimage", context, "-o", tmp_path / "a.zip")
    assert result.code == 1 and "lateral context" in result.said
    assert context.name in result.said
    assert not list(tmp_path.iterdir())


def test_a_model_goes_back_to_careamics_and_needs_no_numbers_to_come_again(tmp_path):
    model, weights = FIXTURES / "careamics_denoiser.ladder", tmp_path / "a.pth"
    assert run("export", "careamics", model, "-o", weights).code == 0
    assert "--overwrite" in run("export", "careamics", model, "-o", weights).said
    assert run("import", "careamics", weights, "-o", tmp_path / "again.ladder").code == 0
    result = run("export", "careamics", FIXTURES / "denoiser.ladder", "-o", tmp_path / "b.pth")
    assert result.code == 1 and "variance is exp" in result.said
    assert "denoiser.ladder" in result.said
