"""Sample data for the viewer: the images that come with the package, with a camera's noise."""

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from ladderscope.images import Image, sample_image
from ladderscope.images.samples import with_noise

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]  # as napari takes it

_TRAINED_COLUMNS = 320  # of both stains; their sum is split in the others


def cells() -> list[LayerData]:
    """Give cell bodies with noise, and hidden below them the same without.

    Examples
    --------
    >>> [about["name"] for _, about, _ in cells()]
    ['human cells, before noise was added', 'human cells']
    """
    return _noisy_and_clean(sample_image("cells"), "human cells")


def nuclei() -> list[LayerData]:
    """Give nuclei with noise, and hidden below them the same without."""
    return _noisy_and_clean(sample_image("dna"), "nuclei")


def superimposed() -> list[LayerData]:
    """Give recordings of two stains to train a splitter on, and a sum of both to be split.

    Examples
    --------
    >>> [about["name"] for _, about, _ in superimposed()]
    ['nuclei alone', 'cell bodies alone', 'both superimposed']
    """
    stains = [sample_image("dna"), sample_image("cells")]
    alone = [_columns(stain, slice(None, _TRAINED_COLUMNS)) for stain in stains]
    rest = [_columns(stain, slice(_TRAINED_COLUMNS, None)) for stain in stains]
    both = replace(rest[0], pixels=np.sum([stain.array for stain in rest], axis=0, dtype=int))
    names = ("nuclei alone", "cell bodies alone", "both superimposed")
    lefts = (0, 0, _TRAINED_COLUMNS)
    return [
        (with_noise(image, number).array, {"name": name, "translate": (0, left)}, "image")
        for number, (image, name, left) in enumerate(zip([*alone, both], names, lefts, strict=True))
    ]


def _columns(image: Image, columns: slice) -> Image:
    return replace(image, pixels=image.array[:, columns])


def _noisy_and_clean(clean: Image, name: str) -> list[LayerData]:
    hidden = {"name": f"{name}, before noise was added", "visible": False}
    return [
        (clean.array, hidden, "image"),
        (with_noise(clean).array, {"name": name}, "image"),
    ]
