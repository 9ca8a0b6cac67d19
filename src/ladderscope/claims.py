"""Outputs that one process at a time writes, and which process that is."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ladderscope.files import OutputError, expanded, said_if_refused
from ladderscope.unfinished import CAN_LOCK, PREFIX, lock


class ClaimedError(OutputError):
    """Another process writes the output."""


@dataclass(frozen=True)
class _Holder:
    """The process that writes an output: its number, its computer, and since when it does."""

    process: int
    host: str
    since: str

    @property
    def is_here(self) -> bool:
        return self.host == platform.node()

    @property
    def is_gone(self) -> bool:
        """Whether it has certainly ended."""
        if not self.is_here:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def __str__(self) -> str:
        where = "on this computer" if self.is_here else f"on {self.host}"
        return f"process {self.process} {where}, since {self.since}"


@contextmanager
def claimed(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other processes that claim the same output away while the block runs.

    Its folder is made if need be. The claim is a hidden file beside the output that names the
    process and is locked. Where a process has died, its output is free again: the system has let go
    of the lock. Where the file system knows no locks, the name decides.

    Raises
    ------
    ClaimedError
        Another process has claimed it: which one, on which computer, and since when.
    OutputError
        The folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with claimed(Path(folder, "a.ladder")), claimed(Path(folder, "b.ladder")):
    ...         pass
    """
    if not CAN_LOCK:
        yield
        return
    final = expanded(path)
    name = hashlib.sha256(os.fsencode(final.name)).hexdigest()[:8]
    claim = final.with_name(f"{PREFIX}{name}.claim")
    with said_if_refused(final), ExitStack() as held:
        claim.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(claim, os.O_RDWR | os.O_CREAT, 0o666)
            held.callback(os.close, descriptor)
            locked, holder = lock(descriptor), _holder(descriptor)
            if locked is False or (locked is None and holder and not holder.is_gone):
                raise ClaimedError(_refusal(final, holder, None if locked is False else claim))
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), claim.stat()):
                    break
        _sign(descriptor)
        held.callback(_remove, claim)  # runs first, while it is still locked
        kept = held.pop_all()
    with kept:
        yield


def _holder(descriptor: int) -> _Holder | None:
    try:
        return _Holder(**json.loads(os.pread(descriptor, 1000, 0)))
    except (ValueError, TypeError):  # not written yet, or by another version
        return None


def _sign(descriptor: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    text = json.dumps(asdict(_Holder(os.getpid(), platform.node(), since))).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _refusal(final: Path, holder: _Holder | None, unlocked: Path | None) -> str:
    who = "" if holder is None else f" ({holder})"
    gone = "" if unlocked is None else f" If that process has ended, delete {unlocked}."
    return (
        f"{final}: another process{who} is writing this output; wait until it has finished, or "
        f"choose another output.{gone}"
    )


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
