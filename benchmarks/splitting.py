"""How well are superimposed fly nuclei and actin split, compared with a plain U-Net?

Each channel is divided by its standard deviation over the training images; the mixed image is the
sum. Training uses unpaired crops of position 002 and the left half of 076. The right half of 076,
cut off before anything else, is the test image. PSNR: peak = max − min of the test half's channel.

    python benchmarks/splitting.py DATA --side ladder --method musplit --minutes 5 --seeds 0 1 2
    python benchmarks/splitting.py DATA --side unet --minutes 5 --seeds 0 1 2
    python benchmarks/splitting.py DATA --noise --side ladder --method denoisplit --minutes 5
    python benchmarks/splitting.py DATA --noise --side chain --minutes 5

`--noise` adds the reference noise (gain 2, read noise 3; one generator of seed 0 draws it for all
images) before balancing; PSNR is still relative to the clean channels. `--side chain` denoises
first, with one Denoiser per channel and one for the sums, whose noise is measured on them. µSplit
is then trained on the restored channels and splits the restored mixed image. Each of these four
trainings has the given budget. `scores_of_summed` are the scores for the sum of the restored
channels of the test half, which is the task that the splitter was trained for.
"""

import argparse
import ast
import json
import math
import platform
import statistics
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import tifffile
import torch
from fly import GAIN, POSITIONS, READ_NOISE
from pytorch_optimizer import Muon
from torch import nn

from ladderscope import Denoiser, Splitter
from ladderscope.data import (
    Channels,
    MixedPatches,
    Mixing,
    PatchShape,
    fields_of,
    find_foreground,
    hold_out,
    measure_mixtures,
    validation_mixtures,
)
from ladderscope.evaluation import psnr, range_invariant_psnr, spread_ranks_errors, ssim
from ladderscope.evaluation.calibration import LEVELS
from ladderscope.images import channel_statistics, read_images
from ladderscope.machine import best_device, fast_type, keep_freed_memory
from ladderscope.training import Budget
from ladderscope.training.budget import CosineRate
from ladderscope.training.course import VALIDATIONS_AVERAGED
from ladderscope.training.run import compiling_pays

NAMES = ("nuclei", "actin")
PATCH, BATCH, VALIDATIONS = 64, 16, 20
Z_90 = 1.645  # half the width of a Gaussian's 90 % interval, in standard deviations


@dataclass(frozen=True)
class Data:
    """The images of each channel: the training images, and the test half, noisy and clean."""

    training: list[list[np.ndarray]]
    test: list[np.ndarray]
    truth: list[np.ndarray]


def read(folder, *, noise, balanced=True):
    rng = np.random.default_rng(0)
    training, test, truth = [], [], []
    for name in NAMES:
        images = [
            tifffile.imread(folder / "fly" / name / f"pos{position}.tif").astype(np.float32)
            for position in POSITIONS
        ]
        middle = images[1].shape[1] // 2
        clean = images[1][:, middle:]
        if noise:
            images = [
                (rng.poisson(image / GAIN) * GAIN + rng.normal(0, READ_NOISE, image.shape)).astype(
                    np.float32
                )
                for image in images
            ]
        seen = [images[0], np.ascontiguousarray(images[1][:, :middle])]
        deviation = np.concatenate([image.ravel() for image in seen]).std() if balanced else 1.0
        training.append([image / deviation for image in seen])
        test.append(images[1][:, middle:] / deviation)
        truth.append(clean / deviation)
    return Data(training, test, truth)


def scores(split, data):
    """PSNR, range-invariant PSNR and SSIM."""
    return {
        name: [
            round(psnr(found, truth), 2),
            round(range_invariant_psnr(found, truth), 2),
            round(ssim(found, truth), 4),
        ]
        for name, found, truth in zip(NAMES, split, data.truth, strict=True)
    }


def scores_of_input(mixed, data):
    """Range-invariant PSNR of the mixed image itself."""
    return {
        name: round(range_invariant_psnr(mixed, truth), 2)
        for name, truth in zip(NAMES, data.truth, strict=True)
    }


def ladder(args, data, seed):
    settings = dict(setting.split("=", 1) for setting in args.set)
    settings = {name: _value(text) for name, text in settings.items()}
    splitter = Splitter(
        args.method, "small", seed=seed, context=args.context, balance=args.balance, **settings
    )
    offsets = [0.0] * len(NAMES) if args.balance == "none" else None
    splitter.fit(
        data.training,
        "YX",
        paired=args.paired,
        offsets=offsets,
        names=NAMES,
        minutes=args.minutes,
        steps=args.steps,
        progress=False,
    )
    if args.save:
        splitter.save(args.save)
    mixed = splitter.model.mixture.mixing.mixed(np.stack(data.test))
    return splitter, mixed


def _value(text):
    try:
        return ast.literal_eval(text)
    except ValueError:
        return text


def judged(splitter, mixed, data, samples):
    found = {"input": scores_of_input(mixed, data)}
    for number in samples:
        started = time.perf_counter()
        restored = splitter.predict(mixed, "YX", samples=number)
        found[f"seconds_{number}"] = round(time.perf_counter() - started, 1)
        found[f"scores_{number}"] = scores(restored.mean, data)
        if restored.std is not None:
            found[f"rank_{number}"] = {
                name: round(spread_ranks_errors(restored.std[c], restored.mean[c], truth), 3)
                for c, (name, truth) in enumerate(zip(NAMES, data.truth, strict=True))
            }
            found[f"coverage_90_{number}"] = {
                name: round(
                    float((abs(restored.mean[c] - truth) < Z_90 * restored.std[c]).mean()), 3
                )
                for c, (name, truth) in enumerate(zip(NAMES, data.truth, strict=True))
            }
            found[f"spread_over_error_{number}"] = {
                name: round(_rms(restored.std[c]) / _rms(restored.mean[c] - truth), 3)
                for c, (name, truth) in enumerate(zip(NAMES, data.truth, strict=True))
            }
    return found


def _rms(values):
    return math.sqrt(float(np.mean(np.square(values, dtype=np.float64))))


def of_training(outcome):
    last = outcome.history[-1]
    return {
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "train_seconds": round(outcome.seconds, 1),
        "validation": [round(last.validation_reconstruction, 3), round(last.validation_kl, 3)],
        "level_kl": [round(level, 1) for level in last.level_kl],
    }


def one_ladder(args, data, seed):
    splitter, mixed = ladder(args, data, seed)
    found = of_training(splitter.model.outcome) | judged(splitter, mixed, data, args.samples)
    return found | calibrated(splitter, mixed, data)


def calibrated(splitter, mixed, data):
    """Coverage on real pairs after calibration on sums of the held-out recordings."""
    splitter.calibrate()
    found = {
        "expected_90": [
            round(one.after[LEVELS.index(0.9)], 3) for one in splitter.model.calibration
        ]
    }
    for samples in (0, 16):
        lower, upper = splitter.predict(mixed, "YX", samples=samples).interval(0.9)
        found[f"calibrated_90_{samples}"] = {
            name: round(float(((lower[c] <= truth) & (truth <= upper[c])).mean()), 3)
            for c, (name, truth) in enumerate(zip(NAMES, data.truth, strict=True))
        }
    return found


def chain(args, data, seed):
    """Denoise, then split."""
    budget = {"minutes": args.minutes, "steps": args.steps, "progress": False}
    mixtures = [sum(images) for images in zip(*data.training, strict=True)]
    (mixed,), seconds = denoised(mixtures, [sum(data.test)], seed, budget)
    parts, of_test = [], []
    for images, test in zip(data.training, data.test, strict=True):
        (*part, found), spent = denoised(images, [*images, test], seed, budget)
        parts.append(part)
        of_test.append(found)
        seconds += spent
    args.method = "musplit"
    splitter, _ = ladder(args, Data(parts, data.test, data.truth), seed)
    found = of_training(splitter.model.outcome) | judged(splitter, mixed, data, args.samples)
    found["train_seconds"] = round(found["train_seconds"] + seconds, 1)
    found["scores_of_summed"] = scores(splitter.predict(sum(of_test), "YX", samples=0).mean, data)
    return found


def denoised(training, images, seed, budget):
    """Train a denoiser, and give the posterior means of images and the seconds of training."""
    denoiser = Denoiser("small", noise="auto", seed=seed).fit(training, "YX", **budget)
    means = [denoiser.predict(image, "YX", samples=0).mean for image in images]
    return means, denoiser.model.outcome.seconds


class UNet(nn.Module):
    """Four levels below the image's resolution, 32 filters everywhere, skips by concatenation."""

    def __init__(self, outputs, levels=4, filters=32):
        super().__init__()
        self.first = _pair(1, filters)
        self.down = nn.ModuleList(_pair(filters, filters) for _ in range(levels))
        self.up = nn.ModuleList(_pair(2 * filters, filters) for _ in range(levels))
        self.output = nn.Conv2d(filters, outputs, 3, padding=1)

    def forward(self, image):
        features = [self.first(image)]
        for stage in self.down:
            features.append(stage(nn.functional.max_pool2d(features[-1], 2)))
        above = features.pop()
        for stage in self.up:
            wider = nn.functional.interpolate(above, scale_factor=2.0, mode="nearest")
            above = stage(torch.cat([features.pop(), wider], dim=1))
        with torch.autocast(image.device.type, enabled=False):
            return self.output(above.float())


def _pair(inputs, filters):
    return nn.Sequential(
        nn.Conv2d(inputs, filters, 3, padding=1),
        nn.ELU(),
        nn.Conv2d(filters, filters, 3, padding=1),
        nn.ELU(),
    )


def adam(network):
    return torch.optim.Adam(network.parameters()), CosineRate(1e-3, warmup_steps=100)


def muon(network):
    """The ladder's optimizer: Muon for the inner convolutions, Adam for the rest."""
    outside = {id(network.first[0].weight), id(network.output.weight)}
    inside = [p for p in network.parameters() if p.ndim > 1 and id(p) not in outside]
    rest = [p for p in network.parameters() if p.ndim == 1 or id(p) in outside]
    groups = [
        {"params": inside, "use_muon": True, "share": 1.0},
        {"params": rest, "use_muon": False, "betas": (0.9, 0.99), "share": 0.25},
    ]
    return Muon(groups), CosineRate(1.2e-2, warmup_steps=100)


def unet(args, data, seed):
    """Train on the batches that a splitter of this seed has, on the mean squared error."""
    stacks = [read_images(images, "YX") for images in data.training]
    held_out = [hold_out(fields_of(stack), PATCH, seed) for stack in stacks]
    training = [of_channel.training for of_channel in held_out]
    channels = Channels(
        training, args.paired, foreground=[find_foreground(fields) for fields in training]
    )
    mixing = Mixing((0.0,) * len(NAMES), (1.0,) * len(NAMES))
    patches = MixedPatches(channels, mixing, PatchShape(PATCH), BATCH, seed)
    found = [channel_statistics(stack)[0] for stack in stacks]
    mixture, _ = measure_mixtures(patches)
    mean, std = (
        torch.tensor([getattr(channel, name) for channel in found])[:, None, None]
        for name in ("mean", "std")
    )
    validation = validation_mixtures(
        Channels([of_channel.validation for of_channel in held_out], args.paired),
        mixing,
        patches.shape,
        seed,
    )

    keep_freed_memory()
    torch.manual_seed(seed)
    network = UNet(len(NAMES)).to(memory_format=torch.channels_last)
    optimizer, rate = {"adam": adam, "muon": muon}[args.optimizer](network)
    budget = Budget(minutes=args.minutes, steps=args.steps)
    autocast = fast_type(best_device("cpu"))

    def error(observation, target):
        normalised = ((observation - mixture.mean) / mixture.std).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast("cpu", autocast, enabled=autocast is not None):
            output = network(normalised)
        return (output - (target - mean) / std).square().mean()

    step_error = torch.compile(error, dynamic=False) if compiling_pays(budget) else error
    best, best_step, weights, validated, losses = math.inf, 0, None, 0, []
    started = time.monotonic()
    for step in count():
        spent = budget.fraction(step, time.monotonic() - started)
        if int(spent * VALIDATIONS) > validated:
            validated = int(spent * VALIDATIONS)
            with torch.no_grad():
                losses.append(float(error(validation.observation, validation.target)))
            average = statistics.fmean(losses[-VALIDATIONS_AVERAGED:])
            if average < best:
                best, best_step = average, step
                weights = {name: value.clone() for name, value in network.state_dict().items()}
        if spent >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate(step, spent) * group.get("share", 1.0)
        optimizer.zero_grad()
        batch = patches[step]
        step_error(batch.observation, batch.target).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    seconds = time.monotonic() - started
    network.load_state_dict(weights)

    mixed = sum(data.test)
    height, width = mixed.shape
    padded = np.pad(mixed, ((0, -height % 16), (0, -width % 16)), mode="reflect")
    normalised = torch.from_numpy((padded - mixture.mean) / mixture.std).float()[None, None]
    with torch.inference_mode(), torch.autocast("cpu", autocast, enabled=autocast is not None):
        output = network(normalised)[0, :, :height, :width]
    return {
        "optimizer": args.optimizer,
        "steps": step,
        "best_step": best_step,
        "train_seconds": round(seconds, 1),
        "validation": round(best, 4),
        "input": scores_of_input(mixed, data),
        "scores_0": scores((output * std + mean).numpy(), data),
    }


def medians(lines):
    """Take the median over seeds of every number in nested results."""
    if isinstance(lines[0], dict):
        return {name: medians([line[name] for line in lines]) for name in lines[0]}
    if isinstance(lines[0], list):
        return [medians(list(values)) for values in zip(*lines, strict=True)]
    return statistics.median(lines) if isinstance(lines[0], int | float) else lines[0]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder with fly/actin/pos002.tif and so on")
    parser.add_argument("--side", default="ladder", choices=["ladder", "unet", "chain"])
    parser.add_argument("--method", default="musplit")
    parser.add_argument("--context", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="default: the preset's five")
    parser.add_argument(
        "--steps", type=int, help="instead of --minutes, for a machine that is not idle"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--paired", action="store_true", help="mix crops from the same position")
    parser.add_argument(
        "--balance",
        default="none",
        choices=["none", "std"],
        help="std leaves the balancing, and the black levels, to the splitter",
    )
    parser.add_argument("--samples", type=int, nargs="+", default=[0, 50])
    parser.add_argument("--optimizer", default="muon", choices=["muon", "adam"], help="the U-Net's")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="the splitter's")
    parser.add_argument("--save", type=Path, help="write the last splitter here")
    args = parser.parse_args()
    if args.minutes is None and args.steps is None:
        args.minutes = 5.0
    if args.balance == "std" and args.side != "ladder":
        parser.error("--balance std is the ladder's")

    data = read(args.data, noise=args.noise, balanced=args.balance == "none")
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads")
    side = {"ladder": one_ladder, "unet": unet, "chain": chain}[args.side]
    lines = []
    for seed in args.seeds:
        lines.append(side(args, data, seed))
        print(json.dumps({"seed": seed} | lines[-1]), flush=True)
    print("medians (PSNR, range-invariant PSNR, SSIM):", json.dumps(medians(lines)))


if __name__ == "__main__":
    main()
