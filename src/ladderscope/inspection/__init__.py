"""The first look at images, which every command shares: what is wrong with them, in words."""

from ladderscope.inspection.first_look import Finding, compare, first_look, look_at
from ladderscope.inspection.numbers import ImageLook

__all__ = ["Finding", "ImageLook", "compare", "first_look", "look_at"]
