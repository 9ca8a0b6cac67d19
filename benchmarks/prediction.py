"""How fast is an MMSE estimate, and does its memory grow with the number of samples?

One 1024×1024 image, the `small` network with random weights. Ladderscope's estimate is compared
with calling the whole network once per sample in plain float32, alternating in one run. Memory is
that of fresh processes, in addition to a process that has loaded the network and the image.

    python benchmarks/prediction.py

With --before, whole predictions of a model are compared with those of an earlier version. Both
versions load the model once and alternate; processor time is measured, and compiling is not. With
--roofline, each kind of work in a decoding is timed by itself, and convolutions are compared with
the fastest one of this machine.

    python benchmarks/prediction.py --before ../earlier/src --model nuclei.ladder --clean CLEAN.tif
    python benchmarks/prediction.py --roofline
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ladderscope import prediction
from ladderscope.machine import best_device, fast_type, keep_freed_memory
from ladderscope.network import LadderVAE

OWN = Path(__file__).parents[1] / "src"
GAIN, READ_NOISE = 2.0, 3.0


def network_and_field(side):
    torch.manual_seed(0)
    return LadderVAE().eval(), torch.randn(side, side).numpy()


def ours(network, field, samples):
    network, autocast = network.to(memory_format=torch.channels_last), fast_type(best_device("cpu"))
    return prediction.restore(
        prediction.for_work(network, field.size * samples, autocast),
        field,
        samples=samples,
        geometry=prediction.Geometry(),
        autocast=autocast,
    )


@torch.inference_mode()
def whole_network(network, field, samples):
    network = network.to(memory_format=torch.contiguous_format)
    image = torch.from_numpy(field)[None, None]
    return torch.stack([network(image).output for _ in range(samples)]).mean(0)


def seconds(function, *arguments):
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def kibibytes(field):
    """Read a line of this process's memory status; VmHWM is the peak of VmRSS."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


def peak_megabytes(side, samples):
    """Peak memory of a fresh process, in addition to its memory before the prediction."""
    command = [sys.executable, __file__, "--side", str(side), "--memory-of", str(samples)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def answer(model, noisy):
    """Restore an image again and again: a line with the number of samples for each."""
    from ladderscope import load

    denoiser, image = load(model), np.load(noisy)
    for line in sys.stdin:
        started, elapsed = time.process_time(), time.perf_counter()
        mean = denoiser.predict(image, samples=int(line)).mean
        spent = time.process_time() - started, time.perf_counter() - elapsed
        np.save(f"{noisy}.{os.getpid()}.npy", mean)
        print(json.dumps([*spent, f"{noisy}.{os.getpid()}.npy"]), flush=True)


class Version:
    """A process with one version's sources."""

    def __init__(self, source, *arguments):
        environment = os.environ | {"PYTHONPATH": str(source)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, __file__, "--answer", *arguments]
        self.process = subprocess.Popen(command, env=environment, **pipes)

    def __call__(self, samples):
        self.process.stdin.write(f"{samples}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def compare(before, model, clean, side, samples, rounds):
    import tempfile

    import tifffile

    from ladderscope.evaluation import psnr

    truth = tifffile.imread(clean).astype(float)
    truth = np.pad(truth, [(0, max(0, side - length)) for length in truth.shape], "reflect")
    truth, rng = truth[:side, :side], np.random.default_rng(0)
    noisy = rng.poisson(truth / GAIN) * GAIN + rng.normal(0, READ_NOISE, truth.shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noisy.npy"
        np.save(path, noisy.astype(np.float32))
        versions = [Version(source, model, str(path)) for source in (before, OWN)]
        first = [version(max(samples))[1] for version in versions]
        print("first prediction, with compiling, s: " + ", ".join(f"{t:.1f}" for t in first))
        print("\n| samples | before, s | now, s | ratio (range) | PSNR before, now, dB |")
        print("| --- | --- | --- | --- | --- |")
        for count in samples:
            found = [[version(count) for version in versions] for _ in range(rounds)]
            times = np.array([[side[0] for side in pair] for pair in found])
            ratios = np.sort(times[:, 0] / times[:, 1])
            quality = [psnr(np.load(file), truth, np.ptp(truth)) for *_, file in found[-1]]
            middle, now = np.median(times, axis=0), ", ".join(f"{q:.3f}" for q in quality)
            print(
                f"| {count} | {middle[0]:.2f} | {middle[1]:.2f} | {np.median(ratios):.2f} "
                f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {now} |",
                flush=True,
            )
        for version in versions:
            version.process.stdin.close()
            version.process.wait()


def least(function, *arguments, repeats=7):
    """Milliseconds of processor time, the least of several."""
    found = []
    for _ in range(repeats):
        started = time.process_time()
        function(*arguments)
        found.append(time.process_time() - started)
    return 1e3 * min(found)


@torch.inference_mode()
def roofline(side):
    from ladderscope.network.fused import FusedELU, WideConvolution, fused

    keep_freed_memory()
    dtype = fast_type(best_device("cpu"))
    network, field = network_and_field(side)
    network = network.to(memory_format=torch.channels_last)
    layout = {"memory_format": torch.channels_last}
    image, weight = (torch.randn(*s, dtype=dtype) for s in ((8, 256, 64, 64), (256, 256, 3, 3)))
    image, weight = image.contiguous(**layout), weight.contiguous(**layout)
    convolve = least(torch.nn.functional.conv2d, image, weight, None, 1, 1)
    fastest = 2 * image.numel() * 256 * 9 / convolve / 1e6
    print(f"fastest convolution: {fastest:.0f} GFLOP/s")
    print("\n| of one decoding, ms | before | compiled |\n| --- | --- | --- |")
    with torch.inference_mode(False), torch.no_grad(), FlopCounterMode(display=False) as counter:
        image = torch.from_numpy(field)[None, None]
        features = network.encode(image)
        encoding = counter.get_total_flops()
        network.decode(features, network.standard_noise(features), priors=False)
    flops = counter.get_total_flops() - encoding
    columns = []
    for used in (network, fused(network)):
        calls = defaultdict(lambda: defaultdict(int))

        def note(module, arguments, calls=calls):
            calls[module][tuple(tuple(part.shape) for part in arguments), arguments[0].dtype] += 1

        kinds = {
            "3×3 convolutions": lambda m: hasattr(m, "weight") and m.weight.shape[-1] == 3,
            "1×1 convolutions": lambda m: isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1),
            "output": lambda m: isinstance(m, WideConvolution),
            "activations": lambda m: type(m).__name__ in ("ELU", FusedELU.__name__),
            "gates and their convolutions": lambda m: type(m).__name__ in ("Gate", "FusedGate"),
        }
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            features = used.encode(torch.from_numpy(field)[None, None].contiguous(**layout))
            noise = used.standard_noise(features)
            used.decode(features, noise, priors=False)
            hooks = [m.register_forward_pre_hook(note) for m in used.modules()]
            used.decode(features, noise, priors=False)
            for hook in hooks:
                hook.remove()
            total = least(lambda u=used, f=features, n=noise: u.decode(f, n, priors=False))
            column = {}
            for kind, of_kind in kinds.items():
                spent = 0.0
                for module in filter(of_kind, calls):
                    for (shapes, type_), count in calls[module].items():
                        maps = [torch.randn(s, dtype=type_).contiguous(**layout) for s in shapes]
                        spent += count * least(module, *maps)
                column[kind] = spent
        whole = range(1, len(used.latent_channels) + 1)
        sides = {level: slice(0, side >> level) for level in whole}
        column["latent noise"] = sum(
            least(prediction.latent_noise, 0, 0, 0, level, 16, sides[level], sides[level])
            for level in whole
        )
        column["decoding, without noise"] = total
        column["GFLOP/s, decoding"] = flops / total / 1e6
        columns.append(column)
    for kind in columns[0]:
        print(f"| {kind} | " + " | ".join(f"{column[kind]:.1f}" for column in columns) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-side", type=int, default=1024)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--before", type=Path, help="the sources of an earlier version")
    parser.add_argument("--model", help="a model of preset small")
    parser.add_argument("--clean", type=Path, help="the image to restore, without noise")
    parser.add_argument("--roofline", action="store_true")
    parser.add_argument("--answer", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        return answer(*args.answer)
    if args.roofline:
        return roofline(args.side)
    if args.before:
        samples = (0, args.samples)
        return compare(args.before, args.model, args.clean, args.side, samples, args.rounds)
    if args.memory_of is not None:
        keep_freed_memory()
        network, field = network_and_field(args.side)
        before = kibibytes("VmRSS")
        ours(network, field, args.memory_of)
        print((kibibytes("VmHWM") - before) / 1024)
        return

    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads")
    plain = []
    network, field = network_and_field(args.side)
    seconds(whole_network, network, field, 1)
    for _ in range(args.rounds):
        plain.append(seconds(whole_network, network, field, args.samples))
    keep_freed_memory()
    network, field = network_and_field(args.side)
    seconds(ours, network, field, 1)
    quick = [seconds(ours, network, field, args.samples) for _ in range(args.rounds)]
    print(json.dumps({"plain_float32": plain, "ours": quick}))
    ratios = sorted(a / b for a, b in zip(plain, quick, strict=True))
    middle = ratios[len(ratios) // 2]
    print(f"{args.samples} samples: {middle:.1f}× faster ({ratios[0]:.1f} to {ratios[-1]:.1f})")
    for samples in (10, 500):
        peak = peak_megabytes(args.memory_side, samples)
        print(f"peak memory with {samples} samples: {peak:.0f} MB")


if __name__ == "__main__":
    main()
