"""What is written, whatever the format: an image in the order of files, and what is known of it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Shaped

from ladderscope.images.acquisition import UNKNOWN, Acquisition
from ladderscope.images.errors import ImageError
from ladderscope.images.stored import Pixels, native
from ladderscope.mapped import part_of
from ladderscope.words import counted

Compression: TypeAlias = Literal["none", "deflate", "zstd"]


@dataclass(frozen=True, eq=False)
class Output:
    """An image that is to be written, checked.

    Parameters
    ----------
    path
        Where it goes.
    pixels, axes
        Its pixels, and the letters of their dimensions, some of ``TCZYX`` in this order.
    pixel_size, channel_names, acquisition, description
        As `write_image` takes them.

    Raises
    ------
    ImageError
        If channel names, colours or pixel size do not fit, or the pixels are not real numbers.

    Examples
    --------
    >>> Output(Path("a.tif"), np.zeros((3, 8, 9)), "TYX").plane
    (8, 9)
    """

    path: Path
    pixels: Pixels
    axes: str
    pixel_size: tuple[float, float] | None = None
    channel_names: Sequence[str] | None = None
    acquisition: Acquisition = UNKNOWN
    description: str = ""

    def __post_init__(self) -> None:
        if self.pixels.dtype.kind not in "iuf":
            raise ImageError(
                f"{self.path}: pixels of type {self.pixels.dtype} cannot be written as an image."
            )
        if self.pixel_size is not None:
            lengths = tuple(float(length) for length in self.pixel_size)
            if len(lengths) != 2 or not all(math.isfinite(one) and one > 0 for one in lengths):
                raise ImageError(
                    f"{self.path}: the pixel size {self.pixel_size} is not a height and a width in "
                    "micrometres."
                )
            object.__setattr__(self, "pixel_size", lengths)
        self._check_one_per_channel(self.channel_names, "channel names")
        self._check_one_per_channel(self.acquisition.channel_colours, "channel colours")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the pixels, in the machine's own byte order."""
        return self.pixels.dtype.newbyteorder("=")

    @property
    def plane(self) -> tuple[int, int]:
        """The height and the width of a plane."""
        height, width = self.pixels.shape[-2:]
        return height, width

    @property
    def channels(self) -> int:
        """The number of channels."""
        return self.pixels.shape[self.axes.index("C")] if "C" in self.axes else 1

    def _check_one_per_channel(self, values: Sequence[Any] | None, what: str) -> None:
        if values is not None and (isinstance(values, str) or len(values) != self.channels):
            raise ImageError(
                f"{self.path}: the {what} are {values!r}, but the image has "
                f"{counted(self.channels, 'channel')}; give one per channel."
            )


def part(pixels: Pixels, key: tuple[Any, ...]) -> Shaped[np.ndarray, "..."]:
    """Read a part of pixels, in the memory of that part.

    Parameters
    ----------
    pixels
        An array, in memory or mapped, or stored pixels.
    key
        Integers and slices.

    Examples
    --------
    >>> part(np.eye(3), (1, slice(2)))
    array([0., 1.])
    """
    return native(np.asarray(part_of(pixels, key)))


def steps(length: int, step: int) -> Iterator[slice]:
    """Cut a length into steps; the last may be shorter.

    Examples
    --------
    >>> list(steps(5, 3))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
