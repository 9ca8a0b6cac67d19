"""The progress of a restoration, and how long it will take."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ladderscope.events import Event, Writing, heard_by, seconds_left, tell
from ladderscope.events import Restoring as RestoringEvent
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.progress import Listener
from ladderscope.words import duration

logger = logging.getLogger("ladderscope")

LONG = 20.0  # seconds


def say_how_long(what: str, seconds: float) -> None:
    """Report how long work will take, if it takes long."""
    if seconds > LONG:
        logger.info("%s: about %s", what, duration(seconds))


@contextmanager
def writing_followed(report: Listener | None, should_stop: ShouldStop | None) -> Iterator[None]:
    """Report how much of each large file is written while the block runs.

    Raises
    ------
    StopRequested
        `should_stop` returned True between two parts of a file.
    """

    def hear(event: Event) -> None:
        if not isinstance(event, Writing):
            return
        work = f"writing {event.file.name}"
        if report is not None:
            part = f"{event.megapixels_done:.1f} of {event.megapixels:.1f} megapixels"
            report(1.0, f"{work}, {part}, {duration(event.seconds_left)} left")
        stop_if(should_stop, work)

    with heard_by(hear):
        yield


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
