"""Finding images: files, patterns, folders, arrays, and lists of them."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from ladderscope.images import Image, ImageError, find_images, read_image, write_image

PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.fixture
def folder(tmp_path):
    for name in ("b.tif", "a.tif", "c.TIFF", "deeper/d.tif", "._a.tif", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, PIXELS)
    return tmp_path


def names(found):
    return [source.name for source in found.sources]


def test_a_folder_stands_for_its_tiff_files_in_order(folder):
    assert names(find_images(folder)) == ["a.tif", "b.tif", "c.TIFF"]


def test_a_pattern_stands_for_what_matches_it_in_order(folder):
    assert names(find_images(f"{folder}/*.tif")) == ["a.tif", "b.tif"]


def test_two_stars_reach_into_folders(folder):
    assert names(find_images(folder / "**" / "*.tif")) == ["a.tif", "b.tif", "d.tif"]


def test_patterns_are_relative_to_the_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert names(find_images("dee*/*.tif")) == ["d.tif"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    tifffile.imwrite(tmp_path / "a[1].tif", PIXELS)
    assert names(find_images(tmp_path / "a[1].tif")) == ["a[1].tif"]


def test_a_file_named_twice_is_found_once(folder):
    found = find_images([folder / "a.tif", folder, f"{folder}/deeper/../a.tif"])
    assert names(found) == ["a.tif", "b.tif", "c.TIFF"]


def test_arrays_and_images_are_themselves(tmp_path):
    stored = zarr.array(PIXELS)
    image = Image(PIXELS, "YX", "a")
    found = find_images([PIXELS, stored, image])
    assert [one is other for one, other in zip(found.sources, (PIXELS, stored, image), strict=True)]
    assert len(find_images(np.zeros((5, 8, 8))).sources) == 1


def test_a_zarr_folder_is_one_image(tmp_path):
    zarr.save_array(tmp_path / "a.zarr", PIXELS)
    assert names(find_images(tmp_path / "a.zarr")) == ["a.zarr"]
    assert names(find_images(f"{tmp_path}/*.zarr")) == ["a.zarr"]


def test_own_outputs_are_left_out_and_listed(folder):
    write_image(folder / "a_restored.ome.tif", PIXELS, "YX")
    found = find_images(folder)
    assert names(found) == ["a.tif", "b.tif", "c.TIFF"]
    assert found.skipped == [folder / "a_restored.ome.tif"]


def test_own_outputs_are_found_when_asked_for(folder):
    write_image(folder / "a_restored.ome.tif", PIXELS, "YX")
    assert "a_restored.ome.tif" in names(find_images(folder, own_outputs=True))


def test_nothing_but_own_outputs_is_an_error_that_says_so(tmp_path):
    write_image(tmp_path / "a_restored.ome.tif", PIXELS, "YX")
    with pytest.raises(ImageError, match=r"written by Ladderscope itself \(a_restored\.ome\.tif\)"):
        find_images(tmp_path)


def test_a_pattern_without_matches_is_an_error_that_names_it_and_the_folder(folder):
    with pytest.raises(ImageError) as refusal:
        find_images(folder / "noisy_*.tif")
    assert "noisy_*.tif" in str(refusal.value)
    assert str(folder) in str(refusal.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("missing.tif", "missing.tif: there is no such file"),
        ("missing/*.tif", "does not exist"),
        ("", "is empty"),
        (" ", "is empty"),
        ([], "no images were given"),
        ([[1, 2], [3, 4]], "cannot read an image from int"),
        (None, "cannot read an image from NoneType"),
    ],
)
def test_sources_that_stand_for_nothing_are_refused(source, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=said):
        find_images(source)


def test_paths_may_be_path_objects_or_strings(folder):
    assert find_images(str(folder)).sources == find_images(Path(folder)).sources


# -- names with signs in them


@pytest.fixture
def bracketed(tmp_path):
    for name in ("data [1]/a.tif", "data [1]/b.tif", "data 1/c.tif", "day [2]/run[1]_a.tif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, PIXELS)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("data [1]/*.tif", ["a.tif", "b.tif"]),
        ("data [12]/*.tif", ["c.tif"]),
        ("d*/run[1]_a.tif", ["run[1]_a.tif"]),
        ("*/run[1]_*.tif", ["run[1]_a.tif"]),
        ("**/data [1]/b.tif", ["b.tif"]),
        ("day [2]", ["run[1]_a.tif"]),
        ("data ?/*.tif", ["c.tif"]),
    ],
)
def test_parts_of_a_pattern_that_exist_are_meant_as_they_are(bracketed, pattern, found):
    assert names(find_images(f"{bracketed}/{pattern}")) == found


def test_a_name_that_begins_like_a_user_is_a_name_where_there_is_no_such_user(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("~a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, PIXELS)
    for source in (".", "*.tif", ["~a.tif", "b.tif"]):
        assert sorted(names(find_images(source))) == ["b.tif", "~a.tif"]
    assert read_image("~a.tif").name == "~a.tif"


def test_a_file_called_like_the_home_folder_is_read_where_a_folder_holds_it(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    zarr.save_array(tmp_path / "here" / "~", PIXELS)
    found = find_images("*").sources
    assert np.array_equal(read_image(found[0]).pixels, PIXELS)


def test_a_pipe_is_told_from_a_file_that_is_not_there(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    for open_it in (find_images, read_image):
        with pytest.raises(ImageError, match=r"a\.tif: is a pipe"):
            open_it(tmp_path / "a.tif")


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(ImageError, match="cannot be looked up"):
        find_images("a" * 5000 + ".tif")
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image("a" * 5000 + ".tif")
