"""Predictions killed at random moments and resumed: is the file byte for byte the same?

python benchmarks/kills.py [--kills 20] [--side 512] [--samples 8] [--format tif]

Each round starts ``ladderscope predict`` in a process of its own, kills it with SIGKILL after a
random time, and resumes it until it ends by itself. The output is compared with that of a run that
nothing disturbed. Rounds whose process ended before it was killed are not counted.
"""

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

from ladderscope import Denoiser
from ladderscope.noise import PoissonGaussian


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--format", default="tif", choices=["tif", "zarr"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rounds(Path(folder), given)


def rounds(folder, given):
    rng, chance = np.random.default_rng(0), random.Random(0)
    noise = PoissonGaussian(gain=2.0, intercept=9.0)
    signal = 20 + 400 * gaussian_filter(rng.random((given.side, given.side)), 3)
    noisy = (2 * rng.poisson(signal / 2) + rng.normal(0, 3, signal.shape)).astype(np.float32)
    tifffile.imwrite(folder / "a.tif", noisy)
    denoiser = Denoiser("tiny", noise=noise, tile_core=64)
    denoiser.fit(noisy[:200, :200], steps=20, progress=False).save(folder / "m.ladder")
    started = time.monotonic()
    run(folder, given, "whole").wait()
    seconds = time.monotonic() - started
    expected = digests(folder / "whole")
    killed = same = resumed = 0
    while killed < given.kills:
        out = folder / f"round{killed}"
        process, resume = run(folder, given, out.name), False
        while True:
            try:
                process.wait(timeout=chance.uniform(0.3, 1.0) * seconds)
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed, resume = killed + 1, True
                resumed += any(out.glob("*.parts/*/*"))
                process = run(folder, given, out.name, "--resume")
        if resume:
            same += digests(out) == expected
            print(f"{killed} kills, {resumed} with finished tiles; same: {same}", flush=True)
            if digests(out) != expected:
                sys.exit(f"{out} differs")
        shutil.rmtree(out)
    print(f"{killed} kills, {resumed} of them with finished tiles; all outputs are the same")


def run(folder, given, out, *more):
    target = folder / out / f"r.ome.{given.format}"
    samples = ["--samples", str(given.samples)]
    ours = "from ladderscope.cli import main; main()"
    command = [sys.executable, "-c", ours, "predict", "m.ladder", "a.tif", *samples]
    return subprocess.Popen(
        [*command, "-o", str(target), *more],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


if __name__ == "__main__":
    main()
