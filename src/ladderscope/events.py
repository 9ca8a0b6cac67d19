"""What work tells of itself while it runs, for programs that follow it: one event at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True)
class Started:
    """A command begins: its words on the command line, and the version of Ladderscope."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class MeasuringNoise:
    """A plane of a channel has been looked at; `channel` counts from 1."""

    channel: int
    plane: int
    planes: int


@dataclass(frozen=True)
class NoiseMeasured:
    """The noise of a channel is known: in a sentence, and why this noise model was chosen."""

    channel: str
    noise: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class TrainingStep:
    """A training step is done; `loss` is the sum of the other two, in nats per pixel."""

    step: int
    loss: float
    reconstruction: float
    kl: float
    fraction: float
    seconds_left: float


@dataclass(frozen=True)
class Validation:
    """Held-out patches have been looked at; `loss` is the mean of the steps since the last time."""

    step: int
    seconds: float
    loss: float
    validation_loss: float
    best_step: int


@dataclass(frozen=True)
class Restoring:
    """A tile is restored, once: of the image, of this run, in millions of pixels."""

    image: str
    megapixels_done: float
    megapixels: float
    seconds_left: float


@dataclass(frozen=True)
class Writing:
    """Part of a large output has been written, in millions of pixels."""

    file: Path
    megapixels_done: float
    megapixels: float
    seconds_left: float


@dataclass(frozen=True)
class Written:
    """An output is complete under its name."""

    file: Path


@dataclass(frozen=True)
class Message:
    """A sentence for the user; `level` is ``"info"``, ``"warning"`` or ``"error"``."""

    level: str
    text: str


@dataclass(frozen=True)
class Ended:
    """The command ends, with this exit status: 0 if all went well."""

    status: int


Event: TypeAlias = (
    Started
    | MeasuringNoise
    | NoiseMeasured
    | TrainingStep
    | Validation
    | Restoring
    | Writing
    | Written
    | Message
    | Ended
)
Hears: TypeAlias = Callable[[Event], None]

_LISTENERS: ContextVar[tuple[Hears, ...]] = ContextVar("listeners", default=())


@contextmanager
def heard_by(listener: Hears) -> Iterator[None]:
    """Give a listener all events of the block, in the thread that runs it.

    Examples
    --------
    >>> with heard_by(print):
    ...     tell(Ended(0))
    Ended(status=0)
    """
    before = _LISTENERS.get()
    _LISTENERS.set((*before, listener))
    try:
        yield
    finally:
        _LISTENERS.set(before)


def is_heard() -> bool:
    """Say whether anyone listens, so that what nobody hears need not be made."""
    return bool(_LISTENERS.get())


def tell(event: Event) -> None:
    """Give an event to whoever listens."""
    for listener in _LISTENERS.get():
        listener(event)


def seconds_left(seconds: float, fraction: float) -> float:
    """Say how long work will take that has taken so long for this fraction of it.

    Examples
    --------
    >>> seconds_left(30, 0.25)
    90.0
    """
    return seconds / fraction - seconds if fraction > 0 else float("nan")
