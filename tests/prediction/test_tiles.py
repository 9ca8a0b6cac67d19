"""Tiles: a partition of the plane, on the grid of the coarsest latents."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.errors import LadderscopeError
from ladderscope.prediction import Geometry, tiles

PLANES = {
    "height": st.integers(1, 150),
    "width": st.integers(1, 150),
    "core": st.integers(1, 90),
    "margin": st.integers(0, 40),
    "multiple": st.sampled_from([2, 8, 16]),
}


@given(**PLANES)
def test_cores_partition_the_plane(height, width, core, margin, multiple):
    covered = np.zeros((height, width), int)
    for tile in tiles((height, width), Geometry(core, margin), multiple):
        covered[tile.core] += 1
    assert np.all(covered == 1)


@given(**PLANES)
def test_windows_begin_on_the_grid_and_hold_the_core_with_its_margin(
    height, width, core, margin, multiple
):
    for tile in tiles((height, width), Geometry(core, margin), multiple):
        for window, kept, length in zip(tile.window, tile.core, (height, width), strict=True):
            assert window.start % multiple == kept.start % multiple == 0
            assert window.start <= max(0, kept.start - margin)
            assert window.stop >= min(length, kept.stop + margin)
            assert 0 <= window.start < window.stop <= length


@given(**PLANES)
def test_the_inner_part_of_a_window_is_the_core(height, width, core, margin, multiple):
    plane = np.arange(height * width).reshape(height, width)
    for tile in tiles((height, width), Geometry(core, margin), multiple):
        assert np.array_equal(plane[tile.window][tile.inner], plane[tile.core])


@given(**PLANES)
def test_no_window_is_larger_than_the_rounded_geometry(height, width, core, margin, multiple):
    most = core + 2 * margin + 3 * multiple
    for tile in tiles((height, width), Geometry(core, margin), multiple):
        assert all(side.stop - side.start < most for side in tile.window)


def test_a_small_plane_is_one_tile():
    (tile,) = tiles((30, 17), Geometry(core=448, margin=32), 16)
    assert tile.window == tile.core == tile.inner == (slice(0, 30), slice(0, 17))


@pytest.mark.parametrize("core, margin", [(0, 8), (-16, 8), (64, -1)])
def test_a_geometry_out_of_range_is_an_error(core, margin):
    with pytest.raises(LadderscopeError, match="at least"):
        Geometry(core, margin)
