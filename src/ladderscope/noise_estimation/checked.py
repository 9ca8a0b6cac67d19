"""Planes checked once, as they stream past: their values, clipped pixels and artefacts."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from ladderscope.images.artefacts import filled, find_artefacts
from ladderscope.noise.entries import NoiseError
from ladderscope.noise_estimation.clipping import Clipping, find_clipping


def checked_plane(plane: NDArray[Any], name: str) -> tuple[Float64[np.ndarray, "y x"], Clipping]:
    """Return a plane in float64 and where it is clipped, or refuse it.

    Parameters
    ----------
    plane
        One plane (y, x) of any real type.
    name
        What an error calls it.

    Raises
    ------
    NoiseError
        If it is not 2-D, not real, or holds NaN or infinity.

    Examples
    --------
    >>> checked_plane(np.full((2, 2), 255, dtype=np.uint8), "plane 0")[0].dtype
    dtype('float64')
    """
    plane = np.asarray(plane)
    if plane.ndim != 2:
        raise NoiseError(f"{name} must have 2 axes (y, x), and has the shape {plane.shape}")
    if plane.dtype.kind not in "uif":
        raise NoiseError(f"{name} must hold real numbers, and holds {plane.dtype}")
    pixels = plane.astype(np.float64)
    if not np.isfinite(pixels).all():
        raise NoiseError(f"{name} holds NaN or infinity; replace or crop those pixels")
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


def clean_plane(plane: NDArray[Any], name: str) -> CleanPlane:
    """Check a plane, then mark and fill what in it was not measured.

    Parameters
    ----------
    plane, name
        As `checked_plane` takes them.

    Raises
    ------
    NoiseError
        As `checked_plane` does.

    Examples
    --------
    >>> plane = np.random.default_rng(0).poisson(100, (64, 64))
    >>> plane[:16] = 0
    >>> clean_plane(plane, "plane 0").artefacts.mean()
    np.float64(0.25)
    """
    pixels, clipping = checked_plane(plane, name)
    artefacts = find_artefacts(plane)
    if artefacts.mask is None or artefacts.is_blank:
        return CleanPlane(pixels, clipping, None)
    pixels = filled(pixels, artefacts)
    return CleanPlane(pixels, find_clipping(pixels, plane.dtype), artefacts.mask)
