"""The images that come with the package, and what loading this room brings along."""

import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from ladderscope.images import SAMPLE_CREDIT, ImageError, sample_image


@pytest.mark.parametrize("name", ["cells", "dna", "ph3"])
def test_samples_are_read(name):
    image = sample_image(name)
    assert image.pixels.shape == (512, 512)
    assert image.pixels.dtype == np.uint8
    assert (image.axes, image.name, image.path) == ("YX", f"{name}.tif", None)


def test_another_name_is_refused():
    with pytest.raises(ImageError, match=r"'actin': .*cells, dna, ph3"):
        sample_image("actin")


def test_the_credit_goes_with_the_images():
    written = (resources.files("ladderscope.images.samples") / "CREDITS.md").read_text("utf-8")
    for credit in (written, SAMPLE_CREDIT):
        assert "Moffat" in credit
        assert "CC0" in credit


def test_reading_images_loads_neither_torch_nor_zarr():
    code = (
        "import sys, ladderscope.images as images; images.sample_image('dna');"
        "sys.exit(bool({'torch', 'zarr', 'skimage', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
