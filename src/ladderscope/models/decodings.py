"""How far the restoration of an image has come, and how long it will take."""

import logging
import time

from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.progress import Listener
from ladderscope.words import duration

logger = logging.getLogger("ladderscope")

LONG = 20.0  # seconds


def say_how_long(what: str, seconds: float) -> None:
    """Report how long work will take, if that is long."""
    if seconds > LONG:
        logger.info("%s: about %s", what, duration(seconds))


class Decodings:
    """Counts the decodings of an image, reports them, and stops where that is asked for.

    Parameters
    ----------
    name : str
        Of the image.
    total : int
        How many there will be.
    report : callable, optional
        Takes the fraction that is done, and a message.
    should_stop : callable, optional
        Says whether to stop.
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
            The restoration is to stop, and there is more to decode.
        """
        self.done += 1
        if self.report is not None:
            self.report(self.done / self.total, self.work)
        if self.done == 1:
            say_how_long(self.work, (time.monotonic() - self._started) * self.total)
        if self.done < self.total:
            stop_if(self.should_stop, self.work)
