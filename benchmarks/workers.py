"""How much of their time Dask workers restore, and what is restored again when one dies.

python benchmarks/workers.py simulated [--workers 8] [--seconds 0.5]
python benchmarks/workers.py real [--workers 2] [--samples 8]

Simulated: the network is replaced by a pause of so many seconds per tile, in workers that are
threads of this process. Efficiency is the sum of the pauses, divided by the time of the whole
prediction (reading, checking, sending, writing and putting together included) and by the workers.
Real: processes with the network, once one of them and once all; efficiency is the ratio of their
times, divided by the number of workers. Then one is killed, and the tiles that were begun are
counted.
"""

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import distributed
import numpy as np
import tifffile
import torch

from ladderscope import Denoiser
from ladderscope.models import restoring
from ladderscope.models.workers import connected
from ladderscope.noise import PoissonGaussian
from ladderscope.prediction.sampler import RestoredTile

SIDE, CORE = 768, 64


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["simulated", "real"])
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--samples", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        image = np.random.default_rng(0).poisson(50, (SIDE, SIDE)).astype(np.uint16)
        tifffile.imwrite("a.tif", image)
        noise = PoissonGaussian(gain=1.0, intercept=1.0)
        denoiser = Denoiser("tiny", noise=noise, tile_core=CORE)
        denoiser.fit(image[:128, :128], steps=2, progress=False)
        (simulated if given.what == "simulated" else real)(denoiser, given)


def simulated(denoiser, given):
    count, begun = given.workers or 8, []

    def pause(network, part, tile, sampling, **_):
        begun.append(tile)
        time.sleep(given.seconds)
        shape = (1, *(side.stop - side.start for side in tile.core))
        return RestoredTile(torch.zeros(shape), torch.zeros(shape), None)

    restoring.restore_tile = pause
    with (
        distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        started = time.monotonic()
        denoiser.predict("a.tif", samples=2, out="r.ome.tif", dask=client)
        seconds = time.monotonic() - started
    efficiency = len(begun) * given.seconds / seconds / count
    print(
        f"{count} simulated workers, {len(begun)} tiles of {given.seconds:g} s: {seconds:.1f} s, "
        f"efficiency {efficiency:.3f}"
    )


def real(denoiser, given):
    count, times = given.workers or 2, {}
    for workers in (1, count):
        with connected(f"local:{workers}") as client:
            predict(denoiser, client, given.samples, f"warm{workers}")
            started = time.monotonic()
            predict(denoiser, client, given.samples, f"timed{workers}")
            times[workers] = time.monotonic() - started
    print(
        f"1 worker {times[1]:.1f} s, {count} workers {times[count]:.1f} s: efficiency "
        f"{times[1] / times[count] / count:.3f}"
    )
    with connected(f"local:{count}") as client:
        client.register_plugin(noting(str(Path("log").absolute()), str(Path("mark").absolute())))
        predict(denoiser, client, given.samples, "killed")
    begun = len(Path("log").read_text().split())
    tiles = (SIDE // CORE) ** 2
    same = Path("killed/r.ome.tif").read_bytes() == Path("timed1/r.ome.tif").read_bytes()
    print(f"one killed: {begun} tiles begun of {tiles}; the output is the same: {same}")


def predict(denoiser, client, samples, name):
    denoiser.predict("a.tif", samples=samples, out=Path(name, "r.ome.tif"), dask=client)


def noting(log, mark):
    """Make what notes each tile that is begun, and kills the first worker at its tenth."""

    class Noting(distributed.WorkerPlugin):
        def setup(self, worker):
            ask, begun = restoring.restore_tile, []

            def noted(*args, **kwargs):
                begun.append(1)
                with Path(log).open("a") as file:
                    file.write("tile\n")
                if len(begun) == 10 and not Path(mark).exists():
                    Path(mark).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return ask(*args, **kwargs)

            restoring.restore_tile = noted

    return Noting()


if __name__ == "__main__":
    main()
