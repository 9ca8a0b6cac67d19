"""A separate environment for CAREamics and BM3D, so that both sides can be compared in one run.

CAREamics is installed from PyPI without the version pins of its dependencies, with the same CPU
version of torch as ours. It needs torchvision only for a centre crop and a version string, and
torchvision does not load with that torch: `careamics_side.py` replaces it by a stand-in.
BM3D is the implementation of its authors, which is free for non-commercial use only.
"""

import subprocess
import sys
from pathlib import Path

import torch

CAREAMICS = "careamics==0.3.5"
BM3D = "bm3d==4.0.3"
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
CONTENT = "\n".join((CAREAMICS, BM3D, *NEEDS, torch.__version__))


def peer_python(folder: Path) -> Path:
    """Return the interpreter of the environment in `folder`; create or complete it if necessary."""
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists() and ready.read_text() == CONTENT:
        return python
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)

    def install(*arguments):
        subprocess.run([str(python), "-m", "pip", "install", "-q", *arguments], check=True)

    install(f"torch=={torch.__version__.split('+')[0]}", "numpy")
    install(*NEEDS)
    install("--no-deps", CAREAMICS)
    install(BM3D)
    ready.write_text(CONTENT)
    return python
