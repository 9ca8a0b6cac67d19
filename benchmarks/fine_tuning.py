"""Does a model help on other images? Training on from it against training from scratch.

    python benchmarks/fine_tuning.py DATA/fmd MODELS --steps 50 150 --seeds 0 1

MODELS holds denoisers of one frame per type, named TYPE_*.ladder; each is trained on with images of
another type. Both kinds of training take the same number of steps on the same frame, whose noise
is measured on it, once. PSNR of a single pass (peak 255, clipped), against the mean of 50 frames.
"""

import argparse
import logging
import time
from pathlib import Path

import numpy as np
import tifffile

from ladderscope import Denoiser, measure_noise

PAIRS = [
    ("Confocal_MICE", "Confocal_FISH"),
    ("TwoPhoton_BPAE_G", "Confocal_BPAE_R"),
    ("Confocal_BPAE_R", "TwoPhoton_BPAE_G"),
]
SIDE = 384


def psnr(truth, image):
    error = np.clip(image, 0, 255) - truth
    return 10 * np.log10(255**2 / np.mean(np.square(error, dtype=float)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 150])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--pairs", type=int, nargs="+", default=range(len(PAIRS)))
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    for before, now in (PAIRS[number] for number in given.pairs):
        noisy, truth = (
            tifffile.imread(given.data / f"{now}_{kind}.tif").astype(np.float32)
            for kind in ("raw", "truth")
        )
        noisy = (noisy[0] if noisy.ndim == 3 else noisy)[:SIDE, :SIDE]
        truth = (truth[0] if truth.ndim == 3 else truth)[:SIDE, :SIDE]
        noise = measure_noise(noisy, kind="auto").model
        model = min(given.models.glob(f"{before}_*.ladder"))
        print(f"{before} -> {now} ({model.name}): raw {psnr(truth, noisy):.2f}", flush=True)
        for seed in given.seeds:
            for steps in given.steps:
                trained = {
                    "scratch": Denoiser(noise=noise, seed=seed),
                    "trained on": Denoiser.starting_from(model, noise, seed),
                }
                for name, denoiser in trained.items():
                    began = time.monotonic()
                    denoiser.fit(noisy, steps=steps, progress=False)
                    found = denoiser.predict(noisy, samples=0).mean
                    took = time.monotonic() - began
                    print(
                        f"  seed {seed} steps {steps:4} {name:10} {psnr(truth, found):.2f} dB, "
                        f"{took:.0f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
