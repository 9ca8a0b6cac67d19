"""Regular files and zip files: sizes are checked before anything is read or unpacked."""

import os
import stat
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

from ladderscope.untrusted.words import InputError, shown

_STORED_OR_DEFLATED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1 | 0x40
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_LAYOUT, _END_64_LAYOUT = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q")
_LOCATOR_LAYOUT = struct.Struct("<4sLQL")
_LOCAL_HEADER = 30  # bytes, and the name


def file_size(path: Path) -> int:
    """Return the size of a regular file in bytes.

    Raises
    ------
    InputError
        There is no such file, it is of another kind (a folder, a pipe, a device), or it cannot be
        reached.

    Examples
    --------
    >>> file_size(Path("no/such/file"))
    Traceback (most recent call last):
    ...
    ladderscope.untrusted.words.InputError: there is no such file
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise InputError("there is no such file") from error
    except OSError as error:
        raise InputError(f"cannot be opened ({error.strerror or error})") from error
    if stat.S_ISDIR(found.st_mode):
        raise InputError("is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise InputError("is a pipe, a socket or a device, not a regular file")
    return found.st_size


def read_bytes(path: Path, most: int) -> bytes:
    """Read a regular file of limited size.

    Parameters
    ----------
    path
        The file.
    most
        How many bytes it may have.

    Raises
    ------
    InputError
        As `file_size`; or it is larger, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = Path(file.name).write_text("far too much")
    ...     read_bytes(Path(file.name), most=4)
    Traceback (most recent call last):
    ...
    ladderscope.untrusted.words.InputError: has 12 bytes, and at most 4 are read
    """
    size = file_size(path)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1) if size <= most else b""
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})") from error
    if max(size, len(content)) > most:
        raise InputError(f"has {max(size, len(content)):,} bytes, and at most {most:,} are read")
    return content


class Zip:
    """A zip file whose directory was checked: nothing in it can unpack to more than it says.

    Members are stored or deflated, each name is there once, none is encrypted and no two share
    bytes. Nothing stands behind the directory.

    Parameters
    ----------
    path
        The file.
    most_members
        How many members it may have.
    large
        Whether the directory may be in the format for archives beyond 4 GB (zip64).

    Raises
    ------
    InputError
        As `file_size`; or it is not such a zip file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(Path(folder, "a.zip"), "w") as written:
    ...         written.writestr("a.txt", "words")
    ...     with Zip(Path(folder, "a.zip"), most_members=3) as archive:
    ...         archive.sizes, archive.read("a.txt", most=100)
    ({'a.txt': 5}, b'words')
    """

    def __init__(self, path: Path, most_members: int, *, large: bool = False) -> None:
        file_size(path)
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})") from error
        try:
            start, entries = _directory(self._file, most_members, large)
            self._archive = zipfile.ZipFile(self._file)
            self._members = _checked_members(self._archive.infolist(), start, entries)
        except InputError:
            self._file.close()
            raise
        except Exception as error:  # each part of a damaged directory raises its own
            self._file.close()
            raise InputError(f"not a zip file, or a damaged one ({shown(str(error))})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()
        self._file.close()

    @property
    def sizes(self) -> dict[str, int]:
        """How many bytes each member unpacks to."""
        return {name: member.file_size for name, member in self._members.items()}

    @property
    def packed_sizes(self) -> dict[str, int]:
        """How many bytes of the file each member takes."""
        return {name: member.compress_size for name, member in self._members.items()}

    def read(self, name: str, most: int) -> bytes:
        """Unpack a member of limited size, and compare its checksum.

        Raises
        ------
        InputError
            It would unpack to more than `most` bytes, or it is damaged.
        """
        size = self._members[name].file_size
        if size > most:
            raise InputError(f"{name}: unpacks to {size:,} bytes, and at most {most:,} are read")
        content = self.start(name, size + 1)
        if len(content) != size:
            raise InputError(f"{name}: damaged: {len(content):,} bytes instead of {size:,}")
        return content

    def start(self, name: str, count: int) -> bytes:
        """Unpack the first bytes of a member.

        Raises
        ------
        InputError
            It is damaged.
        """
        try:
            with self._archive.open(self._members[name]) as member:
                return member.read(count)
        except Exception as error:  # each way in which a member is damaged raises its own
            raise InputError(f"{name}: damaged ({shown(str(error))})") from error


def _directory(file: IO[bytes], most_members: int, large: bool) -> tuple[int, int]:
    """Say where the directory begins and how many members it has, once its size is believable."""
    end = file.seek(0, os.SEEK_END) - _END_LAYOUT.size
    if end < 0:
        raise InputError("not a zip file, or it was cut short")
    file.seek(max(0, end - _LOCATOR_LAYOUT.size))
    tail = file.read()
    kind, *disks, entries, size, start, comment = _END_LAYOUT.unpack(tail[-_END_LAYOUT.size :])
    if kind != _END or comment:
        raise InputError("not a zip file, or it was cut short, or has extra data after its end")
    if tail.startswith(_LOCATOR_64):
        if not large:
            raise InputError("ZIP64, the format for more than 4 GB, is not supported")
        _, _, end, _ = _LOCATOR_LAYOUT.unpack(tail[: _LOCATOR_LAYOUT.size])
        file.seek(end)
        record = file.read(_END_64_LAYOUT.size)
        kind, _, _, _, *disks, here, entries, size, start = _END_64_LAYOUT.unpack(record)
        disks.append(here)
        if kind != _END_64:
            raise InputError("a damaged zip file: its directory is not at the announced position")
    if disks != [0, 0, entries] or start + size != end:
        raise InputError("a damaged zip file, or a part of a larger one: its directory is wrong")
    if entries > most_members or size > 1024 * most_members:
        raise InputError(
            f"has {entries:,} members in a directory of {size:,} bytes, and at most "
            f"{most_members:,} members are read"
        )
    return start, entries


def _checked_members(
    members: Sequence[zipfile.ZipInfo], directory: int, entries: int
) -> dict[str, zipfile.ZipInfo]:
    if len(members) != entries:
        raise InputError(
            f"a damaged zip file: it has {len(members)} members, but announces {entries}"
        )
    named: dict[str, zipfile.ZipInfo] = {}
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        name = shown(member.filename)
        if member.filename in named:
            raise InputError(f"holds {name} twice")
        if member.flag_bits & _ENCRYPTED:
            raise InputError(f"{name} is encrypted")
        if member.compress_type not in _STORED_OR_DEFLATED:
            raise InputError(
                f"{name} is packed by method {member.compress_type}; only stored or deflated "
                "members are read"
            )
        if not member.compress_type and member.compress_size != member.file_size:
            raise InputError(f"{name} is stored, but its packed and unpacked sizes differ")
        if not named and member.header_offset:
            raise InputError(f"holds {member.header_offset:,} bytes before its first member")
        if member.header_offset < end:
            raise InputError(f"{name} shares bytes with another member")
        end = member.header_offset + _LOCAL_HEADER + len(member.filename) + member.compress_size
        named[member.filename] = member
    if end > directory:
        raise InputError(f"{name} shares bytes with the directory")
    return {member.filename: member for member in members}
