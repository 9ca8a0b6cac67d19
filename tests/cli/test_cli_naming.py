"""Outputs have names that tell where they come from, and no two are the same."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ladderscope.cli.naming import output_names, outputs_in
from ladderscope.files import stem
from ladderscope.models.restoration import beside

FOLDERS = st.sampled_from(["", "day1", "day2", "day1/x", "day2/x", "x/day1", "a"])
FILES = st.sampled_from(["a.tif", "a.tiff", "A.tif", "a.ome.tif", "x_a.tif", "day1_a.tif", "b.tif"])
PATHS = st.lists(st.builds(Path, FOLDERS, FILES), unique=True, max_size=9)


def names(*paths):
    return output_names([Path("/data", path) for path in paths])


def test_a_name_is_that_of_the_file_without_its_ending():
    assert names("a.tif", "b.ome.tif", "c.v2.TIFF", "d.zarr") == ["a", "b", "c.v2", "d"]


def test_a_file_that_is_all_ending_keeps_it():
    assert stem(Path(".tif")) == ".tif"


def test_equal_names_take_their_folders():
    assert names("day1/a.tif", "day2/a.tif") == ["day1_a", "day2_a"]


def test_as_many_folders_as_it_takes():
    assert names("day1/x/a.tif", "day2/x/a.tif", "b.tif") == ["day1_x_a", "day2_x_a", "b"]


def test_equal_names_in_one_folder_take_their_endings():
    assert names("a.tif", "a.ome.tif") == ["a_tif", "a_ome_tif"]


def test_a_name_that_looks_like_another_with_its_folder_is_told_apart():
    found = names("day1/a.tif", "day2/a.tif", "day3/day1_a.tif")
    assert len(set(found)) == 3


@given(PATHS)
def test_names_are_all_different_also_where_case_does_not_count(paths):
    found = output_names(paths)
    assert len({name.casefold() for name in found}) == len(paths)
    assert not any("/" in name for name in found)


@given(PATHS, st.randoms())
def test_names_do_not_depend_on_the_order(paths, random):
    named = dict(zip(paths, output_names(paths), strict=True))
    shuffled = random.sample(paths, len(paths))
    assert dict(zip(shuffled, output_names(shuffled), strict=True)) == named


def test_the_spread_lies_beside_a_named_restoration():
    assert beside(Path("o/a.tif"), "spread") == Path("o/a_spread.tif")
    assert beside(Path("o/a_restored.ome.tif"), "spread") == Path("o/a_spread.ome.tif")


def test_only_a_split_image_has_a_residual():
    assert outputs_in(Path("o"), "a").residual is None
    split = outputs_in(Path("o"), "a", split=True)
    assert split.residual == Path("o/a_residual.ome.tif")
    assert split.files == [split.restored, split.spread, split.animation, split.residual]
