"""What a microscope's file says of its image beside the pixel size and the channels' names."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, TypeAlias, TypeVar

from ladderscope.images.errors import ImageError

Colour: TypeAlias = tuple[int, int, int]
T = TypeVar("T")


class Objective(NamedTuple):
    """An objective, as far as it is known.

    Attributes
    ----------
    model
        Its name, such as ``"Plan-Apochromat 63x/1.40 Oil"``.
    magnification
        The nominal one.
    numerical_aperture
        That of the lens.
    """

    model: str | None = None
    magnification: float | None = None
    numerical_aperture: float | None = None


@dataclass(frozen=True)
class Acquisition:
    """How an image was acquired, as far as its file says so.

    Parameters
    ----------
    slice_spacing
        From one slice of a stack to the next, in micrometres.
    frame_interval
        From one frame of a movie to the next, in seconds.
    channel_colours
        Red, green and blue from 0 to 255 for each channel.
    date
        When it was acquired.
    objective
        What it was acquired with.

    Raises
    ------
    ImageError
        If the spacing or the interval is not a positive number, or a colour is not red, green and
        blue from 0 to 255.

    Examples
    --------
    >>> Acquisition(slice_spacing=0.5).frame_interval is None
    True
    """

    slice_spacing: float | None = None
    frame_interval: float | None = None
    channel_colours: tuple[Colour, ...] | None = None
    date: datetime | None = None
    objective: Objective | None = None

    def __post_init__(self) -> None:
        for name, unit in (("slice_spacing", "micrometres"), ("frame_interval", "seconds")):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ImageError(f"{name}={value!r}: give a positive number of {unit}, or None.")
        for colour in self.channel_colours or ():
            if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
                raise ImageError(
                    f"channel_colours: {colour!r} is not red, green and blue from 0 to 255."
                )

    def of_channels(self, count: int) -> "Acquisition":
        """Leave the colours out unless there is one for each of so many channels.

        Examples
        --------
        >>> Acquisition(channel_colours=((0, 255, 0),)).of_channels(2)
        Acquisition(slice_spacing=None, frame_interval=None, channel_colours=None, date=None, \
objective=None)
        """
        fit = self.channel_colours is None or len(self.channel_colours) == count
        return self if fit else replace(self, channel_colours=None)


UNKNOWN = Acquisition()


class Described(NamedTuple):
    """What a file's metadata say of its image.

    Attributes
    ----------
    pixel_size
        The height and the width of a pixel in micrometres.
    channel_names
        A name for each channel.
    acquisition
        The rest.
    """

    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] | None = None
    acquisition: Acquisition = UNKNOWN

    def only(self, channels: Sequence[int]) -> "Described":
        """Keep the names and colours of some channels.

        Examples
        --------
        >>> Described(channel_names=("DAPI", "GFP")).only([1]).channel_names
        ('GFP',)
        """
        colours = _chosen(self.acquisition.channel_colours, channels)
        return self._replace(
            channel_names=_chosen(self.channel_names, channels),
            acquisition=replace(self.acquisition, channel_colours=colours),
        )

    def of_channels(self, count: int) -> "Described":
        """Leave names and colours out unless there is one for each of so many channels.

        Examples
        --------
        >>> Described(channel_names=("GFP",)).of_channels(2).channel_names is None
        True
        """
        return self._replace(
            channel_names=_if_complete(self.channel_names, count),
            acquisition=self.acquisition.of_channels(count),
        )


def _if_complete(names: Sequence[str] | None, count: int) -> tuple[str, ...] | None:
    return tuple(names) if names is not None and len(names) == count else None


def _chosen(values: tuple[T, ...] | None, numbers: Sequence[int]) -> tuple[T, ...] | None:
    if values is None or max(numbers) >= len(values):
        return None
    return tuple(values[number] for number in numbers)
