r"""Whether the borders of tiles can be seen in an image, without a reference.

Tiles that are restored one by one may not fit together: then pixels on both sides of a border
differ more than neighbours do elsewhere. But the image itself differs wherever it has structure.
The difference d across each line between two pixels is therefore compared with those beside it,

    j(k) = d(k) − (d(k−1) + d(k+1)) / 2,

which is zero where the image changes evenly, and h at a step of height h. The mean of |j| along
each border is compared with that along lines nearby, which lie on the same grid as the border: a
decoder that enlarges latents by 2^L has a pattern of that period, with tiles and without.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Real

from ladderscope.errors import LadderscopeError
from ladderscope.words import rounded

_SEGMENT = 32  # pixels along a border; each counts by its own contrast
_REACH, _GRIDS = 32, 8  # how far the lines lie that a border is compared with: pixels, or grids
_NEAREST = 3  # pixels; a step also changes j of the two lines beside it
_FEWEST = 3  # lines to compare a border with
_DRAWS = 9999


@dataclass(frozen=True)
class Borders:
    """Where the tiles of an image meet.

    Attributes
    ----------
    rows, columns : tuple of int
        The first rows and the first columns of tiles, counted from 0, without 0 itself: the borders
        lie before them.
    grid : int
        Borders are compared with lines at a distance of multiples of it, in pixels: 2^L for a
        network of L levels, whose output may have a pattern of that period.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    grid: int = 1


@dataclass(frozen=True)
class Seams:
    """What differs across the borders of tiles.

    Attributes
    ----------
    ratio : float
        Differences across borders beyond those beside them, divided by the same along lines
        nearby: 1 without seams.
    step : float
        Root mean square height of the steps at the borders, in grey levels: what the borders have
        beyond the lines nearby.
    p_value : float
        The probability that as many lines nearby, one for each border, differ as much.
    borders : int
        How many borders were compared, rows and columns.

    Examples
    --------
    >>> Seams(1.3, 2.1, 0.0004, 6).summary()[:60]
    'Pixels across 6 borders of tiles differ 1.3 times as much as'
    """

    ratio: float
    step: float
    p_value: float
    borders: int

    def summary(self) -> str:
        """Return in one sentence what was found."""
        return (
            f"Pixels across {self.borders} borders of tiles differ {self.ratio:.3g} times as much "
            f"as elsewhere (p = {self.p_value:.1g}): steps of {rounded(self.step)} grey levels "
            "(root mean square)."
        )


def seams(image: Real[np.ndarray, "*planes Y X"], borders: Borders) -> Seams:
    """Compare the differences across the borders of tiles with those elsewhere in an image.

    Parameters
    ----------
    image
        A restored image or a posterior sample of one channel; planes have the same borders.
    borders
        Where the tiles meet. `ladderscope.models.tile_borders` gives those of a model.

    Returns
    -------
    Seams
        The p-value is that of a permutation test, in which each border takes the place of lines
        nearby. It supposes that the borders lie at positions which mean nothing to the specimen.

    Raises
    ------
    LadderscopeError
        No border can be compared: there is none, or too few lines lie between the borders.

    References
    ----------
    Gradients at the borders of tiles were compared with those in their middle, by the divergence
    of two histograms, in "SWITi", 2026 (arXiv 2607.18990). Here are a test and a height.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(100.0, 3.0, (192, 192))
    >>> borders = Borders((64, 128), (64, 128), grid=4)
    >>> seams(image, borders).p_value > 0.05
    True
    >>> image[64:128] += 8.0
    >>> image[:, 64:128] += 8.0
    >>> found = seams(image, borders)
    >>> found.p_value < 0.01, round(found.step)
    (True, 8)
    """
    found = [
        line
        for starts, pixels in (
            (borders.rows, image),
            (borders.columns, np.swapaxes(image, -1, -2)),
        )
        for line in _lines(pixels, sorted(starts), borders.grid)
    ]
    if not found:
        raise LadderscopeError(
            f"{borders} of an image of shape {image.shape}: no border has {_FEWEST} lines nearby, "
            f"on the same grid of {borders.grid} pixels, to be compared with. Give the borders of "
            "larger tiles"
        )
    across = sum(line.roughness[0] for line in found)
    elsewhere = sum(float(line.roughness[1:].mean()) for line in found)
    rng = np.random.default_rng(0)
    drawn = sum(line.roughness[rng.integers(len(line.roughness), size=_DRAWS)] for line in found)
    as_rough = int(np.sum(drawn >= across * (1 - 1e-12)))
    excess = float(np.mean([line.excess for line in found]))
    return Seams(
        float(across / elsewhere),
        math.sqrt(max(0.0, excess)),
        (1 + as_rough) / (1 + _DRAWS),
        len(found),
    )


class _Line(NamedTuple):
    """A border: how rough it is, followed by the lines nearby; and its excess of squares."""

    roughness: Float64[np.ndarray, " lines"]
    excess: float


def _lines(
    pixels: Real[np.ndarray, "*planes Y X"], borders: Sequence[int], grid: int
) -> Iterator[_Line]:
    """Compare borders before rows with the rows nearby."""
    length, width = pixels.shape[-2:]
    segments = np.arange(0, width, _SEGMENT)
    for number, border in enumerate(borders):
        others = [*borders[:number], *borders[number + 1 :]]
        at = _nearby(border, others, length, grid)
        if len(at) <= _FEWEST:
            continue
        far, before, behind, farther = (
            pixels[..., np.array(at) + shift, :].astype(np.float64) for shift in (-2, -1, 0, 1)
        )
        jump = 1.5 * (behind - before) - 0.5 * (farther - far)
        sums = np.add.reduceat(np.abs(jump), segments, axis=-1)
        contrast = sums.mean(axis=-2, keepdims=True)
        if not (contrast > 0).any():
            continue
        relative = np.divide(sums, contrast, out=np.zeros_like(sums), where=contrast > 0)
        roughness = np.moveaxis(relative, -2, 0).reshape(len(at), -1).sum(axis=1)
        squares = np.moveaxis(jump**2, -2, 0).reshape(len(at), -1).mean(axis=1)
        yield _Line(roughness / roughness.mean(), float(squares[0] - squares[1:].mean()))


def _nearby(border: int, others: Sequence[int], length: int, grid: int) -> list[int]:
    """List a border that can be measured, and the lines nearby that lie on its grid."""
    if not 2 <= border <= length - 2:
        return []
    reach = max(_REACH, _GRIDS * grid)
    lines = range(border % grid, length - 1, grid)
    return [
        border,
        *(
            line
            for line in lines
            if line >= 2
            and _NEAREST <= abs(line - border) <= reach
            and all(abs(line - other) > abs(line - border) for other in others)
            and all(abs(line - other) >= _NEAREST for other in others)
        ),
    ]
