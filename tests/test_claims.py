"""Outputs that one process at a time writes."""

import json
import os
import platform

import pytest

from ladderscope import claims
from ladderscope.claims import ClaimedError, claimed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")

GONE = 2**30  # no process has this number


def test_an_output_is_claimed_once_at_a_time(tmp_path):
    path = tmp_path / "new" / "model.ladder"
    for _ in range(2):
        with (
            claimed(path),
            claimed(path.with_name("other.ladder")),
            pytest.raises(ClaimedError, match=r"model\.ladder: another process") as refused,
            claimed(path),
        ):
            pytest.fail("the block must not run")
        assert f"process {os.getpid()} on this computer, since 20" in str(refused.value)
        assert not list(path.parent.iterdir())


def left_by(tmp_path, process, host):
    """Leave a claim as a process that was killed does."""
    with claimed(tmp_path / "a.tif"):
        (claim,) = tmp_path.iterdir()
    claim.write_text(json.dumps({"process": process, "host": host, "since": "2026-01-02 03:04:05"}))
    return claim


def test_what_the_system_has_unlocked_is_free(tmp_path):
    for host in (platform.node(), "node7"):
        left_by(tmp_path, GONE, host)
        with claimed(tmp_path / "a.tif"):
            pass
        assert not list(tmp_path.iterdir())


def test_without_locks_the_name_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "lock", lambda _: None)
    left_by(tmp_path, GONE, platform.node())
    with claimed(tmp_path / "a.tif"):
        pass
    claim = left_by(tmp_path, os.getpid(), platform.node())
    with pytest.raises(ClaimedError, match="on this computer"), claimed(tmp_path / "a.tif"):
        pytest.fail("the block must not run")
    claim.unlink()
    left_by(tmp_path, GONE, "node7")
    with pytest.raises(ClaimedError) as refused, claimed(tmp_path / "a.tif"):
        pytest.fail("the block must not run")
    for fact in (str(GONE), "node7", "2026-01-02 03:04:05", f"delete {claim}"):
        assert fact in str(refused.value)
    assert claim.exists()
