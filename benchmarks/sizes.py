"""Do time and memory of a prediction grow with the image?

    python benchmarks/sizes.py MODEL.ladder [--sides 512 1024 ...] [--samples 0 16] [--format tiff]

Square uint16 images of smooth structures and noise are written block by block to a temporary
folder, and each is restored by `ladderscope predict` in a process of its own. Printed are its
processor time (user and system), its time by the clock, and its peak resident memory. The processor
time of restoring 64×64 pixels stands for all that does not depend on the image (loading, looking
for compiled code), and is subtracted where the time per megapixel is printed.

With --stop-after SECONDS, a prediction is stopped after so much processor time. What memory it had
needed and which part of its tiles was finished is printed. With --without-network, a mean filter
stands for the network: what is left is looking at the image, the tiles' files, the checks of the
restoration, and writing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

COMMAND = "from ladderscope.cli import main; main()"


def noisy(path, side):
    """Write an image of smooth structures and photon noise, some rows at a time."""
    rng, image = np.random.default_rng(0), tifffile.memmap(path, shape=(side, side), dtype="uint16")
    columns = np.sin(np.arange(side) / 13)
    for at in range(0, side, 256):
        rows = np.sin(np.arange(at, min(at + 256, side)) / 9)
        image[at : at + 256] = 100 + rng.poisson(200 + 100 * np.multiply.outer(rows, columns))
    image.flush()


def without_network():
    """Run the command line with a mean filter in place of the network."""
    import torch
    from scipy.ndimage import uniform_filter

    from ladderscope.cli import main as command_line
    from ladderscope.models import restoring
    from ladderscope.prediction.sampler import RestoredTile

    def filtered(network, part, tile, sampling, *, law, keep, tick):
        inside = zip(tile.core, part.region, strict=True)
        core = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in inside)
        mean = torch.from_numpy(uniform_filter(part.pixels, 5)[core].copy())[None]
        tick()
        return RestoredTile(mean, torch.full_like(mean, 0.1), None)

    restoring.restore_tile = filtered
    command_line()


def restored(model, image, out, samples, how, stop_after=None, network=True):
    """Restore an image in a process: its processor time, time, peak in MB, and part finished."""
    log = Path(out, "log.jsonl")
    options = ["--samples", str(samples), "--format", how, "--quiet", "--log-json", str(log)]
    program = [sys.executable, "-c", COMMAND] if network else [sys.executable, __file__]
    command = [*program, "predict", model, image, "-o", out, *options]
    started = time.perf_counter()
    if stop_after:
        command = ["prlimit", f"--cpu={stop_after}", *command]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status and not stop_after:
        sys.exit(f"{' '.join(map(str, command))} failed")
    done = [json.loads(line) for line in log.read_text().splitlines()]
    tiles = [event for event in done if event["event"] == "restoring"]
    part = tiles[-1]["megapixels_done"] / tiles[-1]["megapixels"] if status and tiles else 1.0
    return used.ru_utime + used.ru_stime, seconds, used.ru_maxrss / 1000, part


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    sides = [512, 1024, 2048, 4096, 8192, 16384]
    parser.add_argument("--sides", type=int, nargs="+", default=sides)
    parser.add_argument("--samples", type=int, nargs="+", default=[0, 16])
    parser.add_argument("--format", choices=["tiff", "zarr"], default="tiff")
    parser.add_argument("--folder", help="where to write; a temporary folder by default")
    parser.add_argument("--stop-after", type=int)
    parser.add_argument("--without-network", action="store_true")
    chosen = parser.parse_args()
    columns = ["CPU, s", "CPU, s per megapixel", "by the clock, s", "peak, MB", "finished"]
    print("| samples | side |", " | ".join(columns), "|\n" + "| --- " * (2 + len(columns)) + "|")
    for samples in chosen.samples:
        once = 0.0
        for side in [64, *chosen.sides]:
            with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
                image = Path(folder, "noisy.tif")
                noisy(image, side)
                out = Path(folder, "out")
                out.mkdir()
                limit = chosen.stop_after if side > 64 else None
                busy, seconds, peak, part = restored(
                    chosen.model,
                    image,
                    out,
                    samples,
                    chosen.format,
                    limit,
                    not chosen.without_network,
                )
            if side == 64:
                once = busy
            each = (busy - once) / max(part, 1e-9) / (side / 1024) ** 2 if side > 64 else 0
            print(
                f"| {samples} | {side} | {busy:.1f} | {each:.2f} | {seconds:.1f} | {peak:.0f} "
                f"| {part:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["predict"]:
        without_network()
    else:
        main()
