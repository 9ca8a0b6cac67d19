"""How fast and how good is the fit of a Gaussian mixture, compared with CAREamics?

Three Gaussians are fitted to the same 1,000,000 pairs, one program after the other in one run.
CAREamics has its defaults (2,000 steps of Adam on 250,000 pixels each), except for the range of
signals and the smallest variance: its default of 125 exceeds the variance of the noise here. The
likelihood is that of another 1,000,000 pairs, computed by the same code for both.

    python benchmarks/mixture_against_careamics.py --peer FOLDER_FOR_THE_PEERS_ENVIRONMENT
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

PAIRS = (4, 500, 500)


def camera(signal, rng):
    """Gain 2, read noise 3."""
    return 2 * rng.poisson(signal / 2) + 3 * rng.normal(size=signal.shape)


def telegraph(signal, rng):
    """The same, with random telegraph noise in 10 % of the pixels."""
    return camera(signal, rng) + rng.choice([-40, 0, 40], p=[0.05, 0.9, 0.05], size=signal.shape)


def multiplied(signal, rng):
    """An electron multiplier: 20 grey levels per photon on average, random multiplication."""
    photons = np.maximum(rng.poisson(signal / 20), 1e-9)
    return rng.gamma(photons, 20) + 5 * rng.normal(size=signal.shape)


LAWS = {law.__name__: law for law in (camera, telegraph, multiplied)}


def their_side(folder):
    """Fit and save; runs in the CAREamics environment."""
    from careamics_side import stand_in_for_torchvision

    stand_in_for_torchvision()
    from careamics.config.noise_model import GaussianMixtureNMConfig
    from careamics.models.lvae.noise_models import GaussianMixtureNoiseModel

    torch.manual_seed(0)
    options = json.loads((folder / "options.json").read_text())
    signal, observation = (np.load(folder / f"{name}.npy") for name in ("signal", "observation"))
    started = time.perf_counter()
    noise = GaussianMixtureNoiseModel(GaussianMixtureNMConfig(n_gaussian=3, n_coeff=2, **options))
    noise.fit(signal, observation)
    (folder / "seconds").write_text(str(time.perf_counter() - started))
    noise.save(str(folder), "theirs.npz")


def held_out(model, pairs):
    """Mean log-likelihood, in float64."""
    values = [
        model.log_likelihood(*(torch.from_numpy(part) for part in plane)).mean()
        for plane in zip(*pairs, strict=True)
    ]
    return float(torch.stack(values).mean())


def compare(law, python, folder):
    from ladderscope.noise import GaussianMixture
    from ladderscope.noise_estimation import fit_noise_model

    rng = np.random.default_rng(0)
    signal = rng.uniform(10, 1000, PAIRS)
    observation = law(signal, rng)
    test_signal = rng.uniform(10, 1000, PAIRS)
    test = (law(test_signal, rng), test_signal)

    times = []
    for _ in range(5):
        started = time.perf_counter()
        ours = fit_noise_model(observation, signal, "mixture", axes="SYX")
        times.append(time.perf_counter() - started)
    options = {
        "min_signal": ours.min_signal,
        "max_signal": ours.max_signal,
        "min_sigma": ours.min_sigma,
    }
    (folder / "options.json").write_text(json.dumps(options))
    np.save(folder / "signal.npy", signal)
    np.save(folder / "observation.npy", observation)
    log = folder / "log"
    with log.open("w") as out:
        command = [str(python), __file__, "--their-side", str(folder)]
        subprocess.run(command, check=True, stdout=out, stderr=out)
    theirs = GaussianMixture.load(folder / "theirs.npz")
    seconds = float((folder / "seconds").read_text())
    mine = float(np.median(times))
    print(
        f"| {law.__doc__.strip().rstrip('.')} | {seconds:.0f} | {mine:.2f} "
        f"({min(times):.2f}–{max(times):.2f}) | {seconds / mine:.0f}× | "
        f"{held_out(theirs, test):.5f} | {held_out(ours, test):.5f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peer", type=Path, help="folder of the CAREamics environment, created if missing"
    )
    parser.add_argument(
        "--laws", nargs="+", default=list(LAWS), choices=list(LAWS), help="noise to compare on"
    )
    parser.add_argument("--their-side", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.their_side:
        their_side(args.their_side)
        return
    if args.peer is None:
        sys.exit("give --peer FOLDER")
    from peer import peer_python

    python = peer_python(args.peer)
    print(
        "| noise | CAREamics, s | ours, s | ratio "
        "| CAREamics, nats per pixel | ours, nats per pixel |"
    )
    print("| --- " * 6 + "|")
    for name in args.laws:
        with tempfile.TemporaryDirectory() as folder:
            compare(LAWS[name], python, Path(folder))


if __name__ == "__main__":
    main()
