"""Which levels of a ladder carry information about the image, and what to change if they do not."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ladderscope.words import listed, rounded

Use: TypeAlias = Literal["in use", "on the free-bits floor", "collapsed"]
_ALMOST_NOTHING = 0.1  # nats per patch
_ON_THE_FLOOR = 1.1  # times the free bits
_RAISED = 4.0  # times the free bits, where a level keeps to them
_FREE_BITS = 1.0  # nats per level and patch: those of HDN


class _Line(Protocol):
    @property
    def level_kl(self) -> tuple[float, ...]: ...


class _Outcome(Protocol):
    @property
    def history(self) -> tuple[_Line, ...]: ...
    @property
    def active_channels(self) -> tuple[int, ...] | None: ...


class _Settings(Protocol):
    @property
    def patch(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def latent_channels(self) -> int: ...
    @property
    def blind_levels(self) -> int: ...
    @property
    def judged_free_bits(self) -> tuple[str, float]: ...
    @property
    def kl_weight(self) -> float: ...


class _Trained(Protocol):
    """A trained model, as far as its KL divergence is concerned."""

    @property
    def outcome(self) -> _Outcome: ...
    @property
    def settings(self) -> _Settings: ...


@dataclass(frozen=True)
class LevelReport:
    """What one level carries.

    Attributes
    ----------
    number : int
        1 is the finest.
    nats_per_pixel : tuple of float
        KL divergence at every validation, on held-out patches, per pixel of the image.
    nats_per_patch : float
        At the last validation.
    active, channels : int
        Active channels of the latent [1]_ (None in models of earlier versions), of how many.
    use : str
        ``"in use"``, ``"on the free-bits floor"`` or ``"collapsed"``.

    References
    ----------
    .. [1] Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", ICLR 2016.
    """

    number: int
    nats_per_pixel: tuple[float, ...]
    nats_per_patch: float
    active: int | None
    channels: int
    use: Use

    @property
    def text(self) -> str:
        """The numbers in words."""
        active = (
            "" if self.active is None else f", {self.active} of {self.channels} channels active"
        )
        return (
            f"level {self.number}: {self.nats_per_pixel[-1]:.2g} nats per pixel{active}, {self.use}"
        )


@dataclass(frozen=True)
class KLReport:
    """What every level that sees the image carries, and what to change.

    Attributes
    ----------
    levels : tuple of LevelReport
        Finest first.
    advice : tuple of str
        What to change, in words; empty where every level is in use.
    setting, value : str and float, optional
        The setting to change, and to what.
    """

    levels: tuple[LevelReport, ...]
    advice: tuple[str, ...] = ()
    setting: str | None = None
    value: float | None = None

    def summary(self) -> str:
        """Return all levels and the advice in sentences."""
        levels = "; ".join(level.text for level in self.levels)
        return " ".join([f"{levels[:1].upper()}{levels[1:]}.", *self.advice])


def kl_report(model: _Trained) -> KLReport:
    """Report the KL divergence of every level over the training, and what to change.

    A level has collapsed if it carries less than 0.1 nats per patch or has no active channel: its
    posterior is its prior, whatever the image. It is on the free-bits floor if it carries no more
    than what free bits leave unpenalised.

    Parameters
    ----------
    model
        The `model` of a trained `Denoiser` or `Splitter`, or what `read_model` returns. One without
        a history, as imported ones, gives a report without levels.
    """
    history, settings = model.outcome.history, model.settings
    if not history:
        return KLReport(())
    pixels = settings.patch**2 * (settings.depth if settings.dimensions == 3 else 1)
    name, free_bits = settings.judged_free_bits
    found = model.outcome.active_channels
    levels = []
    for at, last in enumerate(history[-1].level_kl):
        active = None if found is None else found[at]
        levels.append(
            LevelReport(
                settings.blind_levels + at + 1,
                tuple(line.level_kl[at] / pixels for line in history),
                last,
                active,
                settings.latent_channels,
                _use(last, active, free_bits),
            )
        )
    return _advised(tuple(levels), settings.kl_weight, name, free_bits)


def _use(nats: float, active: int | None, free_bits: float) -> Use:
    if active == 0 or (math.isfinite(nats) and nats < _ALMOST_NOTHING):
        return "collapsed"
    return "on the free-bits floor" if nats <= _ON_THE_FLOOR * free_bits else "in use"


def _advised(
    levels: tuple[LevelReport, ...], kl_weight: float, name: str, free_bits: float
) -> KLReport:
    idle = [level for level in levels if level.use != "in use"]
    if not idle:
        return KLReport(levels)
    one = len(idle) == 1
    which = f"Level{'' if one else 's'} {listed([level.number for level in idle])}"
    does = "adds" if one else "add"
    start = f"{which} {does} next to nothing to the restoration"
    if kl_weight > 1:
        advice = f"{start}: kl_weight is {rounded(kl_weight)}; set it to 1."
        return KLReport(levels, (advice,), "kl_weight", 1.0)
    if free_bits < _FREE_BITS:
        advice = f"{start}: {name} is {rounded(free_bits)}; set it to {rounded(_FREE_BITS)}."
        return KLReport(levels, (advice,), name, _FREE_BITS)
    raised = _RAISED * free_bits
    advice = (
        f"{start}: if the restoration lacks detail, train longer, or raise {name} from "
        f"{rounded(free_bits)} to {rounded(raised)}. This is not an error: judge by the images."
    )
    return KLReport(levels, (advice,), name, raised)
