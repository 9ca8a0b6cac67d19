"""What is written of a restoration that does not fit into memory, and is read from there."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ladderscope.images import Image, open_image, write_image
from ladderscope.images.stored import Key, Pixels, StoredPixels
from ladderscope.models.restoration import Restoration


def from_files(restored: Restoration, files: Sequence[Path], image: Image) -> Restoration:
    """Give a restoration that reads its arrays from its files.

    Where a file has the axes of the image in a way that cannot be undone, as samples that were
    written as frames, the restoration has its axes.

    Parameters
    ----------
    restored
        As it was written.
    files
        The mean, and what there is of the spread and the residual.
    image
        What was restored.
    """
    mean, *others = (open_image(file) for file in files)
    std = others.pop(0) if restored.std is not None else None
    residual = others.pop(0) if others else None
    axes, shape = restored.axes, tuple(restored.mean.shape)
    if not _can_be(mean, axes, shape):
        axes, shape = mean.axes, mean.shape
    return replace(
        restored,
        mean=_as(mean, axes, shape),
        std=None if std is None else _as(std, axes, shape),
        residual=None if residual is None else _as(residual, image.axes, image.shape),
        axes=axes,
    )


def write_samples(
    restored: Restoration, fields: Sequence[Pixels], path: Path, overwrite: bool
) -> None:
    """Write posterior samples as one image, along S.

    Parameters
    ----------
    restored
        Their mean.
    fields
        The samples, arranged like it.
    path, overwrite
        As of `write_image`.
    """
    shape = len(fields), *fields[0].shape

    def part(key: Key) -> Float32[np.ndarray, "..."]:
        first, *rest = key
        if isinstance(first, int):
            return np.asarray(fields[first][tuple(rest)])
        return np.stack([np.asarray(one[tuple(rest)]) for one in fields[first]])

    channels = fields[0].shape[restored.axes.index("C")] if "C" in restored.axes else 1
    write_image(
        path,
        StoredPixels(shape, np.dtype(np.float32), part),
        f"S{restored.axes}",
        pixel_size=restored.pixel_size,
        channel_names=restored.channel_names,
        acquisition=restored.acquisition.of_channels(channels),
        overwrite=overwrite,
        description="posterior samples, in antithetic pairs: those whose mean was taken",
    )


def _can_be(image: Image, axes: str, shape: tuple[int, ...]) -> bool:
    sizes = dict(zip(axes, shape, strict=True))
    missing = set(axes) - set(image.axes)
    same = all(sizes.get(letter) == size for letter, size in image.sizes.items())
    return same and all(sizes[letter] == 1 for letter in missing)


def _as(image: Image, axes: str, shape: tuple[int, ...]) -> StoredPixels:
    """Give the pixels of an image other axes and single precision; they are read when needed."""

    def part(key: Key) -> Float32[np.ndarray, "..."]:
        at = dict(zip(axes, key, strict=True))
        values = np.asarray(image.pixels[tuple(at[letter] for letter in image.axes)], np.float32)
        have = [letter for letter in image.axes if isinstance(at[letter], slice)]
        want = [letter for letter in axes if isinstance(at[letter], slice)]
        ordered = values.transpose([have.index(one) for one in want if one in have])
        return ordered[tuple(slice(None) if one in have else None for one in want)]

    return StoredPixels(shape, np.dtype(np.float32), part)
