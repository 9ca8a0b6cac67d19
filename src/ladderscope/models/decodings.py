"""The progress of a restoration, and how long it will take."""

import logging
import time

from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.progress import Listener
from ladderscope.words import duration

logger = logging.getLogger("ladderscope")

LONG = 20.0  # seconds


def say_how_long(what: str, seconds: float) -> None:
    """Report how long work will take, if it takes long."""
    if seconds > LONG:
        logger.info("%s: about %s", what, duration(seconds))


class Decodings:
    """Counts and reports the decodings of an image, and stops if `should_stop` returns True.

    Parameters
    ----------
    name : str
        The name of the image.
    total : int
        The number of decodings.
    report : callable, optional
        Called with the completed fraction and a message.
    should_stop : callable, optional
        Returns True to stop.
    """

    def __init__(
        self, name: str, total: int, report: Listener | None, should_stop: ShouldStop | None
    ) -> None:
        self.work, self.total, self.done = f"restoring {name}", total, 0
        self.report, self.should_stop = report, should_stop
        self._started = time.monotonic()

    def __call__(self) -> None:
        """Count one decoding.

        Raises
        ------
        StopRequested
            `should_stop` returned True, and there is more to decode.
        """
        self.done += 1
        if self.report is not None:
            self.report(self.done / self.total, self.work)
        if self.done == 1:
            say_how_long(self.work, (time.monotonic() - self._started) * self.total)
        if self.done < self.total:
            stop_if(self.should_stop, self.work)
