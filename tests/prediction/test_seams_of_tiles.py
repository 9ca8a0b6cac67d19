"""The tiles of a prediction cannot be seen: the noise of its latents is that of one whole image."""

import numpy as np
import pytest
import torch

from ladderscope.evaluation import Borders, seams
from ladderscope.network import LadderVAE
from ladderscope.prediction import Geometry, draw, tiles_of
from ladderscope.prediction.sampler import Sampling, draw_tile
from ladderscope.prediction.seen import Part

SIZE, GEOMETRY, GRID = (160, 160), Geometry(core=32, margin=16), 4


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return LadderVAE(latent_channels=(3, 2), filters=4).eval()


@pytest.fixture(scope="module")
def field():
    return np.random.default_rng(1).normal(size=SIZE).astype(np.float32)


@pytest.fixture(scope="module")
def tiles(network):
    return list(tiles_of(network, SIZE, GEOMETRY))


@pytest.fixture(scope="module")
def borders(tiles):
    rows, columns = (
        tuple(sorted({tile.core[axis].start for tile in tiles} - {0})) for axis in (0, 1)
    )
    return Borders(rows, columns, GRID)


def test_samples_have_no_seams_whatever_the_seed(network, field, borders):
    asked = {"samples": 1, "geometry": GEOMETRY}
    found = [seams(draw(network, field, seed=n, **asked)[0, 0].numpy(), borders) for n in range(5)]
    assert found[0].borders == 6
    assert sum(one.p_value < 0.05 for one in found) < 3
    assert np.mean([one.ratio for one in found]) == pytest.approx(1, abs=0.05)


def test_samples_with_fresh_noise_in_every_tile_have_seams(network, field, tiles, borders):
    mosaic = np.empty(SIZE, np.float32)
    for number, tile in enumerate(tiles):
        asked = Sampling(samples=1, seed=number)
        mosaic[tile.core] = draw_tile(network, Part.of_whole(field), tile, asked)[0, 0].numpy()
    found = seams(mosaic, borders)
    assert found.p_value < 0.01 and found.ratio > 1.1
