"""Running out of memory, explained in an error message."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ladderscope.errors import LadderscopeError
from ladderscope.words import data_size

# PyTorch's allocators, on whatever device, raise a RuntimeError that says one of these.
_RAN_OUT = re.compile(
    r"can't allocate memory|not enough memory|out of memory|bad_alloc|ALLOC_FAILED"
    r"|Storage size calculation overflowed|could not create a memory",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"(?:tried to allocate|unable to allocate)\s+([\d.]+)\s*(bytes|[KMGTPE]i?B)", re.IGNORECASE
)
_POWERS = "KMGTPE"


class NotEnoughMemory(LadderscopeError):
    """Work that needs more memory than is available, and what to make smaller."""


@contextmanager
def enough_memory(work: str, advice: str) -> Iterator[None]:
    """Turn every way of running out of memory into one error that says what to do.

    Parameters
    ----------
    work : str
        What the block does, as in "restoring cells.tif".
    advice : str
        What to make smaller, as in "restore a part of the image".

    Raises
    ------
    NotEnoughMemory
        The block ran out of memory.

    Examples
    --------
    >>> with enough_memory("making zeros", "make fewer"):
    ...     raise MemoryError("Unable to allocate 7.28 TiB for an array")
    Traceback (most recent call last):
    ladderscope.memory.NotEnoughMemory: making zeros needs more memory than is available: a single \
step requested 8,004 GB. To continue, make fewer
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _RAN_OUT.search(str(error)):
            raise
        asked = _asked(str(error))
        at_once = "" if asked is None else f": a single step requested {asked}"
        raise NotEnoughMemory(
            f"{work} needs more memory than is available{at_once}. To continue, {advice}"
        ) from error


def _asked(message: str) -> str | None:
    found = _ASKED.search(message)
    if found is None:
        return None
    number, unit = float(found[1]), found[2]
    if unit != "bytes":
        number *= (1024 if "i" in unit else 1000) ** (_POWERS.index(unit[0].upper()) + 1)
    return data_size(number)
