"""A file under its final name is a whole one."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ladderscope.claims import claimed
from ladderscope.files import OutputError, check_writable, whole_file


def contents(folder):
    return {one.name: one.read_text() for one in folder.iterdir() if one.is_file()}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit, OSError])
@pytest.mark.parametrize("before", [None, "what was there"])
def test_a_failure_leaves_the_folder_as_it_was(tmp_path, failure, before):
    path = tmp_path / "a.txt"
    if before is not None:
        path.write_text(before)
    with pytest.raises(failure), whole_file(path, overwrite=True) as unfinished:
        unfinished.write_text("half of")
        raise failure
    left = {one.name: one.read_text() for one in tmp_path.iterdir()}
    assert left == ({} if before is None else {"a.txt": before})


def test_the_unfinished_file_is_beside_the_final_one_hidden_with_its_suffixes(tmp_path):
    with whole_file(tmp_path / "new" / "a.ome.tif") as unfinished:
        assert unfinished.parent == tmp_path / "new"
        assert unfinished.name.startswith(".")
        assert unfinished.name.endswith(".ome.tif")
        unfinished.write_text("all")
        assert not (tmp_path / "new" / "a.ome.tif").exists()
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["a.ome.tif"]


def test_a_file_that_exists_is_refused_before_any_work(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    with (
        pytest.raises(OutputError, match=r"a\.txt already exists"),
        whole_file(tmp_path / "a.txt"),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / "a.txt").read_text() == "before"


def test_a_name_that_is_taken_while_it_is_written_is_left_to_the_first(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(OutputError, match=r"a\.txt already exists"), whole_file(path) as second:
        second.write_text("second")
        with whole_file(path) as first:
            first.write_text("first")
    assert contents(tmp_path) == {"a.txt": "first"}


def test_where_there_are_no_links_the_first_wins_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    test_a_name_that_is_taken_while_it_is_written_is_left_to_the_first(tmp_path)


def test_a_broken_link_is_not_replaced_unasked(tmp_path):
    (tmp_path / "a.txt").symlink_to("nowhere")
    with pytest.raises(OutputError, match="already exists"), whole_file(tmp_path / "a.txt"):
        pytest.fail("the block must not run")
    assert (tmp_path / "a.txt").is_symlink()


KILLED = """
import os, signal, sys
from ladderscope.claims import claimed
from ladderscope.files import whole_file
with claimed(sys.argv[1] + "/a.tif"), whole_file(sys.argv[1] + "/a.tif") as unfinished:
    unfinished.write_text("half of")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_a_killed_process_left_is_removed_and_nothing_that_is_being_written(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".unfinished-mine").mkdir()
    with whole_file(tmp_path / "b.tif") as living:
        living.write_text("b")
        with claimed(tmp_path / "a.tif"), whole_file(tmp_path / "a.tif") as unfinished:
            unfinished.write_text("a")
    assert contents(tmp_path) == {"a.tif": "a", "b.tif": "b"}


def test_what_another_computer_writes_is_left_for_a_day(tmp_path):
    theirs = tmp_path / ".unfinished-00000000-00000000.tif"
    for hours, left in ((23, {"a.txt", theirs.name}), (25, {"a.txt"})):
        theirs.write_text("half of")
        then = time.time() - hours * 3600
        os.utime(theirs, (then, then))
        with whole_file(tmp_path / "a.txt", overwrite=True) as unfinished:
            unfinished.write_text("a")
        assert {one.name for one in tmp_path.iterdir()} == left


@pytest.mark.parametrize(
    ("names", "fact"),
    [
        (["n" * 300], "too long"),
        (["n" * 300 + "/a.tif"], "too long"),
        (["é" * 130], "too long"),
        (["a\0b"], "null"),
        (["a.tif", "new/b.tif", "new/b.tif"], r"new/b\.tif: two outputs"),
        (["file/a.tif"], "file/a"),
        (["folder"], "is a folder"),
    ],
)
def test_names_that_cannot_be_are_found_out_and_nothing_is_left(tmp_path, names, fact):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=fact):
        check_writable([tmp_path / name for name in names])
    check_writable([tmp_path / "new" / "é.tif", tmp_path / "file", tmp_path / ("n" * 250)])
    assert {one.name for one in tmp_path.iterdir()} == {"file", "folder"}
