"""What a network sees of the fields of an image: of a large one, window by window."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ladderscope.images import Image, Statistics
from ladderscope.images.large import LARGE
from ladderscope.prediction import Shown, show


@dataclass(frozen=True, eq=False)
class Windows:
    """A field too large for memory: each window is read, and its artefacts found, by itself.

    Attributes
    ----------
    image, position, channel, space
        The field, as `Image.field` takes them.
    statistics : Statistics
        What the network was trained with.
    """

    image: Image
    position: Mapping[str, int]
    channel: int
    space: str
    statistics: Statistics

    def part(self, region: tuple[slice, ...]) -> Shown:
        """Read what the network sees of a region."""
        where = self.position, self.channel, self.space, region
        return show(self.image.field(*where), self.statistics, self.image.padding_of(*where))

    @property
    def is_blank(self) -> bool:
        """Whether the field is padding alone; it is read until that is decided."""
        *depth, height, width = self.image.field_shape(self.space)
        rows = max(1, LARGE // width)
        for at in np.ndindex(*depth):
            for first in range(0, height, rows):
                side = slice(first, min(first + rows, height)), slice(0, width)
                region = (*(slice(one, one + 1) for one in at), *side)
                padding = self.image.padding_of(self.position, self.channel, self.space, region)
                if padding is None or not padding.all():
                    return False
        return True


def seen_field(
    image: Image, position: Mapping[str, int], channel: int, space: str, statistics: Statistics
) -> Shown | Windows:
    """Read a field and make what the network sees of it; a large one is read part by part."""
    if math.prod(image.field_shape(space)) > LARGE:
        return Windows(image, position, channel, space, statistics)
    padding = image.padding_of(position, channel, space)
    return show(image.field(position, channel, space), statistics, padding)
