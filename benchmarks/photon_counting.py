"""Are the parameters of photon-counting detectors recovered from one noisy image alone?

Simulated detectors: pulses of shape α = 1, 3 and infinity (camera), 0.1 to 50 photons per pixel in
the mean, several gains, offsets and read noises, rounded to whole grey levels and not; as the
signal two sample images and a smooth random field with flat steps, 512×512. Gain is the mean
height of a pulse. Every image is a line of OUT; what is there is not computed again. The table
has a row for each detector: for each mean number of photons the largest error of the gain, and in
how many images photon counting was given; then the largest error of the offset, in photons, and of
α, as a factor.

    python benchmarks/photon_counting.py OUT.jsonl
    python benchmarks/photon_counting.py OUT.jsonl --table
"""

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images import sample_image
from ladderscope.noise import PhotonCounting
from ladderscope.noise_estimation.choice import choose
from ladderscope.noise_estimation.from_images import fit_images

SHAPES = (1.0, 3.0, None)
PHOTONS = (0.1, 0.3, 1.0, 3.0, 10.0, 50.0)
ELECTRONICS = ((16.0, 3.5, 0.6), (10.0, 50.0, 4.0), (2.0, 100.0, 3.0), (1.0, 0.0, 0.0))
SCENES = ("dna", "cells", "field")
FILES = ("rounded", "float")
SIDE = 512

Array = NDArray[np.float64]


class Case(NamedTuple):
    """One detector and one image."""

    shape: float | None
    photons: float
    electronics: tuple[float, float, float]
    scene: str
    file: str
    seed: int


def cases(seeds: list[int]) -> Iterator[Case]:
    for case in itertools.product(SHAPES, PHOTONS, ELECTRONICS, SCENES, FILES, seeds):
        one = Case(*case)
        if one.electronics[2] > 0 or (one.shape is None and one.file == "rounded"):
            yield one


def light(scene: str, photons: float) -> Array:
    """Give the photons of each pixel, on average: a scene without noise."""
    if scene == "field":
        generator = np.random.default_rng(7)
        waves = ndimage.gaussian_filter(generator.normal(size=(SIDE, SIDE)), 12, mode="wrap")
        waves /= waves.std()
        steps = np.where(waves < -0.5, -1.5, np.where(waves > 1.0, 1.2, waves))
        pixels = np.exp(steps)
    else:
        recorded = sample_image(scene).pixels.astype(np.float64)  # type: ignore[arg-type]
        pixels = ndimage.gaussian_filter(recorded, 1)
        pixels = np.maximum(pixels - 0.9 * np.percentile(pixels, 0.5), 0)
    return photons * pixels / pixels.mean()


def recorded(case: Case) -> NDArray[Any]:
    gain, offset, read_noise = case.electronics
    generator = np.random.default_rng([case.seed, round(10 * case.photons)])
    pulses = generator.poisson(light(case.scene, case.photons)).astype(np.float64)
    if case.shape is not None:
        scattered = generator.gamma(np.maximum(pulses, 1e-9) * case.shape) / case.shape
        pulses = np.where(pulses > 0, scattered, 0.0)
    values = offset + gain * pulses + read_noise * generator.normal(size=pulses.shape)
    if case.file == "float":
        return values.astype(np.float32)
    depth = np.uint8 if np.percentile(values, 99.9) < 255 else np.uint16
    return np.clip(np.rint(values), 0, np.iinfo(depth).max).astype(depth)


def measure(case: Case, chosen: bool) -> dict[str, Any]:
    image = recorded(case)
    started = time.perf_counter()
    fit = fit_images([image], "photon_counting")
    row: dict[str, Any] = {
        "case": case,
        "seconds": round(time.perf_counter() - started, 2),
        "model": fit.model.kind,
        "doubt": fit.doubt,
        "advantage": [fit.advantage, fit.advantage_error],
        "slope": getattr(fit.model, "gain", 0.0),
    }
    if isinstance(fit.model, PhotonCounting):
        model = fit.model
        row |= {
            "gain": model.gain,
            "offset": model.offset,
            "read_noise": model.read_noise,
            "shape": model.shape,
            "intervals": dict(fit.intervals),
        }
    if chosen:
        row["chosen"] = choose([image]).fit.model.kind
    return row


def print_table(rows: list[dict[str, Any]]) -> None:
    print("| gain, offset, read noise | α | " + " | ".join(f"{one:g}" for one in PHOTONS), end="")
    print(" | offset, photons | α, factor |\n" + "| --- " * (len(PHOTONS) + 4) + "|")
    chances: list[bool] = []
    for electronics, shape in itertools.product(ELECTRONICS, SHAPES):
        cells, offsets, factors, least_shape = [], [0.0], [1.0], math.inf
        for photons in PHOTONS:
            of_cell = [r for r in rows if r["case"][:3] == [shape, photons, list(electronics)]]
            given = [row for row in of_cell if "gain" in row]
            errors = [row["gain"] / electronics[0] - 1 for row in given]
            worst = f"{100 * max(errors, key=abs):+.1f} %, " if errors else ""
            cells.append(f"{worst}{len(given)}/{len(of_cell)}" if of_cell else "")
            for row in given:
                offsets.append((row["offset"] - electronics[1]) / electronics[0])
                found = row["shape"] or math.inf
                least_shape = min(least_shape, found)
                if shape is not None:
                    factors.append(max(found / shape, shape / found))
                true = {"gain": electronics[0], "offset": electronics[1], "shape": shape}
                chances += [
                    low <= known <= high
                    for name, (low, high) in row["intervals"].items()
                    if (known := true.get(name)) is not None
                ]
        if any(cells):
            name = ", ".join(f"{one:g}" for one in electronics)
            of_camera = "∞" if math.isinf(least_shape) else f"at least {least_shape:.0f}"
            of_shape = f"{max(factors):.2f}" if shape else of_camera
            bounds = f"{max(offsets, key=abs):+.2f} | {of_shape}"
            print(f"| {name} | {shape or '∞'} | {' | '.join(cells)} | {bounds} |")
    print(f"\n{np.mean(chances):.0%} of {len(chances)} intervals contain the true value.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--files", nargs="+", choices=FILES, default=FILES)
    parser.add_argument("--without-choice", action="store_true")
    parser.add_argument("--table", action="store_true", help="only print the table")
    args = parser.parse_args()
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    rows = [json.loads(line) for line in lines]
    if args.table:
        print_table(rows)
        return
    done = [row["case"] for row in rows]
    with args.out.open("a") as out:
        for case in cases(args.seeds):
            if case.file in args.files and json.loads(json.dumps(case)) not in done:
                row = measure(case, not args.without_choice)
                print(json.dumps(row), file=out, flush=True)


if __name__ == "__main__":
    main()
