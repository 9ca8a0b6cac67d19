"""The loss library is usable alone: it needs torch and jaxtyping, and no other part of ours."""

import json
import subprocess
import sys

import ladderscope.losses

# Finds only what Python, torch and jaxtyping need, as if nothing else were installed.
ALONE = """
import json, re, sys
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, requires

def needed(names):
    found = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            try:
                wanted = requires(name) or []
            except PackageNotFoundError:
                continue
            names += [re.match(r"[\\w.-]+", one)[0] for one in wanted if "extra ==" not in one]
    return {name.lower().replace("-", "_") for name in found}

known = needed(["torch", "jaxtyping"]) | {"ladderscope", "torchgen", "functorch", "_distutils_hack"}

class Few(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        first = name.partition(".")[0]
        if first in sys.stdlib_module_names or first.lower() in known:
            return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Few
import torch
from ladderscope.losses import free_bits_kl
free_bits_kl(torch.ones(2, 3), 1.0)
print(json.dumps(sorted(sys.modules)))
"""


def test_it_needs_torch_and_jaxtyping_alone_and_loads_nothing_else_of_ours():
    alone = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr
    modules = set(json.loads(alone.stdout.splitlines()[-1]))

    ours = {name for name in modules if name.partition(".")[0] == "ladderscope"}
    assert "ladderscope.losses.free_bits" in ours
    assert {name for name in ours if not name.startswith("ladderscope.losses")} == {"ladderscope"}

    assert "torch" in modules
    absent = {
        "lightning",
        "matplotlib",
        "numpy",
        "pydantic",
        "skimage",
        "tifffile",
        "typer",
        "zarr",
    }
    assert absent.isdisjoint(modules)


def test_every_public_name_is_there():
    assert sorted(ladderscope.losses.__all__) == ladderscope.losses.__all__
    for name in ladderscope.losses.__all__:
        assert getattr(ladderscope.losses, name).__doc__
