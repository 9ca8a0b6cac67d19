"""What do more frames gain? Trainings on 1, 10 and 100 noisy frames of one kind of structure.

The frames are squares of 128×128 pixels, shuffled, of both positions of a fly channel, with the
reference noise, which the fit measures. PSNR of the posterior means, of frame 0 and of frames
0 to 9, whether or not they were trained on; peak = max − min of the clean channel.

    python benchmarks/many_frames.py DATA --channel actin --steps 300 1450 --seeds 0
"""

import argparse
import json
from pathlib import Path

import numpy as np
import tifffile
from fly import POSITIONS, noisy

from ladderscope import Denoiser

SIDE = 128


def squares(image):
    height, width = (side - side % SIDE for side in image.shape)
    rows = image[:height, :width].reshape(height // SIDE, SIDE, width // SIDE, SIDE)
    return rows.swapaxes(1, 2).reshape(-1, SIDE, SIDE)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with fly/actin/pos002.tif and so on")
    parser.add_argument("--channel", default="actin")
    parser.add_argument("--frames", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--steps", type=int, nargs="+", default=[300, 1450])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()

    folder = args.data / "fly" / args.channel
    images = [tifffile.imread(folder / f"pos{name}.tif").astype(float) for name in POSITIONS]
    clean = np.concatenate([squares(image) for image in images])
    clean = clean[np.random.default_rng(0).permutation(len(clean))]
    observed = noisy(clean)
    for seed in args.seeds:
        for frames in args.frames:
            for steps in args.steps:
                denoiser = Denoiser(seed=seed)
                denoiser.fit(list(observed[:frames]), steps=steps, progress=False)
                errors = [
                    np.mean((denoiser.predict(frame, samples=0).mean - truth) ** 2)
                    for frame, truth in zip(observed[:10], clean[:10], strict=True)
                ]
                first, ten = (
                    10 * np.log10(np.ptp(clean) ** 2 / error)
                    for error in (errors[0], np.mean(errors))
                )
                line = {"frames": frames, "steps": steps, "seed": seed}
                line |= {"best_step": denoiser.model.outcome.best_step}
                line |= {"frame_0": round(float(first), 2), "frames_0_to_9": round(float(ten), 2)}
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
