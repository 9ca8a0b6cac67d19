"""How well are single raw frames of commercial microscopes restored?

FMD is a folder with TYPE_raw.tif and TYPE_truth.tif: frames of the fluorescence microscopy
denoising data set (Zhang et al., CVPR 2019), 8 bits, and the mean of 50 of them. Frame 0 alone is
measured, trains and is restored. PSNR has the peak 255, restorations are clipped to 0 to 255.

Methods: raw; nlm and bm3d, after the generalised Anscombe transform, with the noise that we
measure on the frame and with the oracle's (the line fitted to noisy minus clean), BM3D also with
the oracle's noise spectrum; ours; n2v, by CAREamics, for as many minutes. Every result is a line
of OUT/results.jsonl, which --table prints. What is there is not computed again, nor is a model
trained again, so a run that was stopped goes on; give every version of Ladderscope a folder of its
own. The restored images are in OUT, with one picture per type. On a machine that is not idle,
--steps trains for as many steps as the minutes give on an idle one.

    python benchmarks/real_detectors.py FMD OUT --peer FOLDER --minutes 5 --seeds 0 1 2
    python benchmarks/real_detectors.py FMD OUT --table
"""

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import stabilised
import tifffile
import torch
from peer import peer_python
from real_detectors_shown import COLUMNS, LEVELS, SAMPLES, Job, draw, key, print_tables

from ladderscope import Denoiser, load
from ladderscope.evaluation import psnr
from ladderscope.machine import best_device, fast_type
from ladderscope.noise import NoiseModel
from ladderscope.noise_estimation.choice import choose

METHODS = ("raw", "nlm", "bm3d", "ours", "n2v")
PEAK = 255
FRAMES = 50  # averaged for the truth


class Scene(NamedTuple):
    frame: np.ndarray  # as recorded
    raw: np.ndarray
    truth: np.ndarray


def scene(folder, name):
    stack = tifffile.imread(folder / f"{name}_raw.tif")
    frame = stack[0] if stack.ndim == 3 else stack
    truth = tifffile.imread(folder / f"{name}_truth.tif").astype(np.float64)
    return Scene(frame, frame.astype(np.float64), truth)


def score(image, truth):
    return round(psnr(np.clip(image, 0, PEAK).astype(np.float64), truth, PEAK), 3)


def machine():
    """Describe what the times depend on."""
    named = Path("/proc/cpuinfo")
    lines = named.read_text().splitlines() if named.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), None)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    bf16 = "bfloat16" if fast_type(best_device("cpu")) else "float32"
    return (
        f"{cpu or platform.machine()}, {cores} cores, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}, computes in {bf16}"
    )


def in_brief(law: NoiseModel):
    """Name a noise model and its numbers."""
    parts = [law.kind]
    for field in dataclasses.fields(law):
        value = getattr(law, field.name)
        if isinstance(value, NoiseModel):
            parts.append(f"of {in_brief(value)}")
        elif isinstance(value, (int, float)) and not field.name.startswith("_"):
            parts.append(f"{field.name} {value:.3g}")
    return " ".join(parts)


def measured_line(view):
    """Choose the noise model as `noise="auto"` does; returns its variance line and its name."""
    law = choose([view.frame]).fit.model
    bright = view.raw.max() * np.array([0.5, 1.0])  # where no floor of the variance counts
    gain, intercept = np.polyfit(bright, law.moments(torch.from_numpy(bright))[1].numpy(), 1)
    return stabilised.usable(gain, intercept, view.raw), in_brief(law)


def side_by_side(python, method, image, **options):
    """Run a method in the other environment."""
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "given.npy", Path(folder) / "denoised.npy"
        np.save(given, image)
        command = [str(python), str(Path(__file__).parent / "peer_methods.py"), method]
        command += [str(given), str(result)]
        for name, value in options.items():
            if isinstance(value, np.ndarray):
                np.save(path := Path(folder) / f"{name}.npy", value)
                value = path
            command += [f"--{name}", str(value)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return np.load(result), json.loads(done.stdout.splitlines()[-1])


def raw(view, job, args):
    brightness = np.polyfit(view.truth.ravel(), view.raw.ravel(), 1)[0]
    return {"raw": view.raw}, {"brightness": round(float(brightness), 3)}


def classical(view, job, args):
    denoiser, _, noise = job.method.partition("_")
    about = {}
    if noise == "measured":
        started = time.perf_counter()
        line, about["law"] = measured_line(view)
        about["noise_seconds"] = round(time.perf_counter() - started, 1)
    else:
        line = stabilised.oracle_line(view.raw, view.truth)
    about |= {"gain": round(line.gain, 3), "intercept": round(line.intercept, 2)}
    image = stabilised.stabilise(view.raw, line)
    if denoiser == "nlm":
        started = time.perf_counter()
        denoised = stabilised.non_local_means(image)
        about["seconds"] = round(time.perf_counter() - started, 1)
    else:
        options = {}
        if noise == "oracle_spectrum":
            options["spectrum"] = stabilised.oracle_spectrum(view.raw, view.truth, line)
        denoised, times = side_by_side(peer_python(args.peer), "bm3d", image, **options)
        about |= times
    return {job.method: stabilised.restore_units(denoised, line)}, about


def n2v(view, job, args):
    restored, times = side_by_side(
        peer_python(args.peer),
        "n2v",
        view.raw,
        seconds=60 * job.minutes,
        seed=job.seed,
        threads=torch.get_num_threads(),
    )
    return {"n2v": restored}, times


def trained(view, job, args):
    """Train on the frame, or open the model that was trained before."""
    path = args.out / f"{job.label}.ladder"
    if path.exists():
        return load(path, device="cpu")
    denoiser = Denoiser(preset=job.preset, seed=job.seed, device="cpu")
    budget = {"minutes": job.minutes} if args.steps is None else {"steps": args.steps}
    denoiser.fit(view.frame, **budget, progress=False)
    denoiser.calibrate(view.frame)  # without truth, as `ladderscope denoise` does
    denoiser.save(path)
    return denoiser


def ours(view, job, args):
    denoiser = trained(view, job, args)
    outcome, choice = denoiser.model.outcome, denoiser.model.noise_choices[0]
    about = {
        "law": in_brief(denoiser.model.noise_models[0]),
        "warnings": list(choice.warnings),
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "compiled": outcome.compiled,
        "train_seconds": round(outcome.seconds, 1),
    }
    images = {}
    for samples in (0, SAMPLES):
        started = time.perf_counter()
        restored = denoiser.predict(view.frame, samples=samples)
        about[f"seconds_{samples}"] = round(time.perf_counter() - started, 1)
        images[f"samples={samples}"] = restored.mean
    error = np.abs(view.truth - restored.mean)
    of_truth = stabilised.oracle_line(view.raw, view.truth).variance(view.truth) / FRAMES
    for level in LEVELS:
        z = NormalDist().inv_cdf(0.5 + level / 200)
        lower, upper = restored.interval(level / 100)
        half = (upper - lower) / 2
        for name, width in (
            ("covered", half),
            ("allowed", np.sqrt(half**2 + z**2 * of_truth)),
            ("normal", z * restored.std),
        ):
            about[f"{name}_{level}"] = round(float(np.mean(error <= width)), 3)
    about["light"] = restored.light
    images["spread"] = restored.std
    return images, about


def jobs(args, types):
    """List what was asked for, the quick methods first."""
    wanted = [Job(name, "raw") for name in types if "raw" in args.methods]
    wanted += [
        Job(name, method)
        for method, _ in COLUMNS
        for name in types
        if method.partition("_")[0] in args.methods
    ]
    for method, preset in (("ours", args.preset), ("n2v", None)):
        if method in args.methods:
            wanted += [
                Job(name, method, minutes, seed, preset)
                for minutes in args.minutes
                for seed in args.seeds
                for name in types
            ]
    return wanted


def run(job, args):
    """Do a job, save its images, and append its line to the results."""
    view = scene(args.fmd, job.type)
    load = os.getloadavg()[0]
    do = {"raw": raw, "ours": ours, "n2v": n2v}.get(job.method, classical)
    images, about = do(view, job, args)
    about = {f"psnr_{name}": score(image, view.truth) for name, image in images.items()} | about
    about.pop("psnr_spread", None)
    for name, image in images.items():
        path = args.out / f"{job.label}{f'_{name}' if len(images) > 1 else ''}.tif"
        tifffile.imwrite(path, image.astype(np.float32))
    line = job._asdict() | about | {"load_before": round(load, 1), "machine": machine()}
    with (args.out / "results.jsonl").open("a") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(json.dumps(job._asdict() | about, ensure_ascii=False), flush=True)


def results(folder):
    path = folder / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fmd", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--types", nargs="+", help="default: all in the folder")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0])
    parser.add_argument("--steps", type=int, help="of ours, in place of the minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--preset", default="small")
    parser.add_argument(
        "--peer", type=Path, help="folder of the other environment, created if missing"
    )
    parser.add_argument("--table", action="store_true", help="print what there is, and stop")
    args = parser.parse_args()
    if args.table:
        print_tables(results(args.out))
        return
    if args.peer is None and {"bm3d", "n2v"} & set(args.methods):
        sys.exit("give --peer FOLDER for the methods bm3d and n2v")
    suffix = "_raw.tif"
    there = sorted(path.name.removesuffix(suffix) for path in args.fmd.glob(f"*{suffix}"))
    if not there:
        sys.exit(f"{args.fmd} has no files *{suffix}")
    types = args.types or there
    args.out.mkdir(parents=True, exist_ok=True)
    done, failed = {key(line) for line in results(args.out)}, []
    print(machine())
    for job in jobs(args, types):
        if job not in done:
            try:
                run(job, args)
            except Exception:
                traceback.print_exc()
                failed.append(job.label)
    lines = results(args.out)
    for name in types:
        draw(
            name, scene(args.fmd, name), [line for line in lines if line["type"] == name], args.out
        )
    print_tables(lines)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
