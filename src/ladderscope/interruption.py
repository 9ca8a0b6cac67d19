"""How work is asked to stop: by a callable, from any thread, or by a signal to the process.

Signals are Ctrl-C, SIGTERM (a cluster's time limit) and SIGHUP (a closed terminal).
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from ladderscope.errors import LadderscopeError

logger = logging.getLogger("ladderscope")

AFTER_CTRL_C = 128 + signal.SIGINT

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


# Returns True when work should stop; called repeatedly in the worker thread.
ShouldStop: TypeAlias = Callable[[], bool]


class StopRequested(LadderscopeError):
    """Work that was stopped before it had a result."""


def stop_if(should_stop: ShouldStop | None, work: str) -> None:
    """End work that should stop.

    Parameters
    ----------
    should_stop
        None if the work is never stopped.
    work
        What is stopped, as in "restoring cells.tif".

    Raises
    ------
    StopRequested
        `should_stop` returned True.

    Examples
    --------
    >>> stop_if(lambda: True, "restoring")
    Traceback (most recent call last):
    ladderscope.interruption.StopRequested: stopped while restoring: should_stop returned True
    """
    if should_stop is not None and should_stop():
        raise StopRequested(f"stopped while {work}: should_stop returned True")


class Stopped(KeyboardInterrupt):
    """The process was asked to stop at once.

    Parameters
    ----------
    number : int
        The signal that asked.

    Attributes
    ----------
    status : int
        The exit status that a shell expects then.

    Examples
    --------
    >>> Stopped(signal.SIGTERM).status
    143
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number


class Requests:
    """The signals that have asked to stop, and how they are handled.

    Attributes
    ----------
    gentle : bool
        Whether the first signal is only noted, in `pending`. The second always raises `Stopped`;
        so does the first where this is false.
    pending : bool
        Whether a signal was noted since `gentle` was set.
    status : int
        The exit status that the noted signals ask for even where all else goes well: 0 after
        Ctrl-C, which may end a training early on purpose.
    """

    def __init__(self) -> None:
        self.gentle = self.pending = False
        self.status = 0

    def receive(self, number: int, frame: object = None) -> None:
        """Handle a signal."""
        if signal.Signals(number).name == "SIGHUP":
            _leave_terminal()
        if not self.gentle or self.pending:
            raise Stopped(number)
        self.pending = True
        if number == signal.SIGINT:
            logger.warning("stopping after this step; press Ctrl-C again to abort immediately")
        else:
            self.status = 128 + number
            logger.warning(
                "received %s: stopping after this step; a second signal aborts immediately",
                signal.Signals(number).name,
            )


_listening: Requests | None = None


@contextmanager
def listening() -> Iterator[Requests]:
    """Raise `Stopped` at Ctrl-C, SIGTERM and SIGHUP while the block runs.

    A signal for which the program has a handler of its own, or a SIGHUP that it ignores (nohup),
    is left to it; Ctrl-C always counts. Python delivers signals to the main thread only: in another
    one, no signal counts.

    Yields
    ------
    Requests
        Those of the enclosing block, if there is one.

    Examples
    --------
    >>> with listening() as requests:
    ...     try:
    ...         signal.raise_signal(signal.SIGTERM)
    ...     except KeyboardInterrupt as stopped:
    ...         print(stopped.status)
    143
    """
    global _listening
    if threading.current_thread() is not threading.main_thread():
        yield Requests()
        return
    if _listening is not None:
        yield _listening
        return
    _listening = requests = Requests()
    taken = [number for number in _SIGNALS if number == signal.SIGINT or _is_free(number)]
    before = {number: signal.getsignal(number) for number in taken}
    try:
        for number in taken:
            signal.signal(number, requests.receive)
        yield requests
    finally:
        _listening = None
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopping_gently(also: ShouldStop | None = None) -> Iterator[ShouldStop]:
    """Only note the first signal while the block runs; the second raises `Stopped`.

    Parameters
    ----------
    also : callable, optional
        Another callable that may ask to stop.

    Yields
    ------
    callable
        Returns whether a signal, or `also`, has asked to stop.

    Examples
    --------
    >>> with stopping_gently() as should_stop:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     print(should_stop())
    True
    """
    with listening() as requests:
        requests.gentle, requests.pending = True, False
        try:
            yield lambda: requests.pending or (also is not None and also())
        finally:
            requests.gentle = False


def _is_free(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_DFL


def _leave_terminal() -> None:
    """Discard what would be written to a closed terminal, which would be an error."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
