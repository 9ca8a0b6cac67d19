"""Lateral context: a window and its surroundings at lower resolution, computed on demand."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Shaped


def views_around(
    pixels: Shaped[np.ndarray, "*depth Y X"],
    rows: slice,
    columns: slice,
    views: int = 1,
    *,
    region: tuple[slice, slice] | None = None,
    size: tuple[int, int] | None = None,
) -> Float32[np.ndarray, "views *space"]:
    """Cut a window and the views around it, all with the same number of pixels.

    View k covers 2^k times the height and width around the centre of the window, averaged over
    squares of 2^k×2^k pixels. Outside of the image, pixels are reflected at its border.

    Parameters
    ----------
    pixels : array of shape ([Z], Y, X)
        Of any real type.
    rows, columns : slice
        The window; it may extend beyond the image. With several views its sides must be even.
    views : int
        Number of views, including the window.
    region, size : (slice, slice) and (int, int), optional
        Where `pixels` lie in an image of this size, if they are the part that `seen_around` names.

    Returns
    -------
    array of shape (views, [Z], rows, columns)
        The window first.

    References
    ----------
    Ashesh et al., "µSplit: image decomposition for fluorescence microscopy", ICCV 2023.

    Examples
    --------
    >>> ramp = np.arange(8.0)[None].repeat(8, axis=0)
    >>> window, wider = views_around(ramp, slice(2, 6), slice(2, 6), views=2)
    >>> window[0], wider[0]
    (array([2., 3., 4., 5.], dtype=float32), array([0.5, 2.5, 4.5, 6.5], dtype=float32))
    """
    own = rows.stop - rows.start, columns.stop - columns.start
    widest = [_widened(side, 2 ** (views - 1)) for side in (rows, columns)]
    starts = (0, 0) if region is None else (region[0].start, region[1].start)
    shown = _reflected(pixels, widest, size or pixels.shape[-2:], starts)
    result = [_centre(shown, own)]
    for _ in range(1, views):
        shown = _halved(shown)
        result.append(_centre(shown, own))
    return np.stack(result)


def seen_around(
    rows: slice, columns: slice, size: tuple[int, int], views: int = 1
) -> tuple[slice, slice]:
    """Name the part of an image that a window and the views around it show.

    Parameters
    ----------
    rows, columns, views
        As of `views_around`.
    size : (int, int)
        Of the image.

    Examples
    --------
    >>> seen_around(slice(-4, 12), slice(80, 96), (100, 100), views=2)
    (slice(0, 20, None), slice(72, 100, None))
    """
    first, second = (
        _extent(_widened(side, 2 ** (views - 1)), length)
        for side, length in zip((rows, columns), size, strict=True)
    )
    return first, second


def _extent(side: slice, length: int) -> slice:
    shown = _indices(side, length)
    return slice(int(shown.min()), int(shown.max()) + 1)


def _widened(side: slice, factor: int) -> slice:
    margin = (factor - 1) * (side.stop - side.start) // 2
    return slice(side.start - margin, side.stop + margin)


def _reflected(
    pixels: Shaped[np.ndarray, "*depth Y X"],
    sides: Sequence[slice],
    size: tuple[int, ...],
    starts: tuple[int, int],
) -> Float32[np.ndarray, "*space"]:
    rows, columns = sides
    if min(rows.start, columns.start) >= 0 and rows.stop <= size[0] and columns.stop <= size[1]:
        down, across = (
            slice(side.start - start, side.stop - start)
            for side, start in zip(sides, starts, strict=True)
        )
        return pixels[..., down, across].astype(np.float32)
    below, beside = (
        _indices(side, length) - start
        for side, length, start in zip(sides, size, starts, strict=True)
    )
    return pixels[..., below[:, None], beside].astype(np.float32)


def _indices(side: slice, length: int) -> Shaped[np.ndarray, " side"]:
    """Fold positions beyond the border back into the image, as often as it takes."""
    period = max(1, 2 * (length - 1))
    folded = np.arange(side.start, side.stop) % period
    return np.where(folded < length, folded, period - folded)


def _halved(view: Float32[np.ndarray, "*space"]) -> Float32[np.ndarray, "*half_space"]:
    upper, lower = view[..., ::2, :], view[..., 1::2, :]
    both = upper + lower
    halved: Float32[np.ndarray, "*half_space"] = np.float32(0.25) * (
        both[..., ::2] + both[..., 1::2]
    )
    return halved


def _centre(
    view: Float32[np.ndarray, "*space"], size: tuple[int, int]
) -> Float32[np.ndarray, "*centre"]:
    top, left = ((a - b) // 2 for a, b in zip(view.shape[-2:], size, strict=True))
    return view[..., top : top + size[0], left : left + size[1]]
