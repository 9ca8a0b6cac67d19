"""How much do tiles and bfloat16 change a prediction?

Compared with the whole image in one tile and in float32, with posterior means, relative to the
standard deviation of the training images.

    python benchmarks/exactness.py MODEL.ladder DATA --channel actin
"""

import argparse
from pathlib import Path

import numpy as np
import tifffile
import torch
from fly import noisy

from ladderscope import load
from ladderscope.evaluation import psnr
from ladderscope.prediction import Geometry, restore


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--channel", default="actin")
    args = parser.parse_args()
    denoiser = load(args.model, device="cpu")
    network = denoiser._ready_network()
    of_training = denoiser.model.statistics[0]
    clean = tifffile.imread(args.data / "fly" / args.channel / "pos076.tif").astype(float)
    field = ((noisy(clean) - of_training.mean) / of_training.std).astype(np.float32)

    def restored(geometry, autocast=None):
        result = restore(network, field, samples=0, geometry=geometry, autocast=autocast)
        return result.mean[0].numpy()

    def decibels(result):
        return psnr(result * of_training.std + of_training.mean, clean)

    whole = restored(Geometry(core=4096, margin=0))
    print(f"whole image, float32: {decibels(whole):.3f} dB")
    for name, result in [
        ("whole image, bfloat16", restored(Geometry(core=4096, margin=0), torch.bfloat16)),
        *(
            (f"core {core}, overlap {margin}, float32", restored(Geometry(core, margin)))
            for core in (496, 992)
            for margin in (0, 16, 32, 64, 96)
        ),
    ]:
        difference = np.abs(result - whole)
        print(
            f"{name}: rms {np.sqrt((difference**2).mean()):.5f}, largest {difference.max():.4f}, "
            f"{decibels(result):.3f} dB",
            flush=True,
        )


if __name__ == "__main__":
    main()
