"""Do blind levels reduce lines in the noise?

Gaussian noise and lines are added to a clean sample image: a random offset per row or, with
--length, per segment of a row. Models are trained on it with and without blind levels. Prints the
PSNR (peak = max − min of the clean image), the fraction of the lines that remains (projection of
the error onto them: 1 in the noisy image, 0 without lines), and the line energy: the variance of
the mean error per row, after removing what varies smoothly from row to row.

    python benchmarks/structured_noise.py --minutes 5 --blind 0 1 2 3 --picture lines.png
"""

import argparse

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from ladderscope import Denoiser
from ladderscope.evaluation import psnr
from ladderscope.images import sample_image
from ladderscope.noise import Gaussian


def lines_on(shape, rng, width=1, length=None):
    """Make lines of unit variance, so many rows wide and so many pixels long."""
    height, across = shape
    count = -(-height // width)
    if length is None:
        offsets = np.tile(rng.normal(size=(count, 1)), across)
    else:
        pieces = rng.normal(size=(count, across // length + 2)).repeat(length, axis=1)
        starts = rng.integers(length, size=count)
        offsets = np.stack(
            [row[start : start + across] for row, start in zip(pieces, starts, strict=True)]
        )
    return offsets.repeat(width, axis=0)[:height]


def line_energy(error, width=1):
    """Measure the variance of the rows' means, without what varies smoothly from row to row."""
    rows = error.mean(axis=1)
    return float(np.var(rows - gaussian_filter1d(rows, 8.0 * width)))


def lines_left(error, lines):
    """Project an error onto the lines."""
    return float((error * lines).mean() / np.square(lines).mean())


def noise_of(name, sigma, amplitude):
    """Make the noise model that the denoisers are given."""
    total = float(np.hypot(sigma, amplitude))
    given = {"total": Gaussian(total), "double": Gaussian(2 * total)}
    return given.get(name, "poisson_gaussian" if name == "independent" else name)


def draw(panels, clean, path):
    """Show the images beside each other, a detail of each below, in the greys of the truth."""
    low, high = np.percentile(clean, (0.5, 99.8))
    middle = tuple(slice(side // 2 - 64, side // 2 + 64) for side in clean.shape)
    figure = Figure(figsize=(2.6 * len(panels), 5.6), layout="constrained")
    for column, (title, image) in zip(figure.subplots(2, len(panels)).T, panels, strict=True):
        column[0].set_title(title, fontsize=9)
        for axes, shown in zip(column, (image, image[middle]), strict=True):
            axes.imshow(shown, cmap="gray", vmin=low, vmax=high)
            axes.set_axis_off()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--image", default="dna", choices=["cells", "dna", "ph3"])
    parser.add_argument(
        "--sigma", type=float, default=8, help="standard deviation of the noise without the lines"
    )
    parser.add_argument("--lines", type=float, default=6, help="standard deviation of the lines")
    parser.add_argument("--width", type=int, default=1, help="of a line, in rows")
    parser.add_argument("--length", type=int, help="of a line, in pixels; the whole row by default")
    parser.add_argument("--blind", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--levels", type=int, default=4)
    parser.add_argument(
        "--noise",
        nargs="+",
        default=["independent"],
        choices=["independent", "auto", "total", "double"],
        help="measured as independent from pixel to pixel, or as auto chooses; or Gaussian, of the "
        "standard deviation of lines and noise together; or of twice that",
    )
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--steps", type=int, help="in place of --minutes")
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--picture", help="write a picture of the last seed's restorations here")
    args = parser.parse_args()
    budget = {"steps": args.steps} if args.steps else {"minutes": args.minutes}

    clean = sample_image(args.image).pixels.astype(float)
    print(f"{args.image}, {torch.get_num_threads()} threads, {args.levels} levels, {budget}")
    print("| seed | noise model | blind levels | steps | PSNR, dB | lines left | line energy |")
    print("| --- " * 7 + "|")
    for seed in args.seeds:
        rng = np.random.default_rng(seed)
        lines = args.lines * lines_on(clean.shape, rng, args.width, args.length)
        noisy = (clean + lines + rng.normal(0, args.sigma, clean.shape)).astype(np.float32)
        panels = [("clean", clean), ("noisy", noisy)]
        report = (seed, "(the noisy image)", "", "")
        print(_row(*report, noisy, clean, lines, args.width), flush=True)
        for name in args.noise:
            for blind in args.blind:
                model = noise_of(name, args.sigma, args.lines)
                denoiser = Denoiser(
                    noise=model, seed=seed, levels=args.levels, blind_levels=blind
                ).fit(noisy, progress=False, **budget)
                restored = denoiser.predict(noisy, samples=args.samples).mean
                report = (seed, name, blind, denoiser.model.outcome.steps)
                print(_row(*report, restored, clean, lines, args.width), flush=True)
                panels.append((f"{blind} blind levels, noise {name}", restored))
    if args.picture:
        draw(panels, clean, args.picture)


def _row(seed, name, blind, steps, image, clean, lines, width):
    error = image - clean
    return (
        f"| {seed} | {name} | {blind} | {steps} | {psnr(image, clean):.2f} | "
        f"{lines_left(error, lines):.2f} | {line_energy(error, width):.2f} |"
    )


if __name__ == "__main__":
    main()
