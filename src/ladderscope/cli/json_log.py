"""``--log-json``: events as lines of JSON."""

import json
import logging
import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ladderscope.errors import LadderscopeError
from ladderscope.events import (
    Event,
    MeasuringNoise,
    Message,
    Restoring,
    TrainingStep,
    Writing,
    heard_by,
    tell,
)

logger = logging.getLogger("ladderscope")

STANDARD_ERROR = "-"
_FREQUENT = (MeasuringNoise, TrainingStep, Restoring, Writing)
_PAUSE = 1.0  # seconds between two events of a kind that comes often


@contextmanager
def logged_as_json(target: str) -> Iterator[None]:
    """Write the events of the block, and all messages, one in a line.

    Parameters
    ----------
    target
        A file, to which lines are added, or "-" for standard error.

    Raises
    ------
    LadderscopeError
        The file cannot be written.
    """
    with ExitStack() as held:
        if target == STANDARD_ERROR:
            stream: IO[str] = sys.stderr
        else:
            try:
                stream = held.enter_context(Path(target).open("a", encoding="utf-8"))
            except OSError as error:
                raise LadderscopeError(
                    f"--log-json {target}: the file cannot be written ({error.strerror})"
                ) from error
        last: dict[type, float] = {}

        def write(event: Event) -> None:
            now = time.monotonic()
            if isinstance(event, _FREQUENT):
                if now - last.get(type(event), -math.inf) < _PAUSE:
                    return
                last[type(event)] = now
            stream.write(line_of(event, datetime.now(UTC)) + "\n")
            stream.flush()

        handler = _Told()
        logger.addHandler(handler)
        held.callback(logger.removeHandler, handler)
        held.enter_context(heard_by(write))
        yield


def name_of(kind: type) -> str:
    """Give the name of an event in the log.

    Examples
    --------
    >>> name_of(TrainingStep)
    'training_step'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def line_of(event: Event, when: datetime) -> str:
    """Write an event as JSON; numbers that are not finite become null.

    Examples
    --------
    >>> from ladderscope.events import Ended
    >>> line_of(Ended(0), datetime(2026, 5, 1, 12, tzinfo=UTC))
    '{"time": "2026-05-01T12:00:00.000+00:00", "event": "ended", "status": 0}'
    """
    known = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
    when_told = when.isoformat(timespec="milliseconds")
    line = {"time": when_told, "event": name_of(type(event)), **known}
    return json.dumps(line, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


class _Told(logging.Handler):
    """Makes an event of every message."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "warning" if record.levelno >= logging.WARNING else "info"
        tell(Message(level, record.getMessage()))
