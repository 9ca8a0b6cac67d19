"""A check of a restoration: green, amber or red, with its reason and its remedy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Light: TypeAlias = Literal["green", "amber", "red"]
LIGHTS: tuple[Light, ...] = ("green", "amber", "red")


@dataclass(frozen=True)
class Check:
    """What one check of a restoration found.

    Attributes
    ----------
    light : str
        ``"green"``: nothing found. ``"amber"``: look at it. ``"red"``: do not use the restoration
        before the reason is understood.
    name : str
        What was checked.
    reason : str
        What was found, with its number, in one sentence.
    remedy : str
        What to do, in one sentence; empty where there is nothing to do.

    Examples
    --------
    >>> Check("green", "local means", "Every region keeps its mean.").light
    'green'
    """

    light: Light
    name: str
    reason: str
    remedy: str = ""

    @property
    def text(self) -> str:
        """The reason and the remedy."""
        return f"{self.reason} {self.remedy}".strip()


def worst(checks: Sequence[Check]) -> Check | None:
    """Give the first of the gravest checks; None if nothing was checked.

    Examples
    --------
    >>> worst([Check("green", "noise", ""), Check("red", "training images", "")]).name
    'training images'
    """
    return max(checks, key=lambda check: LIGHTS.index(check.light), default=None)


def light_of(checks: Sequence[Check]) -> Light | None:
    """Give the light of a restoration: that of its gravest check; None if nothing was checked.

    Examples
    --------
    >>> light_of([Check("green", "noise", ""), Check("amber", "training images", "")])
    'amber'
    """
    gravest = worst(checks)
    return None if gravest is None else gravest.light


def gravest(lights: Iterable[Light]) -> Light:
    """Give the gravest of several lights.

    Examples
    --------
    >>> gravest(["green", "amber"])
    'amber'
    """
    return max(lights, key=LIGHTS.index, default="green")


def is_graver(light: Light, than: Light) -> bool:
    """Tell whether a light is graver than another.

    Examples
    --------
    >>> is_graver("red", "amber"), is_graver("red", "red")
    (True, False)
    """
    return LIGHTS.index(light) > LIGHTS.index(than)


def graded(value: float, amber: float, red: float) -> Light:
    """Give the light of a value that should be small.

    Examples
    --------
    >>> [graded(value, 1.0, 3.0) for value in (0.5, 1.0, 4.0)]
    ['green', 'amber', 'red']
    """
    return "red" if value >= red else "amber" if value >= amber else "green"
