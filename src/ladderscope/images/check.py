"""What is refused: pixels from which nothing good could be learned, and images that do not match.

Types are checked when an image is opened, values while they are read, and what only all pixels
show (blank channels, precision) plane by plane.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

from ladderscope.images.channels import channel_order
from ladderscope.images.errors import ImageError
from ladderscope.images.image import Image
from ladderscope.images.stored import Key, Read
from ladderscope.words import counted, listed

logger = logging.getLogger("ladderscope")

_LARGEST = float(np.finfo(np.float32).max)
_COARSEST = 0.02  # of the standard deviation: a coarser step would be noise of its own
_SAMPLED = 2**16


def check_type(shape: tuple[int, ...], dtype: np.dtype[Any], called: str) -> None:
    """Refuse what no pixel needs to be read for: no pixels at all, or none of real numbers.

    Parameters
    ----------
    shape, dtype
        Those of the image.
    called
        What to call it in an error.

    Raises
    ------
    ImageError
        If it is empty, boolean, complex, or of a type that is no number of at most 64 bits.

    Examples
    --------
    >>> check_type((64, 64), np.dtype(np.uint16), "a.tif")
    """
    if 0 in shape:
        raise ImageError(f"{called}: has no pixels, its shape is {shape}.")
    accepted = "integers and floating-point numbers of at most 64 bits"
    if dtype.kind == "c":
        raise ImageError(
            f"{called}: its pixels are complex numbers ({dtype}), but only {accepted} are read; "
            "save the magnitude, or the real part, as an image."
        )
    if dtype.kind == "b":
        raise ImageError(
            f"{called}: its pixels are true or false ({dtype}), as in a mask, but only {accepted} "
            "are read; give the image that the mask was made from."
        )
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ImageError(
            f"{called}: its pixels are of type {dtype}, but only {accepted} are read; convert it, "
            "for example with array.astype(numpy.float32)."
        )


def checking(read: Read, shape: tuple[int, ...], axes: str, called: str) -> Read:
    """Check all values that pass: NaN, infinity, and what single precision cannot hold, raise.

    Parameters
    ----------
    read
        Reads parts of floating-point pixels.
    shape, axes, called
        Those of the image, and what to call it in an error.

    Examples
    --------
    >>> read = checking(np.array([[1, 2, np.nan]]).__getitem__, (1, 3), "YX", "a.tif")
    >>> read((0, slice(2)))
    array([1., 2.])
    >>> read((0, slice(1, 3)))
    Traceback (most recent call last):
    ladderscope.images.errors.ImageError: a.tif: 1 of 2 pixels are NaN or infinite, the first at \
Y=0, X=2 (counted from 0); replace them, or crop them away.
    """

    def read_checked(key: Key) -> Shaped[np.ndarray, "..."]:
        values = np.asarray(read(key))
        _check_values(values, key, shape, axes, called)
        return values

    return read_checked


def check_worth(image: Image) -> None:
    """Refuse an image that has nothing to restore, or nothing that single precision can hold.

    A blank channel beside others that are not is named in a warning.

    Parameters
    ----------
    image
        With finite pixels, in memory or not.

    Raises
    ------
    ImageError
        If all channels are blank, or if what varies is too small beside its offset.

    Examples
    --------
    >>> check_worth(Image(np.eye(8), "YX", "a.tif"))
    """
    called = image.called
    blank = [number for number in range(image.channels) if _is_blank(image, number)]
    values = [next(image.planes(number)).flat[0] for number in blank]
    if len(blank) == image.channels:
        where = f"each of its {len(blank)} channels" if len(blank) > 1 else "it"
        raise ImageError(
            f"{called}: is blank: every pixel of {where} is {', '.join(map(str, values))}, so "
            "there is nothing to restore. Leave this image out."
        )
    for number, value in zip(blank, values, strict=True):
        name = image.channel_names[number] if image.channel_names else None
        logger.warning(
            "%s: channel %d of %d%s is blank: every pixel is %s.",
            called,
            number + 1,
            image.channels,
            f" ({name})" if name else "",
            value,
        )
    if image.dtype.itemsize > (4 if image.dtype.kind == "f" else 2):
        for number in {*range(image.channels)} - {*blank}:
            _check_precision(_sampled(image, number), called)


def check_same_kind(images: Sequence[Image]) -> None:
    """Make sure that images can be used together: the same axes, the same channels in order.

    Parameters
    ----------
    images
        Any number of images. Their sizes may differ.

    Raises
    ------
    ImageError
        If one differs from the first, naming both.

    Examples
    --------
    >>> check_same_kind([Image(np.zeros((8, 8)), "YX", "a.tif")] * 2)
    """
    for image in images:
        first = images[0]
        if (image.axes, image.channels) != (first.axes, first.channels):
            raise ImageError(
                f"{first.called} has {_kind(first)}, but {image.called} has "
                f"{_kind(image)}; images used together must have the same axes and the same number "
                "of channels. Give one kind at a time."
            )
        order = channel_order(image.channel_names, first.channel_names)
        if order is not None and order != sorted(order):
            raise ImageError(
                f"{first.called} has the channels {listed(first.channel_names or ())}, but "
                f"{image.called} has them as {listed(image.channel_names or ())}; images "
                "used together must have their channels in the same order. Save them so."
            )


def _is_blank(image: Image, channel: int) -> bool:
    """Look at a channel plane by plane until two values differ, mostly in the first plane."""
    planes = image.planes(channel)
    start = next(planes)
    first = start.flat[0]
    return bool((start == first).all()) and all((plane == first).all() for plane in planes)


def _check_values(
    values: Shaped[np.ndarray, "..."], key: Key, shape: tuple[int, ...], axes: str, called: str
) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        count = values.size - np.count_nonzero(finite)
        where = _position(int(np.argmin(finite)), key, shape, axes)
        raise ImageError(
            f"{called}: {count} of {values.size} pixels are NaN or infinite, the first at "
            f"{where}; replace them, or crop them away."
        )
    if values.dtype.itemsize == 8 and values.size:
        for at in (int(values.argmin()), int(values.argmax())):
            if abs(values.flat[at]) > _LARGEST:
                raise ImageError(
                    f"{called}: the pixel at {_position(at, key, shape, axes)} is "
                    f"{values.flat[at]:.3g}, beyond the largest value supported, {_LARGEST:.2g}; "
                    "divide the pixels by a constant, or replace this one if it is an error."
                )


def _position(number: int, key: Key, shape: tuple[int, ...], axes: str) -> str:
    """Write the position in the image of one of the values that were read at a key."""
    along = [
        range(*one.indices(size)) if isinstance(one, slice) else range(one, one + 1)
        for one, size in zip(key, shape, strict=True)
    ]
    index = np.unravel_index(number, tuple(map(len, along)))
    where = ", ".join(f"{axis}={of[at]}" for axis, of, at in zip(axes, along, index, strict=True))
    return f"{where} (counted from 0)"


def _sampled(image: Image, channel: int) -> Float64[np.ndarray, " values"]:
    """Take some pixels of a channel, evenly chosen, plane by plane."""
    every = max(1, image.size // image.channels // _SAMPLED)
    parts, seen = [], 0
    for plane in image.planes(channel):
        parts.append(plane.reshape(-1)[-seen % every :: every].astype(np.float64))
        seen += plane.size
    return np.concatenate(parts)


def _check_precision(sampled: Float64[np.ndarray, " values"], called: str) -> None:
    """Refuse a channel whose offset leaves single precision no digits for what varies."""
    step = float(np.spacing(np.float32(np.abs(sampled).max())))
    deviation = float((sampled - sampled[0]).std())
    if step > _COARSEST * deviation > 0:
        offset = float(f"{sampled.min():.2g}")
        raise ImageError(
            f"{called}: its pixels are around {sampled.mean():.6g} and vary by only "
            f"{deviation:.3g}, but networks compute in single precision, which has steps of "
            f"{step:.3g} there. Subtract a constant, such as {offset:g}, from all images first."
        )


def _kind(image: Image) -> str:
    return f"axes {image.axes} and {counted(image.channels, 'channel')}"
