"""Pictures as bytes: one grey scaling, and one place that encodes PNG and SVG."""

import io
from typing import Any

import numpy as np
from jaxtyping import Float, Real
from matplotlib.figure import Figure
from matplotlib.image import imsave

Plane = Real[np.ndarray, "Y X"]


def grey_range(plane: Plane) -> tuple[float, float]:
    """Choose the values drawn black and white: the 0.5th and the 99.8th percentile.

    Examples
    --------
    >>> grey_range(np.ones((4, 4)))
    (1.0, 2.0)
    """
    low, high = (float(value) for value in np.percentile(plane, (0.5, 99.8)))
    return (low, high) if high > low else (low, low + 1.0)


def scaled(plane: Plane, low: float, high: float) -> Float[np.ndarray, "Y X"]:
    """Scale a plane so that black is 0 and white is 1.

    Examples
    --------
    >>> scaled(np.array([[10.0, 30.0]]), 10.0, 30.0)
    array([[0., 1.]])
    """
    return np.divide(plane - low, high - low)


def encoded(plane: Plane, low: float, high: float, colours: str = "gray") -> bytes:
    """Encode a plane as a PNG file, one image pixel each.

    Parameters
    ----------
    plane
        Values to draw.
    low, high
        The values at the ends of the colour map.
    colours
        Name of a matplotlib colour map.

    Examples
    --------
    >>> encoded(np.eye(4), 0.0, 1.0)[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    imsave(buffer, plane, vmin=low, vmax=high, cmap=colours, format="png")
    return buffer.getvalue()


def drawn(figure: Figure, file_format: str = "png") -> bytes:
    """Encode a figure as a PNG, SVG or PDF file; an SVG holds no date.

    Examples
    --------
    >>> drawn(Figure(figsize=(1, 1)))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    metadata: dict[str, Any] | None = {"Date": None} if file_format == "svg" else None
    figure.savefig(buffer, format=file_format, metadata=metadata)
    return buffer.getvalue()
