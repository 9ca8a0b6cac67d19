"""Whether a restoration can be used: checks that need no clean image, each a traffic light."""

from ladderscope.evaluation.checks.borders import check_borders
from ladderscope.evaluation.checks.check import LIGHTS, Check, Light, light_of, worst
from ladderscope.evaluation.checks.likeness import Appearance, appearance, without_padding
from ladderscope.evaluation.checks.restored import (
    Known,
    RestoredPlane,
    restoration_checks,
    split_checks,
)

__all__ = [
    "LIGHTS",
    "Appearance",
    "Check",
    "Known",
    "Light",
    "RestoredPlane",
    "appearance",
    "check_borders",
    "light_of",
    "restoration_checks",
    "split_checks",
    "without_padding",
    "worst",
]
