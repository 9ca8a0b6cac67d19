"""How fast is Ladderscope compared with CAREamics in plain float32?

CAREamics' configuration (five levels, 64 filters, 32 latent channels, batch 16 of 64×64, batch
normalisation) with the same weights on both sides, which alternate in one run. CAREamics is
installed into a separate environment. Sections:

step      one training step (Gaussian likelihood, Adamax), adding our optimisations one by one
profile   how our step spends its time, and its convolutions against the machine's fastest
forward   one forward pass of that batch, without gradients
mmse      an MMSE estimate of 512² and 1024² pixels; CAREamics extrapolated above 10 samples
memory    its peak memory in fresh processes, in addition to the loaded process
noise     a mixture of three Gaussians fitted to 10⁶ pairs
quality   training time until the noisy fly actin reaches 33.0 and 34.0 dB

    python benchmarks/against_careamics.py --peer FOLDER_FOR_THE_PEERS_ENVIRONMENT --data DATA
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from careamics_side import CONFIG, kibibytes
from peer import peer_python
from torch.utils.flop_counter import FlopCounterMode

from ladderscope.interop.careamics import load_lvae
from ladderscope.losses import gaussian_kl, samplewise
from ladderscope.machine import best_device, fast_type, keep_freed_memory
from ladderscope.prediction import Geometry, for_work, restore

SECTIONS = ("step", "profile", "forward", "mmse", "memory", "noise", "quality")
LEVERS = (
    ("float32",),
    ("float32", "channels-last"),
    ("float32", "channels-last", "compiled"),
    ("bfloat16", "channels-last"),
    ("bfloat16", "channels-last", "freed memory kept"),
    ("bfloat16", "channels-last", "freed memory kept", "compiled"),
    ("float32", "channels-last", "freed memory kept", "compiled"),
)
GAIN, READ_NOISE = 2.0, 3.0
GOALS = (33.0, 34.0)  # dB
HERE = Path(__file__).parent


class Theirs:
    """A CAREamics process that answers one request after another."""

    def __init__(self, python):
        command = [str(python), str(HERE / "careamics_side.py")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes)
        self.parameters = json.loads(self.process.stdout.readline())["parameters"]

    def __call__(self, do, **arguments):
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class OurStep:
    """Our training step with some of the optimisations."""

    def __init__(self, weights, levers):
        self.network = load_lvae(weights, CONFIG).train()
        self.image = torch.randn(16, 1, 64, 64)
        if "channels-last" in levers:
            self.network.to(memory_format=torch.channels_last)
            self.image = self.image.contiguous(memory_format=torch.channels_last)
        if "freed memory kept" in levers:
            keep_freed_memory()
        self.autocast = torch.bfloat16 if "bfloat16" in levers else None
        self.optimizer = torch.optim.Adamax(self.network.parameters(), lr=1e-3)
        # Compiled random numbers take several times as long on a CPU as torch's own.
        compiled = torch.compile(self._loss, dynamic=False, options={"fallback_random": True})
        self.loss = compiled if "compiled" in levers else self._loss
        self.step()
        self.step()

    def _loss(self):
        with torch.autocast("cpu", self.autocast, enabled=self.autocast is not None):
            output, levels = self.network(self.image)
        kl = sum(
            samplewise(gaussian_kl(*level.posterior, *level.prior).expand_as(level.sample)).mean()
            for level in levels
        )
        return 0.5 * (output - self.image).square().mean() + kl / 64**2

    def step(self):
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()


def timed(function, *arguments):
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def compared(label, theirs, ours, note=""):
    """Print a row: medians of both sides, and the ratio with its range over the rounds."""
    ratios = sorted(a / b for a, b in zip(theirs, ours, strict=True))
    print(
        f"| {label} | {statistics.median(theirs):.3f}{note} | {statistics.median(ours):.3f} | "
        f"{statistics.median(ratios):.2f}× ({ratios[0]:.2f}–{ratios[-1]:.2f}) |",
        flush=True,
    )


def heading(*cells):
    print(f"\n| {' | '.join(cells)} |\n{'| --- ' * len(cells)}|")


def step_section(theirs, weights, args):
    heading("training step, ours with", "theirs, s", "ours, s", "ratio (range)")
    for levers in LEVERS:
        ours = OurStep(weights, levers)
        rounds = []
        for _ in range(args.rounds):
            peer = statistics.median(theirs("step", count=args.steps))
            mine = statistics.median([timed(ours.step) for _ in range(args.steps)])
            rounds.append((peer, mine))
        compared(", ".join(levers), *zip(*rounds, strict=True))


def fastest_convolution(dtype):
    """GFLOP/s of a wide 3×3 convolution, which has little to move for what it computes."""
    layout = {"memory_format": torch.channels_last}
    image = torch.randn(8, 256, 64, 64, dtype=dtype).contiguous(**layout)
    weight = torch.randn(256, 256, 3, 3, dtype=dtype).contiguous(**layout)
    convolve = partial(torch.nn.functional.conv2d, image, weight, padding=1)
    with torch.inference_mode():
        seconds = min(timed(convolve) for _ in range(10))
    return 2 * image.numel() * 256 * 9 / seconds / 1e9


def profile_section(weights, args):
    columns = ("forward convolutions, ms", "backward convolutions, ms", "all else, ms")
    heading("our step in", *columns, "convolutions, GFLOP/s", "fastest convolution, GFLOP/s")
    for dtype in ("float32", "bfloat16"):
        ours = OurStep(weights, (dtype, "channels-last", "freed memory kept", "compiled"))
        eager = OurStep(weights, (dtype, "channels-last"))
        with FlopCounterMode(display=False) as counter:
            eager.step()
        ours.step()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
            for _ in range(args.steps):
                ours.step()
        spent = {event.key: event.self_cpu_time_total for event in found.key_averages()}
        forward, backward = (
            spent.get(name, 0.0) / 1e3 / args.steps
            for name in ("aten::mkldnn_convolution", "aten::convolution_backward")
        )
        rest = sum(spent.values()) / 1e3 / args.steps - forward - backward
        rate = counter.get_total_flops() / 1e6 / (forward + backward)
        limit = fastest_convolution(getattr(torch, dtype))
        print(
            f"| {dtype} | {forward:.0f} | {backward:.0f} | {rest:.0f} | {rate:.0f} | {limit:.0f} |",
            flush=True,
        )


def our_network(weights):
    return load_lvae(weights, CONFIG).eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def forward_section(theirs, weights, args):
    heading("forward pass, ours in", "theirs, s", "ours, s", "ratio (range)")
    image = torch.randn(16, 1, 64, 64).contiguous(memory_format=torch.channels_last)
    network = our_network(weights)
    for name, dtype in (("float32", None), ("bfloat16", torch.bfloat16)):
        rounds = []
        for _ in range(args.rounds + 1):
            with torch.autocast("cpu", dtype, enabled=dtype is not None):
                mine = statistics.median([timed(network, image) for _ in range(args.steps)])
            rounds.append((statistics.median(theirs("forward", count=args.steps)), mine))
        compared(name, *zip(*rounds[1:], strict=True))


def our_mmse(network, field, samples):
    autocast = fast_type(best_device("cpu"))
    network = for_work(network, field.size * samples, autocast)
    return restore(network, field, samples=samples, geometry=Geometry(), autocast=autocast)


def our_fresh_process(weights, side, samples):
    """Seconds of an estimate, and megabytes of peak memory, in a process of its own."""
    command = [sys.executable, __file__, "--weights", str(weights), "--sides", str(side)]
    command += ["--in-this-process", str(samples)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def in_this_process(args):
    keep_freed_memory()
    network = our_network(args.weights)
    field = np.random.default_rng(0).normal(size=args.sides * 2).astype(np.float32)
    before = kibibytes("VmRSS")
    seconds = timed(our_mmse, network, field, args.in_this_process)
    print(json.dumps([seconds, (kibibytes("VmHWM") - before) / 1024]))


def mmse_section(theirs, weights, peaks, args):
    heading("MMSE, pixels and samples", "theirs, s", "ours, s", "ratio (range)")
    keep_freed_memory()
    network = our_network(weights)
    for side in args.sides:
        field = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
        our_mmse(network, field, 1)
        theirs("mmse", side=side, samples=1)
        found = {}
        for samples in (1, 10):
            rounds = [
                (
                    theirs("mmse", side=side, samples=samples),
                    timed(our_mmse, network, field, samples),
                )
                for _ in range(args.rounds if side * samples < 10_000 else 1)
            ]
            found[samples] = [peer for peer, _ in rounds]
            compared(f"{side}², {samples}", *zip(*rounds, strict=True))
        one, ten = (statistics.median(found[samples]) for samples in (1, 10))
        for samples in args.many:
            peer = one + (samples - 1) * (ten - one) / 9
            mine, peaks[side, samples] = our_fresh_process(weights, side, samples)
            compared(f"{side}², {samples}", [peer], [mine], " (extrapolated)")


def memory_section(python, weights, peaks, args):
    heading("peak memory at, samples", "theirs, MB", "ours, MB", "ratio")
    side = args.sides[-1]
    peer = {}
    for samples in (1, 10):
        fresh = Theirs(python)
        peer[samples] = fresh("memory", side=side, samples=samples)
        fresh.close()
    peer[200] = peer[10] + 190 * (peer[10] - peer[1]) / 9
    for samples in (10, 200):
        mine = peaks.get((side, samples)) or our_fresh_process(weights, side, samples)[1]
        note = " (extrapolated from 1 and 10)" if samples == 200 else ""
        print(
            f"| {side}², {samples} | {peer[samples]:.0f}{note} | {mine:.0f} | "
            f"{mine / peer[samples]:.2f} of theirs |",
            flush=True,
        )
    print(f"theirs with 1 sample: {peer[1]:.0f} MB")


def noise_section(python, args):
    command = [sys.executable, str(HERE / "mixture_against_careamics.py"), "--laws", "camera"]
    subprocess.run([*command, "--peer", str(args.peer)], check=True)


def quality_section(theirs, args):
    """Train both until the image is good enough; restoring in between is not counted."""
    import tifffile

    from ladderscope import Denoiser
    from ladderscope.evaluation import psnr
    from ladderscope.noise import PoissonGaussian

    clean = [
        tifffile.imread(args.data / "fly" / "actin" / f"pos{name}.tif").astype(float)
        for name in ("002", "076")
    ]
    noisy = []
    for image in clean:
        rng = np.random.default_rng(0)
        photons = rng.poisson(image / GAIN) * GAIN
        noisy.append((photons + rng.normal(0, READ_NOISE, image.shape)).astype(np.float32))
    peak = float(np.ptp(clean[1]))
    truth = clean[1][:512, :512]
    print(f"\nnoisy: {psnr(noisy[1][:512, :512], truth, peak):.2f} dB in the square of 512² pixels")
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(noisy):
            np.save(Path(folder) / f"{number}.npy", image)
        of_theirs, minutes = [], 0.0
        while minutes < args.cap:
            steps = theirs("train", folder=folder, seconds=60, gain=GAIN, read_noise=READ_NOISE)
            minutes += 1
            theirs("restore", folder=folder, side=512, samples=10)
            reached = psnr(np.load(Path(folder) / "theirs.npy"), truth, peak)
            of_theirs.append((minutes, reached))
            print(
                f"theirs after {minutes:g} minutes ({steps} steps in the last): {reached:.2f} dB, "
                "10 samples",
                flush=True,
            )
            if reached >= GOALS[-1]:
                break
    camera = PoissonGaussian.from_camera(GAIN, 0.0, READ_NOISE)
    of_ours = []
    for minutes in (0.5, 1.0, 2.0, 4.0):
        denoiser = Denoiser(noise=camera).fit(noisy, minutes=minutes, progress=False)
        values = [
            psnr(denoiser.predict(noisy[1], samples=samples).mean[:512, :512], truth, peak)
            for samples in (0, 10)
        ]
        print(
            f"ours with a budget of {minutes:g} minutes: {values[1]:.2f} dB, 10 samples; "
            f"{values[0]:.2f} dB, posterior means",
            flush=True,
        )
        of_ours.append((minutes, values[1]))
        if values[1] >= GOALS[-1]:
            break
    heading("training until 10 samples reach, dB", "theirs, minutes", "ours, minutes")
    for goal in GOALS:
        print(f"| {goal} | {_time_to(goal, of_theirs)} | {_time_to(goal, of_ours)} |", flush=True)


def _time_to(goal, found):
    enough = (f"{minutes:g}" for minutes, reached in found if reached >= goal)
    return next(enough, f"more than {found[-1][0]:g}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peer", type=Path, help="folder of the CAREamics environment, created if missing"
    )
    parser.add_argument("--data", type=Path, help="the folder with fly/actin/pos002.tif and so on")
    parser.add_argument("--sections", nargs="+", default=SECTIONS, choices=SECTIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="per side and round")
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--many", type=int, nargs="+", default=[50, 200], help="samples, ours only")
    parser.add_argument("--cap", type=float, default=4, help="most minutes of CAREamics training")
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--in-this-process", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.in_this_process is not None:
        in_this_process(args)
        return
    if args.peer is None or (args.data is None and "quality" in args.sections):
        sys.exit("give --peer FOLDER, and --data DATA for the section quality")

    python = peer_python(args.peer)
    started = time.perf_counter()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pth"
        theirs = Theirs(python)
        theirs("save", path=str(weights))
        ours = sum(p.numel() for p in load_lvae(weights, CONFIG).parameters())
        print(f"parameters: theirs {theirs.parameters}, ours {ours}")
        peaks = {}
        run = {
            "step": partial(step_section, theirs, weights, args),
            "profile": partial(profile_section, weights, args),
            "forward": partial(forward_section, theirs, weights, args),
            "mmse": partial(mmse_section, theirs, weights, peaks, args),
            "memory": partial(memory_section, python, weights, peaks, args),
            "noise": partial(noise_section, python, args),
            "quality": partial(quality_section, theirs, args),
        }
        # Trained last: their network is one and the same in all sections.
        for section in args.sections:
            run[section]()
        theirs.close()
    print(f"{(time.perf_counter() - started) / 60:.0f} minutes, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
