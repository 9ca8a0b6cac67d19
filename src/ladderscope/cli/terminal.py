"""What the user sees: messages and progress on stderr, results on stdout."""

import io
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import rich
from rich.highlighter import NullHighlighter
from rich.logging import RichHandler
from rich.text import Text

from ladderscope.events import Message, tell
from ladderscope.harmless import harmless
from ladderscope.progress import no_bars

_LABEL_WIDTH = 10
_NARROWEST = 20

logger = logging.getLogger("ladderscope")


def prepare_terminal() -> None:
    """See that everything can be shown, whatever the encoding and the width of the terminal.

    Letters that a narrow encoding lacks are written as escapes, and a width that holds no word,
    such as COLUMNS=0, is not believed.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for name, least in (("COLUMNS", _NARROWEST), ("LINES", 1)):
        number = os.environ.get(name, "")
        if not re.fullmatch("[0-9]{1,6}", number) or int(number) < least:
            os.environ.pop(name, None)


@contextmanager
def messages_shown() -> Iterator[None]:
    """Show what the library logs while the block runs.

    Progress bars draw on rich's own console; messages go to the same one, so that neither writes
    across the other.
    """
    rich.reconfigure(stderr=True)
    handler = RichHandler(
        console=rich.get_console(),
        show_time=False,
        show_level=False,
        show_path=False,
        highlighter=NullHighlighter(),
    )
    handler.setFormatter(_Plain())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def only_warnings_shown() -> Iterator[None]:
    """Show warnings, but neither other messages nor progress bars, while the block runs."""
    shown = [one for one in logger.handlers if isinstance(one, RichHandler)]
    for handler in shown:
        handler.setLevel(logging.WARNING)
    with no_bars():
        yield


@contextmanager
def nothing_shown() -> Iterator[None]:
    """Show nothing on stderr while the block runs."""
    console = rich.get_console()
    console.quiet = True
    try:
        with no_bars():
            yield
    finally:
        console.quiet = False


@contextmanager
def warnings_collected() -> Iterator[list[logging.LogRecord]]:
    """Collect the warnings that the library logs meanwhile, for the report."""
    found: list[logging.LogRecord] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Collector(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


@dataclass
class Record:
    """What a command has summed up.

    Attributes
    ----------
    instead : bool
        Whether the record takes the place of the summary on stdout.
    summaries : list of list of (str, str)
        The rows of each summary.
    errors : list of str
        What went wrong.
    """

    instead: bool
    summaries: list[list[tuple[str, str]]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


_records: list[Record] = []


@contextmanager
def summary_recorded(*, instead: bool) -> Iterator[Record]:
    """Record the summaries and errors of the block, besides showing them or instead of it."""
    record = Record(instead)
    _records.append(record)
    try:
        yield record
    finally:
        _records.remove(record)


def say_error(text: str) -> None:
    """Say on stderr what went wrong."""
    tell(Message("error", harmless(text, lines=True)))
    for record in _records:
        record.errors.append(harmless(text))
    rich.get_console().print(
        Text.assemble(("error: ", "bold red"), harmless(text, lines=True)), soft_wrap=True
    )


def show_summary(rows: Sequence[tuple[str, str]]) -> None:
    """Print a table of labels and values on stdout; long values keep to one line."""
    shown = [(harmless(label), harmless(value)) for label, value in rows]
    for record in _records:
        record.summaries += [shown] if shown else []
    if any(record.instead for record in _records):
        return
    console = rich.console.Console(highlight=False)
    for label, value in shown:
        line = Text.assemble((label.ljust(_LABEL_WIDTH), "bold"), value)
        console.print(line, soft_wrap=True)


def in_words(error: Exception) -> str:
    """Say what an error means; one from the operating system begins with the file's name.

    Examples
    --------
    >>> in_words(FileNotFoundError(2, "No such file or directory", "a.tif"))
    'a.tif: No such file or directory'
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        return prefix + harmless(record.getMessage(), lines=True)
