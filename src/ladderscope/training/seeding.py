"""Random numbers that a seed fixes, whatever else runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_TURN = threading.RLock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Fix the random numbers that the block draws; the global random state is left as it was.

    torch has one random state for all threads, so that blocks in several threads take turns.

    Examples
    --------
    >>> draws = []
    >>> for _ in range(2):
    ...     with seeded(0):
    ...         draws.append(float(torch.rand(())))
    >>> draws[0] == draws[1]
    True
    """
    with _TURN, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
