"""How far a prediction has come, and how long it will take."""

import logging
import time
from typing import Self

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from ladderscope.harmless import harmless

logger = logging.getLogger("ladderscope")

LONG = 20.0


def duration(seconds: float) -> str:
    """Say a time in the unit that suits it.

    Examples
    --------
    >>> duration(4.21), duration(61), duration(7320)
    ('4.2 s', '1 min 1 s', '2 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def say_how_long(what: str, seconds: float) -> None:
    """Tell the user what a prediction is going to take, if that is long."""
    if seconds > LONG:
        logger.info("%s: about %s", what, duration(seconds))


class PredictionProgress:
    """Counts the decodings of an image; after the first it says how long all will take.

    Parameters
    ----------
    name : str
        Of the image.
    decodings : int
        How many there will be.
    bar : bool
        Whether to show a bar.
    """

    def __init__(self, name: str, decodings: int, *, bar: bool) -> None:
        self.name, self.decodings, self.done = name, decodings, 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            transient=True,
            disable=not bar,
        )

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task(f"restoring {harmless(self.name)}", total=self.decodings)
        return self

    def __call__(self) -> None:
        """Count one decoding."""
        self.done += 1
        self._bar.advance(self._task)
        if self.done == 1:
            expected = (time.monotonic() - self._started) * self.decodings
            say_how_long(f"restoring {self.name}", expected)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
