"""Are the parameters of photon-counting detectors recovered from one noisy image, and which law
does `noise="auto"` choose?

Simulated detectors: pulses of shape α = 1, 3 and infinity (camera), 0.1 to 50 photons per pixel in
the mean, read noise of 0 to 1.5 pulses; files rounded to whole grey levels. The signals are crops
of fly (DATA/fly) and human cells, a smooth random field with flat steps, and faint spots; images
of 256×256 and 512×512. Every image is a line of OUT; what is there is not computed again.

    python benchmarks/photon_counting.py DATA OUT.jsonl
    python benchmarks/photon_counting.py DATA OUT.jsonl --table

A row of the first table is a detector: for each mean number of photons the largest error of the
gain (the mean height of a pulse) and in how many images photon counting was given; then the
largest error of the offset, in pulses, and of α, as a factor. The second table has the laws that
were chosen, and what a pixel loses with them against the true law, given the true signal.
"""

import argparse
import itertools
import json
import math
import random
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images import sample_image
from ladderscope.noise import NoiseModel, PhotonCounting
from ladderscope.noise_estimation.choice import choose
from ladderscope.noise_estimation.from_images import fit_images

SHAPES = (1.0, 3.0, None)
PHOTONS = (0.1, 0.3, 1.0, 3.0, 10.0, 50.0)
READ_NOISES = (0.0, 0.3, 1.0, 1.5)  # pulses
GAIN, OFFSET = 10.0, 100.0  # grey levels
SCENES = ("actin", "nuclei", "dna", "cells", "field", "spots")
SIDES = (256, 512)
CLOSE, CLOSE_SHAPE = 0.1, 1.5  # of the gain, which is the unit of the offset too; a factor

Array = NDArray[np.float64]


class Case(NamedTuple):
    """One detector and one image."""

    shape: float | None
    photons: float
    read_noise: float
    scene: str
    side: int
    seed: int


def cases(sides: list[int], seeds: list[int]) -> Iterator[Case]:
    """List all cases of a side and seed, in an order that shows a bit of everything early."""
    for side, seed in itertools.product(sides, seeds):
        detectors = [*itertools.product(SHAPES, PHOTONS, READ_NOISES, SCENES)]
        random.Random(seed).shuffle(detectors)
        yield from (Case(*one, side, seed) for one in detectors)


def light(case: Case, data: Path) -> Array:
    """Give the photons of each pixel, on average: a scene without noise."""
    generator = np.random.default_rng([case.seed, case.side, SCENES.index(case.scene)])
    if case.scene == "field":
        waves = ndimage.gaussian_filter(generator.normal(size=(512, 512)), 12, mode="wrap")
        waves /= waves.std()
        pixels = np.exp(np.where(waves < -0.5, -1.5, np.where(waves > 1.0, 1.2, waves)))
    elif case.scene == "spots":
        spots = np.zeros((512, 512))
        spots[tuple(generator.integers(0, 512, (2, 400)))] = generator.gamma(1.0, size=400)
        pixels = ndimage.gaussian_filter(spots, 3, mode="wrap") + 1e-4
    else:
        if case.scene in ("actin", "nuclei"):
            image = tifffile.imread(data / "fly" / case.scene / "pos076.tif")
        else:
            image = sample_image(case.scene).pixels
        pixels = ndimage.gaussian_filter(np.asarray(image, np.float64), 1)
        pixels = np.maximum(pixels - 0.9 * np.percentile(pixels, 0.5), 0)
    top, left = (int(generator.integers(0, size - case.side + 1)) for size in pixels.shape)
    pixels = pixels[top : top + case.side, left : left + case.side]
    return case.photons * pixels / pixels.mean()


def recorded(case: Case, photons: Array) -> NDArray[Any]:
    generator = np.random.default_rng(zlib.crc32(repr(case).encode()))
    pulses = generator.poisson(photons).astype(np.float64)
    if case.shape is not None:
        scattered = generator.gamma(np.maximum(pulses, 1e-9) * case.shape) / case.shape
        pulses = np.where(pulses > 0, scattered, 0.0)
    pulses += case.read_noise * generator.normal(size=pulses.shape)
    values = np.rint(OFFSET + GAIN * pulses)
    return np.clip(values, 0, 65535).astype(np.uint16)


def measure(case: Case, data: Path) -> dict[str, Any]:
    photons = light(case, data)
    image = recorded(case, photons)
    started = time.process_time()
    choice = choose([image])
    row: dict[str, Any] = {
        "case": case,
        "seconds": round(time.process_time() - started, 2),
        "chosen": choice.fit.model.kind,
        "reasons": choice.reasons,
        "warnings": choice.warnings,
    }
    fit, line = choice.fit, fit_images([image], "poisson_gaussian").model
    if not isinstance(fit.model, PhotonCounting):
        fit = fit_images([image], "photon_counting")
    row |= {"doubt": fit.doubt, "advantage": [fit.advantage, fit.advantage_error]}
    if isinstance(fit.model, PhotonCounting):
        names = ("gain", "offset", "read_noise", "shape")
        row |= {name: getattr(fit.model, name) for name in names}
        row["intervals"] = dict(fit.intervals)
    # a file of whole photons is described as if it had some read noise, and rounding adds some
    least = 0.12 * GAIN if case.shape is None and not case.read_noise else 0.29
    true = PhotonCounting(GAIN, OFFSET, max(GAIN * case.read_noise, least), case.shape)
    row["nats"] = {
        name: nats(model, image, OFFSET + GAIN * photons)
        for name, model in (("true", true), ("line", line), ("chosen", choice.fit.model))
    }
    return row


def nats(model: NoiseModel, image: NDArray[Any], signal: Array) -> float:
    """Give the mean log-likelihood of a pixel, given the true signal."""
    observation = torch.from_numpy(image.astype(np.float64))
    return float(model.log_likelihood(observation, torch.from_numpy(signal)).mean())


def print_tables(rows: list[dict[str, Any]]) -> None:
    for side in SIDES:
        of_side = [row for row in rows if row["case"][4] == side]
        if of_side:
            print(f"\n{side}×{side}, {len(of_side)} images\n")
            print_parameters(of_side)
            print_choices(of_side)


def print_parameters(rows: list[dict[str, Any]]) -> None:
    print("| read noise, pulses | α | " + " | ".join(f"{one:g}" for one in PHOTONS), end="")
    print(" | offset, pulses | α, factor |\n" + "| --- " * (len(PHOTONS) + 4) + "|")
    inside: dict[str, list[bool]] = {"gain": [], "offset": [], "shape": []}
    close: dict[str, list[bool]] = {"gain": [], "offset": [], "shape": []}
    for read_noise, shape in itertools.product(READ_NOISES, SHAPES):
        cells, offsets, factors, least_shape = [], [0.0], [1.0], math.inf
        for photons in PHOTONS:
            of_cell = [row for row in rows if row["case"][:3] == [shape, photons, read_noise]]
            given = [row for row in of_cell if "gain" in row]
            errors = [row["gain"] / GAIN - 1 for row in given]
            worst = f"{100 * max(errors, key=abs):+.0f} %, " if errors else ""
            cells.append(f"{worst}{len(given)}/{len(of_cell)}" if of_cell else "")
            for row in given:
                offsets.append((row["offset"] - OFFSET) / GAIN)
                found = row["shape"] or math.inf
                least_shape = min(least_shape, found)
                factor = max(found / shape, shape / found) if shape else 1.0
                factors.append(factor)
                close["gain"].append(abs(row["gain"] / GAIN - 1) <= CLOSE)
                close["offset"].append(abs(offsets[-1]) <= CLOSE)
                close["shape"].append(factor <= CLOSE_SHAPE)
                true = {"gain": GAIN, "offset": OFFSET, "shape": shape}
                for name, (low, high) in row["intervals"].items():
                    if (known := true.get(name)) is not None:
                        inside[name].append(low <= known <= high)
        of_camera = "∞" if math.isinf(least_shape) else f"at least {least_shape:.0f}"
        of_shape = f"{max(factors):.2f}" if shape else of_camera
        bounds = f"{max(offsets, key=abs):+.2f} | {of_shape}"
        print(f"| {read_noise:g} | {shape or '∞'} | {' | '.join(cells)} | {bounds} |")
    for name, of_name in inside.items():
        print(
            f"{name}: {np.mean(close[name]):.0%} of {len(close[name])} within bounds, "
            f"{np.mean(of_name):.0%} of {len(of_name)} intervals contain the truth"
        )


def print_choices(rows: list[dict[str, Any]]) -> None:
    print("\n| read noise, pulses | α | laws chosen | lost, nats | Poisson–Gaussian loses |")
    print("| --- " * 5 + "|")
    for read_noise, shape in itertools.product(READ_NOISES, SHAPES):
        of_cell = [row for row in rows if (row["case"][0], row["case"][2]) == (shape, read_noise)]
        if not of_cell:
            continue
        chosen = Counter(row["chosen"] for row in of_cell)
        counted = ", ".join(f"{name} {count}" for name, count in chosen.most_common())
        lost, with_line = (
            [row["nats"]["true"] - row["nats"][name] for row in of_cell]
            for name in ("chosen", "line")
        )
        print(
            f"| {read_noise:g} | {shape or '∞'} | {counted} | {np.median(lost):.3f}, at most "
            f"{max(lost):.3f} | {np.median(with_line):.3f}, at most {max(with_line):.3f} |"
        )
    worse = [row for row in rows if row["nats"]["chosen"] < row["nats"]["line"] - 0.005]
    silent = [row["case"] for row in worse if not row["warnings"]]
    print(f"\nWorse than Poisson–Gaussian: {len(worse)}, without a warning: {silent}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--table", action="store_true", help="only print the tables")
    args = parser.parse_args()
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    rows = [json.loads(line) for line in lines]
    if args.table:
        print_tables(rows)
        return
    done = [row["case"] for row in rows]
    with args.out.open("a") as out:
        for case in cases(args.sides, args.seeds):
            if json.loads(json.dumps(case)) not in done:
                print(json.dumps(measure(case, args.data)), file=out, flush=True)


if __name__ == "__main__":
    main()
