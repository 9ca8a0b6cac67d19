"""The first look at images, which every command shares: what is wrong with them, in words."""

from ladderscope.inspection.first_look import (
    Finding,
    about_correlation,
    compare,
    first_look,
    look_at,
    look_before_restoring,
)
from ladderscope.inspection.numbers import ImageLook

__all__ = [
    "Finding",
    "ImageLook",
    "about_correlation",
    "compare",
    "first_look",
    "look_at",
    "look_before_restoring",
]
