"""The images of docs/gallery.md: sample images with added noise, restored and split.

Trains three times, with a fixed number of steps: a denoiser for two stains, one for an image with
scan lines, and a splitter. Prints the PSNR of every image (peak = max − min of the clean image).

    python benchmarks/gallery.py -o docs/images/gallery
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL.Image import fromarray

from ladderscope import Denoiser, Splitter
from ladderscope.evaluation import psnr
from ladderscope.images import sample_image
from ladderscope.images.samples import with_noise
from ladderscope.pictures import scaled

SHOWN = (slice(176, 432), slice(128, 384))
TRAINED = 256  # columns of the recordings of the splitter; the others are added up and split
SPLIT_SHOWN = (slice(176, 432), slice(0, 256))


def greys(clean):
    """Choose black and white such that bright spots do not darken the rest."""
    return np.percentile(clean, (0.5, 99.5))


def save(folder, name, plane, limits, colours="gray"):
    """Write a picture: small enough for a page, in the greys of what it is compared with."""
    picture = colormaps[colours](np.clip(scaled(plane, *limits), 0, 1), bytes=True)[..., :3]
    raster = fromarray(picture)
    raster = raster.convert("L") if colours == "gray" else raster
    raster.save(folder / f"{name}.jpg", quality=88, optimize=True)


def say(name, before, after, clean):
    print(f"{name}: {psnr(before, clean):.1f} dB, then {psnr(after, clean):.1f} dB", flush=True)


def two_stains(folder, steps, samples):
    clean = [sample_image(name) for name in ("cells", "dna")]
    noisy = [with_noise(image, number) for number, image in enumerate(clean)]
    pixels = [image.array for image in noisy]
    denoiser = Denoiser("small", seed=0).fit(pixels, "YX", steps=steps, progress=False)
    denoiser.calibrate(pixels, axes="YX")
    for name, truth, image in zip(("cells", "dna"), clean, pixels, strict=True):
        restored = denoiser.predict(image, samples=samples)
        say(name, image, restored.mean, truth.array)
        limits = greys(truth.array[SHOWN])
        save(folder, f"{name}_noisy", image[SHOWN], limits)
        save(folder, f"{name}_restored", restored.mean[SHOWN], limits)
        if name == "cells":
            save(folder, "cells_clean", truth.array[SHOWN], limits)
            spread = restored.std[SHOWN]
            save(folder, "cells_error_bar", spread, (0.0, np.percentile(spread, 99.8)), "inferno")


def scan_lines(folder, steps, samples):
    clean = sample_image("dna").array.astype(float)
    rng = np.random.default_rng(0)
    lines = rng.normal(0, 8, (clean.shape[0], 1))
    noisy = (clean + lines + rng.normal(0, 8, clean.shape)).astype(np.float32)
    denoiser = Denoiser("small", seed=0).fit(noisy, steps=steps, progress=False)
    restored = denoiser.predict(noisy, samples=samples).mean
    say("scan lines", noisy, restored, clean)
    limits = greys(clean[SHOWN])
    save(folder, "lines_noisy", noisy[SHOWN], limits)
    save(folder, "lines_restored", restored[SHOWN], limits)


def two_structures(folder, steps, samples):
    stains = [sample_image(name) for name in ("dna", "cells")]
    recorded = [
        with_noise(replace(stain, pixels=stain.array[:, :TRAINED]), number).array
        for number, stain in enumerate(stains)
    ]
    truth = [stain.array[:, TRAINED:].astype(float) for stain in stains]
    mixed = with_noise(replace(stains[0], pixels=truth[0] + truth[1]), len(stains)).array
    splitter = Splitter("denoisplit", preset="small", seed=0).fit(
        recorded, "YX", paired=True, offsets=[0.0, 0.0], steps=steps, progress=False
    )
    split = splitter.predict(mixed, samples=samples).mean
    save(folder, "mixed", mixed[SPLIT_SHOWN], greys((truth[0] + truth[1])[SPLIT_SHOWN]))
    for name, channel, clean in zip(("dna", "cells"), split, truth, strict=True):
        say(f"{name} of the split", mixed, channel, clean)
        limits = greys(clean[SPLIT_SHOWN])
        save(folder, f"split_{name}", channel[SPLIT_SHOWN], limits)
        if name == "cells":
            save(folder, "split_cells_clean", clean[SPLIT_SHOWN], limits)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images/gallery"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--samples", type=int, default=16)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    two_stains(given.output, given.steps, given.samples)
    scan_lines(given.output, given.steps, given.samples)
    two_structures(given.output, given.steps, given.samples)


if __name__ == "__main__":
    main()
