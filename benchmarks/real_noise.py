"""What remains in the residual of a real camera image, without ground truth?

python benchmarks/real_noise.py DATA/speckles/hoechst.tif --minutes 5 --picture hoechst.png
"""

import argparse
from pathlib import Path

import numpy as np
import tifffile
from matplotlib.figure import Figure

from ladderscope import Denoiser
from ladderscope.evaluation import residual_check


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--minutes", type=float, help="default: the preset's")
    parser.add_argument(
        "--steps", type=int, help="instead of --minutes, for a machine that is not idle"
    )
    parser.add_argument("--picture", type=Path, default=Path("real_noise.png"))
    args = parser.parse_args()
    denoiser = Denoiser().fit(args.image, minutes=args.minutes, steps=args.steps, progress=False)
    print(denoiser.model.noise_fits[0].summary())
    observed = tifffile.imread(args.image).astype(np.float32)
    restored = denoiser.predict(args.image, samples=50)
    for name, mean in (
        ("50 samples", restored.mean),
        ("posterior means", denoiser.predict(args.image, samples=0).mean),
    ):
        print(name, residual_check(observed, mean, denoiser.model.noise_models[0]))

    centre = tuple(slice(side // 2 - 150, side // 2 + 150) for side in observed.shape)
    low, high = np.percentile(restored.mean, (0.5, 99.8))
    figure = Figure(figsize=(12, 8), layout="constrained")
    for row, where in zip(figure.subplots(2, 4), ((slice(None),) * 2, centre), strict=True):
        panels = (
            ("noisy", observed, low, high),
            ("restored", restored.mean, low, high),
            ("spread of posterior samples", restored.std, 0, None),
            ("residual", observed - restored.mean, -30, 30),
        )
        for axes, (title, picture, bottom, top) in zip(row, panels, strict=True):
            axes.imshow(picture[where], cmap="gray", vmin=bottom, vmax=top)
            axes.set_title(title, fontsize=8)
            axes.set_axis_off()
    figure.savefig(args.picture, dpi=110)


if __name__ == "__main__":
    main()
