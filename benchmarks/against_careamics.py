"""One training step of CAREamics' configuration: its module in plain float32 against ours.

Five levels, 64 filters, 32 latent channels, batch 16 of 64×64, batch normalisation, Gaussian
likelihood, Adamax. Rounds alternate in one run; levers are added one by one.

    python benchmarks/against_careamics.py --peer FOLDER_FOR_THE_PEERS_ENVIRONMENT
"""

import argparse
import json
import platform
import statistics
import subprocess
import time
from pathlib import Path

import torch
from peer import peer_python

from ladderscope.losses import gaussian_kl, samplewise
from ladderscope.machine import keep_freed_memory
from ladderscope.network import LadderVAE

LEVERS = ("float32", "channels-last", "bfloat16", "kept memory", "compiled")


class Ours:
    """Our training step with the first so many levers pulled."""

    def __init__(self, levers):
        torch.manual_seed(0)
        self.network = LadderVAE(latent_channels=(32,) * 5, filters=64, batch_norm=True)
        self.image = torch.randn(16, 1, 64, 64)
        if "channels-last" in levers:
            self.network.to(memory_format=torch.channels_last)
            self.image = self.image.contiguous(memory_format=torch.channels_last)
        if "kept memory" in levers:
            keep_freed_memory()
        self.autocast = torch.bfloat16 if "bfloat16" in levers else None
        self.optimizer = torch.optim.Adamax(self.network.parameters(), lr=1e-3)
        self.loss = torch.compile(self._loss) if "compiled" in levers else self._loss
        self.step()
        self.step()

    def _loss(self):
        with torch.autocast("cpu", self.autocast, enabled=self.autocast is not None):
            output, levels = self.network(self.image)
        kl = sum(samplewise(gaussian_kl(*level.posterior, *level.prior)).mean() for level in levels)
        return 0.5 * (output - self.image).square().mean() + kl / 64**2

    def step(self):
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()

    def times(self, steps):
        result = []
        for _ in range(steps):
            started = time.perf_counter()
            self.step()
            result.append(time.perf_counter() - started)
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peer", type=Path, required=True, help="where its environment is, or goes"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="of each side, a round")
    args = parser.parse_args()
    command = [str(peer_python(args.peer)), str(Path(__file__).with_name("careamics_step.py"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as theirs:
        parameters = json.loads(theirs.stdout.readline())["parameters"]

        def their_times():
            theirs.stdin.write(f"{args.steps}\n")
            theirs.stdin.flush()
            return json.loads(theirs.stdout.readline())

        print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads")
        for count in range(1, len(LEVERS) + 1):
            ours = Ours(LEVERS[:count])
            if count == 1:
                mine = sum(p.numel() for p in ours.network.parameters())
                print(f"parameters: theirs {parameters}, ours {mine}")
            ratios, mine, peer = [], [], []
            for _ in range(args.rounds):
                peer.append(statistics.median(their_times()))
                mine.append(statistics.median(ours.times(args.steps)))
                ratios.append(peer[-1] / mine[-1])
            print(
                f"+ {LEVERS[count - 1]}: theirs {statistics.median(peer):.3f} s, ours "
                f"{statistics.median(mine):.3f} s, {statistics.median(ratios):.2f}× "
                f"({min(ratios):.2f} to {max(ratios):.2f})",
                flush=True,
            )
        theirs.stdin.close()


if __name__ == "__main__":
    main()
