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


@pytest.mark.parametrize("size", [(30, 17), (512, 512), (560, 1)])
def test_a_plane_of_a_window_s_size_is_one_tile(size):
    (tile,) = tiles(size, Geometry(core=496, margin=32), 16)
    assert tile.window == tile.core == tile.inner == tuple(slice(0, side) for side in size)


@pytest.mark.parametrize("side, expected", [(1024, 2), (1056, 2), (1057, 3), (2048, 4)])
def test_cores_are_larger_at_the_border_where_no_margin_is_needed(side, expected):
    found = [tile.window[1] for tile in tiles((16, side), Geometry(core=496, margin=32), 16)]
    assert len(found) == expected
    assert all(window.stop - window.start <= 560 for window in found)


@pytest.mark.parametrize("core, margin", [(0, 8), (-16, 8), (64, -1)])
def test_a_geometry_out_of_range_is_an_error(core, margin):
    with pytest.raises(LadderscopeError, match="at least"):
        Geometry(core, margin)


@given(**PLANES)
def test_fixed_windows_too_leave_cores_that_partition_the_plane(
    height, width, core, margin, multiple
):
    covered = np.zeros((height, width), int)
    for tile in tiles((height, width), Geometry(core, margin), multiple, fixed=True):
        covered[tile.core] += 1
        for kept, inner in zip(tile.core, tile.inner, strict=True):
            assert inner.stop - inner.start == kept.stop - kept.start > 0
    assert np.all(covered == 1)


@given(**PLANES)
def test_fixed_windows_have_one_size_and_lie_on_the_grid(height, width, core, margin, multiple):
    found = list(tiles((height, width), Geometry(core, margin), multiple, fixed=True))
    for axis, length in enumerate((height, width)):
        sizes = {tile.window[axis].stop - tile.window[axis].start for tile in found}
        (size,) = sizes
        assert size % (2 * multiple) == 0
        rounded = [-(-side // multiple) * multiple for side in (core, margin, length)]
        assert size < min(rounded[0], rounded[2]) + 2 * rounded[1] + 2 * multiple
        for tile in found:
            window, kept, inner = tile.window[axis], tile.core[axis], tile.inner[axis]
            assert window.start % multiple == 0
            # the margin is there on both sides, within the plane or beyond it
            assert window.start <= kept.start - margin
            assert window.stop >= kept.stop + margin
            assert window.start + inner.start == kept.start


STACK = {"depth": st.integers(1, 40), "core": st.integers(1, 20), "margin": st.integers(0, 6)}


@pytest.mark.parametrize("fixed", [False, True])
@given(**STACK)
def test_a_stack_is_cut_in_z_as_well_with_its_own_margin(fixed, depth, core, margin):
    geometry = Geometry(core=32, margin=16, depth=core, depth_margin=margin)
    covered = np.zeros((depth, 70, 20), int)
    for tile in tiles(covered.shape, geometry, 8, fixed=fixed):
        covered[tile.core] += 1
        planes, kept, inner = (part[0] for part in tile)
        assert planes.start == max(0, kept.start - margin)
        assert planes.stop == min(depth, kept.stop + margin)
        assert planes.start + inner.start == kept.start
        ends = (kept.start == 0) + (kept.stop == depth)  # no margin is needed there
        assert kept.stop - kept.start == inner.stop - inner.start <= core + ends * margin
        flat = list(tiles((70, 20), geometry, 8, fixed=fixed))
        assert tile.window[1:] in [one.window for one in flat]
    assert np.all(covered == 1)


@pytest.mark.parametrize("bad", [{"depth": 0}, {"depth_margin": -1}])
def test_a_depth_out_of_range_is_an_error(bad):
    with pytest.raises(LadderscopeError, match="at least"):
        Geometry(**bad)
