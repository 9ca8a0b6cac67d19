"""The command line starts without loading what only work needs."""

import json
import os
import signal
import subprocess
import sys

import pytest

from ladderscope.cli import commands, main

HEAVY = {"lightning", "matplotlib", "numpy", "scipy", "skimage", "torch"}
LISTING = """
import json, sys
{work}
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
HELP = """
sys.argv = ["ladderscope", *{arguments}]
from ladderscope.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""


@pytest.mark.parametrize(
    "work",
    [
        "import ladderscope",
        HELP.format(arguments=["--help"]),
        HELP.format(arguments=["denoise", "--help"]),
        HELP.format(arguments=["train", "splitter", "--help"]),
        HELP.format(arguments=["noise", "fit", "--help"]),
        HELP.format(arguments=["evaluate", "--help"]),
        HELP.format(arguments=["--version"]),
    ],
)
def test_nothing_heavy_is_loaded(work):
    run = subprocess.run(
        [sys.executable, "-c", LISTING.format(work=work)],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(json.loads(run.stderr.splitlines()[-1]))
    assert "ladderscope" in modules
    assert HEAVY.isdisjoint(modules)


def test_the_console_script_loads_next_to_nothing_before_it_is_ready_for_ctrl_c():
    run = subprocess.run(
        [sys.executable, "-S", "-c", "import sys, ladderscope.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    modules = set(run.stdout.split())
    assert "ladderscope.cli" in modules
    assert {"importlib.metadata", "pathlib", "re", "rich", "typer", "typing"}.isdisjoint(modules)


@pytest.mark.parametrize("presses", [1, 3])
def test_ctrl_c_before_a_command_has_work_ends_without_a_word(monkeypatch, capfd, presses):
    def end(status):
        raise SystemExit(status)

    def app():
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(commands, "app", app)
    try:
        with pytest.raises(SystemExit, match="130"):
            main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_after_a_command_s_work_changes_nothing(monkeypatch):
    def app():
        raise SystemExit(3)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(commands, "app", app)
    try:
        with pytest.raises(SystemExit, match="3"):
            main()
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
