"""A name of an output says what is made of it; one that says something else is refused."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.files import OutputError
from ladderscope.harmless import harmless
from ladderscope.names import (
    IMAGE,
    MODEL,
    NOISE,
    PAGE,
    PICTURE,
    SCORES,
    image_or_folder,
    output_folder,
    refused_by_windows,
)

KINDS = [IMAGE, MODEL, NOISE, PAGE, PICTURE, SCORES]


def refusal(take, name):
    with pytest.raises(OutputError) as error:
        take(name)
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.endings[0])
def test_every_ending_of_a_kind_is_taken_in_any_case_and_the_others_are_refused(kind):
    for ending in kind.endings:
        assert kind.file(f"out/a.b{ending.upper()}") == Path(f"out/a.b{ending.upper()}")
    others = {ending for other in KINDS for ending in other.endings} - set(kind.endings)
    for ending in ["", ".v2", *others]:
        name = f"out/a{ending}"
        assert name in refusal(kind.file, name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.endings[0])
@pytest.mark.parametrize("name", ["", " ", "{ending}", "a\0b{ending}", "new{ending}/", "..", "."])
def test_no_file_is_called_so(kind, name):
    refusal(kind.file, name.format(ending=kind.endings[0]))


def test_a_folder_that_exists_is_no_file(tmp_path):
    (tmp_path / "a.tif").mkdir()
    assert "folder" in refusal(IMAGE.file, tmp_path / "a.tif")


def test_a_zarr_image_is_a_folder_that_may_exist(tmp_path):
    (tmp_path / "a.ome.zarr").mkdir()
    assert IMAGE.file(f"{tmp_path}/a.ome.zarr/") == tmp_path / "a.ome.zarr"
    assert image_or_folder(tmp_path / "a.ome.zarr") == (tmp_path / "a.ome.zarr", True)


@pytest.mark.parametrize(
    ("kind", "name", "right"),
    [
        (MODEL, "models/", "models/model.ladder"),
        (MODEL, "nuclei", "nuclei.ladder"),
        (MODEL, "nuclei.v2", "nuclei.v2.ladder"),
        (MODEL, "nuclei.tif", "nuclei.ladder"),
        (IMAGE, "out/a.png", "out/a.tif"),
        (MODEL, "a.ome.zarr", "a.ladder"),
        (IMAGE, ".ome.tif", "restored.tif"),
        (PAGE, "page.pdf", "page.html"),
    ],
)
def test_a_refusal_says_what_to_write_instead(kind, name, right):
    assert refusal(kind.file, name).endswith(f"write {right}")


@pytest.mark.parametrize(
    "name", ["single.tif", "a.PNG", "a.ome.zarr", "b.zarr/", "m.ladder", ".tif"]
)
def test_a_folder_has_no_name_of_a_file(name):
    assert name.rstrip("/") in refusal(output_folder, name)


def test_a_folder_may_have_dots_and_one_that_exists_may_have_any_name(tmp_path):
    assert output_folder("day.1/v2.0") == Path("day.1/v2.0")
    (tmp_path / "odd.tif").mkdir()
    assert output_folder(tmp_path / "odd.tif") == tmp_path / "odd.tif"
    assert image_or_folder(tmp_path / "odd.tif") == (tmp_path / "odd.tif", False)


@pytest.mark.parametrize(
    ("name", "is_image"),
    [("a.tif", True), ("a.ome.TIFF", True), ("a", False), ("a.tif/", False), ("a.zarr/", True)],
)
def test_one_image_is_told_from_a_folder_of_several(name, is_image):
    assert image_or_folder(name) == (Path(name), is_image)


@pytest.mark.parametrize("name", ["a.png", "a.ladder", ".zarr", ".tif", ""])
def test_what_is_neither_is_refused(name):
    refusal(image_or_folder, name)


@pytest.mark.parametrize("name", ["s3://bucket/out", "https://host/a.tif", "gs:/bucket/a.zarr"])
def test_an_output_on_the_network_is_refused(name):
    assert "network" in refusal(image_or_folder, name)


def test_a_tilde_stands_for_a_folder_only_where_there_is_such_a_user(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME" if os.name != "nt" else "USERPROFILE", str(tmp_path))
    assert IMAGE.file("~/a.tif") == tmp_path / "a.tif"
    assert IMAGE.file("~no one/a.tif") == Path("~no one/a.tif")


@given(st.text(st.characters(codec=None)))
def test_what_is_shown_of_a_name_is_one_line_that_can_be_written(text):
    shown = harmless(text)
    assert len(shown) == len(text) and len(shown.splitlines()) <= 1
    assert not {unicodedata.category(sign) for sign in shown} & {"Cc", "Cs"}
    assert shown.encode().decode() == shown
    assert harmless(shown) == shown


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("con", "con"),
        ("Aux.ladder", "Aux"),
        ("LPT1 .tif", "LPT1"),
        ("com¹.json", "com¹"),
        ("a:b.tif", ":"),
        ('say "cheese?".tif', '"?'),
        ("results.", "dot"),
        ("results ", "space"),
    ],
)
def test_names_that_windows_cannot_have(name, fact):
    assert fact in refused_by_windows(name)


@pytest.mark.parametrize(
    "name", ["console.tif", "com10", "lpt.ladder", "a b [1] (ä).tif", "..", ""]
)
def test_names_that_windows_can_have(name):
    assert refused_by_windows(name) == ""
