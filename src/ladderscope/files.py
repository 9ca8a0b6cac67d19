"""Files that appear under their final names only when complete; and the names of files."""

import errno
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath

from ladderscope.errors import LadderscopeError
from ladderscope.events import Written, tell
from ladderscope.unfinished import CAN_LOCK, PREFIX, begin, clear
from ladderscope.words import data_size

_ENDINGS = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.zarr", ".zarr", ".czi", ".nd2", ".lif")
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OutputError(LadderscopeError):
    """A file that cannot be written: which one, why, and what is left of it."""


@contextmanager
def whole_file(
    path: str | os.PathLike[str], overwrite: bool = False, *, most: float = 0
) -> Iterator[Path]:
    """Write an output as `internal_file` does, and tell whoever listens that it is there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "notes.txt")) as unfinished:
    ...         _ = unfinished.write_text("all of it")
    ...     [file.name for file in Path(folder).iterdir()]
    ['notes.txt']
    """
    with internal_file(path, overwrite, most=most) as unfinished:
        yield unfinished
    tell(Written(expanded(path)))


@contextmanager
def internal_file(
    path: str | os.PathLike[str], overwrite: bool = False, *, most: float = 0
) -> Iterator[Path]:
    """Give a temporary file beside `path` to write to, and rename it when all is written.

    Whatever ends the block early, Ctrl-C included, the temporary file is removed and `path` is as
    it was before. What a process that was killed has left in the folder is removed too. Unless
    `overwrite` is true, a file that another process writes meanwhile is never replaced.

    Parameters
    ----------
    path
        The final path. Its folder is made if need be.
    overwrite
        Whether a file that exists may be replaced.
    most
        How many bytes the file will have at most, if that is known: said where the disk is full.

    Yields
    ------
    Path
        A hidden file in the same folder, with the same suffixes, that is empty: open it for
        writing.

    Raises
    ------
    OutputError
        If the file exists and `overwrite` is false, if its folder cannot be made or written to, or
        if the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with internal_file(Path(folder, "notes.txt")) as unfinished:
    ...         _ = unfinished.write_text("all of it")
    ...     [file.name for file in Path(folder).iterdir()]
    ['notes.txt']
    """
    final = expanded(path)
    with said_if_full(final, most), ExitStack() as held:
        if final.is_dir():
            raise OutputError(f"{final} is a folder; give the name of a file.")
        unfinished = begun(final, overwrite, held, _make_file)
        try:
            yield unfinished
            _finish(unfinished, final, overwrite, held)
        finally:
            held.close()
            unfinished.unlink(missing_ok=True)


def check_writable(paths: Iterable[Path]) -> None:
    """Try out the names that files will have, in the folders where they will be.

    Nothing is left of it; folders that there are not yet are tried out too, and not made.

    Raises
    ------
    OutputError
        A folder cannot be made or written to, a name is too long or has characters that the file
        system refuses, or it takes two of the names for the same.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_writable([Path(folder, "new", "a.tif")])
    ...     list(Path(folder).iterdir())
    []
    """
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        by_folder[path.parent].append(path)
    for folder, files in by_folder.items():
        there, missing = folder, [""]
        while not taken(there) and there.name:
            there, missing = there.parent, [there.name, *missing]
        with said_if_refused(files[0]):
            trial = tempfile.TemporaryDirectory(prefix=PREFIX, dir=there)
        with trial:
            inside = Path(trial.name, *missing)
            with said_if_refused(files[0]):
                inside.mkdir(parents=True, exist_ok=True)
            for file in files:
                if taken(file) and file.is_dir() and file.suffix.lower() != ".zarr":
                    raise OutputError(f"{file} is a folder; give the name of a file.")
                _try_name(file, inside)


def expanded(path: str | os.PathLike[str]) -> Path:
    """Put a user's folder in place of a ``~`` at the start, where there is such a user.

    Examples
    --------
    >>> expanded("~no such user~/a.tif").parts[0]
    '~no such user~'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def taken(path: Path) -> bool:
    """Tell whether a file, a folder or a link has this name already.

    Examples
    --------
    >>> taken(Path("no such file")), taken(Path("a" * 10_000))
    (False, False)
    """
    try:
        path.lstat()
    except (OSError, ValueError):
        return False  # what no file can be called is told when it is tried
    return True


def stem(path: PurePath) -> str:
    """Take the ending off the name of an image file.

    Examples
    --------
    >>> stem(Path("day1/a.ome.tif")), stem(Path("b.c.TIFF"))
    ('a', 'b.c')
    """
    lower = path.name.lower()
    ending = next((one for one in _ENDINGS if lower.endswith(one) and lower != one), "")
    return path.name[: len(path.name) - len(ending)]


def begun(
    final: Path, overwrite: bool, held: ExitStack, make: Callable[[Path], int | None]
) -> Path:
    """Make what is to be written under a hidden name beside its final one, and lock it.

    Parameters
    ----------
    final, overwrite
        As `whole_file` takes them.
    held
        Holds the lock until it is closed.
    make
        Makes a file or a folder and opens it; gives its descriptor, or None if it has none.
    """
    with said_if_refused(final):
        if taken(final) and not overwrite:
            raise already_exists(final)
        final.parent.mkdir(parents=True, exist_ok=True)
        clear(final.parent)
        return begin(final.parent, "".join(final.suffixes[-2:])[-32:], make, held)


@contextmanager
def said_if_refused(final: Path) -> Iterator[None]:
    """Say which output cannot be written, where the system only says why.

    Parameters
    ----------
    final
        The output.
    """
    try:
        yield
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{final}: cannot be written ({_reason(error)}); check that the folder "
            f"{final.parent} exists or can be created and is writable, or choose another."
        ) from error


@contextmanager
def said_if_full(final: Path, most: float) -> Iterator[None]:
    """Say that the disk is full, what is needed, and what is free once all is tidied up.

    Parameters
    ----------
    final, most
        As `whole_file` takes them.
    """
    try:
        yield
    except OSError as error:
        if not _is_full(error):
            raise
        needed = ""
        if most:
            free = shutil.disk_usage(final.parent).free
            needed = f" It needs at most {data_size(most)}; {data_size(free)} are free."
        raise OutputError(
            f"{final}: the disk is full ({error}); no partial file remains.{needed} Free some "
            "space, or choose another folder."
        ) from error


def already_exists(final: Path, why: str = "") -> OutputError:
    """Make the error for an output that exists.

    Parameters
    ----------
    final
        The output.
    why
        What happened.
    """
    return OutputError(
        f"{final} already exists{why} and was not changed; choose another name or folder, or "
        "allow it to be overwritten."
    )


def _make_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _finish(unfinished: Path, final: Path, overwrite: bool, held: ExitStack) -> None:
    # to the disk first: a power cut must not find the new name on contents not yet written
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    if not CAN_LOCK:
        held.close()
    try:
        if overwrite:
            unfinished.replace(final)
        else:
            _rename_if_free(unfinished, final)
    except FileExistsError as error:
        raise already_exists(final, " (another process wrote it meanwhile)") from error
    except OSError as error:
        raise OutputError(
            f"{final}: cannot be replaced ({error.strerror or error}); close it if it is "
            "open in another program. No partial file remains."
        ) from error


def _rename_if_free(unfinished: Path, final: Path) -> None:
    """Rename a file; of two processes that choose the same name, one succeeds."""
    try:
        final.hardlink_to(unfinished)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links
        final.touch(exist_ok=False)
        try:
            unfinished.replace(final)
        except OSError:
            final.unlink()
            raise


def _try_name(file: Path, trial: Path) -> None:
    try:
        (trial / file.name).touch(exist_ok=False)
    except FileExistsError as error:
        raise OutputError(
            f"{file}: two outputs would have this name on this file system; rename one of the "
            "inputs."
        ) from error
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{file}: the file system does not allow this name ({_reason(error)}). Outputs are "
            "named after their inputs, with a suffix added: rename the input, or choose another "
            "output."
        ) from error


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _is_full(error: OSError) -> bool:
    # NumPy reports a short write without an error number: "4096 requested and 512 written"
    return error.errno in _DISK_FULL or (error.errno is None and "requested and" in str(error))
