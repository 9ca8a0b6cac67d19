"""Images whose artefacts are filled: at once in memory, else part by part as they are read.

Only what differs is kept: outliers and their values, and, row by row and compressed, where padding
is and which pixels take its place.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Int, Shaped

from ladderscope.images.artefacts import (
    Artefacts,
    find_artefacts,
    mirrored,
    nearest_measured,
    without_outliers,
)
from ladderscope.images.image import Image
from ladderscope.images.parts import ROWS, mask_of_planes, of_planes, packed
from ladderscope.images.stored import Pixels, StoredPixels


def clean(image: Image) -> Image:
    """Find and fill the artefacts of an image: as it is read, if its pixels are still in a file.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (32, 32))
    >>> plane[5, 6] = 60000
    >>> bool(clean(Image(plane, "YX", "a.tif")).pixels[5, 6] < 200)
    True
    """
    cleaning = Cleaning(image)
    for position in image.positions():
        for channel in range(image.channels):
            cleaning.find(position, channel, image.plane(position, channel))
    return cleaning.cleaned()


class Cleaning:
    """Finds the artefacts of an image while its planes are looked at.

    Parameters
    ----------
    image
        Finite values of any real type.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (32, 32))
    >>> plane[5, 6] = 60000
    >>> cleaning = Cleaning(Image(plane, "YX", "a.tif"))
    >>> int(cleaning.find({}, 0, plane).outliers.sum())
    1
    >>> bool(cleaning.cleaned().pixels[5, 6] < 200)
    True
    """

    def __init__(self, image: Image) -> None:
        self._image = image
        self._repairs: dict[tuple[int, ...], _Repair] = {}

    def find(
        self, position: Mapping[str, int], channel: int, plane: Shaped[np.ndarray, "Y X"]
    ) -> Artefacts:
        """Find the artefacts of a plane, and remember what takes their place."""
        found = find_artefacts(plane)
        if found.mask is not None:
            self._repairs[(*position.values(), channel)] = _Repair.of(plane, found)
        return found

    def cleaned(self) -> Image:
        """Give the image, clean and with its padding marked, once all planes were looked at."""
        image, repairs = self._image, self._repairs
        if not repairs:
            return replace(image, padding=None)
        instead = self._instead_of_blank()

        def read(at: tuple[int, ...], region: tuple[slice, ...]) -> Shaped[np.ndarray, "Y X"]:
            *others, channel = at = instead.get(at, at)
            position = dict(zip(image.others, others, strict=True))
            recorded = partial(image.field, position, channel, "YX")
            return repairs[at].read(recorded, region) if at in repairs else recorded(region)

        pixels: Pixels = of_planes(image.shape, image.axes, image.dtype, read)
        masks = {at: one.padding for at, one in repairs.items() if one.padding is not None}
        padding: Pixels | None = mask_of_planes(image.shape, image.axes, masks) if masks else None
        if isinstance(image.pixels, np.ndarray):
            pixels = np.asarray(pixels)
            padding = None if padding is None else np.asarray(padding)
        return replace(image, pixels=pixels, padding=padding, checked=None)

    def _instead_of_blank(self) -> dict[tuple[int, ...], tuple[int, ...]]:
        """Give the plane that takes the place of each that is padding alone."""
        instead: dict[tuple[int, ...], tuple[int, ...]] = {}
        for channel in range(self._image.channels):
            planes = [(*at.values(), channel) for at in self._image.positions()]
            blank = [at in self._repairs and self._repairs[at].is_blank for at in planes]
            nearest = nearest_measured(np.array(blank))
            instead |= {at: planes[of] for at, of in zip(planes, nearest, strict=True)}
        return {at: other for at, other in instead.items() if at != other}


@dataclass(frozen=True, eq=False)
class _Repair:
    """What takes the place of the artefacts of a plane.

    Attributes
    ----------
    outliers, values
        Which pixels are outliers, counted along the rows, and the values that take their place.
    padding
        Where it is, if there is any.
    sources
        For each band of rows, compressed, the steps from one pixel that takes the place of padding
        to the next; None if everything is padding.
    """

    outliers: Int[np.ndarray, " outliers"]
    values: Shaped[np.ndarray, " outliers"]
    padding: StoredPixels | None
    sources: tuple[bytes, ...] | None
    width: int
    is_blank: bool

    @classmethod
    def of(cls, plane: Shaped[np.ndarray, "Y X"], found: Artefacts) -> "_Repair":
        none = np.zeros(plane.shape, bool)
        outliers = np.flatnonzero(none if found.outliers is None else found.outliers)
        values = without_outliers(plane, found)
        width = plane.shape[1]
        if found.padding is None or found.is_blank:
            padding = None if found.padding is None else packed(found.padding)
            return cls(outliers, values, padding, None, width, found.is_blank)
        rows, columns = mirrored(found.padding)
        ends = np.cumsum(np.count_nonzero(found.padding, axis=1))[ROWS - 1 :: ROWS]
        sources = tuple(
            zlib.compress(np.diff(band, prepend=0).tobytes(), 1)
            for band in np.split(rows.astype(np.int64) * width + columns, ends)
        )
        return cls(outliers, values, packed(found.padding), sources, width, is_blank=False)

    def read(
        self,
        recorded: Callable[[tuple[slice, ...]], Shaped[np.ndarray, "Y X"]],
        region: tuple[slice, ...],
    ) -> Shaped[np.ndarray, "Y X"]:
        """Read a part of the plane, clean."""
        part = self._without_outliers(recorded(region), region)
        if self.padding is None or self.sources is None:
            return part
        padding = self.padding[region]
        if not padding.any():
            return part
        rows, columns = region
        sources = _sources_in(rows, columns, self.padding, self.sources)
        down, across = np.divmod(sources, self.width)
        box = slice(down.min(), down.max() + 1), slice(across.min(), across.max() + 1)
        measured = self._without_outliers(recorded(box), box)
        part = part.copy()
        part[padding] = measured[down - box[0].start, across - box[1].start]
        return part

    def _without_outliers(
        self, part: Shaped[np.ndarray, "Y X"], region: tuple[slice, ...]
    ) -> Shaped[np.ndarray, "Y X"]:
        rows, columns = region
        ends = np.searchsorted(self.outliers, [rows.start * self.width, rows.stop * self.width])
        down, across = np.divmod(self.outliers[slice(*ends)], self.width)
        inside = (across >= columns.start) & (across < columns.stop)
        if not inside.any():
            return part
        part = part.copy()
        part[down[inside] - rows.start, across[inside] - columns.start] = self.values[slice(*ends)][
            inside
        ]
        return part


def _sources_in(
    rows: slice, columns: slice, padding: Pixels, sources: Sequence[bytes]
) -> Int[np.ndarray, " padded"]:
    """Give which pixels take the place of the padding in a part of a plane."""
    found = []
    for top in range(rows.start // ROWS * ROWS, rows.stop, ROWS):
        band = padding[top : top + ROWS]
        steps = np.frombuffer(zlib.decompress(sources[top // ROWS]), np.int64)
        wanted = np.zeros_like(band)
        wanted[max(rows.start - top, 0) : rows.stop - top, columns] = True
        found.append(np.cumsum(steps)[wanted[band]])
    return np.concatenate(found)
