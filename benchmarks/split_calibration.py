"""Do the error bars of splits hold on real pairs, once calibrated on unpaired held-out recordings?

A splitter of nuclei and actin that `splitting.py --save` has written is calibrated on sums of the
recordings that it held out, and judged on the test image, where both channels show the same cells.
Each seed turns the held-out actin otherwise before it is added up. "As with truth" follows the
sums, less the noise of their truth; "held-out" is what `calibrate()` does.

    python benchmarks/split_calibration.py DATA musplit.ladder --seeds 0 1 2
    python benchmarks/split_calibration.py DATA microsplit.ladder --noise --seeds 0 1 2
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from splitting import NAMES, read

from ladderscope import load
from ladderscope.data import Channels, Field, fields_of, hold_out
from ladderscope.evaluation.calibration import LEVELS, students
from ladderscope.evaluation.with_truth import calibrate
from ladderscope.images import read_images
from ladderscope.models.held_out import held_out_sums

SAMPLES = 16
AT = LEVELS.index(0.9)


def held_out(splitter, data):
    """Cut the squares that were held out; one list per channel."""
    squares = []
    for images in data.training:
        fields = fields_of(read_images(images, "YX"))
        chosen = hold_out(fields, splitter.settings.patch, splitter.seed).validation
        places = [(field.pixels, *field.reserved) for field in chosen]
        squares.append(
            [pixels[top : top + side, left : left + side] for pixels, top, left, side in places]
        )
    return squares


def sums_of(splitter, squares, seed):
    """Add the squares up, with the actin turned."""
    nuclei, actin = squares
    turned = [np.rot90(square[:: 1 - 2 * (seed // 4 % 2)], seed % 4) for square in actin]
    channels = Channels([[Field(square) for square in one] for one in (nuclei, turned)])
    return held_out_sums(channels, splitter.model.mixture.mixing)


def restored(splitter, sums):
    """Restore the sums; give restoration, standard deviation and truth of each channel."""
    found = [splitter.predict(image.array, "YX", samples=SAMPLES) for image in sums.mixed]
    parts = zip(found, sums.channels, strict=True)
    flat = [
        [values.reshape(len(NAMES), -1) for values in (one.mean, one.std, truth.array)]
        for one, truth in parts
    ]
    return [np.concatenate(values, axis=1).astype(float) for values in zip(*flat, strict=True)]


def noise_of(splitter, mean, channel):
    """Give the variance of the noise of the recordings; none without noise models."""
    if not splitter.model.noise_models:
        return np.zeros_like(mean)
    law = splitter.model.noise_models[channel]
    return law.moments(torch.from_numpy(mean))[1].numpy()


def coverage(restored, truth, channel, calibration, samples):
    mean, std = (values[channel].astype(float) for values in (restored.mean, restored.std))
    if calibration is None:
        half = students(0.9, samples) * std
    else:
        half = calibration.multiplier(0.9, samples) * calibration.std(std, mean)
    return float((np.abs(truth[channel] - mean) <= half).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with fly/actin/pos002.tif and so on")
    parser.add_argument("model", type=Path)
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()

    splitter = load(args.model)
    splitter._model = replace(splitter.model, calibration=())
    data = read(args.data, noise=args.noise)
    mixed = splitter.model.mixture.mixing.mixed(np.stack(data.test))
    pairs = {samples: splitter.predict(mixed, "YX", samples=samples) for samples in (0, SAMPLES)}
    for channel, name in enumerate(NAMES):
        for samples, pair in pairs.items():
            found = coverage(pair, data.truth, channel, None, samples)
            print(f"{name}, not calibrated, {samples} samples: {found:.3f}", flush=True)
    squares = held_out(splitter, data)
    for seed in args.seeds:
        splitter._held_out = sums_of(splitter, squares, seed)
        parts = restored(splitter, splitter._held_out)
        followed = []
        for channel in range(len(NAMES)):
            mean, std, truth = (values[channel] for values in parts)
            noise = noise_of(splitter, mean, channel)
            followed.append(calibrate(mean, std, truth, noise, samples=SAMPLES))
        held = splitter.calibrate(samples=SAMPLES).model.calibration
        splitter._model = replace(splitter.model, calibration=())
        for channel, name in enumerate(NAMES):
            for rule, made in (("as with truth", followed[channel]), ("held-out", held[channel])):
                found = ", ".join(
                    f"{coverage(pair, data.truth, channel, made, samples):.3f} ({samples})"
                    for samples, pair in pairs.items()
                )
                print(f"seed {seed}, {name}, {rule}: expected {made.after[AT]:.3f}, {found}")


if __name__ == "__main__":
    main()
