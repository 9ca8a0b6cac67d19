"""How well are noisy fly images restored, and after how much training?

One model per channel, trained on both positions, with the reference noise (gain 2, offset 0,
read noise 3, seed 0). PSNR is measured on position 076, peak = max − min of the clean image.

    python benchmarks/fly.py DATA --channel actin --minutes 5 --seeds 0 1 2 --noise true
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import tifffile
import torch

from ladderscope import Denoiser
from ladderscope.evaluation import psnr
from ladderscope.noise import PoissonGaussian

GAIN, READ_NOISE = 2.0, 3.0
POSITIONS = ("002", "076")


def noisy(clean):
    rng = np.random.default_rng(0)
    photons = rng.poisson(clean / GAIN) * GAIN
    return (photons + rng.normal(0, READ_NOISE, clean.shape)).astype(np.float32)


def errors_of_fit(model, clean):
    """Gain, and standard deviation at the darkest and brightest percentile, over the truth."""
    signal = torch.tensor(np.percentile(clean, [1, 99]))
    estimated = model.moments(signal)[1].sqrt()
    true = PoissonGaussian.from_camera(GAIN, 0.0, READ_NOISE).moments(signal)[1].sqrt()
    return [round(model.gain / GAIN, 3), *(round(float(r), 3) for r in estimated / true)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with fly/actin/pos002.tif and so on")
    parser.add_argument("--channel", default="actin", choices=["actin", "nuclei", "red"])
    parser.add_argument("--minutes", type=float, help="default: the preset's")
    parser.add_argument(
        "--steps", type=int, help="instead of --minutes, for a machine that is not idle"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--noise", default="true", choices=["true", "auto"])
    parser.add_argument("--samples", type=int, nargs="+", default=[0, 16, 50])
    parser.add_argument("--save", type=Path, help="write the last model here")
    args = parser.parse_args()

    folder = args.data / "fly" / args.channel
    clean = [tifffile.imread(folder / f"pos{name}.tif").astype(float) for name in POSITIONS]
    observed = [noisy(image) for image in clean]
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads")
    print(f"noisy input: {psnr(observed[1], clean[1]):.2f} dB")
    results = {samples: [] for samples in args.samples}
    for seed in args.seeds:
        true = PoissonGaussian.from_camera(GAIN, 0.0, READ_NOISE)
        denoiser = Denoiser(noise=true if args.noise == "true" else "auto", seed=seed)
        denoiser.fit(observed, minutes=args.minutes, steps=args.steps, progress=False)
        outcome = denoiser.model.outcome
        line = {
            "channel": args.channel,
            "noise": args.noise,
            "seed": seed,
            "steps": outcome.steps,
            "best_step": outcome.best_step,
            "train_seconds": round(outcome.seconds, 1),
        }
        if args.noise == "auto":
            line["gain_sd_sd_over_truth"] = errors_of_fit(denoiser.model.noise_models[0], clean[1])
        for samples in args.samples:
            started = time.perf_counter()
            restored = denoiser.predict(observed[1], samples=samples)
            line[f"seconds_{samples}"] = round(time.perf_counter() - started, 1)
            line[f"psnr_{samples}"] = round(psnr(restored.mean, clean[1]), 2)
            results[samples].append(line[f"psnr_{samples}"])
        print(json.dumps(line), flush=True)
        if args.save:
            denoiser.save(args.save)
    for samples, values in results.items():
        print(f"median of {len(values)} with {samples} samples: {statistics.median(values):.2f} dB")


if __name__ == "__main__":
    main()
