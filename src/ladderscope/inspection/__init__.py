"""The first look at images, shared by all commands: what is wrong with them, in sentences."""

from ladderscope.inspection.first_look import (
    Finding,
    about_correlation,
    compare,
    findings_of,
    first_look,
    gathered,
    look_at,
    look_before_restoring,
)
from ladderscope.inspection.numbers import ImageLook, measure
from ladderscope.inspection.repeated_frames import about_repeats, compare_along

__all__ = [
    "Finding",
    "ImageLook",
    "about_correlation",
    "about_repeats",
    "compare",
    "compare_along",
    "findings_of",
    "first_look",
    "gathered",
    "look_at",
    "look_before_restoring",
    "measure",
]
