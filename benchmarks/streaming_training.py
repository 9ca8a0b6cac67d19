"""How much memory and time does training take when its images stay on disk?

    python benchmarks/streaming_training.py [--images 200] [--side 4096] [--steps 200] \
        [--preset small]

Writes as many noisy uint16 images of side×side pixels to a temporary folder, not compressed, and a
tenth of them again, compressed with zlib in tiles of 256×256 pixels and in one strip per page.
Each is trained on in a process of its own, whose largest resident memory is printed, with the time
of the fit and of its steps; a few images are trained on in memory as well. Last, patches alone are
drawn: how many per second. The noise is given (Gaussian), as measuring it takes as long
whether images are in memory or not; once it is measured, for the memory that this takes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

KINDS = {
    "plain": {},
    "zlib, tiles": {"compression": "zlib", "tile": (256, 256)},
    "zlib, one strip": {"compression": "zlib", "rowsperstrip": 2**16},
}


def write(folder, count, side, how):
    """Write noisy images; each is the first one, turned and shifted."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    light = 200 + 100 * np.sin(rows / 9) * np.sin(columns / 13)
    noisy = (100 + rng.poisson(light)).astype(np.uint16)
    folder.mkdir()
    for number in range(count):
        pixels = np.rot90(np.roll(noisy, 131 * number, axis=1), number % 4)
        tifffile.imwrite(folder / f"{number:03}.tif", np.ascontiguousarray(pixels), **how)


def fit(folder, steps, in_memory, preset, noise):
    """Train, and print what it took."""
    from ladderscope import Denoiser
    from ladderscope.images import at_hand
    from ladderscope.noise import Gaussian

    at_hand.MOST_IN_MEMORY = 2**40 if in_memory else 0
    stamps = []
    started = time.perf_counter()
    denoiser = Denoiser(preset, "auto" if noise == "auto" else Gaussian(15.0), device="cpu")
    denoiser.fit(
        folder,
        steps=steps,
        compile_network=False,
        progress=lambda *_: stamps.append(time.perf_counter()),
    )
    found = {
        "largest resident MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "seconds before the first step": stamps[0] - started,
        "steps per second": (steps - 10) / (stamps[steps - 1] - stamps[9]),
    }
    print(json.dumps(found))


def draw(folder, batches, in_memory):
    """Draw patches, and print how many a second."""
    from ladderscope.data import PatchShape, TrainingPatches, fields_of
    from ladderscope.images import open_images
    from ladderscope.images.at_hand import at_hand

    fields = fields_of(at_hand(open_images(folder), in_memory=in_memory))
    patches = TrainingPatches(fields, PatchShape(64), batch=16, seed=0)
    started = time.perf_counter()
    for number in range(batches):
        patches[number]
    print(json.dumps({"patches per second": 16 * batches / (time.perf_counter() - started)}))


def measured(*arguments):
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--preset", default="small")
    chosen = parser.parse_args()
    few = max(2, chosen.images // 10)
    with tempfile.TemporaryDirectory() as temporary:
        for kind, how in KINDS.items():
            folder = Path(temporary, kind.replace(", ", "_").replace(" ", "_"))
            count = few if how else chosen.images
            write(folder, count, chosen.side, how)
            print(f"{kind}, {count} images", flush=True)
            print("  on disk  ", measured("draw", folder, 1000, False), flush=True)
            for noise in ["given"] if how else ["given", "auto"]:
                found = measured("fit", folder, chosen.steps, False, chosen.preset, noise)
                print(f"  on disk, noise {noise}", found, flush=True)
            if how:
                print("  in memory", measured("draw", folder, 1000, True), flush=True)
                found = measured("fit", folder, chosen.steps, True, chosen.preset, "given")
                print("  in memory", found, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        fit(sys.argv[2], int(sys.argv[3]), sys.argv[4] == "True", *sys.argv[5:])
    elif sys.argv[1:2] == ["draw"]:
        draw(sys.argv[2], int(sys.argv[3]), sys.argv[4] == "True")
    else:
        main()
