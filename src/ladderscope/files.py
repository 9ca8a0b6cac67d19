"""Files that are whole under their final names, and what those names are made of."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ladderscope.errors import LadderscopeError

_ENDINGS = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.zarr", ".zarr")
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OutputError(LadderscopeError):
    """A file that cannot be written: which one, why, and what is left of it."""


@contextmanager
def whole_file(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to, and rename it when all is written.

    Whatever ends the block early, Ctrl-C included, the temporary file is removed and `path` is as
    it was before.

    Parameters
    ----------
    path
        The final path. Its folder is made if need be.
    overwrite
        Whether a file that exists may be replaced.

    Yields
    ------
    Path
        A hidden file in the same folder, with the same suffixes, that does not exist yet.

    Raises
    ------
    OutputError
        If the file exists and `overwrite` is false, if its folder cannot be made or written to, or
        if the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "notes.txt")) as unfinished:
    ...         _ = unfinished.write_text("all of it")
    ...     [file.name for file in Path(folder).iterdir()]
    ['notes.txt']
    """
    final = expanded(path)
    unfinished = _prepare(final, overwrite)
    try:
        yield unfinished
        _finish(unfinished, final)
    except OSError as error:
        if not _is_full(error):
            raise
        raise OutputError(
            f"{final}: the disk is full ({error}); nothing was left half-written. "
            "Free some space, or choose another folder."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def expanded(path: str | os.PathLike[str]) -> Path:
    """Replace a leading ``~`` or ``~user`` by that user's home folder, where there is such a user.

    Elsewhere the sign is a part of the name, as in ``~a.tif``.

    Parameters
    ----------
    path
        A path as the user typed it; those that a folder was searched for are what they are.

    Examples
    --------
    >>> expanded("~no such user.tif").name
    '~no such user.tif'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def stem(path: Path) -> str:
    """Take the ending off the name of an image file.

    Examples
    --------
    >>> stem(Path("day1/a.ome.tif")), stem(Path("b.c.TIFF"))
    ('a', 'b.c')
    """
    lower = path.name.lower()
    ending = next((one for one in _ENDINGS if lower.endswith(one) and lower != one), "")
    return path.name[: len(path.name) - len(ending)]


def _prepare(final: Path, overwrite: bool) -> Path:
    suffix = "".join(final.suffixes[-2:])[-32:]
    unfinished = final.parent / f".unfinished-{secrets.token_hex(4)}{suffix}"
    try:
        if final.is_dir():
            raise OutputError(f"{final}: this is a folder; give the name of a file.")
        if final.exists() and not overwrite:
            raise OutputError(
                f"{final}: exists already and is left as it is; choose another name or folder, or "
                "allow it to be overwritten."
            )
        final.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch(exist_ok=False)
        unfinished.unlink()
    except OSError as error:
        raise OutputError(
            f"{final}: cannot be written ({error.strerror or error}); check that the folder "
            f"{final.parent} can be made and written to, or choose another."
        ) from error
    return unfinished


def _finish(unfinished: Path, final: Path) -> None:
    # to the disk first: a power cut must not find the new name on contents not yet written
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        unfinished.replace(final)
    except OSError as error:
        raise OutputError(
            f"{final}: cannot be replaced ({error.strerror or error}); is it open in another "
            "program? Nothing was left half-written."
        ) from error


def _is_full(error: OSError) -> bool:
    # NumPy reports a short write without an error number: "4096 requested and 512 written"
    return error.errno in _DISK_FULL or (error.errno is None and "requested and" in str(error))
