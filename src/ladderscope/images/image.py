"""One image, in memory or still in its file: what is known about it, and its pixels on demand."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from ladderscope.images import axes as _axes
from ladderscope.images.acquisition import UNKNOWN, Acquisition
from ladderscope.images.addresses import written
from ladderscope.images.stored import Pixels, Read, made_of, native
from ladderscope.mapped import part_of


@dataclass(frozen=True, eq=False)
class Image:
    """One image and what is known about it; its pixels may still be in a file.

    `plane`, `field` and `crop` read the part that is asked for, `array` reads everything. What
    `open_image` gives is checked while it is read, and so are its channels: NaN raises an error.

    Parameters
    ----------
    pixels
        An array, of any real type, in the order of `axes`; or `StoredPixels`, which stay where
        they are until they are asked for.
    axes
        One letter per dimension, any of ``STCZYX`` in any order; Y and X are always among them.
    name
        What messages and output files call it: ``"a.tif"``, or ``"array 1"``.
    path
        The file it came from, if it came from one.
    pixel_size
        The height and the width of a pixel in micrometres, if known.
    channel_names
        A name for each channel, if the file has them.
    acquisition
        What else the file says of how it was acquired.
    padding
        True where software filled in what no camera measured; None if there is none. Like
        `pixels`, it may be read, or found, only where it is asked for.
    frames
        How many frames of one scene it is the average of.
    checked
        The array that was found fit for use; `read_image` sets it, so that `pixels` that are this
        very array are not checked again.

    Raises
    ------
    ImageError
        If `axes` does not describe `pixels`.

    Examples
    --------
    >>> movie = Image(np.zeros((5, 2, 8, 9)), "TCYX", "movie.tif")
    >>> movie.channels, movie.others, movie.plane({"T": 4}, channel=1).shape
    (2, {'T': 5}, (8, 9))
    """

    pixels: Pixels
    axes: str
    name: str
    path: Path | None = None
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] | None = None
    acquisition: Acquisition = UNKNOWN
    padding: Bool[Any, "..."] | None = None
    frames: int = 1
    checked: Pixels | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", _axes.check_axes(self.axes, self.shape, self.name))

    @property
    def called(self) -> str:
        """What messages call it: its path, or its name if it has none."""
        return self.name if self.path is None else written(self.path)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""
        return tuple(self.pixels.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.pixels.dtype

    @property
    def size(self) -> int:
        """The number of pixels, those of all channels."""
        return math.prod(self.shape)

    @property
    def sizes(self) -> dict[str, int]:
        """The length of every dimension by its letter."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def channels(self) -> int:
        """The number of channels; 1 for an image without a C axis."""
        return self.sizes.get("C", 1)

    @property
    def others(self) -> dict[str, int]:
        """The lengths of the dimensions beside C, Y and X, by their letters."""
        return {letter: size for letter, size in self.sizes.items() if letter not in "CYX"}

    @property
    def array(self) -> Shaped[np.ndarray, "..."]:
        """All pixels in memory: `pixels` itself if it is an array, else read now."""
        return np.asarray(self.pixels)

    def positions(self, space: str = "YX") -> Iterator[dict[str, int]]:
        """List where each field is: its index along every dimension beside C and its own.

        Parameters
        ----------
        space
            What a field extends over: ``"YX"`` for planes, ``"ZYX"`` for whole stacks.

        Examples
        --------
        >>> movie = Image(np.zeros((8, 9, 2, 3)), "YXTZ", "movie.tif")
        >>> list(movie.positions("ZYX"))
        [{'T': 0}, {'T': 1}]
        """
        outer = {letter: size for letter, size in self.others.items() if letter not in space}
        for index in np.ndindex(*outer.values()):
            yield dict(zip(outer, index, strict=True))

    def field_count(self, space: str = "YX") -> int:
        """Return the number of fields of each channel: as many as there are `positions`."""
        return self.size // self.channels // math.prod(self.field_shape(space))

    def field_shape(self, space: str = "YX") -> tuple[int, ...]:
        """Return the shape of a field.

        Examples
        --------
        >>> Image(np.zeros((8, 9, 4)), "YXZ", "stack.tif").field_shape("ZYX")
        (4, 8, 9)
        """
        return tuple(self.sizes[letter] for letter in space if letter in self.axes)

    def field(
        self,
        position: Mapping[str, int],
        channel: int = 0,
        space: str = "YX",
        region: tuple[slice, ...] | None = None,
    ) -> Shaped[np.ndarray, "*depth Y X"]:
        """Read one field of one channel: a plane, or a stack of planes along Z.

        Parameters
        ----------
        position
            As `positions` gives it for this space.
        channel
            Which channel, from 0.
        space
            What the field extends over.
        region
            The part of the field that is wanted, in the order of `space`; by default all of it.

        Returns
        -------
        array of shape ([Z], Y, X)
            In the machine's own byte order; a view if `pixels` is an array in memory.

        Raises
        ------
        ImageError
            If the file turns out to be damaged here, or to hold NaN or infinity.

        Examples
        --------
        >>> stack = Image(np.zeros((8, 9, 4)), "YXZ", "stack.tif")
        >>> stack.field({}, space="ZYX").shape, stack.field({"Z": 3}).shape
        ((4, 8, 9), (8, 9))
        """
        return native(self._part(self.pixels, position, channel, space, region))

    def padding_of(
        self,
        position: Mapping[str, int],
        channel: int = 0,
        space: str = "YX",
        region: tuple[slice, ...] | None = None,
    ) -> Bool[np.ndarray, "*depth Y X"] | None:
        """Return the padding of one field; None if the image has none anywhere.

        Parameters
        ----------
        position, channel, space, region
            As in `field`.
        """
        if self.padding is None:
            return None
        return self._part(self.padding, position, channel, space, region)

    def plane(self, position: Mapping[str, int], channel: int = 0) -> Shaped[np.ndarray, "Y X"]:
        """Read one plane: a `field` that extends over rows and columns.

        Parameters
        ----------
        position
            Its index along every dimension beside C, Y and X, as `positions` gives it.
        channel
            Which channel, from 0.
        """
        return self.field(position, channel)

    def planes(self, channel: int = 0) -> Iterator[Shaped[np.ndarray, "Y X"]]:
        """Read the planes of a channel, one after the other.

        Examples
        --------
        >>> stack = Image(np.arange(24).reshape(3, 2, 4), "XYZ", "stack.tif")
        >>> [plane.shape for plane in stack.planes()]
        [(2, 3), (2, 3), (2, 3), (2, 3)]
        """
        for position in self.positions():
            yield self.plane(position, channel)

    def middle_planes(self) -> Shaped[np.ndarray, "channels Y X"]:
        """Read the middle plane of every channel, for a picture of the image.

        Examples
        --------
        >>> Image(np.zeros((5, 2, 8, 9)), "TCYX", "movie.tif").middle_planes().shape
        (2, 8, 9)
        """
        positions = list(self.positions())
        middle = positions[len(positions) // 2]
        return np.stack([self.plane(middle, channel) for channel in range(self.channels)])

    def fields(self, space: str = "YX") -> Shaped[np.ndarray, "fields channels *space"]:
        """Give all fields at once, in memory; those of `positions`, in their order.

        Parameters
        ----------
        space
            What a field extends over: ``"YX"`` for planes, ``"ZYX"`` for whole stacks.

        Returns
        -------
        array of shape (fields, channels, [Z], Y, X)
            A view of `pixels` where NumPy can make one.

        Examples
        --------
        >>> Image(np.zeros((8, 9, 4)), "YXZ", "stack.tif").fields().shape
        (4, 1, 8, 9)
        """
        fields = _axes.planes_last(self.array, self.axes, space)
        outer = fields.ndim - 1 - len(space)
        return fields.reshape(math.prod(fields.shape[:outer]), *fields.shape[outer:])

    def from_fields(
        self, fields: Shaped[np.ndarray, "fields channels *space"], space: str = "YX"
    ) -> Shaped[np.ndarray, "..."]:
        """Give fields, restored ones say, the shape and the order of axes of this image.

        Parameters
        ----------
        fields
            An array shaped like the one that `fields` returns, of any type.
        space
            As in `fields`.

        Returns
        -------
        array of the shape of `pixels`
            The type of `fields` is kept.

        Raises
        ------
        ImageError
            If the shape is another.

        Examples
        --------
        >>> image = Image(np.zeros((8, 9, 4)), "YXZ", "stack.tif")
        >>> image.from_fields(image.fields() + 1).shape
        (8, 9, 4)
        """
        return _axes.from_planes(fields, self.axes, self.shape, space)

    def crop(self, extent: Mapping[str, slice]) -> "Image":
        """Read a part of the image, as an image in memory.

        Parameters
        ----------
        extent
            A slice for every dimension that is cut, by its letter.

        Examples
        --------
        >>> movie = Image(np.zeros((5, 8, 9)), "TYX", "movie.tif")
        >>> movie.crop({"T": slice(1), "X": slice(2, 6)}).shape
        (1, 8, 4)
        """
        key = tuple(extent.get(letter, slice(None)) for letter in self.axes)
        return replace(
            self,
            pixels=native(np.asarray(part_of(self.pixels, key))),
            padding=None if self.padding is None else self.padding[key],
            checked=None,
            channel_names=self.channel_names and self.channel_names[extent.get("C", slice(None))],
        )

    def channel(self, number: int) -> "Image":
        """Return one channel as an image without a C axis; nothing is read for that.

        Parameters
        ----------
        number
            Which channel, from 0.

        Examples
        --------
        >>> movie = Image(np.zeros((5, 2, 8, 9)), "TCYX", "movie.tif")
        >>> movie.channel(1).name, movie.channel(1).shape
        ('movie.tif, channel 2', (5, 8, 9))
        """
        if "C" not in self.axes:
            return self
        at = self.axes.index("C")

        def reader(of: Sequence[Pixels]) -> Read:
            return lambda key: part_of(of[0], (*key[:at], number, *key[at:]))

        shape = (*self.shape[:at], *self.shape[at + 1 :])
        return replace(
            self,
            pixels=made_of([self.pixels], shape, self.dtype, reader),
            axes=self.axes.replace("C", ""),
            name=f"{self.name}, channel {number + 1}",
            channel_names=None,
            acquisition=replace(self.acquisition, channel_colours=None),
            padding=None if self.padding is None else self.padding[(slice(None),) * at + (number,)],
            checked=None,
        )

    def _part(
        self,
        of: Any,
        position: Mapping[str, int],
        channel: int,
        space: str,
        region: tuple[slice, ...] | None,
    ) -> Shaped[np.ndarray, "*depth Y X"]:
        kept = [letter for letter in self.axes if letter in space]
        within = region or (slice(None),) * len(kept)
        of_field = dict(zip([one for one in space if one in kept], within, strict=True))
        at: dict[str, int | slice] = {**position, "C": channel, **of_field}
        key = tuple(at[letter] for letter in self.axes)
        order = [kept.index(letter) for letter in space if letter in kept]
        part: Shaped[np.ndarray, "*depth Y X"] = np.asarray(part_of(of, key)).transpose(order)
        return part
