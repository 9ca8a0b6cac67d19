"""An environment of its own for CAREamics, so that both sides can run in one go.

CAREamics is installed from PyPI without its dependencies' pins, beside the same CPU torch as
ours. It needs torchvision for a centre crop and a version string only, and torchvision does not
load beside that torch: `careamics_side.py` puts a stand-in in its place.
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
    """Give the peer's interpreter; the environment is made in `folder` if it is not there yet."""
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
