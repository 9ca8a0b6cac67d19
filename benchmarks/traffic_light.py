"""Does the traffic light turn red where a restoration is wrong, and stay green where it is not?

Denoisers are trained on one image each and restore crops of two images with new noise. Ten seeded
trials of each fault, spread over models, crops and seeds, and twenty sound runs:

- hallucinated: three round spots that are not there are added to the restoration: of a standard
  deviation of 3 pixels, as bright as the standard deviation of the restoration and at least 1.5
  times that of the noise (fainter ones cannot be told from noise);
- smoothed: the restoration is blurred (Gaussian, standard deviation `--blur`: 2.5 pixels);
- noise model: the model is told of half, two thirds, 1.5 times or twice the gain, or of the same
  noise wherever the image is dark or bright (`--wrong`: it is also trained with the wrong gain);
- offset: the image is brighter or darker by one standard deviation of its noise;
- correlated: the noise of neighbouring pixels has a correlation of 0.3, and the model is told of
  independent noise.

    python benchmarks/traffic_light.py --models FOLDER                # sample images
    python benchmarks/traffic_light.py --models FOLDER --fly DATA     # fly images

Models are kept in FOLDER, and trained where they are missing.
"""

import argparse
import collections
import time
from pathlib import Path

import numpy as np
import tifffile
import torch
from scipy import ndimage

from ladderscope import Denoiser, load
from ladderscope.evaluation.checks import Known, RestoredPlane, restoration_checks, worst
from ladderscope.images import sample_image
from ladderscope.noise import Gaussian, PoissonGaussian

CAMERAS = {"low": (2.0, 3.0, 0.0), "high": (4.0, 6.0, 100.0)}  # gain, read noise, offset
CORRELATION = 0.3
GAINS = (0.5, 2.0, 1 / 1.5, 1.5)


def scenes(fly):
    """Give each channel's image for training and another for judging, in photo-electrons."""
    if fly is None:
        return {
            name: tuple(np.array_split(sample_image(name).pixels.astype(float), 2, axis=1))
            for name in ("cells", "dna")
        }
    return {
        name: tuple(
            tifffile.imread(fly / "fly" / name / f"pos{p}.tif").astype(float)
            for p in ("002", "076")
        )
        for name in ("nuclei", "actin")
    }


def camera(gain, read_noise, offset, factor=1.0):
    return PoissonGaussian.from_camera(gain * factor, offset, read_noise * factor**0.5)


def observed(clean, gain, read_noise, offset, seed):
    rng = np.random.default_rng(seed)
    photons = rng.poisson(clean / gain) * gain
    return (photons + offset + rng.normal(0, read_noise, clean.shape)).astype(np.float32)


def observed_correlated(clean, law, offset, seed):
    """Add noise with the variance of the law, and the given correlation of neighbours."""
    tap = (1 - np.sqrt(1 - 2 * CORRELATION**2)) / (2 * CORRELATION)
    kernel = np.array([tap, 1.0, tap]) / np.sqrt(1 + 2 * tap**2)
    white = np.random.default_rng(seed).normal(size=clean.shape)
    for axis in (0, 1):
        white = ndimage.correlate1d(white, kernel, axis=axis, mode="wrap")
    variance = law.moments(torch.from_numpy(clean + offset))[1].numpy()
    return (clean + offset + np.sqrt(variance) * white).astype(np.float32)


def trained(folder, name, clean, settings, factor, steps):
    path = folder / f"{name}.ladder"
    if not path.exists():
        started = time.perf_counter()
        image = observed(clean, *settings, seed=1)
        denoiser = Denoiser(noise=camera(*settings, factor), seed=0)
        denoiser.fit(image, steps=steps, progress=False).save(path)
        print(f"{name}: trained in {time.perf_counter() - started:.0f} s", flush=True)
    return load(path)


def crop_of(clean, side, rng):
    """Cut a crop that is not empty."""
    side = min(side, *clean.shape)
    for _ in range(50):
        row, column = (int(rng.integers(0, size - side + 1)) for size in clean.shape)
        crop = clean[row : row + side, column : column + side]
        if crop.std() > 0.5 * clean.std():
            return crop
    return crop


def with_spots(restored, law, rng):
    spots = np.zeros(restored.shape)
    for _ in range(3):
        row, column = (int(rng.integers(12, size - 12)) for size in restored.shape)
        spots[row, column] += 1
    spots = 2 * np.pi * 3**2 * ndimage.gaussian_filter(spots, 3)
    deviation = law.moments(torch.from_numpy(restored.astype(float)))[1].sqrt().numpy()
    return (restored + np.maximum(restored.std(), 1.5 * deviation) * spots).astype(np.float32)


def checked(denoiser, image, restored, noise=None):
    model = denoiser.model
    known = Known(
        model.statistics[0],
        noise or model.noise_models[0],
        model.appearances[0] if model.appearances else None,
    )
    return restoration_checks([RestoredPlane(image, restored)], 1, known)


def told(law, settings, trial, signal):
    """Give the noise that a wrong model describes."""
    if trial % 5 < 4:
        return camera(*settings, GAINS[trial % 5])
    return Gaussian(float(law.moments(torch.from_numpy(signal))[1].mean().sqrt()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True, help="folder for the models")
    parser.add_argument("--fly", type=Path, help="the folder with fly/actin/pos002.tif and so on")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--side", type=int, default=256, help="of the crops, pixels")
    parser.add_argument("--blur", type=float, default=2.5, help="pixels")
    parser.add_argument("--only", nargs="+", help="these faults alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sound", type=int, default=20)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--have", action="store_true", help="use only models that are there")
    parser.add_argument("--wrong", action="store_true", help="also train with the wrong gain")
    args = parser.parse_args()
    args.models.mkdir(parents=True, exist_ok=True)

    images = scenes(args.fly)
    plans = list(zip(images, CAMERAS, (0.5, 2.0), strict=True))

    def models(factors):
        for (scene, level, _), factor in zip(plans, factors, strict=True):
            name = f"{scene}_{level}" if factor == 1 else f"{scene}_{level}_{factor}"
            if not args.have or (args.models / f"{name}.ladder").exists():
                clean, settings = images[scene][0], CAMERAS[level]
                yield (
                    scene,
                    level,
                    trained(args.models, name, clean, settings, factor, args.steps),
                )

    known = list(models([1.0, 1.0]))
    wrong = list(models([factor for *_, factor in plans])) if args.wrong else []
    seconds = collections.Counter()

    def run(kind, trial):
        rng = np.random.default_rng([args.seed, trial, len(kind)])
        choose = wrong if kind == "trained with wrong gain" else known
        scene, level, denoiser = choose[trial % len(choose)]
        settings, law = CAMERAS[level], camera(*CAMERAS[level])
        clean = crop_of(images[scene][trial // len(choose) % 2], args.side, rng)
        signal = clean + settings[2]
        seed = int(rng.integers(2**31))
        if kind == "correlated":
            image = observed_correlated(clean, law, settings[2], seed)
        else:
            image = observed(clean, *settings, seed)
        if kind == "offset":
            deviation = float(law.moments(torch.from_numpy(signal))[1].mean().sqrt())
            image = image + np.float32(deviation if trial % 2 else -deviation)
        started = time.process_time()
        restoration = denoiser.predict(image, samples=args.samples, seed=trial)
        seconds["prediction"] += time.process_time() - started
        mean = restoration.mean
        if kind == "hallucinated":
            mean = with_spots(mean, law, rng)
        elif kind == "smoothed":
            mean = ndimage.gaussian_filter(mean, args.blur)
        noise = told(law, settings, trial, signal) if kind == "noise model" else None
        started = time.process_time()
        checks = checked(denoiser, image, mean, noise)
        seconds["checks"] += time.process_time() - started
        return scene, level, worst(checks), checks

    kinds = ["sound"] * (args.sound > 0) + [
        "hallucinated",
        "smoothed",
        "noise model",
        *(["trained with wrong gain"] if wrong else []),
        "offset",
        "correlated",
    ]
    for kind in [one for one in kinds if not args.only or one in args.only]:
        lights = collections.Counter()
        for trial in range(args.sound if kind == "sound" else args.trials):
            scene, level, found, checks = run(kind, trial)
            lights[found.light] += 1
            reasons = [one for one in checks if one.light == found.light and found.light != "green"]
            print(f"  {kind} {trial} {scene} {level}: {found.light}", flush=True)
            for one in reasons:
                print(f"    {one.name}: {one.reason}")
        print(f"{kind}: " + ", ".join(f"{lights[one]} {one}" for one in ("red", "amber", "green")))
    print({name: round(value, 1) for name, value in seconds.items()}, "s of processor time")


if __name__ == "__main__":
    main()
