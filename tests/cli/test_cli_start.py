"""The command line starts without loading what only work needs."""

import json
import subprocess
import sys

import pytest

HEAVY = {"lightning", "matplotlib", "scipy", "skimage", "torch"}
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
