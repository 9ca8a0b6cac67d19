"""How fast is an MMSE estimate, and does its memory grow with the number of samples?

One 1024×1024 image, the `small` network with random weights. Ladderscope's estimate is compared
with calling the whole network once per sample in plain float32, alternating in one run. Memory is
that of fresh processes, in addition to a process that has loaded the network and the image.

    python benchmarks/prediction.py
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch

from ladderscope.machine import best_device, fast_type, keep_freed_memory
from ladderscope.network import LadderVAE
from ladderscope.prediction import Geometry, restore


def network_and_field(side):
    torch.manual_seed(0)
    return LadderVAE().eval(), torch.randn(side, side).numpy()


def ours(network, field, samples):
    return restore(
        network.to(memory_format=torch.channels_last),
        field,
        samples=samples,
        geometry=Geometry(),
        autocast=fast_type(best_device("cpu")),
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-side", type=int, default=1024)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
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
