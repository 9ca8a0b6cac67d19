"""How much time and memory does splitting a large image take, and what do tiles change?

The balanced sum of the right halves of fly 076, extended by reflection to SIDE×SIDE pixels, is
split by a model that benchmarks/splitting.py trained and saved. Time and peak memory are those of
a fresh process, in addition to its memory after loading the model and the image. Tiles are compared
with posterior means, relative to the standard deviation of each channel: the model's own tiles with
tiles twice as large, and with cores of 32 and an overlap of 16 (windows of 64, as in training).

    python benchmarks/splitting.py DATA --context 3 --save context3.ladder
    python benchmarks/splitting_large.py context3.ladder DATA
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from prediction import kibibytes
from splitting import NAMES, read

from ladderscope import load
from ladderscope.evaluation import psnr


def large(halves, side):
    """Continue images by reflection to a square; a longer one is cut."""
    stack = np.stack(halves)
    more = [(0, max(0, side - length)) for length in stack.shape[1:]]
    return np.pad(stack, ((0, 0), *more), mode="symmetric")[:, :side, :side]


def one_prediction(model, mixed, samples):
    """Predict once; return seconds, and megabytes in addition to the loaded process."""
    splitter = load(model, device="cpu")
    splitter.predict(mixed[:64, :64], "YX", samples=0)
    before = kibibytes("VmRSS")
    started = time.perf_counter()
    splitter.predict(mixed, "YX", samples=samples)
    seconds = time.perf_counter() - started
    return {
        "samples": samples,
        "seconds": round(seconds, 1),
        "megabytes": round((kibibytes("VmHWM") - before) / 1024),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--noise", action="store_true", help="the halves with reference noise")
    parser.add_argument("--tiles-only", action="store_true", help="no time and memory")
    parser.add_argument("--predict-only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    data = read(args.data, noise=args.noise)
    mixed, truth = large(data.test, args.side).sum(axis=0), large(data.truth, args.side)
    if args.predict_only:
        print(json.dumps(one_prediction(args.model, mixed, args.samples)))
        return

    if not args.tiles_only:
        print(f"{args.side}×{args.side} pixels, {torch.get_num_threads()} threads", flush=True)
        command = [sys.executable, __file__, *sys.argv[1:], "--predict-only"]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    splitter = load(args.model, device="cpu")
    own = splitter.settings
    deviations = [channel.std for channel in splitter.model.statistics]
    first = None
    for core, margin in (
        (own.tile_core, own.tile_margin),
        (2 * own.tile_core, 2 * own.tile_margin),
        (32, 16),
    ):
        splitter.settings = own.model_copy(update={"tile_core": core, "tile_margin": margin})
        mean = splitter.predict(mixed, "YX", samples=0).mean
        first = mean if first is None else first
        line = {"core": core, "margin": margin}
        for number, name in enumerate(NAMES):
            difference = np.abs(mean[number] - first[number]) / deviations[number]
            line[name] = {
                "rms": round(float(np.sqrt(np.square(difference, dtype=np.float64).mean())), 5),
                "largest": round(float(difference.max()), 4),
                "psnr": round(psnr(mean[number], truth[number]), 3),
            }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
