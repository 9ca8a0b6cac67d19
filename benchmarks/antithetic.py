"""How close to the truth is the mean of few samples, independent or in antithetic pairs?

MODEL is a denoiser, FRAME an image as it was recorded, TRUTH the same without noise. PSNR has the
peak 255; means are clipped to 0 to 255.

    python benchmarks/antithetic.py MODEL.ladder FRAME.tif TRUTH.tif
"""

import argparse

import numpy as np
import tifffile

from ladderscope import load
from ladderscope.evaluation import psnr

COUNTS = (2, 4, 8, 16, 48)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("model", "frame", "truth"):
        parser.add_argument(name)
    args = parser.parse_args()
    denoiser = load(args.model)
    frame, truth = tifffile.imread(args.frame), tifffile.imread(args.truth).astype(np.float64)
    frame = frame[0] if frame.ndim > truth.ndim else frame

    def score(image):
        return f"{psnr(np.clip(image, 0, 255).astype(np.float64), truth, 255):.2f}"

    print(f"posterior means: {score(denoiser.predict(frame, samples=0).mean)}")
    independent = denoiser.sample(frame, n=max(COUNTS))
    for count in COUNTS:
        paired = denoiser.predict(frame, samples=count).mean
        print(f"{count} samples: {score(independent[:count].mean(0))} independent, {score(paired)}")


if __name__ == "__main__":
    main()
