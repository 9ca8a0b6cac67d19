"""An environment of its own for CAREamics, so that both sides can run in one go.

CAREamics is installed from PyPI without its dependencies' pins, beside the same CPU torch as
ours. It needs torchvision for a centre crop and a version string only, and torchvision does not
load beside that torch: a stand-in of our own takes its place.
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
STAND_IN = '''"""Stands in for torchvision: its version, and the centre crop that CAREamics calls."""

__version__ = "0.0.0"
'''
CENTRE_CROP = '''"""The one function that CAREamics calls."""


def center_crop(image, output_size):
    """Cut the centre out of the last two axes."""
    height, width = (output_size,) * 2 if isinstance(output_size, int) else tuple(output_size)[:2]
    top, left = ((side - cut) // 2 for side, cut in zip(image.shape[-2:], (height, width)))
    return image[..., top : top + height, left : left + width]
'''


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
    site = subprocess.run(
        [str(python), "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    transforms = Path(site) / "torchvision" / "transforms"
    transforms.mkdir(parents=True)
    (transforms.parent / "__init__.py").write_text(STAND_IN)
    (transforms / "__init__.py").write_text('"""Holds `functional`."""\n')
    (transforms / "functional.py").write_text(CENTRE_CROP)
    (folder / "ready").touch()
    return python
