"""Images larger than memory: what is computed block by block is what the whole image gives."""

import sys
import tracemalloc

import numpy as np
import pytest
import tifffile

from ladderscope.evaluation import evaluate, planes, psnr, ranking, ssim
from ladderscope.evaluation.planes import planes_of_array, planes_of_image
from ladderscope.evaluation.ranking import drawn_pixels
from ladderscope.images import Image, open_image, sample_image, write_image

RNG = np.random.default_rng(0)
# sides that are no multiples of a block, of 16 or of 2
TRUTH = np.stack([sample_image("dna").pixels[:203, :311], sample_image("cells").pixels[:203, :311]])
NOISY = RNG.normal(TRUTH, 3 + TRUTH / 20).astype(np.float32)
SPREAD = (3 + TRUTH / 20).astype(np.float32)


@pytest.fixture(autouse=True)
def without_microssim(monkeypatch):
    monkeypatch.setitem(sys.modules, "microssim", None)


def flat(scores):
    """List all numbers of a channel's scores."""
    if isinstance(scores, float | int):
        return [scores]
    parts = vars(scores).values() if hasattr(scores, "__dict__") else scores
    return [number for part in parts if not isinstance(part, str | None) for number in flat(part)]


@pytest.mark.parametrize("side", [96, 208])
def test_all_scores_are_those_of_the_whole_image(monkeypatch, side):
    images = [Image(pixels, "CYX", "") for pixels in (NOISY, TRUTH, SPREAD)]
    whole = evaluate(*images)
    monkeypatch.setattr(planes, "SIDE", side)
    for expected, found in zip(whole, evaluate(*images), strict=True):
        assert flat(found) == pytest.approx(flat(expected), rel=3e-6)
        assert len(flat(found)) > 60


def test_files_are_read_in_blocks_whatever_the_order_of_their_axes(monkeypatch, tmp_path):
    stack = np.stack([NOISY, NOISY[:, ::-1]])  # (2, C, Y, X)
    truth, spread = np.stack([TRUTH, TRUTH[:, ::-1]]), np.stack([SPREAD, SPREAD[:, ::-1]])
    whole = evaluate(*(Image(one, "TCYX", "") for one in (stack, truth, spread)))
    write_image(tmp_path / "a.ome.tif", stack, "TCYX")
    tifffile.imwrite(tmp_path / "b.tif", truth, metadata={"axes": "TCYX"}, compression="zlib")
    monkeypatch.setattr(planes, "SIDE", 192)
    monkeypatch.setattr(planes, "_KEPT_WHOLE", 0)
    other = Image(spread.transpose(2, 0, 3, 1), "YSXC", "")
    opened = [open_image(tmp_path / name) for name in ("a.ome.tif", "b.tif")]
    for expected, found in zip(whole, evaluate(*opened, other), strict=True):
        assert flat(found) == pytest.approx(flat(expected), rel=3e-6)


def score_files(arrays):
    psnr(*arrays[:2]), ssim(*arrays[:2])
    (score,) = evaluate(*(Image(one, "YX", "") for one in arrays))
    assert score.ms_ssim is not None and score.spread is not None


def test_memory_is_that_of_blocks_however_large_the_image(monkeypatch, tmp_path):
    monkeypatch.setattr(planes, "SIDE", 96)
    monkeypatch.setattr(planes, "_KEPT_WHOLE", 0)
    monkeypatch.setattr(ranking, "_PIXELS", 5_000)
    most = []
    for side in (192, 192, 480):  # the first loads what is loaded once
        shape, paths = (side, side), [tmp_path / f"{name}{side}" for name in "abc"]
        for path in paths:
            RNG.random(shape, np.float32).tofile(path)
        tracemalloc.start()
        score_files([np.memmap(path, np.float32, "r", shape=shape) for path in paths])
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[2] < 1.15 * most[1], "six times the pixels, in about the same memory"


def test_pixels_are_drawn_once_each_and_the_same_ones_of_every_image(monkeypatch):
    monkeypatch.setattr(ranking, "_PIXELS", 500)
    numbers = np.arange(3 * 40 * 50).reshape(3, 40, 50)
    image = Image(numbers.transpose(1, 2, 0), "YXZ", "")
    drawn = drawn_pixels([planes_of_array(numbers), planes_of_image(image, 0)])
    assert np.array_equal(*drawn)
    assert np.all(np.diff(drawn[0]) > 0)
    assert np.array_equal(drawn[0] // 12, np.arange(500)), "one of each stretch of twelve"
    monkeypatch.setattr(planes, "SIDE", 16)
    assert np.array_equal(drawn_pixels([planes_of_array(numbers)])[0], drawn[0])
