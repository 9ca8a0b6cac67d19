"""Samples of a region are those of the whole field, where the margin covers what is seen."""

import pytest
import torch
from test_context_and_stacks import field, ladder
from test_plane_from_stack import network  # noqa: F401

from ladderscope.prediction import Geometry, Part, Sampling, draw, draw_tile, seen_by, tile_at

# Fields are larger than the region and its margins: a part is no copy of the whole.
WIDE = Geometry(core=448, margin=72, depth=4, depth_margin=8)
REGIONS = [(slice(80, 112), slice(0, 17)), (slice(3, 40), slice(41, 60))]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def draw_part(of, pixels, region, *, geometry, **asked):
    """Draw samples of a region from nothing but what the network sees for it."""
    tile = tile_at(of, region, pixels.shape, geometry)
    seen = seen_by(of, tile, pixels.shape)
    return draw_tile(of, Part(pixels[seen], seen, pixels.shape), tile, Sampling(**asked))


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("views", [1, 2, 3])
def test_samples_of_a_region_are_those_of_the_plane(views, region):
    of_views, plane = ladder(views), field(250, 60)
    asked = {"samples": 2, "seed": 5, "number": 3, "geometry": WIDE}
    part = draw_part(of_views, plane, region, **asked)
    torch.testing.assert_close(part, draw(of_views, plane, **asked)[..., *region], **CLOSE)
    assert not torch.equal(part[0], part[1])


def test_samples_of_a_plane_of_a_stack_are_those_of_the_stack():
    solid, stack = ladder(dimensions=3), field(5, 40, 48)
    region = slice(2, 3), slice(8, 24), slice(20, 48)
    asked = {"samples": 2, "seed": 5, "geometry": WIDE}
    part = draw_part(solid, stack, region, **asked)
    torch.testing.assert_close(part, draw(solid, stack, **asked)[..., *region], **CLOSE)


def test_so_are_those_of_a_plane_that_is_restored_from_a_stack(network):  # noqa: F811
    stack = field(4, 40, 36)
    region = slice(3, 4), slice(4, 30), slice(0, 20)
    asked = {"samples": 2, "geometry": Geometry(core=448, margin=64, depth=1, depth_margin=1)}
    part = draw_part(network, stack, region, **asked)
    torch.testing.assert_close(part, draw(network, stack, **asked)[..., *region], **CLOSE)
