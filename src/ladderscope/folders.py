"""Folders that appear under their final names only when all that is in them is written."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ladderscope.events import Written, tell
from ladderscope.files import OutputError, already_exists, begun, expanded, said_if_full, taken
from ladderscope.unfinished import CAN_LOCK, hidden


@contextmanager
def whole_folder(
    path: str | os.PathLike[str],
    overwrite: bool = False,
    *,
    kept_for: Callable[[Path], str],
    most: float = 0,
) -> Iterator[Path]:
    """Give a temporary folder beside `path` to fill, and rename it when all is written.

    As `whole_file`, for what is a folder of files. A folder that exists is moved aside before the
    new one takes its name, and deleted only then.

    Parameters
    ----------
    path
        The final path. The folder that it is in is made if need be.
    overwrite
        Whether a folder that exists may be replaced.
    kept_for
        Says why something that exists must not be replaced, even so; empty if it may.
    most
        As in `whole_file`.

    Yields
    ------
    Path
        A hidden folder beside it that is empty.

    Raises
    ------
    OutputError
        As `whole_file`; also if what exists must be kept.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_folder(Path(folder, "a.zarr"), kept_for=lambda path: "") as unfinished:
    ...         _ = Path(unfinished, "zarr.json").write_text("{}")
    ...     [file.name for file in Path(folder, "a.zarr").iterdir()]
    ['zarr.json']
    """
    final = expanded(path)
    with said_if_full(final, most), ExitStack() as held:
        unfinished = begun(final, overwrite, held, _make_folder)
        try:
            check_replaceable(final, kept_for)
            yield unfinished
            _to_disk(unfinished)
            _take_name(unfinished, final, overwrite, kept_for)
            tell(Written(final))
        finally:
            held.close()
            shutil.rmtree(unfinished, ignore_errors=True)


def check_replaceable(path: Path, kept_for: Callable[[Path], str]) -> None:
    """Refuse to replace what must be kept.

    Parameters
    ----------
    path
        What would be replaced; nothing need be there.
    kept_for
        As `whole_folder` takes it.

    Raises
    ------
    OutputError
        If there is a reason to keep it.

    Examples
    --------
    >>> check_replaceable(Path("no such folder"), lambda path: "holds notes")
    """
    if taken(path) and (reason := kept_for(path)):
        raise OutputError(
            f"{path} {reason}: it is not overwritten. Choose another name, or move or delete it "
            "yourself."
        )


def remove_folder(path: Path) -> None:
    """Delete a folder: at once for those who look for its name.

    Parameters
    ----------
    path
        A folder that exists.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "a.zarr").mkdir()
    ...     remove_folder(Path(folder, "a.zarr"))
    ...     list(Path(folder).iterdir())
    []
    """
    aside = hidden(path.parent)
    path.rename(aside)
    shutil.rmtree(aside)


def _make_folder(path: Path) -> int | None:
    path.mkdir()
    return os.open(path, os.O_RDONLY) if CAN_LOCK else None


def _to_disk(folder: Path) -> None:
    """Write a folder and all in it to the disk, as a power cut must not find the name alone."""
    for inside, _, files in os.walk(folder, topdown=False):
        for name in [*files, *([""] if CAN_LOCK else [])]:  # Windows opens no folders
            descriptor = os.open(Path(inside, name), os.O_RDWR if name else os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _take_name(
    unfinished: Path, final: Path, overwrite: bool, kept_for: Callable[[Path], str]
) -> None:
    aside = hidden(final.parent)
    try:
        if taken(final) and overwrite:
            check_replaceable(final, kept_for)
            final.rename(aside)
        try:
            unfinished.rename(final)
        except BaseException:
            if taken(aside):
                aside.rename(final)
            raise
    except OSError as error:
        if taken(final) and not overwrite:
            raise already_exists(final, " (another process wrote it meanwhile)") from error
        raise OutputError(
            f"{final}: cannot be replaced ({error.strerror or error}); close it if it is "
            "open in another program. Nothing incomplete remains."
        ) from error
    shutil.rmtree(aside, ignore_errors=True)
