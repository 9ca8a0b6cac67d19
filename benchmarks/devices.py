"""Does a GPU give the same results as the CPU, and how much faster?

Simulated camera noise is added to the sample image of cells. One denoiser and one splitter are
trained on each device with the same seed and number of steps, and each model restores on both.

    python benchmarks/devices.py [--device cuda] [--steps 1500]
"""

import argparse
import logging
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from ladderscope import Denoiser, Splitter, load
from ladderscope.evaluation import psnr
from ladderscope.images import read_image, samples


def timed(device, work):
    """Return the result of `work`, and how many seconds it took."""
    started = time.perf_counter()
    result = work()
    if device != "cpu":
        torch.accelerator.synchronize()
    return result, time.perf_counter() - started


def images():
    """Return two clean images of one size, and noisy versions of them."""
    folder = Path(samples.__file__).parent
    clean = [
        read_image(folder / name).pixels.astype(np.float32)[:512, :512]
        for name in ("cells.tif", "dna.tif")
    ]
    clean = [plane / plane.max() * 100 + 10 for plane in clean]
    generator = np.random.default_rng(0)
    noisy = [
        (generator.poisson(plane) + generator.normal(0, 2, plane.shape)).astype(np.float32)
        for plane in clean
    ]
    return clean, noisy


def on(device, steps, clean, noisy, folder):
    """Train and restore on a device, and print how the results differ from the CPU's."""
    denoiser = Denoiser(preset="small", device=device, seed=0)
    _, training = timed(device, lambda: denoiser.fit(noisy[0], steps=steps, progress=False))
    restored, cold = timed(device, lambda: denoiser.predict(noisy[0], samples=50))
    restored, warm = timed(device, lambda: denoiser.predict(noisy[0], samples=50))
    path = denoiser.save(folder / f"{device}.ladder")
    print(
        f"{device}: denoiser, {steps} steps in {training:.1f} s, 50 samples of 512×512 in "
        f"{cold:.2f} s and {warm:.2f} s, PSNR {psnr(restored.mean, clean[0]):.2f} dB"
    )
    elsewhere = load(path, device="cpu").predict(noisy[0], samples=50)
    off = np.abs(elsewhere.mean - restored.mean)
    print(f"  on the CPU: rms {off.std():.4f}, at most {off.max():.3f} grey levels apart")
    means = (
        denoiser.predict(noisy[0], samples=0),
        load(path, device="cpu").predict(noisy[0], samples=0),
    )
    off = np.abs(means[0].mean - means[1].mean)
    print(f"  samples=0: rms {off.std():.4f}, at most {off.max():.3f} grey levels apart")
    splitter = Splitter("microsplit", device=device, seed=0)
    _, training = timed(device, lambda: splitter.fit(noisy, steps=steps, progress=False))
    split, took = timed(device, lambda: splitter.predict(sum(noisy), samples=50))
    scores = [f"{psnr(found, truth):.2f}" for truth, found in zip(clean, split.mean, strict=True)]
    print(
        f"  splitter: {steps} steps in {training:.1f} s, predicted in {took:.2f} s, PSNR {scores}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", nargs="+", default=["cuda", "cpu"])
    parser.add_argument("--steps", type=int, default=1500)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(
        f"{platform.processor()}, {torch.get_num_threads()} threads, {gpu}, torch",
        torch.__version__,
    )
    clean, noisy = images()
    with tempfile.TemporaryDirectory() as folder:
        for device in args.device:
            on(device, args.steps, clean, noisy, Path(folder))


if __name__ == "__main__":
    main()
