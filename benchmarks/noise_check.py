"""Is the verdict of `noise.check` right, with a model measured on the images themselves?

The reference noise (gain 2, offset 0, read noise 3, seed 0) is added to the fly and human images;
on human/dna it is also blurred, or combined with lines, or compared with a model of half or twice
the variance. Nothing is added to the Hoechst image and the embryo movie ("unchanged").

    python benchmarks/noise_check.py DATA
"""

import argparse
import time
from pathlib import Path

import numpy as np
import tifffile
from fly import GAIN, READ_NOISE, noisy
from noise_from_images import IMAGES
from scipy import ndimage

from ladderscope.noise import PoissonGaussian
from ladderscope.noise_estimation import check

TRUE = PoissonGaussian.from_camera(GAIN, 0.0, READ_NOISE)
HALF = PoissonGaussian(TRUE.gain / 2, TRUE.intercept / 2)
DOUBLE = PoissonGaussian(TRUE.gain * 2, TRUE.intercept * 2)
BLUR = np.array([1, 2, 1]) / 4


def cases(data):
    """Yield a name, the images, the model and the axes."""

    def read(name):
        return tifffile.imread(data / f"{name}.tif")

    for name in IMAGES:
        yield f"{name}, reference noise", noisy(read(name).astype(float)), None, "YX"
    clean = read("human/dna").astype(float)
    noise = noisy(clean) - clean
    rows = np.random.default_rng(1).normal(0, 8, (clean.shape[0], 1))
    yield "human/dna, noise blurred along x", clean + ndimage.correlate1d(noise, BLUR), None, "YX"
    yield "human/dna, noise and lines", clean + noise + rows, None, "YX"
    yield "human/dna, model of half the variance", clean + noise, HALF, "YX"
    yield "human/dna, model of twice the variance", clean + noise, DOUBLE, "YX"
    for name in IMAGES:
        yield f"{name}, unchanged", read(name), None, "YX"
    yield "speckles/hoechst", read("speckles/hoechst"), None, "YX"
    yield "embryo/sequence1", read("embryo/sequence1"), None, "TYX"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--words", action="store_true", help="print the summaries below the table")
    args = parser.parse_args()
    columns = (
        "images",
        "the noise is",
        "observed / predicted deviation",
        "dark",
        "bright",
        "correlation →",
        "↓",
        "diagonal",
        "±",
        "beyond 3 σ, %",
        "predicted, %",
        "repeated frames",
        "s",
    )
    print("| " + " | ".join(columns) + " |")
    print("| --- " * len(columns) + "|")
    summaries = []
    for name, images, model, axes in cases(args.data):
        started = time.perf_counter()
        found = check(images, model, axes=axes)
        seconds = time.perf_counter() - started
        summaries.append(f"{name}: {found.summary()}")
        cells = (
            name,
            found.verdict,
            f"{found.deviation_ratio:.2f}",
            f"{found.deviation_ratio_dark:.2f}",
            f"{found.deviation_ratio_bright:.2f}",
            *(f"{value:.3f}" for value in (*found.correlation, found.correlation_diagonal)),
            f"{found.correlation_error:.3f}",
            f"{100 * found.outlier_share:.2f}",
            f"{100 * found.outlier_share_predicted:.2f}",
            ", ".join(map(str, found.repeated_frames)),
            f"{seconds:.1f}",
        )
        print("| " + " | ".join(cells) + " |", flush=True)
    if args.words:
        print("\n" + "\n\n".join(summaries))


if __name__ == "__main__":
    main()
