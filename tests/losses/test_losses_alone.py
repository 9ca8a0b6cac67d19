"""The loss library is usable alone: importing it brings torch and no other part of ours."""

import json
import subprocess
import sys

import ladderscope.losses

LIST_MODULES = "import json, sys, ladderscope.losses; print(json.dumps(sorted(sys.modules)))"


def test_a_fresh_interpreter_loads_torch_and_nothing_else_of_ours():
    listing = subprocess.run(
        [sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=True
    )
    modules = json.loads(listing.stdout)

    ours = {name for name in modules if name.partition(".")[0] == "ladderscope"}
    assert "ladderscope.losses.free_bits" in ours
    assert {name for name in ours if not name.startswith("ladderscope.losses")} == {"ladderscope"}

    assert "torch" in modules
    heavy = {"lightning", "matplotlib", "pydantic", "skimage", "tifffile", "typer", "zarr"}
    assert heavy.isdisjoint(modules)


def test_every_public_name_is_there():
    assert sorted(ladderscope.losses.__all__) == ladderscope.losses.__all__
    for name in ladderscope.losses.__all__:
        assert getattr(ladderscope.losses, name).__doc__
