"""Lightning without its advice."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice on devices away from users who did not choose one."""
    talkative = [logging.getLogger(f"lightning.{part}") for part in ("fabric", "pytorch")]
    levels = [one.level for one in talkative]
    for one in talkative:
        one.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for one, level in zip(talkative, levels, strict=True):
            one.setLevel(level)
