"""Planes that are ready to be measured: in float64, with clipped pixels and artefacts marked.

Planes of an `Image` are checked while they are read; those of bare arrays are checked here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from ladderscope.images.artefacts import filled, find_artefacts
from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.clipping import Clipping, find_clipping


def checked_plane(given: Any, name: str) -> NDArray[Any]:
    """Return a plane given as a bare array, or refuse it.

    Parameters
    ----------
    given
        One plane (y, x) of any real type.
    name
        What an error calls it.

    Raises
    ------
    NoiseError
        If it is not 2-D, not real, or holds NaN or infinity.

    Examples
    --------
    >>> checked_plane([[1, 2], [3, 4]], "plane 0").shape
    (2, 2)
    """
    plane: NDArray[Any] = np.asarray(given)
    if plane.ndim != 2:
        raise NoiseError(f"{name} must have 2 axes (y, x), and has the shape {plane.shape}")
    if plane.dtype.kind not in "uif":
        raise NoiseError(f"{name} must hold real numbers, and holds {plane.dtype}")
    if not np.isfinite(plane).all():
        raise NoiseError(f"{name} holds NaN or infinity; replace or crop those pixels")
    return plane


def checked_planes(planes: Iterable[Any], of: str = "") -> Iterator[NDArray[Any]]:
    """Pass on the planes of an iterable, each once it is checked.

    Parameters
    ----------
    planes
        Bare arrays (y, x).
    of
        What an error calls them after their number, such as ``" of the signal"``.

    Raises
    ------
    NoiseError
        As `checked_plane` does.

    Examples
    --------
    >>> len(list(checked_planes([np.zeros((2, 2))] * 3)))
    3
    """
    for number, plane in enumerate(planes):
        yield checked_plane(plane, f"plane {number}{of}")


def with_clipping(plane: NDArray[Any]) -> tuple[Float64[np.ndarray, "y x"], Clipping]:
    """Return a plane in float64, and where it is clipped.

    Examples
    --------
    >>> with_clipping(np.full((2, 2), 255, dtype=np.uint8))[0].dtype
    dtype('float64')
    """
    pixels = plane.astype(np.float64)
    return pixels, find_clipping(pixels, plane.dtype)


class CleanPlane(NamedTuple):
    """A plane whose artefacts are marked and filled.

    Attributes
    ----------
    pixels
        In float64.
    clipping
        Where they are clipped.
    artefacts
        True at padding, hot and dead pixels; None if there are none.
    """

    pixels: Float64[np.ndarray, "y x"]
    clipping: Clipping
    artefacts: Bool[np.ndarray, "y x"] | None

    @property
    def clips(self) -> Float64[np.ndarray, " values"]:
        """The values at which pixels are clipped."""
        return np.array(self.clipping.values)


def clean_plane(plane: NDArray[Any]) -> CleanPlane:
    """Mark and fill what in a plane was not measured.

    Parameters
    ----------
    plane
        Finite values (y, x) of any real type.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (64, 64))
    >>> plane[:16] = 0
    >>> clean_plane(plane).artefacts.mean()
    np.float64(0.25)
    """
    pixels, clipping = with_clipping(plane)
    artefacts = find_artefacts(plane)
    if artefacts.mask is None or artefacts.is_blank:
        return CleanPlane(pixels, clipping, None)
    pixels = filled(pixels, artefacts)
    return CleanPlane(pixels, find_clipping(pixels, plane.dtype), artefacts.mask)
