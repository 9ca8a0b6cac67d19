"""Hot pixels are counted in blocks as in whole planes, each once and at its place."""

import numpy as np
import pytest

from ladderscope.images import Image, large
from ladderscope.images.artefacts import Artefacts, outliers_of
from ladderscope.images.stored import StoredPixels
from ladderscope.inspection import look_before_restoring
from ladderscope.inspection.outlying import outlying

# at the borders of blocks of 32, in a corner, and inside
HOT = [(0, 0), (31, 40), (32, 64), (63, 63), (64, 10), (99, 129)]


@pytest.fixture
def in_blocks(monkeypatch):
    monkeypatch.setattr(large, "_UNCUT", 0)
    monkeypatch.setattr(large, "_BLOCK", 32)


def recorded(axes="YX"):
    planes = np.random.default_rng(0).poisson(100, (2, 100, 130)).astype(np.uint16)
    for number, at in enumerate(HOT):
        planes[number % 2, *at] = 40000 + number
    planes[1, 70:] = 0
    if axes == "XYC":
        return Image(planes.transpose(2, 1, 0), axes, "a.tif")
    return Image(planes[0] if axes == "YX" else planes, axes, "a.tif")


@pytest.mark.parametrize("axes", ["YX", "TYX", "CYX", "XYC"])
def test_blocks_hold_the_outliers_of_planes(in_blocks, axes):
    image = recorded(axes)
    marked = np.argwhere(outliers_of(image)).tolist()
    assert len(marked) == (3 if axes == "YX" else 5)
    found = outlying(image)
    assert found.total == len(marked)
    assert found.first == [(tuple(at), float(image.pixels[*at])) for at in marked[:3]]


def test_those_of_a_large_image_are_told_with_the_first_places(in_blocks):
    image = recorded()
    stored = StoredPixels(image.shape, image.dtype, image.pixels.__getitem__)
    whole = Image(stored, "YX", "a.tif")
    thinned = Image(image.pixels[1::2, 1::2], "YX", "a.tif")
    (finding,) = look_before_restoring(thinned, Artefacts(), whole)
    assert "3 pixels stand out" in finding.text and "Y=32, X=64 (40002)" in finding.text
