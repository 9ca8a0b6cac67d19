"""The borders of tiles are found where they show, by their height, and nowhere else."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation import Borders, seams

SIDE, TILE, GRID = 192, 48, 8
BORDERS = Borders((48, 96, 144), (48, 96, 144), GRID)


def white(rng):
    return rng.normal(100, 3, (SIDE, SIDE))


def smooth(rng):
    return 100 + 40 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2)


def striped(rng):
    return rng.normal(100, 1, (SIDE, SIDE)) + rng.normal(0, 3, SIDE)


def spotted(rng):
    spots = np.zeros((SIDE, SIDE))
    spots[*rng.integers(0, SIDE, (2, 40))] = 500
    return gaussian_filter(spots, 1.5) + gaussian_filter(rng.normal(size=spots.shape), 1)


def of_blocks(rng):
    """Give a pattern with the period of the grid, as decoders leave it, without any tiles."""
    blocks = rng.normal(100, 5, (SIDE // GRID, SIDE // GRID))
    return gaussian_filter(np.kron(blocks, np.ones((GRID, GRID))), 0.7)


def with_steps(image, height, rng):
    """Raise every tile by its own amount: steps of √2 times that deviation on average."""
    levels = rng.normal(0, height / np.sqrt(2), (SIDE // TILE, SIDE // TILE))
    return image + np.kron(levels, np.ones((TILE, TILE)))


@pytest.mark.parametrize("make", [white, smooth, striped, spotted, of_blocks])
def test_without_tiles_alarms_are_as_rare_as_the_p_value_says(make):
    found = [seams(make(np.random.default_rng(seed)), BORDERS) for seed in range(100)]
    p_values = np.array([one.p_value for one in found])
    # of 100 at a level of 5 %, 12 and more have a probability of less than 0.5 %
    assert (p_values < 0.05).sum() < 12
    assert (p_values < 0.01).sum() < 6
    assert 0.3 < (p_values < 0.5).mean() < 0.7
    assert np.mean([one.ratio for one in found]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("make", "height"), [(smooth, 1.0), (spotted, 0.5), (white, 9.0)])
def test_steps_are_found_and_their_height_is_measured(make, height):
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found.append(seams(with_steps(make(rng), height, rng), BORDERS))
    assert np.mean([one.p_value < 0.01 for one in found]) >= 0.9
    mean_square = np.mean([one.step**2 for one in found])
    assert np.sqrt(mean_square) == pytest.approx(height, rel=0.2)


def test_steps_elsewhere_than_at_the_borders_are_no_seams():
    rng = np.random.default_rng(0)
    image = np.roll(with_steps(smooth(rng), 3.0, rng), (5, 11), axis=(0, 1))
    assert seams(image, BORDERS).p_value > 0.05


def test_planes_are_taken_together():
    rng = np.random.default_rng(0)
    planes = np.stack([with_steps(white(rng), 1.2, rng) for _ in range(20)])
    assert seams(planes[0], BORDERS).p_value > 0.005 > seams(planes, BORDERS).p_value


def test_a_flat_image_and_whole_numbers_can_be_compared():
    rng = np.random.default_rng(0)
    image = with_steps(smooth(rng), 5.0, rng).astype(np.uint16)
    image[:, :20] = 7
    assert seams(image, BORDERS).p_value < 0.01
    with pytest.raises(LadderscopeError, match="no border"):
        seams(np.zeros((SIDE, SIDE)), BORDERS)


@pytest.mark.parametrize(
    "borders", [Borders((), ()), Borders((1,), (191,)), Borders((48,), (), 64)]
)
def test_borders_without_lines_to_compare_with_are_refused(borders):
    with pytest.raises(LadderscopeError, match="no border"):
        seams(white(np.random.default_rng(0)), borders)


def test_the_sentence_holds_the_numbers():
    found = seams(white(np.random.default_rng(0)), BORDERS)
    assert f"{found.borders} borders" in found.summary()
    assert f"{found.ratio:.3g} times" in found.summary()
