"""Writing images as OME-TIFF: planes as they are read, large ones in tiles."""

import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import tifffile
from jaxtyping import Shaped

from ladderscope.files import whole_file
from ladderscope.images.acquisition import Objective
from ladderscope.images.metadata import SOFTWARE
from ladderscope.images.ome_metadata import ome_colour, with_objective
from ladderscope.images.output import Compression, Output, part, steps
from ladderscope.images.stored import Pixels

_CLASSIC_TIFF_BYTES = 3_900_000_000
_LARGE_PLANE = 2048**2  # pixels; planes of more are stored in tiles
_TILE = 512
_BAND_BYTES = 2**25  # as many tiles as are read at a time
_BUFFER_BYTES = 2**26  # those waiting to be compressed
_COMPRESSIONS = {"deflate": "zlib", "zstd": "zstd", "none": None, None: None}


def write_tiff(
    path: Path, output: Output, *, compression: Compression | None, overwrite: bool
) -> None:
    """Write an image as an OME-TIFF, completely or not at all.

    It takes the memory of a plane, or, of planes that are stored in tiles, of some tiles. It is a
    BigTIFF if it would have more than 3.9 GB without compression.

    Parameters
    ----------
    path
        The file.
    output
        What is written.
    compression
        None is none.
    overwrite
        Whether a file that exists may be replaced.

    Raises
    ------
    OutputError
        If the file exists, or if it cannot be written.
    """
    dtype = _ome_type(output)
    tile = _tile(output.plane)
    rows, columns = output.plane if tile is None else _in_whole_tiles(output.plane, tile)
    size = math.prod(output.pixels.shape[:-2]) * rows * columns * dtype.itemsize
    codec = _COMPRESSIONS[compression]
    with whole_file(path, overwrite, most=size) as unfinished:
        tifffile.imwrite(
            unfinished,
            _planes(output.pixels, dtype) if tile is None else _tiles(output.pixels, dtype, tile),
            shape=output.pixels.shape,
            dtype=dtype,
            tile=tile,
            compression=codec,
            # not of floats: few programs can undo it
            predictor=codec is not None and dtype.kind != "f",
            buffersize=_BUFFER_BYTES,
            ome=True,
            bigtiff=size > _CLASSIC_TIFF_BYTES,
            photometric="minisblack",
            software=f"{SOFTWARE} {version('ladderscope')}",
            metadata=_metadata(output),
        )
        if output.acquisition.objective is not None:
            _add_objective(unfinished, output.acquisition.objective)


def _tile(plane: tuple[int, int]) -> tuple[int, int] | None:
    """Give the shape of the tiles of a large plane: no larger than it needs to be."""
    if math.prod(plane) <= _LARGE_PLANE:
        return None
    height, width = (min(_TILE, -(-length // 16) * 16) for length in plane)
    return height, width


def _in_whole_tiles(plane: tuple[int, int], tile: tuple[int, int]) -> list[int]:
    return [-(-length // part) * part for length, part in zip(plane, tile, strict=True)]


def _planes(pixels: Pixels, dtype: np.dtype[Any]) -> Iterator[Shaped[np.ndarray, "Y X"]]:
    for index in np.ndindex(pixels.shape[:-2]):
        yield part(pixels, (*index, ...)).astype(dtype, copy=False)


def _tiles(
    pixels: Pixels, dtype: np.dtype[Any], tile: tuple[int, int]
) -> Iterator[Shaped[np.ndarray, "y x"]]:
    for key in _bands(pixels, tile, dtype.itemsize):
        band = part(pixels, key).astype(dtype, copy=False)
        for columns in steps(band.shape[1], tile[1]):
            piece = band[:, columns]
            padding = [(0, full - size) for full, size in zip(tile, piece.shape, strict=True)]
            yield np.pad(piece, padding)


def _bands(
    pixels: Pixels, tile: tuple[int, int], itemsize: int
) -> Iterator[tuple[int | slice, ...]]:
    """Go through an image in rows of tiles, as many at a time as fit into the memory for them."""
    *outer, height, width = pixels.shape
    at_a_time = max(1, _BAND_BYTES // (math.prod(tile) * itemsize))
    for index in np.ndindex(*outer):
        for rows in steps(height, tile[0]):
            for columns in steps(width, tile[1] * at_a_time):
                yield (*index, rows, columns)


def _ome_type(output: Output) -> np.dtype[Any]:
    """Choose a type that OME has and that holds all values."""
    dtype = output.dtype
    if dtype == np.float16:
        return np.dtype(np.float32)
    if dtype.kind == "f" or dtype.itemsize < 8:
        return dtype
    lowest = highest = 0
    for key in _bands(output.pixels, (_TILE, _TILE), dtype.itemsize):
        values = part(output.pixels, key)
        lowest = min(lowest, int(values.min(initial=0)))
        highest = max(highest, int(values.max(initial=0)))
    for narrower in (np.uint32, np.int32):
        info = np.iinfo(narrower)
        if info.min <= lowest and highest <= info.max:
            return np.dtype(narrower)
    return np.dtype(np.float64)


def _metadata(output: Output) -> dict[str, Any]:
    """Put what is known of an image into the words of tifffile."""
    name, shape = output.path.name, tuple(output.pixels.shape)
    # tifffile's own is made of the time: the same image must give the same file
    told = _plain(f"{name} {shape} {output.dtype} {output.description}")
    identifier = uuid5(NAMESPACE_OID, told)
    known: dict[str, Any] = {"axes": output.axes, "Name": _plain(name), "UUID": str(identifier)}
    acquisition = output.acquisition
    if output.pixel_size is not None:
        for letter, length in zip("YX", output.pixel_size, strict=True):
            known |= {f"PhysicalSize{letter}": length, f"PhysicalSize{letter}Unit": "µm"}
    if output.channel_names is not None:
        known["Channel"] = {"Name": [_plain(name) for name in output.channel_names]}
    if acquisition.slice_spacing is not None:
        known |= {"PhysicalSizeZ": acquisition.slice_spacing, "PhysicalSizeZUnit": "µm"}
    if acquisition.frame_interval is not None:
        known |= {"TimeIncrement": acquisition.frame_interval, "TimeIncrementUnit": "s"}
    if acquisition.date is not None:
        known["AcquisitionDate"] = acquisition.date.isoformat()
    if colours := acquisition.channel_colours:
        known.setdefault("Channel", {})["Color"] = [ome_colour(colour) for colour in colours]
    if output.description:
        known["Description"] = _plain(output.description)
    return known


def _add_objective(path: Path, objective: Objective) -> None:
    """Complete the description of a file just written, as tifffile writes no instruments."""
    model = None if objective.model is None else _plain(objective.model)
    description = with_objective(str(tifffile.tiffcomment(path)), objective._replace(model=model))
    tifffile.tiffcomment(path, description.encode())


def _plain(text: str) -> str:
    """Drop the control characters that XML cannot hold."""
    return "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")
