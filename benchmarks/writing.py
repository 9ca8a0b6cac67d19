"""How much memory and time does it take to write an image that is computed while it is written?

    python benchmarks/writing.py [--sides 4096 16384] [--folder FOLDER]

Images of smooth structures and noise, uint16 and float32, are computed block by block as they are
asked for, and written as OME-TIFF, plain and compressed, and as OME-Zarr. Each is written in a
process of its own, whose peak resident memory is printed, with that of the same process before it
wrote; the CPU time of computing the image alone is printed too.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ladderscope.images import write_image
from ladderscope.images.stored import StoredPixels

KINDS = {
    "TIFF": ("a.ome.tif", None),
    "TIFF, deflate": ("a.ome.tif", "deflate"),
    "TIFF, zstd": ("a.ome.tif", "zstd"),
    "Zarr": ("a.ome.zarr", None),
}


def computed(side, dtype):
    """Give an image whose pixels depend on nothing but where they are."""

    def read(key):
        rows, columns = (np.arange(side, dtype=np.uint32)[one] for one in key)
        smooth = 200 + 100 * np.multiply.outer(
            np.sin(rows / 40, dtype=np.float32), np.cos(columns / 60, dtype=np.float32)
        )
        mixed = np.add.outer(rows * np.uint32(2654435761), columns * np.uint32(40503))
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(2246822519)
        noise = (mixed >> np.uint32(24)).astype(np.float32) / 8
        return (smooth + noise).astype(dtype)

    return StoredPixels((side, side), np.dtype(dtype), read)


def peak():
    """Give the peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def one(folder, kind, side, dtype):
    pixels = computed(side, dtype)
    name, compression = KINDS[kind]
    write_image(Path(folder, "first", name), np.zeros((8, 8), dtype), "YX")  # loads all it needs
    before, path = peak(), Path(folder, name)
    busy = time.process_time()
    for at in range(0, side, 512):
        pixels[at : at + 512]
    computing = time.process_time() - busy
    started, busy = time.perf_counter(), time.process_time()
    write_image(path, pixels, "YX", pixel_size=(0.1, 0.1), compression=compression)
    seconds, writing = time.perf_counter() - started, time.process_time() - busy
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    times = f"{seconds:.1f} | {writing:.1f} | {computing:.1f}"
    memory = f"{peak():.0f} | {before:.0f} | {size:.0f}"
    print(f"| {kind} | {side} | {dtype} | {times} | {memory} | {len(files)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[4096, 16384])
    parser.add_argument("--folder", help="where to write; a temporary folder by default")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        folder, kind, side, dtype = options.one
        one(folder, kind, int(side), dtype)
        return
    columns = ["writing, s", "CPU, s", "computing", "peak, MB", "before", "size, MB", "files"]
    print("| format | side | type |", " | ".join(columns), "|")
    print("| --- " * (3 + len(columns)) + "|", flush=True)
    for dtype in ("uint16", "float32"):
        for side in options.sides:
            for kind in KINDS:
                with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                    task = ["--one", folder, kind, str(side), dtype]
                    subprocess.run([sys.executable, __file__, *task], check=True)


if __name__ == "__main__":
    main()
