"""The progress of a restoration, and how long it will take."""

import logging
import time

from ladderscope.events import Restoring as RestoringEvent
from ladderscope.events import seconds_left, tell
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
    pixels : int
        The number of pixels that they restore.
    report : callable, optional
        Called with the completed fraction and a message.
    should_stop : callable, optional
        Returns True to stop.
    """

    def __init__(
        self,
        name: str,
        total: int,
        pixels: int,
        report: Listener | None,
        should_stop: ShouldStop | None,
    ) -> None:
        self.name, self.work, self.total, self.done = name, f"restoring {name}", total, 0
        self.megapixels = pixels / 1e6
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
            self._report(self.report, self.done / self.total)
        if self.done == 1:
            say_how_long(self.work, (time.monotonic() - self._started) * self.total)
        if self.done < self.total:
            stop_if(self.should_stop, self.work)

    def _report(self, report: Listener, fraction: float) -> None:
        done = fraction * self.megapixels
        report(fraction, f"{self.work}, {done:.1f} of {self.megapixels:.1f} megapixels")
        left = seconds_left(time.monotonic() - self._started, fraction)
        tell(RestoringEvent(self.name, done, self.megapixels, left))
