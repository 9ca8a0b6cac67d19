"""Layers of the viewer as images, and restorations as layers of the viewer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Shaped
from napari.layers import Image as ImageLayer
from napari.utils.transforms import Affine

from ladderscope.errors import LadderscopeError
from ladderscope.images import (
    Acquisition,
    Image,
    ImageError,
    Source,
    numbered_channels,
    open_image,
)
from ladderscope.images.stored import StoredPixels, in_boxes
from ladderscope.models import Restoration

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]  # as napari takes it

_LETTERS = {"S": "separate images", "T": "time", "C": "channels", "Z": "stack of planes"}
_NAMED_AXES = {name[0].upper(): (name, name[0]) for name in ("time", "channel", "z", "y", "x")}
_PERCEPTUAL = ("bop blue", "bop orange", "bop purple")  # one hue each, even in brightness


@dataclass(frozen=True)
class Place:
    """Where pixels lie in the viewer.

    Attributes
    ----------
    pixels : Affine
        Scale, translation, rotation and shear.
    world : Affine
        What moves them further.
    units, labels : tuple
        The unit and the name of every axis.
    """

    pixels: Affine
    world: Affine
    units: tuple[Any, ...]
    labels: tuple[str, ...]

    def with_first(self, label: str) -> "Place":
        """Put an axis in front."""
        return Place(
            self.pixels.expand_dims([0]),
            self.world.expand_dims([0]),
            ("pixel", *self.units),
            (label, *self.labels),
        )

    def without(self, at: int) -> "Place":
        """Leave an axis out."""
        kept = [axis for axis in range(len(self.labels)) if axis != at]
        return Place(
            self.pixels.set_slice(kept),
            self.world.set_slice(kept),
            tuple(self.units[axis] for axis in kept),
            tuple(self.labels[axis] for axis in kept),
        )

    def arguments(self) -> dict[str, Any]:
        """Give what napari takes."""
        shear = self.pixels.shear
        return {
            "scale": self.pixels.scale,
            "translate": self.pixels.translate,
            "rotate": self.pixels.rotate,
            "shear": shear if shear.any() else None,  # napari's has the wrong length without any
            "affine": self.world,
            "units": self.units,
            "axis_labels": self.labels,
        }


@dataclass(frozen=True)
class Given:
    """An image to work on.

    Attributes
    ----------
    image : Image
        Its pixels and what is known of them.
    place : Place
        Where it lies in the viewer.
    looks : mapping
        Colour map and contrast limits, for a restoration to look alike.
    is_shown : bool
        Whether it is a layer already.
    """

    image: Image
    place: Place
    looks: Mapping[str, Any]
    is_shown: bool


def choices_of_axes(dimensions: int) -> list[tuple[str, str]]:
    """List what the dimensions of an array can be, each with its axes.

    Examples
    --------
    >>> choices_of_axes(3)[-1]
    ('stack of planes (ZYX)', 'ZYX')
    """
    return [
        (f"{', '.join(_LETTERS[one] for one in others) or 'plane'} ({axes})", axes)
        for others in combinations(_LETTERS, dimensions - 2)
        for axes in ["".join((*others, "YX"))]
    ]


def likely_axes(layer: ImageLayer) -> str:
    """Guess the axes of a layer: by their names, by its file, by their units, else stacks.

    Examples
    --------
    >>> likely_axes(ImageLayer(np.zeros((3, 8, 8))))
    'ZYX'
    >>> likely_axes(ImageLayer(np.zeros((3, 8, 8)), axis_labels=("time", "y", "x")))
    'TYX'
    """
    dimensions = layer.ndim
    known = [axes for _, axes in choices_of_axes(dimensions)]
    named = "".join(
        letter
        for label in layer.axis_labels
        for letter, names in _NAMED_AXES.items()
        if label.lower() in names
    )
    if named in known:
        return named
    if layer.source.path and (axes := _axes_of_file(layer.source.path, layer.data)) in known:
        return axes
    if dimensions == 3 and layer.units[0].is_compatible_with("second"):
        return "TYX"
    return "STCZYX"[-dimensions:] if dimensions != 4 else "TZYX"


def given_layer(layer: ImageLayer, axes: str) -> Given:
    """Take a layer as an image; of one with several resolutions, the finest.

    Parameters
    ----------
    layer
        A layer of the viewer.
    axes
        One letter per dimension.

    Raises
    ------
    ImageError
        It is an RGB image or not an image, or the axes do not fit.

    Examples
    --------
    >>> layer = ImageLayer(np.zeros((8, 9)), name="a", scale=(0.2, 0.2), units=("um", "um"))
    >>> print(*map(float, given_layer(layer, "YX").image.pixel_size))
    0.2 0.2
    """
    if not isinstance(layer, ImageLayer):
        raise ImageError(
            f"“{layer.name}” is a {type(layer).__name__.lower()} layer, which shows no "
            "intensities: choose an image layer"
        )
    if layer.rgb:
        raise ImageError(
            f"“{layer.name}” is an RGB image, whose colours are no intensities of a camera: "
            "right-click the layer, choose Split RGB, and choose one of its channels here"
        )
    pixels = layer.data[0] if layer.multiscale else layer.data
    if not isinstance(pixels, np.ndarray):  # Dask and Zarr: read where it is needed
        pixels = StoredPixels(pixels.shape, pixels.dtype, in_boxes(_reader(pixels), pixels.shape))
    lengths = dict(zip(axes, _sizes(layer, "micrometer"), strict=False))
    seconds = dict(zip(axes, _sizes(layer, "second"), strict=False))
    height, width = lengths.get("Y"), lengths.get("X")
    image = Image(
        pixels,
        axes,
        layer.name,
        pixel_size=(height, width) if height and width else None,
        acquisition=Acquisition(lengths.get("Z"), seconds.get("T")),
    )
    place = Place(
        Affine(
            scale=layer.scale,
            translate=layer.translate,
            rotate=layer.rotate,
            shear=layer.shear,
            ndim=layer.ndim,
        ),
        layer.affine,
        tuple(layer.units),
        tuple(layer.axis_labels),
    )
    looks = {"colormap": layer.colormap, "contrast_limits": tuple(layer.contrast_limits)}
    return Given(image, place, looks, is_shown=True)


def given_file(source: Source, axes: str | None) -> Given:
    """Open a file as an image; its metadata say where it lies in the viewer."""
    image = open_image(source, axes)
    height, width = image.pixel_size or (None, None)
    of_letter = {
        "Z": (image.acquisition.slice_spacing, "micrometer"),
        "T": (image.acquisition.frame_interval, "second"),
        "Y": (height, "micrometer"),
        "X": (width, "micrometer"),
    }
    sizes = [of_letter.get(letter, (None, "")) for letter in image.axes]
    place = Place(
        Affine(scale=[size or 1.0 for size, _ in sizes], ndim=len(sizes)),
        Affine(ndim=len(sizes)),
        tuple(unit if size else "pixel" for size, unit in sizes),
        tuple(image.axes.lower()),
    )
    return Given(image, place, {}, is_shown=False)


def layers_of_input(given: Given) -> list[LayerData]:
    """Show an image that is not a layer yet: one layer per channel."""
    image, place = given.image, _without_channels(given)
    names = _names(image.channel_names, image.channels)
    return [
        (
            _channel(image.array, image.axes.find("C"), number),
            {"name": f"{image.name}{name}", **place.arguments()},
            "image",
        )
        for number, name in enumerate(names)
    ]


def layers_of(
    given: Given, restored: Restoration, draws: Shaped[np.ndarray, "n ..."] | None = None
) -> list[LayerData]:
    """Show a restoration: the residual of a split; for each channel samples, error bar and mean.

    Parameters
    ----------
    given
        What was restored.
    restored
        Its restoration.
    draws
        Posterior samples of it.

    Examples
    --------
    >>> layer = ImageLayer(np.zeros((8, 9)), name="a")
    >>> mean = np.ones((8, 9), np.float32)
    >>> restored = Restoration(mean, mean / 10, "YX", samples=16)
    >>> [about["name"] for _, about, _ in layers_of(given_layer(layer, "YX"), restored)]
    ['a, error bar', 'a, restored']
    """
    place, at = _without_channels(given), restored.axes.find("C")
    count = restored.mean.shape[at] if at >= 0 else 1
    layers: list[LayerData] = []
    for number, name in enumerate(_names(restored.channel_names, count)):
        called = f"{given.image.name}{name}"
        looks = dict(given.looks) if count == 1 else {"colormap": _PERCEPTUAL[number % 3]}
        if number:
            looks["blending"] = "additive"
        if draws is not None:
            samples = {"name": f"{called}, samples", "visible": False, **looks}
            pixels = _channel(draws, at + 1 if at >= 0 else -1, number)
            layers.append((pixels, samples | place.with_first("sample").arguments(), "image"))
        if restored.std is not None:
            error_bar = {"name": f"{called}, error bar", "colormap": "inferno", "visible": False}
            pixels = _channel(restored.std, at, number)
            layers.append((pixels, error_bar | place.arguments(), "image"))
        mean = {"name": f"{called}, restored", **looks}
        pixels = _channel(restored.mean, at, number)
        layers.append((pixels, mean | place.arguments(), "image"))
    if restored.residual is not None:
        residual = {"name": f"{given.image.name}, residual", "visible": False}
        pixels = np.asarray(restored.residual).reshape(layers[-1][0].shape)
        layers.insert(0, (pixels, residual | place.arguments(), "image"))
    return layers


def _channel(pixels: Any, at: int, number: int) -> Shaped[np.ndarray, "..."]:
    """Take one channel, from the axis where they are; everything if there is none."""
    whole = np.asarray(pixels)
    return whole if at < 0 else whole.take(number, axis=at)


def _names(channels: Sequence[str] | None, count: int) -> list[str]:
    """Name the channels behind the name of their image; nothing if there is one."""
    return [f", {name}" for name in channels or numbered_channels(count)] if count > 1 else [""]


def _without_channels(given: Given) -> Place:
    at = given.image.axes.find("C")
    return given.place if at < 0 else given.place.without(at)


def _reader(pixels: Any) -> Callable[[tuple[slice, ...]], Any]:
    return lambda key: np.asarray(pixels[key])


def _sizes(layer: ImageLayer, unit: str) -> list[float | None]:
    """Give the size of a pixel along each axis in a unit; None where the layer has another."""
    return [
        float((size * of_axis).to(unit).magnitude) if of_axis.is_compatible_with(unit) else None
        for size, of_axis in zip(layer.scale, layer.units, strict=True)
    ]


def _axes_of_file(path: str, pixels: Any) -> str:
    """Give the axes of a file if a layer shows all of it; nothing if they are not known."""
    try:
        image = open_image(path)
    except (LadderscopeError, OSError):
        return ""
    return image.axes if image.shape == tuple(pixels.shape) else ""
