"""A folder under its final name is a whole one, and no folder of others is deleted."""

import errno
import os

import pytest

from ladderscope.files import OutputError
from ladderscope.folders import remove_folder, whole_folder


def nothing(path):
    return ""


def write(path, text, **options):
    with whole_folder(path, **{"kept_for": nothing, **options}) as unfinished:
        (unfinished / "0").mkdir()
        (unfinished / "0" / "c").write_text(text)


def taken_names(folder):
    return {one.name for one in folder.iterdir()}


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failure_leaves_what_was_there(tmp_path, failure, before):
    path = tmp_path / "a.zarr"
    if before:
        write(path, before)
    with pytest.raises(failure), whole_folder(path, True, kept_for=nothing) as unfinished:
        (unfinished / "0").write_text("half of")
        raise failure
    assert taken_names(tmp_path) == ({"a.zarr"} if before else set())
    assert not before or (path / "0" / "c").read_text() == before


def test_a_folder_is_replaced_when_allowed_and_nothing_is_left_of_the_old_one(tmp_path):
    write(tmp_path / "a.zarr", "old")
    (tmp_path / "a.zarr" / "more").touch()
    write(tmp_path / "a.zarr", "new", overwrite=True)
    assert taken_names(tmp_path) == {"a.zarr"}
    assert taken_names(tmp_path / "a.zarr") == {"0"}
    assert (tmp_path / "a.zarr" / "0" / "c").read_text() == "new"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_must_be_kept_is_found_out_before_any_work(tmp_path, overwrite):
    (tmp_path / "notes").write_text("mine")
    with (
        pytest.raises(OutputError, match=r"notes (already exists|holds notes)"),
        whole_folder(tmp_path / "notes", overwrite, kept_for=lambda path: "holds notes"),
    ):
        pytest.fail("the block must not run")
    assert taken_names(tmp_path) == {"notes"}


def test_what_appears_meanwhile_is_never_deleted(tmp_path):
    path = tmp_path / "a.zarr"
    with (
        pytest.raises(OutputError, match=r"a\.zarr already exists"),
        whole_folder(path, kept_for=nothing) as second,
    ):
        (second / "c").write_text("second")
        write(path, "first")
    assert (path / "0" / "c").read_text() == "first"
    assert taken_names(tmp_path) == {"a.zarr"}


def test_the_old_one_comes_back_if_the_new_one_cannot_take_its_name(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    write(path, "old")
    rename = type(path).rename

    def refuse(self, target):
        if target == path and (self / "0" / "c").read_text() == "new":
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", refuse)
    with pytest.raises(OutputError, match="cannot be replaced"):
        write(path, "new", overwrite=True)
    assert (path / "0" / "c").read_text() == "old"
    assert taken_names(tmp_path) == {"a.zarr"}


def test_a_full_disk_says_what_is_needed_and_leaves_nothing(tmp_path):
    with (
        pytest.raises(OutputError, match=r"disk is full.*at most 7\.2 GB; .* are free"),
        whole_folder(tmp_path / "a.zarr", kept_for=nothing, most=7.2e9) as unfinished,
    ):
        (unfinished / "c").touch()
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not taken_names(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_what_a_killed_process_left_is_removed_and_nothing_that_is_being_written(tmp_path):
    with whole_folder(tmp_path / "a.zarr", kept_for=nothing) as living:
        killed = living.with_name(f"{living.name[:-10]}left.zarr")
        killed.mkdir()
        (killed / "c").touch()
        write_beside = tmp_path / "b.zarr"
        with whole_folder(write_beside, kept_for=nothing):
            assert living.is_dir()
            assert not killed.exists()
    assert taken_names(tmp_path) == {"a.zarr", "b.zarr"}


def test_a_folder_is_removed(tmp_path):
    write(tmp_path / "a.zarr", "all")
    remove_folder(tmp_path / "a.zarr")
    assert not taken_names(tmp_path)
