"""Hidden names under which outputs are written until they are whole, and who is writing them.

A living process holds a lock on what it writes. What nobody holds is left of a process that was
killed, and is removed by whoever writes into the folder next.
"""

import hashlib
import os
import platform
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: there, a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

PREFIX = ".unfinished-"
_OURS = f"{PREFIX}{hashlib.sha256(platform.node().encode()).hexdigest()[:8]}-"  # this computer's
_LONGEST_WRITE = 24 * 3600  # seconds; after these, what another computer began is abandoned
CAN_LOCK = fcntl is not None


def begin(folder: Path, suffix: str, make: Callable[[Path], int | None], held: ExitStack) -> Path:
    """Make a hidden file or folder, locked as long as `held` is open.

    Parameters
    ----------
    folder
        Where to make it.
    suffix
        The end of its name.
    make
        Makes it and opens it; gives its descriptor, or None where it cannot be opened.
    held
        Closes it at the end.
    """
    while True:
        unfinished = hidden(folder, suffix)
        descriptor = make(unfinished)
        if descriptor is None:
            return unfinished
        held.callback(os.close, descriptor)
        if lock(descriptor) is not False and unfinished.exists():
            return unfinished
        # another process took it for abandoned before it was locked: begin again


def hidden(folder: Path, suffix: str = "") -> Path:
    """Give a hidden name that nothing has.

    Examples
    --------
    >>> hidden(Path("out"), ".ome.tif").name.startswith(".")
    True
    """
    return folder / f"{_OURS}{secrets.token_hex(4)}{suffix}"


def clear(folder: Path) -> None:
    """Remove what killed processes left unfinished, and nothing that a living one writes.

    Parameters
    ----------
    folder
        Where to look.
    """
    with os.scandir(folder) as entries:
        left = [entry for entry in entries if entry.name.startswith(PREFIX)]
    for entry in left:
        with suppress(OSError):
            old = time.time() - entry.stat(follow_symlinks=False).st_mtime > _LONGEST_WRITE
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_folder and not entry.is_file(follow_symlinks=False):
                continue
            if is_folder and (old or (CAN_LOCK and entry.name.startswith(_OURS))):
                _remove_if_abandoned(Path(entry.path), os.O_RDONLY, shutil.rmtree, old=old)
            elif not is_folder and (old or entry.name.startswith(_OURS)):
                _remove_if_abandoned(Path(entry.path), os.O_RDWR, Path.unlink, old=old)


def lock(descriptor: int) -> bool | None:
    """Lock an open file or folder.

    Returns
    -------
    bool or None
        False if another process has locked it, None where the system knows no such locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_if_abandoned(
    path: Path, flags: int, remove: Callable[[Path], None], *, old: bool
) -> None:
    if not CAN_LOCK:
        remove(path)
        return
    descriptor = os.open(path, flags)
    try:
        locked = lock(descriptor)
        if locked or (locked is None and old):
            remove(path)
    finally:
        os.close(descriptor)
