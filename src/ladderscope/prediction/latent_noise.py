"""Latent noise as a function of its position, so that samples are continuous across tiles."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

CELL = 64
_UNSIGNED = 2**32


def latent_noise(
    seed: int,
    field: int,
    sample: int,
    level: int,
    channels: int,
    *where: slice,
) -> Float[Tensor, "channels *space"]:
    """Standard-normal noise of one latent map, at absolute positions of the field.

    The map is divided into square cells, and each cell is filled by its own generator, which is
    seeded by all arguments and the position of the cell. Tile, batch, order and device therefore
    change nothing.

    Parameters
    ----------
    seed, field, sample, level : int
        Identify the noise; level 1 is the finest.
    channels : int
        Latent channels of the level.
    *where : slice
        Part of the latent map of the field, in latent pixels: [planes,] rows and columns. Wider
        views extend beyond the field: positions before its corner are negative.

    Examples
    --------
    >>> whole = latent_noise(0, 0, 0, 1, 4, slice(0, 100), slice(0, 100))
    >>> part = latent_noise(0, 0, 0, 1, 4, slice(60, 70), slice(3, 9))
    >>> torch.equal(whole[:, 60:70, 3:9], part)
    True
    """
    *planes, rows, columns = where
    if not planes:
        return torch.from_numpy(_map((seed, field, sample, level), channels, rows, columns))
    maps = [
        _map((seed, field, sample, level, plane), channels, rows, columns)
        for plane in range(planes[0].start, planes[0].stop)
    ]
    return torch.from_numpy(np.stack(maps, axis=1))


def antithetic_noise(
    seed: int,
    field: int,
    sample: int,
    level: int,
    channels: int,
    *where: slice,
) -> Float[Tensor, "channels *space"]:
    """Latent noise of samples in pairs: the second of a pair has that of the first, negated.

    Each sample is drawn from the posterior as before, but what a pair differs from the mean by
    cancels to first order. The mean over a few such samples is therefore as accurate as that over
    many independent ones: antithetic variates (Hammersley and Morton, "A new Monte Carlo
    technique: antithetic variates", Mathematical Proceedings of the Cambridge Philosophical
    Society 52, 1956).

    Parameters
    ----------
    seed, field, sample, level, channels, *where
        As for `latent_noise`; samples 2k and 2k + 1 are a pair.

    Examples
    --------
    >>> first, second = (antithetic_noise(0, 0, k, 1, 4, slice(0, 9), slice(0, 9)) for k in (2, 3))
    >>> torch.equal(first, -second)
    True
    >>> torch.equal(first, latent_noise(0, 0, 1, 1, 4, slice(0, 9), slice(0, 9)))
    True
    """
    sides = tuple((side.start, side.stop) for side in where)
    noise = _of_pair(seed, field, sample // 2, level, channels, sides)
    return -noise if sample % 2 else noise


# The second of a pair is asked for soon after the first, level by level.
@lru_cache(maxsize=8)
def _of_pair(
    seed: int, field: int, pair: int, level: int, channels: int, sides: tuple[tuple[int, int], ...]
) -> Float[Tensor, "channels *space"]:
    return latent_noise(seed, field, pair, level, channels, *(slice(*side) for side in sides))


def _map(
    key: tuple[int, ...], channels: int, rows: slice, columns: slice
) -> Float32[np.ndarray, "channels rows columns"]:
    noise = np.empty((channels, rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for row in range(rows.start // CELL, -(-rows.stop // CELL)):
        for column in range(columns.start // CELL, -(-columns.stop // CELL)):
            cell = _cell((*key, row % _UNSIGNED, column % _UNSIGNED), channels)
            of_map, of_cell = zip(
                _overlap(rows, row * CELL), _overlap(columns, column * CELL), strict=True
            )
            noise[:, of_map[0], of_map[1]] = cell[:, of_cell[0], of_cell[1]]
    return noise


def _cell(key: tuple[int, ...], channels: int) -> Float32[np.ndarray, "channels cell cell"]:
    # SFC64 is the fastest of NumPy's generators; its seed sequence separates any two keys.
    generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))
    return generator.standard_normal((channels, CELL, CELL), dtype=np.float32)


def _overlap(wanted: slice, start: int) -> tuple[slice, slice]:
    first, last = max(wanted.start, start), min(wanted.stop, start + CELL)
    return (
        slice(first - wanted.start, last - wanted.start),
        slice(first - start, last - start),
    )
