"""How work reports what fraction of it is done; the terminal's bar is one listener of many."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

import rich
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from ladderscope.harmless import harmless

# Takes the fraction that is done, from 0 to 1, and what is being done.
Listener: TypeAlias = Callable[[float, str], None]

_SHOWN: ContextVar[bool] = ContextVar("bars are shown", default=True)


@contextmanager
def listener_of(progress: bool | Listener) -> Iterator[Listener | None]:
    """Give whoever is to hear of progress: a callable itself, or the terminal's bar.

    Parameters
    ----------
    progress : bool or callable
        True shows a bar in the terminal while the block runs. A callable is called in the worker
        thread.

    Yields
    ------
    callable or None
        None where nobody listens, so that no message needs to be made.

    Examples
    --------
    >>> with listener_of(lambda fraction, message: print(f"{fraction:.0%} {message}")) as report:
    ...     report(0.5, "restoring a.tif")
    50% restoring a.tif
    """
    if callable(progress):
        yield progress
    elif progress:
        with _bar() as report:
            yield report
    else:
        yield None


def part_of(report: Listener | None, number: int, count: int, parts: int = 1) -> Listener | None:
    """Give a listener to one of several equal parts of the work, or to some in a row.

    Parameters
    ----------
    report
        The listener to the whole.
    number, count
        Which part, from 0, and how many there are.
    parts
        How many parts from there on.

    Examples
    --------
    >>> part_of(lambda fraction, message: print(fraction, message), 1, 4)(0.5, "b.tif")
    0.375 b.tif
    """
    if report is None:
        return None
    return lambda fraction, message: report((number + parts * fraction) / count, message)


@contextmanager
def no_bars() -> Iterator[None]:
    """Show no bar in the terminal while the block runs; other listeners hear as before.

    Examples
    --------
    >>> with no_bars(), listener_of(True) as report:
    ...     report(0.5, "restoring a.tif")
    """
    before = _SHOWN.set(False)
    try:
        yield
    finally:
        _SHOWN.reset(before)


@contextmanager
def _bar() -> Iterator[Listener]:
    console = rich.get_console()
    bar = Progress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(compact=True),
        transient=True,
        # Else a blank line is left.
        disable=not (_SHOWN.get() and (console.is_interactive or console.is_jupyter)),
    )
    with bar:
        task = bar.add_task("", total=1.0)
        yield lambda fraction, message: bar.update(
            task, completed=fraction, description=harmless(message)
        )
