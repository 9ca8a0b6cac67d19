"""Runs killed at random moments and resumed: is the outcome byte for byte the same?

python benchmarks/kills.py tif|zarr|training|dask [--kills 50] [--side 192] [--samples 4] [--seed 0]

Predictions and trainings: each round starts `ladderscope predict` or `ladderscope train denoiser`
in a process of its own (forked from one that has loaded everything), kills it with SIGKILL after a
random time, and resumes it until it ends by itself. Dask: two workers restore an image together,
and one of them is killed after a random time. Outputs are compared with those of a run that nothing
disturbed: all files of a prediction, and the weights, statistics and calibration of a model, whose
file also holds how long the training took. Rounds that ended before a kill are not counted.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

from ladderscope import Denoiser, load
from ladderscope.cli import main as command_line
from ladderscope.models.identity import digest_of_model
from ladderscope.models.workers import connected
from ladderscope.noise import PoissonGaussian


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["tif", "zarr", "training", "dask"])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        prepare(given)
        rounds = workers_killed if given.what == "dask" else processes_killed
        rounds(folder, given, random.Random(given.seed))


def prepare(given):
    rng = np.random.default_rng(0)
    noise = PoissonGaussian(gain=2.0, intercept=9.0)
    signal_ = 20 + 400 * gaussian_filter(rng.random((given.side, given.side)), 3)
    noisy = (2 * rng.poisson(signal_ / 2) + rng.normal(0, 3, signal_.shape)).astype(np.float32)
    tifffile.imwrite("a.tif", noisy)
    denoiser = Denoiser("tiny", noise=noise, tile_core=32)
    denoiser.fit(noisy[:128, :128], steps=5, progress=False).save("m.ladder")


def processes_killed(folder, given, chance):
    started = time.monotonic()
    finished(start(given, "whole"), None)
    seconds, expected = time.monotonic() - started, outcome(given, folder / "whole")
    kills = later = rounds = same = 0
    while kills < given.kills:
        out, killed = f"round{rounds}", False
        while not (given.what == "training" and is_trained(folder / out)):
            process = start(given, out)
            if finished(process, chance.uniform(0.05, 1.0) * seconds):
                break
            kills, killed = kills + 1, True
            later += something_is_kept(folder / out)
        rounds += 1
        if killed:
            same += outcome(given, folder / out) == expected
        else:
            rounds -= 1
        if killed and outcome(given, folder / out) != expected:
            kept = tempfile.mkdtemp(prefix=f"kills-{given.what}-")
            shutil.copytree(out, kept, dirs_exist_ok=True)
            print(f"round {rounds} differs: kept in {kept}")
        shutil.rmtree(out)
        print(
            f"{kills} kills in {rounds} rounds, {later} of them with something finished; "
            f"{same} of {rounds} outcomes the same",
            flush=True,
        )


def start(given, out):
    """Fork a process that begins, or resumes if there is something to resume."""
    target = Path(out, "m.ladder" if given.what == "training" else f"r.ome.{given.what}")
    if given.what == "training":
        command = ["train", "denoiser", "a.tif", "--preset", "tiny", "--steps", str(given.steps)]
        command += ["--noise", "poisson-gaussian:2,0,3", "--no-thumbnail"]
        resumed = target.with_name(f"{target.name}.state").exists()
    else:
        command = ["predict", "m.ladder", "a.tif", "--samples", str(given.samples)]
        resumed = target.exists() or Path(f"{target}.parts").exists()
    command += ["-o", str(target), *(["--resume"] if resumed else [])]
    process = os.fork()
    if process:
        return process
    silence = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    import sys

    sys.argv = ["ladderscope", *command]
    try:
        command_line()
        os._exit(0)
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else int(bool(ended.code)))
    except BaseException:
        os._exit(99)


def finished(process, seconds):
    """Wait, and kill it after so many seconds; whether it ended by itself."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        done, status = os.waitpid(process, 0 if end is None else os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"a run failed:\n{Path('log.txt').read_text()[-3000:]}")
            return True
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return False


def is_trained(out):
    """Whether the training was complete before the kill: then its state is gone."""
    return (out / "m.ladder").exists() and not any(out.glob("*.state"))


def something_is_kept(out):
    return any(out.glob("*.parts/*/*.safetensors")) or any(out.glob("*.state"))


def outcome(given, out):
    if given.what == "training":
        model = load(out / "m.ladder").model
        return digest_of_model(model), model.calibration
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".unfinished-" not in str(path)  # what the next run clears away
    }


def workers_killed(folder, given, chance):
    denoiser = load("m.ladder")
    started = time.monotonic()
    denoiser.predict("a.tif", samples=given.samples, out="whole/r.ome.tif")
    expected, seconds = outcome(given, folder / "whole"), time.monotonic() - started
    kills = rounds = same = 0
    with connected("local:2") as client:
        while kills < given.kills:
            ended = threading.Event()
            killed = []

            def kill(ended=ended, killed=killed):
                if not ended.wait(chance.uniform(0.02, 0.8) * seconds):
                    victim = chance.choice(sorted(client.run(os.getpid).values()))
                    if not ended.is_set():
                        os.kill(victim, signal.SIGKILL)
                        killed.append(victim)

            killer = threading.Thread(target=kill)
            killer.start()
            out = folder / f"round{rounds}"
            denoiser.predict("a.tif", samples=given.samples, out=out / "r.ome.tif", dask=client)
            ended.set()
            killer.join()
            if killed:
                rounds, kills = rounds + 1, kills + 1
                same += outcome(given, out) == expected
                print(f"{kills} workers killed; {same} of {rounds} outcomes the same", flush=True)
            shutil.rmtree(out)
            client.wait_for_workers(1)  # one killed while it starts may stay away


if __name__ == "__main__":
    main()
