"""Do calibrated error bars hold? Fly images with the reference noise, truth known.

A denoiser is trained on position 002, calibrated on the left half of position 076, with truth and
without, and judged on its right half: what fraction of the pixels lies in the 90 % interval, in
all and in each fifth of the pixels by restored brightness.

    python benchmarks/calibration.py DATA --channel nuclei --save nuclei.ladder
    python benchmarks/calibration.py DATA --channel nuclei --model nuclei.ladder
"""

import argparse
import time
from pathlib import Path

import numpy as np
import tifffile
from fly import GAIN, READ_NOISE, noisy

from ladderscope import Denoiser, load
from ladderscope.noise import PoissonGaussian


def trained(folder, steps):
    clean = tifffile.imread(folder / "pos002.tif").astype(float)
    noise = PoissonGaussian.from_camera(GAIN, 0.0, READ_NOISE)
    return Denoiser(noise=noise).fit(noisy(clean), steps=steps, progress=False)


def judged(restored, truth):
    lower, upper = restored.interval(0.9)
    inside = ((lower <= truth) & (truth <= upper)).ravel()
    fifths = np.array_split(np.argsort(restored.mean.ravel(), kind="stable"), 5)
    by_brightness = ", ".join(f"{inside[fifth].mean():.3f}" for fifth in fifths)
    return f"{inside.mean():.3f} | {by_brightness}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with fly/nuclei/pos002.tif and so on")
    parser.add_argument("--channel", default="nuclei", choices=["actin", "nuclei", "red"])
    parser.add_argument("--model", type=Path, help="a trained model; by default one is trained")
    parser.add_argument("--steps", type=int, default=500, help="of training")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--save", type=Path, help="write the trained model here")
    args = parser.parse_args()

    folder = args.data / "fly" / args.channel
    denoiser = trained(folder, args.steps) if args.model is None else load(args.model)
    if args.save:
        denoiser.save(args.save)
    clean = tifffile.imread(folder / "pos076.tif").astype(float)
    observed, middle = noisy(clean), clean.shape[1] // 2
    left, right = np.s_[:, :middle], np.s_[:, middle:]
    print("| calibration | coverage of 90 % intervals | by restored brightness | seconds |")
    print("| --- | --- | --- | --- |")
    for what, images in (
        ("none", None),
        ("without truth", (observed[left],)),
        ("with truth", (observed[left], clean[left])),
    ):
        started = time.perf_counter()
        if images is not None:
            denoiser.calibrate(*images, samples=args.samples)
        seconds = time.perf_counter() - started
        restored = denoiser.predict(observed[right], samples=args.samples)
        print(f"| {what} | {judged(restored, clean[right])} | {seconds:.0f} |", flush=True)
        for one in denoiser.model.calibration:
            print(f"    {one.summary()} Calibration error {one.error_before:.3f} before.")


if __name__ == "__main__":
    main()
