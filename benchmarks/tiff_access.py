"""How should parts of a TIFF be read: with tifffile's page access or through its Zarr store?

    python benchmarks/tiff_access.py [--planes 40] [--size 1024] [--rounds 3]

Four files of the same noisy planes are written to a temporary folder: not compressed, and
compressed with zlib in one strip per page, in strips of 16 rows, and in tiles of 256×256 pixels.
Page access is as Ladderscope uses it: what is not compressed is read from where it lies. Each file
is read plane by plane, in 40 crops of 256×256 pixels at random positions, and as a whole. The
median times in milliseconds are printed as a table, each as page access / Zarr store. The Zarr
store needs the package zarr.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import zarr

from ladderscope.images import open_image

CROPS, CROP = 40, 256
KINDS = {
    "plain": {},
    "zlib, one strip per page": {"compression": "zlib"},
    "zlib, strips": {"compression": "zlib", "rowsperstrip": 16},
    "zlib, tiles of 256": {"compression": "zlib", "tile": (256, 256)},
}


def milliseconds(work, rounds):
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - started))
    return statistics.median(found)


def corners(shape):
    """Choose a plane and the upper left corner of each crop."""
    rng = np.random.default_rng(0)
    ends = (shape[0], *(size - CROP + 1 for size in shape[1:]))
    return [tuple(map(int, rng.integers(0, ends))) for _ in range(CROPS)]


def accesses(pixels):
    """Give each way of reading all planes, the crops and the whole of something like an array."""

    def planes():
        for at in range(pixels.shape[0]):
            pixels[at, :, :]

    def crops():
        for at, row, column in corners(pixels.shape):
            pixels[at, row : row + CROP, column : column + CROP]

    return {"planes": planes, "crops": crops, "whole": lambda: pixels[:, :, :]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--planes", type=int, default=40)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    shape = (chosen.planes, chosen.size, chosen.size)
    pixels = np.random.default_rng(0).poisson(100, shape).astype(np.uint16)
    print("| file | planes | 40 crops of 256×256 | whole |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for kind, options in KINDS.items():
            path = Path(folder, "planes.tif")
            options = {"rowsperstrip": chosen.size, "metadata": {"axes": "TYX"}} | options
            tifffile.imwrite(path, pixels, photometric="minisblack", **options)
            with tifffile.imread(path, aszarr=True) as store:
                pages = accesses(open_image(path).pixels)
                chunks = accesses(zarr.open(store, mode="r"))
                cells = [
                    " / ".join(
                        f"{milliseconds(way[part], chosen.rounds):.0f}" for way in (pages, chunks)
                    )
                    for part in pages
                ]
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
