"""A file under its final name is a whole one."""

import pytest

from ladderscope.files import OutputError, whole_file


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
        pytest.raises(OutputError, match=r"a\.txt: exists already"),
        whole_file(tmp_path / "a.txt"),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / "a.txt").read_text() == "before"
