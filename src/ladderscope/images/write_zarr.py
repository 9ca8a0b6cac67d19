"""Writing images as OME-Zarr 0.5: levels in chunks, each computed from the one above it."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Shaped

from ladderscope.files import stem
from ladderscope.folders import whole_folder
from ladderscope.images.metadata import SOFTWARE
from ladderscope.images.output import Compression, Output, part, steps
from ladderscope.images.own_zarr import KEY, kept_for
from ladderscope.images.pyramid import level_planes, part_of_half, scale_of
from ladderscope.images.rendering import Intensities, rendering_of

ReadPart: TypeAlias = Callable[[tuple[int | slice, ...]], Shaped[np.ndarray, "y x"]]

_CHUNK = 1024
_MOST_FILES = 4096  # of a level; more chunks than these are put together into shards
_SHARD_BYTES = 2**25
_METHOD = "means of 2×2 pixels; integers are rounded"
_COMPRESSIONS: dict[Compression | None, Literal["zlib", "zstd"]] = {
    "deflate": "zlib",
    "zstd": "zstd",
    None: "zstd",
}
_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
_UNITS = {"T": "second", "Z": "micrometer", "Y": "micrometer", "X": "micrometer"}


def write_zarr(
    path: Path, output: Output, *, compression: Compression | None, overwrite: bool
) -> None:
    """Write an image as an OME-Zarr of version 0.5, completely or not at all.

    It takes the memory of some chunks or shards.

    Parameters
    ----------
    path
        The folder.
    output
        What is written.
    compression
        None is zstd.
    overwrite
        Whether an OME-Zarr that Ladderscope wrote, with nothing else in it, may be replaced.

    Raises
    ------
    OutputError
        If something is in the way, or if it cannot be written.
    """
    import zarr

    planes = level_planes(output.plane)
    values = math.prod(output.pixels.shape[:-2]) * sum(map(math.prod, planes))
    intensities = Intensities(output)
    most = values * output.dtype.itemsize
    with whole_folder(path, overwrite, kept_for=kept_for, most=most) as unfinished:
        read: ReadPart = partial(part, output.pixels)
        for number, plane in enumerate(planes):
            level = _new_level(unfinished / str(number), output, plane, compression)
            for key in _blocks(level):
                block = _read_block(read, key, level)
                level[key] = block
                if number == 0:
                    intensities.add(block, _channel(key, output.axes))
            read = partial(part_of_half, level, dtype=output.dtype)
        attributes = {
            "ome": {
                "version": "0.5",
                "multiscales": [_multiscale(output, planes)],
                "omero": rendering_of(output, intensities),
            },
            KEY: _notes(output),
        }
        zarr.create_group(unfinished, zarr_format=3, attributes=attributes)


def _new_level(
    folder: Path, output: Output, plane: tuple[int, int], compression: Compression | None
) -> Any:
    import zarr
    from zarr.codecs import BloscCodec

    codec = _COMPRESSIONS.get(compression)
    shape = (*output.pixels.shape[:-2], *plane)
    chunks = (*(1 for _ in shape[:-2]), *(max(1, min(length, _CHUNK)) for length in plane))
    return zarr.create_array(
        folder,
        shape=shape,
        dtype=output.dtype,
        chunks=chunks,
        shards=_shards(shape, chunks, output),
        compressors=None if codec is None else BloscCodec(cname=codec, clevel=3, shuffle="shuffle"),
        fill_value=0,
        dimension_names=list(output.axes.lower()),
        zarr_format=3,
        config={"write_empty_chunks": True},  # so that a chunk that is missing has been lost
    )


def _shards(
    shape: tuple[int, ...], chunks: tuple[int, ...], output: Output
) -> tuple[int, ...] | None:
    """Put chunks of one channel together where there would be too many files."""
    counts = [-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True)]
    if math.prod(counts) <= _MOST_FILES:
        return None
    room = max(1, _SHARD_BYTES // (math.prod(chunks) * output.dtype.itemsize))
    shards = list(chunks)
    for axis in reversed(range(len(shape))):
        if output.axes[axis] != "C":
            together = min(counts[axis], room)
            shards[axis] *= together
            room //= together
    return tuple(shards)


def _blocks(level: Any) -> Iterator[tuple[slice, ...]]:
    """Go through a level as it is stored, so that each file is written once."""
    stored = level.shards or level.chunks
    return product(*map(list, map(steps, level.shape, stored)))


def _read_block(
    read: ReadPart, key: tuple[slice, ...], level: Any
) -> Shaped[np.ndarray, "... y x"]:
    """Read a block chunk by chunk, as what it is computed from may be four times as large."""
    *outer, rows, columns = key
    block = np.empty([one.stop - one.start for one in key], level.dtype)
    for index in np.ndindex(block.shape[:-2]):
        plane = [one.start + at for one, at in zip(outer, index, strict=True)]
        for within in steps(block.shape[-2], level.chunks[-2]):
            there = slice(rows.start + within.start, rows.start + within.stop)
            block[(*index, within)] = read((*plane, there, columns))
    return block


def _channel(key: tuple[slice, ...], axes: str) -> int:
    return int(key[axes.index("C")].start) if "C" in axes else 0


def _multiscale(output: Output, planes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Describe the levels: what their axes mean, and where their pixels lie."""
    known = output.acquisition
    spacing = dict(zip("YX", output.pixel_size or (None, None), strict=True))
    spacing |= {"Z": known.slice_spacing, "T": known.frame_interval}
    axes = [
        {"name": letter.lower(), "type": _TYPES[letter]}
        | ({"unit": _UNITS[letter]} if spacing.get(letter) else {})
        for letter in output.axes
    ]
    datasets = []
    for number in range(len(planes)):
        wide = [1] * len(output.pixels.shape[:-2]) + [
            scale_of(number, length) for length in output.plane
        ]
        lengths = [spacing.get(letter) or 1.0 for letter in output.axes]
        scale = [float(length * pixels) for length, pixels in zip(lengths, wide, strict=True)]
        # the centre of the first pixel, from that of the first pixel of the image
        shift = [length * (pixels - 1) / 2 for length, pixels in zip(lengths, wide, strict=True)]
        transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if any(shift):
            transformations.append({"type": "translation", "translation": shift})
        datasets.append({"path": str(number), "coordinateTransformations": transformations})
    return {
        "name": stem(output.path),
        "axes": axes,
        "datasets": datasets,
        "type": "mean",
        "metadata": {"description": _METHOD},
    }


def _notes(output: Output) -> dict[str, Any]:
    """Note what OME-Zarr has no place for."""
    date, objective = output.acquisition.date, output.acquisition.objective
    known = {
        "description": output.description,
        "date": date and date.isoformat(),
        "objective": objective
        and {name: value for name, value in objective._asdict().items() if value is not None},
    }
    return {"software": f"{SOFTWARE} {version('ladderscope')}"} | {
        name: value for name, value in known.items() if value
    }
