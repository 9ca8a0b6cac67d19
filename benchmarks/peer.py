"""A separate environment for CAREamics, so that both sides can be compared in one run.

CAREamics is installed from PyPI without the version pins of its dependencies, with the same CPU
version of torch as ours. It needs torchvision only for a centre crop and a version string, and
torchvision does not load with that torch: `careamics_side.py` replaces it by a stand-in.
"""

import subprocess
import sys
from pathlib import Path

import torch

CAREAMICS = "careamics==0.3.5"
NEEDS = (
    "bioimageio-core<=0.11.0",
    "lightning",
    "matplotlib",
    "microssim",
    "psutil",
    "pydantic<=2.14.1",
    "pyyaml",
    "scikit-image",
    "tifffile",
    "zarr>=3",
)


def peer_python(folder: Path) -> Path:
    """Return CAREamics' Python interpreter; create its environment in `folder` if necessary."""
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)

    def install(*arguments):
        subprocess.run([str(python), "-m", "pip", "install", "-q", *arguments], check=True)

    install(f"torch=={torch.__version__.split('+')[0]}", "numpy")
    install(*NEEDS)
    install("--no-deps", CAREAMICS)
    (folder / "ready").touch()
    return python
