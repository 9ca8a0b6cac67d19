"""Can the camera noise be measured on the noisy images alone?

The reference noise (gain 2, offset 0, read noise 3) is added to each clean image, three seeds.
Prints the ratios of estimated to true values: gain, and standard deviation of the noise at the
darkest and at the brightest percentile of the clean image.

    python benchmarks/noise_from_images.py DATA
"""

import argparse
import time
from pathlib import Path

import numpy as np
import tifffile
from fly import GAIN, READ_NOISE, errors_of_fit

from ladderscope.noise_estimation import calibrate_poisson_gaussian

CHANNELS, POSITIONS = ("nuclei", "actin", "red"), ("002", "076")
IMAGES = (
    *(f"fly/{channel}/pos{name}" for channel in CHANNELS for name in POSITIONS),
    *(f"human/{name}" for name in ("dna", "cells", "ph3")),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    print("| image | " + " | ".join(f"seed {seed}" for seed in args.seeds) + " |")
    print("| --- " * (1 + len(args.seeds)) + "|")
    started, fits = time.perf_counter(), 0
    for name in IMAGES:
        clean = tifffile.imread(args.data / f"{name}.tif").astype(float)
        cells = []
        for seed in args.seeds:
            rng = np.random.default_rng(seed)
            photons = rng.poisson(clean / GAIN) * GAIN
            observed = (photons + rng.normal(0, READ_NOISE, clean.shape)).astype(np.float32)
            fit = calibrate_poisson_gaussian([observed])
            cells.append(" ".join(f"{r:.3f}" for r in errors_of_fit(fit.model, clean)))
            fits += 1
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print(f"{(time.perf_counter() - started) / fits:.1f} s per image")


if __name__ == "__main__":
    main()
