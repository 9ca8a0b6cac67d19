"""An image in memory: its pixels, the names of its axes, and what its file said about it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped

from ladderscope.images import axes as _axes
from ladderscope.images.acquisition import UNKNOWN, Acquisition


@dataclass(frozen=True, eq=False)
class Image:
    """One image and what is known about it.

    Parameters
    ----------
    pixels
        The values as read, of any real type, in the order of `axes`.
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
        True where software filled in what no camera measured; None if there is nothing of that.

    Raises
    ------
    ImageError
        If `axes` does not describe `pixels`.

    Examples
    --------
    >>> movie = Image(np.zeros((5, 2, 8, 9)), "TCYX", "movie.tif")
    >>> movie.channels, movie.planes().shape
    (2, (5, 2, 8, 9))
    """

    pixels: Shaped[np.ndarray, "..."]
    axes: str
    name: str
    path: Path | None = None
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] | None = None
    acquisition: Acquisition = UNKNOWN
    padding: Bool[np.ndarray, "..."] | None = None

    def __post_init__(self) -> None:
        letters = _axes.check_axes(self.axes, self.pixels.shape, self.name)
        object.__setattr__(self, "axes", letters)

    @property
    def channels(self) -> int:
        """The number of channels; 1 for an image without a C axis."""
        return self.pixels.shape[self.axes.index("C")] if "C" in self.axes else 1

    def planes(self, space: str = "YX") -> Shaped[np.ndarray, "planes channels *space"]:
        """Stack the planes: every dimension but C, Y and X flattened, in their order.

        Parameters
        ----------
        space
            What a plane extends over: ``"YX"``, or ``"ZYX"`` for whole stacks.

        Returns
        -------
        array of shape (planes, channels, [Z], Y, X)
            A view of `pixels` where NumPy can make one.

        Examples
        --------
        >>> Image(np.zeros((8, 9, 4)), "YXZ", "stack.tif").planes().shape
        (4, 1, 8, 9)
        """
        return _axes.to_planes(self.pixels, self.axes, space)

    def from_planes(
        self, planes: Shaped[np.ndarray, "planes channels *space"], space: str = "YX"
    ) -> Shaped[np.ndarray, "..."]:
        """Give planes, restored ones say, the shape and the order of axes of this image.

        Parameters
        ----------
        planes
            An array shaped like the one that `planes` returns, of any type.
        space
            As in `planes`.

        Returns
        -------
        array of the shape of `pixels`
            The type of `planes` is kept.

        Raises
        ------
        ImageError
            If the shape is another.

        Examples
        --------
        >>> image = Image(np.zeros((8, 9, 4)), "YXZ", "stack.tif")
        >>> image.from_planes(image.planes() + 1).shape
        (8, 9, 4)
        """
        return _axes.from_planes(planes, self.axes, self.pixels.shape, space)
