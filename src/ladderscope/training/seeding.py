"""Random numbers that a seed fixes, whatever else runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ladderscope.interruption import ShouldStop, stop_if

_TURN = threading.RLock()
_PATIENCE = 0.1  # seconds between two calls of should_stop


@contextmanager
def seeded(seed: int, should_stop: ShouldStop | None = None) -> Iterator[None]:
    """Fix the random numbers that the block draws; the global random state is left as it was.

    torch has one random state for all threads, so blocks in several threads take turns.

    Parameters
    ----------
    seed : int
        The random seed.
    should_stop : callable, optional
        Called while the block waits for its turn; True ends the wait.

    Raises
    ------
    StopRequested
        `should_stop` returned True before its turn.

    Examples
    --------
    >>> draws = []
    >>> for _ in range(2):
    ...     with seeded(0):
    ...         draws.append(float(torch.rand(())))
    >>> draws[0] == draws[1]
    True
    """
    while not _TURN.acquire(timeout=_PATIENCE):
        stop_if(should_stop, "waiting for another training")
    try:
        with torch.random.fork_rng(_devices()):
            torch.manual_seed(seed)
            yield
    finally:
        _TURN.release()


def _devices() -> list[int]:
    """List the GPU that this process computes on; others are left to other processes."""
    return [torch.cuda.current_device()] if torch.cuda.is_available() else []
