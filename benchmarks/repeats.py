"""Four frames of one scene: restored one by one and then averaged, or averaged and then restored?

FOLDER holds `TYPE_raw.tif` (T, Y, X) and `TYPE_truth.tif` (Y, X), such as types of FMD.
Trains on a square of 256 pixels, with a fixed number of steps and small batches, so that both ways
cost the same and little. PSNR with peak 255, restored with samples=0. The truth is the mean of 50
frames, of which these are some: this favours averages a little.

    python benchmarks/repeats.py FOLDER [TYPE ...] [--steps 300]
"""

import argparse
from pathlib import Path

import numpy as np
import tifffile

from ladderscope import Denoiser

SIDE = 256


def psnr(image, truth):
    return 10 * np.log10(255**2 / np.mean((np.asarray(image, float) - truth) ** 2))


def rows(raw, truth, steps):
    """Yield the PSNR of each way."""
    options = {"batch": 4, "steps": steps, "device": "cpu"}
    average = raw.mean(axis=0).astype(np.float32)
    yield psnr(raw[0], truth)
    yield psnr(average, truth)
    frames = Denoiser("small", **options).fit(raw, "TYX", progress=False)
    restored = frames.predict(raw, "TYX", samples=0).mean
    yield psnr(restored[0], truth)
    yield psnr(restored.mean(axis=0), truth)
    yield psnr(frames.predict(average, samples=0).mean, truth)
    together = Denoiser("small", repeats="T", **options).fit(raw, "TYX", progress=False)
    yield psnr(together.predict(raw, "TYX", samples=0).mean, truth)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()
    found = sorted(path.name.removesuffix("_raw.tif") for path in args.folder.glob("*_raw.tif"))
    print(
        "| type | one frame | average of 4 | one frame restored | average of the restored frames | "
        "average restored by the frames' network | average restored (`--repeats T`) |"
    )
    print("| --- " * 7 + "|")
    for name in args.types or found:
        raw = tifffile.imread(args.folder / f"{name}_raw.tif")[:, :SIDE, :SIDE]
        truth = tifffile.imread(args.folder / f"{name}_truth.tif")[:SIDE, :SIDE].astype(float)
        cells = [f"{value:.2f}" for value in rows(raw, truth, args.steps)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
