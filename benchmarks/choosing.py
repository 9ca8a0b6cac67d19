"""Does `choose` find the model that was trained on images of this kind, and none for other images?

    python benchmarks/choosing.py DATA MODELS

MODELS holds a denoiser for each type of DATA/fmd, TYPE_*.ladder, trained on its first frame. Crops
of other frames are shown to all of them, and crops of images unlike any of them. Then the right
model is taken away.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import tifffile

from ladderscope.models import Choice, choose, load

TYPES = [
    "Confocal_BPAE_R",
    "Confocal_FISH",
    "Confocal_MICE",
    "TwoPhoton_BPAE_G",
    "WideField_BPAE_G",
]
OTHERS = ["fly/nuclei", "fly/actin", "human/cells.tif", "speckles", "embryo"]
CROPS = {1: np.s_[:256, :256], 3: np.s_[-256:, -256:]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    models = [load(min(given.models.glob(f"{name}_*.ladder"))) for name in TYPES]
    right = alone = none = 0
    for name in TYPES:
        film = tifffile.imread(given.data / "fmd" / f"{name}_raw.tif")
        for frame, crop in CROPS.items():
            choice = choose(film[frame][crop].astype(np.float32), models)
            left = Choice(tuple(one for one in choice.fits if named(one) != name))
            show(f"{name}, frame {frame}", choice, left)
            right += named(choice.best) == name
            alone += left.best is None
    for other in OTHERS:
        path = given.data / other
        pixels = tifffile.imread(path if path.is_file() else min(path.glob("*.tif")))
        plane = pixels[len(pixels) // 2] if pixels.ndim == 3 else pixels
        choice = choose(plane[:256, :256].astype(np.float32), models)
        show(other, choice, choice)
        none += choice.best is None
    cases = len(TYPES) * len(CROPS)
    print(f"right model: {right} of {cases}; without it, none: {alone} of {cases}")
    print(f"other images, none: {none} of {len(OTHERS)}")


def named(fit):
    return None if fit is None else TYPES[int(fit.model.split()[1]) - 1]


def show(name, choice, left):
    first, second = choice.fits[:2]
    print(
        f"{name:28} best {named(choice.best)}; likeliest {named(first)} {first.nats:.3f} "
        f"({first.light}), next {named(second)} {second.nats:.3f} ({second.light}); "
        f"without the right one {named(left.best)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
