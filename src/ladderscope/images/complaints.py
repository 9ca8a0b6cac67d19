"""What tifffile logs while it reads past the damage of a file."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# when pages or their description lie beyond the end of a file
_DAMAGE = re.compile(
    "invalid page offset|invalid offset to page|corrupted|missing data"
    "|TiffTag 270 .*invalid value offset",
    re.IGNORECASE,
)


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect what tifffile logs meanwhile, in this thread.

    Examples
    --------
    >>> with complaints() as said:
    ...     logging.getLogger("tifffile").warning("corrupted")
    >>> damage_in(said)
    'corrupted'
    """
    messages: list[str] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                messages.append(record.getMessage())

    handler = Collector(logging.WARNING)
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)


def damage_in(said: list[str]) -> str | None:
    """Find the first complaint about damage.

    Examples
    --------
    >>> damage_in(["an odd tag"]) is None
    True
    """
    return next(filter(_DAMAGE.search, said), None)
