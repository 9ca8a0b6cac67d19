r"""Whether the noise of neighbouring pixels is correlated, by the noisy images alone.

In tiles of 7×7 pixels a polynomial of third degree is taken away, r = P n, and the covariance C of
the noise is the one that comes nearest to what is left,

    min over C of  ‖ mean(r rᵀ) − P C P ‖²,

so the correlation that taking the polynomial away leaves in r is accounted for exactly. C is free
up to the next pixel in all eight directions, has one more value along a row and one along a column
(a line is correlated however far one goes), and is zero beyond. A tile is flat if the polynomial
itself is small, which says nothing about r where the noise is white: choosing the flattest makes no
correlation. Structure finer than a tile does, and there is more of it where the image is bright,
while correlated noise is everywhere. So tiles are sorted by brightness into six parts, and noise is
called correlated only if it is in every part. Correlation that reaches farther than the next pixel
looks like structure in part, and is underestimated. What a model of correlated noise predicts is
what tiles of its noise would show, and only a departure from that counts.

This checks any noise model, wherever 8 tiles are flat. What a model of correlated noise needs is
measured in `colour` instead: correlations up to five pixels away, and a spectrum, which take larger
windows and more of them, and the certainty that what is correlated is no structure.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from ladderscope.noise_estimation.checked import CleanPlane, checked_planes, clean_plane

TILE = 7  # pixels
FEWEST_TILES = 8
_DEGREE = 3
_FLATTEST_TILES = 0.2
_OUTLYING_TILE = 3.0  # times the usual energy of the residual: a hot pixel
_GROUPS = 16  # of tiles, for the error of the correlation
_TILES_A_BIN = 48
_PARTS = 6  # of the tiles, by brightness,
_TILES_A_PART = 2 * _TILES_A_BIN  # each of at least so many
# A mean over a pixel and its surroundings, which is what a denoiser forms, has (1 + 4ρ) times the
# variance if the four neighbours are correlated by ρ: at 0.15, 26 % more standard deviation, which
# is worth a warning. To treat it as noise takes more (`colour`).
_CORRELATED = 0.15
_STANDARD_ERRORS = 3  # it must also be beyond chance
_INDEPENDENT = np.ones((1, 1))  # the autocorrelation of white noise

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class NeighbourCorrelation:
    """The correlation of the noise between neighbouring pixels.

    Parameters
    ----------
    horizontal, vertical, diagonal
        From −1 to 1; 0 where pixels are independent.
    error
        Standard error, the greatest of the three.
    predicted
        The three as a noise model would have them.
    """

    horizontal: float
    vertical: float
    diagonal: float
    error: float
    predicted: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def strongest(self) -> float:
        """The one that is farthest from what is predicted, minus that."""
        found = (self.horizontal, self.vertical, self.diagonal)
        return max((one - other for one, other in zip(found, self.predicted, strict=True)), key=abs)

    @property
    def is_certain(self) -> bool:
        """Whether it departs from what is predicted so far that it matters, and beyond chance."""
        return abs(self.strongest) > max(_CORRELATED, _STANDARD_ERRORS * self.error)


def neighbour_correlation(planes: Iterable[NDArray[Any]]) -> NeighbourCorrelation | None:
    """Measure how the noise of neighbouring pixels is correlated.

    Parameters
    ----------
    planes
        Noisy images of one channel, each of shape (y, x) and of any real type.

    Returns
    -------
    NeighbourCorrelation or None
        None if the images are too small, constant or clipped.

    Raises
    ------
    NoiseError
        If a plane is not 2-D, not real, or holds NaN or infinity.

    Examples
    --------
    >>> white = np.random.default_rng(0).normal(100.0, 3.0, (256, 256))
    >>> blurred = (np.roll(white, 1, axis=1) + white) / 2
    >>> [neighbour_correlation([plane]).is_certain for plane in (white, blurred)]
    [False, True]
    """
    total, tiles = np.zeros(()), 0
    for plane in checked_planes(planes):
        products, found = tile_products(clean_plane(plane))
        total, tiles = total + products, tiles + found
    return solve_correlation(total) if tiles >= FEWEST_TILES else None


def tile_products(
    plane: CleanPlane,
) -> tuple[Float64[np.ndarray, "parts groups 49 49"], int]:
    """Sum r rᵀ over the flat tiles of a plane, by brightness and group; also count these tiles.

    Each tile counts by the inverse of what is usual at its brightness, so that bright ones, which
    hold more noise, do not decide alone.

    Parameters
    ----------
    plane
        Where it is clipped, or holds artefacts, nothing is measured.

    Returns
    -------
    array of shape (parts, groups, 49, 49), and int
        Darkest part first.
    """
    products = np.zeros((_PARTS, _GROUPS, TILE**2, TILE**2))
    tiles = _usable_tiles(plane)
    if len(tiles) == 0:
        return products, 0
    brightness = tiles.mean(axis=1)
    contrast = tiles - brightness[:, None]
    residuals = contrast @ _basis().projection
    energy = (residuals**2).sum(axis=1)
    smooth = (contrast**2).sum(axis=1) - energy
    weights = np.zeros(len(tiles))
    ranked = np.argsort(brightness, kind="stable")
    for members in np.array_split(ranked, max(1, len(tiles) // _TILES_A_BIN)):
        keep = math.ceil(_FLATTEST_TILES * members.size)
        flat = members[np.argsort(smooth[members])[:keep]]
        flat = flat[energy[flat] <= _OUTLYING_TILE * np.median(energy[flat])]
        if energy[flat].any():
            weights[flat] = 1 / energy[flat].mean()
    parts = np.array_split(ranked, min(_PARTS, max(1, len(tiles) // _TILES_A_PART)))
    for part, inside in enumerate(parts):
        # Neighbouring tiles go into one group: structure that they share is no certainty.
        chosen = np.sort(inside[weights[inside] > 0])
        for group, members in enumerate(np.array_split(chosen, _GROUPS)):
            weighted = weights[members, None] * residuals[members]
            products[part, group] = residuals[members].T @ weighted
    return products, int(np.count_nonzero(weights))


def _usable_tiles(plane: CleanPlane) -> _Array:
    """Cut a plane into tiles (tiles, 49); leave out those in which nothing can be measured.

    These are the constant ones, and those with artefacts or clipped pixels. Zeros of a photon
    counter are not clipped, but look the same: if hardly anything would remain, they stay.
    """
    tiles = _cut(plane.pixels)
    measured = np.ptp(tiles, axis=1) > 0
    if plane.artefacts is not None:
        measured &= ~_cut(plane.artefacts).any(axis=1)
    tiles = tiles[measured]
    whole = ~np.isin(tiles, plane.clips).any(axis=1)
    usable: _Array = tiles[whole] if whole.sum() >= 0.1 * whole.size else tiles
    return usable


def _cut(plane: NDArray[Any]) -> NDArray[Any]:
    """Cut a plane into tiles (tiles, 49), without what is left over at its far ends."""
    rows, columns = (size // TILE for size in plane.shape)
    return (
        plane[: rows * TILE, : columns * TILE]
        .reshape(rows, TILE, columns, TILE)
        .transpose(0, 2, 1, 3)
        .reshape(rows * columns, TILE**2)
    )


@dataclass(frozen=True, eq=False)
class _Basis:
    """What the covariance of a tile's noise may be made of."""

    projection: _Array  # P (49, 49): takes the polynomial away
    solve: _Array  # (7, 49·49): from mean(r rᵀ) to C at no shift, right, down, both diagonals, …


@cache
def _basis() -> _Basis:
    y, x = np.divmod(np.arange(TILE**2), TILE)
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    middle = TILE // 2
    smooth, _ = np.linalg.qr(
        np.stack([(x - middle) ** i * (y - middle) ** j for i, j in powers], axis=1).astype(float)
    )
    projection = np.eye(TILE**2) - smooth @ smooth.T
    right, down = x[None, :] - x[:, None], y[None, :] - y[:, None]
    shifts = [(0, 0), (1, 0), (0, 1), (1, 1), (1, -1)]
    parts = [((right == i) & (down == j)) | ((right == -i) & (down == -j)) for i, j in shifts]
    parts += [(down == 0) & (abs(right) > 1), (right == 0) & (abs(down) > 1)]
    design = [(projection @ part @ projection).ravel() for part in parts]
    return _Basis(projection, np.linalg.pinv(np.stack(design, axis=1)))


def solve_correlation(
    products: Float64[np.ndarray, "parts groups 49 49"],
    autocorrelation: Float64[np.ndarray, "y x"] = _INDEPENDENT,
) -> NeighbourCorrelation:
    """Return the correlation of all tiles; that of the weakest part if not every part shows it.

    Parameters
    ----------
    products
        Of at least one plane, added up: see `tile_products`.
    autocorrelation
        What is predicted, of odd sides, 1 at the centre; by default independent pixels.
    """
    predicted = _predicted(autocorrelation)
    whole = _solved(products.sum(axis=0), predicted)
    if not whole.is_certain:
        return whole
    parts = [_solved(part, predicted) for part in products if part.any()]
    weakest = min(parts, key=lambda part: abs(part.strongest))
    return whole if weakest.is_certain else weakest


def _predicted(autocorrelation: Float64[np.ndarray, "y x"]) -> tuple[float, float, float]:
    """Return the correlations that tiles of such noise show, with what taking away changes."""
    if autocorrelation.size == 1:
        return 0.0, 0.0, 0.0
    y, x = np.divmod(np.arange(TILE**2), TILE)
    inside, at = np.ones((TILE**2, TILE**2), dtype=bool), []
    for place, side in zip((y, x), autocorrelation.shape, strict=True):
        middle = side // 2
        shift = place[None, :] - place[:, None]
        inside &= abs(shift) <= middle
        at.append(np.clip(shift + middle, 0, side - 1))
    covariance = np.where(inside, autocorrelation[tuple(at)], 0.0)
    along_x, along_y, diagonal = _correlations(
        _basis().projection @ covariance @ _basis().projection
    )
    return float(along_x), float(along_y), float(diagonal)


def _solved(products: _Array, predicted: tuple[float, float, float]) -> NeighbourCorrelation:
    """Solve for the covariance; its error is the jackknife's over the groups of tiles."""
    total = products.sum(axis=0)
    found = _correlations(total)
    left_out = np.stack([_correlations(total - group) for group in products])
    spread = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    error = math.sqrt((_GROUPS - 1) / _GROUPS * spread.max())
    return NeighbourCorrelation(float(found[0]), float(found[1]), float(found[2]), error, predicted)


def _correlations(products: _Array) -> _Array:
    """Return the correlation with the right, the lower and the diagonal neighbours."""
    covariance = _basis().solve @ products.ravel()
    variance = max(covariance[0], 1e-300)
    ratios = covariance[1:5] / variance
    correlations: _Array = np.clip([ratios[0], ratios[1], ratios[2:].mean()], -1, 1)
    return correlations
