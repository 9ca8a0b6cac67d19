"""How accurately is known noise measured, from pairs and from the noisy images alone?

Signals are the sample images of the package and, with DATA, the fly and human images. They are
smoothed (Gaussian, 2 pixels, because at thousands of photons their 8-bit steps and their own noise
would count as noise) and rescaled to the photon counts of each row. Prints, over all images and
seeds: the worst error of the gain; the worst error of the standard deviation of the noise over the
central 98 % of intensities; and how often the 95 % intervals contain the true value. Rounding
counts as noise: the true variance includes 1/12.

    python benchmarks/noise_models.py [DATA] [--seeds 0 1 2]
    python benchmarks/noise_models.py --reference DATA    # unchanged images, gain 2, read noise 3
    python benchmarks/noise_models.py --repeats
    python benchmarks/noise_models.py --memory
    python benchmarks/noise_models.py --cost      # of the likelihood, in a training step
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import torch
from scipy import ndimage

from ladderscope import Denoiser
from ladderscope.images import sample_image
from ladderscope.noise import NoiseError, PhotonCounting, PoissonGaussian
from ladderscope.noise_estimation import measure_noise

SAMPLES = ("dna", "cells")
FLY = [f"fly/{channel}/pos{at}" for channel in ("nuclei", "actin", "red") for at in ("002", "076")]
HUMAN = ["human/dna", "human/cells", "human/ph3"]


@dataclass
class Camera:
    """A camera, the photons that reach it, and the file type that it writes."""

    gain: float
    offset: float
    read: float
    photons: tuple[float, float]
    kind: str = "uint16"
    ceiling: float = np.inf

    def __str__(self):
        low, high = self.photons
        end = "" if np.isinf(self.ceiling) else f" to {self.ceiling:g}"
        return (
            f"{self.gain:g} | {self.offset:g} | {self.read:g} | {low:g}–{high:,.0f} | "
            f"{self.kind}{end}"
        )

    def digitise(self, values):
        if self.kind.startswith("float"):
            return values.astype(self.kind)
        top = min(self.ceiling, np.iinfo(self.kind).max)
        return np.clip(np.round(values), 0, top).astype(self.kind)

    def observe(self, signal, rng):
        photons = rng.poisson((signal - self.offset) / self.gain)
        return self.digitise(
            photons * self.gain + self.offset + self.read * rng.normal(size=signal.shape)
        )

    def dark(self, shape, rng):
        return self.digitise(self.offset + self.read * rng.normal(size=shape))

    def variance(self, signal):
        rounding = 0 if self.kind.startswith("float") else 1 / 12
        if self.gain == round(self.gain) and self.read == 0 and self.offset == round(self.offset):
            rounding = 0  # whole numbers already
        return self.gain * (signal - self.offset) + self.read**2 + rounding


CAMERAS = (
    Camera(1, 0, 0, (1, 10)),
    Camera(1, 0, 0, (1, 30), "uint8"),
    Camera(1, 0, 0, (1, 10_000)),
    Camera(2, 10, 3, (1, 100), "uint8"),
    Camera(2.5, 0, 3, (1, 130), "uint8"),
    Camera(0.5, 100, 2, (1, 300)),
    Camera(0.1, 0, 0.05, (1, 1000), "float32"),
    Camera(1, 100, 2, (1, 5000), ceiling=4095),
    Camera(2, 100, 3, (1, 100)),
    Camera(2, 100, 3, (10, 1000)),
    Camera(2, 100, 3, (100, 10_000)),
    Camera(5, 100, 10, (1, 10_000)),
    Camera(8, 400, 20, (1, 10_000)),
)


def signals(data):
    """Give the images by name, smoothed, from 0 to 1."""
    images = {name: sample_image(name).pixels for name in SAMPLES}
    if data is not None:
        images |= {name: tifffile.imread(data / f"{name}.tif") for name in FLY}
    smooth = {name: ndimage.gaussian_filter(i.astype(float), 2) for name, i in images.items()}
    return {name: (i - i.min()) / np.ptp(i) for name, i in smooth.items()}


def errors(fit, camera, signal):
    """Relative errors of gain and standard deviation; whether the intervals contain the truth."""
    low, high = np.percentile(signal, [1, 99])
    levels = np.linspace(low, high, 200)
    if not camera.kind.startswith("float"):  # what is clipped was not seen
        top = min(camera.ceiling, np.iinfo(camera.kind).max)
        levels = levels[levels + 2 * np.sqrt(camera.variance(levels)) < top]
        if camera.read:
            levels = levels[levels - 2 * np.sqrt(camera.variance(levels)) > 0]
    found = fit.model.moments(torch.from_numpy(levels))[1].sqrt().numpy()
    deviation = found / np.sqrt(camera.variance(levels)) - 1
    intercept = camera.variance(0.0)
    covers = [
        interval[0] <= true <= interval[1]
        for interval, true in (
            (fit.gain_interval, camera.gain),
            (fit.intercept_interval, intercept),
        )
    ]
    return fit.model.gain / camera.gain - 1, deviation[np.argmax(np.abs(deviation))], *covers


def percent(values):
    worst = values[np.argmax(np.abs(values))]
    return f"{100 * worst:+.1f}"


def sweep(images, cameras, seeds, pairs, dark, repeats=None):
    """Print one row per camera: the worst over images and seeds."""
    covered = []
    for camera in cameras:
        rows, darks, where = [], [], []
        for name, image in images.items():
            low, high = (camera.offset + camera.gain * n for n in camera.photons)
            signal = low + (high - low) * image
            for seed in seeds:
                rng = np.random.default_rng(seed)
                extra = {"dark": camera.dark((256, 256), rng)} if dark else {}
                if repeats:
                    stack = np.stack([camera.observe(signal, rng) for _ in range(repeats)])
                    fit = measure_noise(stack, axes="TYX", repeats="T")
                else:
                    given = signal if pairs else None
                    fit = measure_noise(camera.observe(signal, rng), given, **extra)
                rows.append(errors(fit, camera, signal))
                where.append(f"{name} {seed}")
                if dark:
                    read = np.hypot(camera.read, 0 if camera.kind == "float32" else 12**-0.5)
                    darks.append(
                        (
                            fit.offset / camera.offset - 1 if camera.offset else fit.offset,
                            fit.read_noise / read - 1,
                        )
                    )
        gain, deviation, *covers = (np.array(column) for column in zip(*rows, strict=True))
        covered.append(covers)
        cells = [percent(gain), percent(deviation), where[np.argmax(np.abs(deviation))]]
        cells += [f"{cover.sum()}/{cover.size}" for cover in covers]
        if dark:
            cells += [percent(np.array(column)) for column in zip(*darks, strict=True)]
        print(f"| {camera} | " + " | ".join(cells) + " |", flush=True)
    for name, cover in zip(("gain", "intercept"), zip(*covered, strict=True), strict=True):
        covering = 100 * np.concatenate(cover).mean()
        print(f"\nThe {name} intervals contain the true value in {covering:.0f} % of the cases.")


def head(*more):
    columns = ["gain", "offset", "read noise", "photons", "file"]
    columns += ["gain error, %", "SD error, %", "image, seed", "gain covered", "intercept covered"]
    columns += more
    print("| " + " | ".join(columns) + " |")
    print("| --- " * len(columns) + "|")


def table(data, seeds):
    images = signals(data)
    started = time.perf_counter()
    print("\nFrom pairs, with a dark frame where the offset is not 0:\n")
    head("offset error, %", "read noise error, %")
    sweep(images, [c for c in CAMERAS if c.offset], seeds, pairs=True, dark=True)
    print("\nFrom pairs:\n")
    head()
    sweep(images, [c for c in CAMERAS if not c.offset], seeds, pairs=True, dark=False)
    print("\nFrom the noisy images alone:\n")
    head()
    alone = {name: image for name, image in images.items() if name != "cells"}
    sweep(alone, CAMERAS, seeds, pairs=False, dark=False)
    print("\nThe same for human cells (much structure):\n")
    head()
    sweep({"cells": images["cells"]}, CAMERAS, seeds, pairs=False, dark=False)
    print(f"\n{time.perf_counter() - started:.0f} s")


def reference(data, seeds):
    """Measure unchanged images with the reference noise."""
    camera = Camera(2, 0, 3, (0, 0), "float64")
    print(
        "| image | from pairs: gain, SD error, % | alone: gain, SD error, % |\n| --- | --- | --- |"
    )
    for name in FLY + HUMAN:
        clean = tifffile.imread(data / f"{name}.tif").astype(float)
        cells = []
        for given in (clean, None):
            found = []
            for seed in seeds:
                observed = camera.observe(clean, np.random.default_rng(seed))
                found.append(errors(measure_noise(observed, given), camera, clean)[:2])
            cells.append(", ".join(percent(np.array(c)) for c in zip(*found, strict=True)))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def memory():
    """Peak memory of processes that measure a large stack of three channels, read from files."""
    shape = (90, 1608, 1608, 3)
    light = 50 * (2 + np.sin(np.arange(1608) / 50) + np.cos(np.arange(1608) / 70)[:, None])
    signal = np.stack([100 + 2 * light * (1 + channel) for channel in range(3)], axis=-1).round()
    rng = np.random.default_rng(0)

    def noisy():
        for _ in range(shape[0]):
            yield (100 + 2 * rng.poisson((signal - 100) / 2)).astype(np.uint16)

    def clean():
        for _ in range(shape[0]):
            yield signal.astype(np.uint16)

    print("| file | kind | seconds | peak memory, MB | channel 1 |")
    print("| --- " * 5 + "|")
    for title, suffix, options in (
        ("plain TIFF", ".tif", {}),
        ("compressed TIFF", ".tif", {"compression": "zlib", "compressionargs": {"level": 1}}),
        ("NumPy file, mapped", ".npy", {}),
    ):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, f"{name}{suffix}") for name in ("noisy", "clean")]
            for path, planes in zip(paths, (noisy(), clean()), strict=True):
                _write(path, planes, shape, options)
            for kind in ("poisson_gaussian", "mixture", "histogram"):
                given = paths[:1] if kind == "poisson_gaussian" else paths
                command = [sys.executable, __file__, "--measure", kind, *map(str, given)]
                found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                print(f"| {title} | {found.stdout.strip()} |", flush=True)


def _write(path, planes, shape, options):
    if path.suffix == ".npy":
        mapped = np.lib.format.open_memmap(path, "w+", np.uint16, shape)
        for number, plane in enumerate(planes):
            mapped[number] = plane
        return
    about = {"photometric": "rgb", "metadata": {"axes": "TYXS"}}
    tifffile.imwrite(path, planes, shape=shape, dtype=np.uint16, **about, **options)


def measured(kind, *paths):
    """Measure the noise of files; print the time, and the peak memory of this process."""
    import ladderscope

    started = time.perf_counter()
    given = [np.load(path, mmap_mode="r") if path.endswith(".npy") else path for path in paths]
    fits = ladderscope.measure_noise(*given, kind=kind, axes="TYXC")
    seconds = time.perf_counter() - started
    lines = Path("/proc/self/status").read_text().splitlines()
    most = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    how = "from pairs" if len(paths) == 2 else "from noisy images alone"
    first = fits[0].summary().split(". ")[0]
    print(f"{kind}, {how} | {seconds:.0f} | {most * 1.024e-3:.0f} | {first}")


def cost():
    """CPU time of the likelihood and its gradient for one batch, and of a whole training step."""
    torch.set_num_threads(1)
    laws = {
        "Poisson–Gaussian": PoissonGaussian(20.0, 9.0),
        "photon counting, camera": PhotonCounting(2.0, 0.0, 3.0),
        "photon counting, α = 4": PhotonCounting(16.0, 0.0, 0.6, shape=4.0),
        "photon counting, α = 1": PhotonCounting.emccd(20.0, 0.0, 4.0),
    }
    generator = torch.Generator().manual_seed(0)
    signal = 300 * torch.rand(16, 1, 64, 64, generator=generator) ** 3
    drawn = {name: law.sample(signal, generator) for name, law in laws.items()}
    image = drawn["Poisson–Gaussian"].reshape(256, 256).numpy()

    def likelihood(name):
        at = (signal + 3).requires_grad_()
        laws[name].log_likelihood(drawn[name], at).sum().backward()

    def steps(number):
        Denoiser("small", noise=laws["Poisson–Gaussian"], device="cpu").fit(
            image, steps=number, progress=False
        )

    def timed(work, *given):
        started = time.process_time()
        work(*given)
        return 1e3 * (time.process_time() - started)

    # A training keeps freed memory for the next tensors, from its first step on.
    step = float(np.median([timed(steps, 22) - timed(steps, 2) for _ in range(3)])) / 20
    rounds = [{name: timed(likelihood, name) for name in laws} for _ in range(21)]
    middle = {name: float(np.median([one[name] for one in rounds])) for name in laws}
    print("| noise | ms per batch | fraction of a step, % |\n| --- | --- | --- |")
    for name, spent in middle.items():
        whole = step - middle["Poisson–Gaussian"] + spent
        print(f"| {name} | {spent:.1f} | {100 * spent / whole:.1f} |")


def repeated(seeds):
    images = {name: image[:256, :256] for name, image in signals(None).items()}
    for repeats in (2, 3, 5, 20):
        print(f"\nFrom {repeats} repeats:\n")
        head()
        try:
            sweep(images, CAMERAS, seeds, pairs=False, dark=False, repeats=repeats)
        except NoiseError as error:
            print(error)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--repeats", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measured(*args.measure)
    elif args.memory:
        memory()
    elif args.cost:
        cost()
    elif args.repeats:
        repeated(args.seeds)
    elif args.reference:
        reference(args.data, args.seeds)
    else:
        table(args.data, args.seeds)


if __name__ == "__main__":
    main()
