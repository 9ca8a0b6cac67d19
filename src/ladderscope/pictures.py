"""Pictures as bytes: one grey scaling, and one place that encodes PNG, GIF and SVG."""

import io
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Real
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL.Image import Image as Raster
from PIL.Image import fromarray

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
    _picture(plane, low, high, colours).save(buffer, "PNG")
    return buffer.getvalue()


def animated(
    planes: Real[np.ndarray, "frames Y X"],
    low: float,
    high: float,
    *,
    file_format: Literal["PNG", "GIF"] = "PNG",
    milliseconds: int = 250,
) -> bytes:
    """Encode planes as an endless animation in greys: an animated PNG, or a GIF.

    Parameters
    ----------
    planes
        The frames.
    low, high
        The values that are black and white.
    file_format
        Both keep all 256 greys. A GIF also plays where animated PNGs do not, as in slides.
    milliseconds
        How long each frame is shown.

    Examples
    --------
    >>> animated(np.eye(4)[None].repeat(2, axis=0), 0.0, 1.0, file_format="GIF")[:3]
    b'GIF'
    """
    first, *others = (_picture(plane, low, high, "gray") for plane in planes)
    buffer = io.BytesIO()
    first.save(
        buffer, file_format, save_all=True, append_images=others, duration=milliseconds, loop=0
    )
    return buffer.getvalue()


def _picture(plane: Plane, low: float, high: float, colours: str) -> Raster:
    """Make a picture of 256 colours, of one byte per pixel."""
    indices = np.nan_to_num(scaled(plane, low, high) * 256).clip(0, 255).astype(np.uint8)
    picture = fromarray(indices)
    if colours != "gray":
        palette = colormaps[colours](np.arange(256), bytes=True)[:, :3]
        picture.putpalette(palette.tobytes())
    return picture


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
