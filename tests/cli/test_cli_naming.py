"""Outputs have names that tell where they come from, and no two are the same."""

import unicodedata
from pathlib import Path, PureWindowsPath

from hypothesis import given
from hypothesis import strategies as st

from ladderscope.cli.naming import names_of, output_names, outputs_in
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


def on_windows(*paths):
    return names_of([PureWindowsPath(path) for path in paths])


def test_windows_folders_drives_and_shares_are_told_apart():
    assert on_windows(r"C:\data\day 1\a.tif", r"C:\data\day 2\a.tif") == ["day 1_a", "day 2_a"]
    assert on_windows(r"C:\a.tif", r"D:\a.tif") == ["a", "a_2"]
    assert on_windows(r"\\server\share\x\a.tif", r"C:\y\a.TIF") == ["x_a", "y_a"]
    assert not any(set("\\/:") & set(name) for name in on_windows(r"C:\a\b.tif", r"C:\c\b.tif"))


def test_names_that_differ_in_case_or_in_how_an_accent_is_written_are_told_apart():
    assert len({name.lower() for name in names("A.tif", "a.tif")}) == 2
    spellings = [unicodedata.normalize(form, "Mäuse.tif") for form in ("NFC", "NFD")]
    found = names(*spellings)
    assert len({unicodedata.normalize("NFC", name) for name in found}) == 2


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
