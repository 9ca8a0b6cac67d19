"""Names and texts out of files are shown as they are, whatever they hold and wherever to."""

import io
import os
import sys

import numpy as np
import pytest
import rich
import tifffile
from rich.console import Console
from typer.testing import CliRunner

from ladderscope.cli import app, main
from ladderscope.cli.terminal import prepare_terminal, say_error, show_summary
from ladderscope.progress import listener_of

ODD = {
    "markup": "day[/ctrl]",
    "escape": "a\x1b[2J\x07",
    "reordered": "a\u202efit",
    "undecodable": os.fsdecode(b"caf\xe9"),
    "other letters": "細胞 Łódź",
}
HARMFUL = {*"\x1b\x07\x9b\u202e"}


@pytest.fixture(params=ODD.values(), ids=ODD)
def odd(request):
    return request.param


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_images_of_any_name_are_restored_and_told(denoiser, crops, tmp_path, odd):
    model = denoiser.save(tmp_path / "model.ladder")
    folder = tmp_path / odd
    folder.mkdir(parents=True)
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(folder / name, crops[0].astype(np.uint16))
    (folder / "broken.tif").write_bytes(b"no image")
    out = tmp_path / "out"
    result = CliRunner().invoke(
        app, ["predict", str(model), str(folder), "-o", str(out / odd), "--samples", "1"]
    )
    assert not isinstance(result.exception, UnicodeError) and result.exit_code == 1
    assert len(list((out / odd).glob("*.tif"))) == 2
    assert "broken.tif" in result.stderr and "Traceback" not in result.stderr
    assert HARMFUL.isdisjoint(result.output)


def test_a_progress_bar_takes_no_name_for_markup(odd, monkeypatch):
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=200, color_system=None)
    monkeypatch.setattr(rich, "_console", console)
    with listener_of(True) as report:
        report(0.5, f"restoring {odd}")
    visible = odd if odd.isprintable() else odd[0]
    assert f"restoring {visible}" in shown.getvalue()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_narrow_encoding_takes_every_letter(monkeypatch, encoding, odd):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in "oe"]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    prepare_terminal()
    show_summary([("file", odd)])
    assert b"file" in streams[0].buffer.getvalue()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["--version"]])
def test_help_is_shown_in_a_narrow_encoding_and_at_no_width(monkeypatch, encoding, arguments):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["ladderscope", *arguments])
    monkeypatch.setenv("COLUMNS", "0")
    with pytest.raises(SystemExit) as end:
        main()
    stream.flush()
    assert not end.value.code and b"adderscope" in stream.buffer.getvalue()


def test_errors_are_shown_where_the_terminal_claims_to_have_no_width(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "0")
    prepare_terminal()
    monkeypatch.setattr(rich, "_console", Console(stderr=True))
    say_error("no such file")
    show_summary([("model", "m.ladder")])
    shown = capsys.readouterr()
    assert "no such file" in shown.err and "m.ladder" in shown.out


@pytest.mark.parametrize("columns", ["0", "7", "²", "9" * 5000])
def test_a_width_that_is_none_is_not_believed(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    prepare_terminal()
    assert Console().width >= 20


def test_a_name_cannot_add_a_line(capsys):
    show_summary([("file", "a\nmodel     trusted")])
    assert len(capsys.readouterr().out.splitlines()) == 1
