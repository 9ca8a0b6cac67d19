"""Tables and pictures of what `real_detectors.py` found."""

from statistics import median
from typing import NamedTuple

import numpy as np
import tifffile
from matplotlib.figure import Figure

SAMPLES = 50
LEVELS = (50, 90, 95)  # percent of the intervals mean ± z · spread
CROP = 96
PUBLISHED = (
    ("raw", "27.22"),
    ("non-local means after the transform", "31.25"),
    ("BM3D after the transform", "32.71"),
    ("Noise2Noise, trained on pairs of the data set", "35.40"),
)
COLUMNS = (
    ("nlm_measured", "non-local means, our noise"),
    ("nlm_oracle", "non-local means, oracle's noise"),
    ("bm3d_measured", "BM3D, our noise"),
    ("bm3d_oracle", "BM3D, oracle's noise"),
    ("bm3d_oracle_spectrum", "BM3D, oracle's noise and spectrum"),
)


class Job(NamedTuple):
    type: str
    method: str
    minutes: float | None = None
    seed: int | None = None
    preset: str | None = None

    @property
    def label(self):
        parts = (self.preset, self.minutes and f"{self.minutes:g}min", self.seed)
        parts = (self.type, self.method, *(str(part) for part in parts if part is not None))
        return "_".join(parts)


def key(line):
    return Job(*(line[name] for name in Job._fields))


def chosen(lines):
    """Choose between posterior means and samples by their medians; returns its name and PSNR."""
    names = [f"samples={samples}" for samples in (0, SAMPLES)]
    medians = {name: median(line[f"psnr_{name}"] for line in lines) for name in names}
    best = max(medians, key=medians.get)
    return best, medians[best]


def print_tables(lines):
    types = sorted({line["type"] for line in lines})
    found = {}
    for line in lines:
        column = (line["method"], line["minutes"], line["preset"])
        found.setdefault(column, {}).setdefault(line["type"], []).append(line)
    columns = [("raw", None, None), *((method, None, None) for method, _ in COLUMNS)]
    columns += sorted((c for c in found if c[1] is not None), key=lambda c: (c[0] != "n2v", c[1]))
    columns = [column for column in columns if column in found]
    print_scores(types, columns, found)
    print(
        "\nPublished (Zhang et al., CVPR 2019), means over 48 raw frames of all twelve types, dB:"
    )
    print("; ".join(f"{name} {value}" for name, value in PUBLISHED) + ".")
    print_ours(types, [column for column in columns if column[0] == "ours"], found)
    print_times(columns, found)
    for named in sorted({line["machine"] for line in lines}):
        print(f"\n{named}")


def print_scores(types, columns, found):
    names = dict(COLUMNS)
    heads = [
        names.get(method, {"n2v": "N2V (CAREamics)"}.get(method, method))
        + (f", {minutes:g} min" if minutes else "")
        + (f" ({preset})" if preset not in (None, "small") else "")
        for method, minutes, preset in columns
    ]
    heading("PSNR, dB", *heads)
    means = [[] for _ in columns]
    for name in types:
        cells = []
        for values, column in zip(means, columns, strict=True):
            lines = found[column].get(name, [])
            if not lines:
                cells.append("")
                continue
            if column[0] == "ours":
                which, value = chosen(lines)
            else:
                which, value = "", median(line[f"psnr_{column[0]}"] for line in lines)
            values.append(value)
            seeds = f", {len(lines)} seeds" if len(lines) > 1 else ""
            cells.append(f"{value:.2f}" + (f" ({which}{seeds})" if which else seeds))
        row(name, *cells)
    full = [f"{np.mean(v):.2f}" if len(v) == len(types) else "" for v in means]
    row("**mean**", *full)


def print_ours(types, columns, found):
    if not columns:
        return
    print()
    heads = [f"{level} % covers" for level in LEVELS]
    heads += ["90 %, allowing for the truth's noise", "mean ± 1.645 std", "light"]
    settings = ("minutes", "seeds", "samples=0", f"samples={SAMPLES}", "steps")
    heading("ours", *settings, *heads, "law of the first seed", "warnings")
    for column in columns:
        for name in types:
            lines = sorted(found[column].get(name, []), key=lambda line: line["seed"])
            if lines:
                scores = [
                    f"{median(line[f'psnr_samples={n}'] for line in lines):.2f}"
                    for n in (0, SAMPLES)
                ]
                names = [*(f"covered_{level}" for level in LEVELS), "allowed_90", "normal_90"]
                covered = [f"{median(line[name] for line in lines):.3f}" for name in names]
                steps = f"{median(line['steps'] for line in lines):g}"
                warned = sum(bool(line["warnings"]) for line in lines)
                seeds = " ".join(str(line["seed"]) for line in lines)
                law = lines[0]["law"]
                lights = " ".join(line["light"] for line in lines)
                row(name, f"{column[1]:g}", seeds, *scores, steps, *covered, lights, law, warned)


def print_times(columns, found):
    print()
    heading("median times, s", "training", "restoring", "measuring the noise")
    for column in columns:
        lines = [line for of_type in found[column].values() for line in of_type]
        restoring = ["seconds", "seconds_0", f"seconds_{SAMPLES}"]
        labels = dict(zip(restoring, ("", " (0)", f" ({SAMPLES})"), strict=True))
        cells = (
            "; ".join(
                f"{median(line[name] for line in lines):.1f}{labels.get(name, '')}"
                for name in names
                if all(name in line for line in lines)
            )
            for names in (["train_seconds"], restoring, ["noise_seconds"])
        )
        method, minutes, _ = column
        row(method + (f", {minutes:g} min" if minutes else ""), *cells)


def heading(*cells):
    row(*cells)
    print("| --- " * len(cells) + "|")


def row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |")


def draw(name, view, lines, folder):
    """Draw the first seed of the longest training beside BM3D and the truth, with two details."""
    of_ours = sorted(
        (line for line in lines if line["method"] == "ours"),
        key=lambda line: (-line["minutes"], line["seed"]),
    )
    if not of_ours:
        return
    first, others = of_ours[0], {line["method"]: line for line in lines}
    which, value = chosen([first])
    base = folder / key(first).label
    panels = [
        ("raw" + (f", {others['raw']['psnr_raw']:.2f} dB" if "raw" in others else ""), view.raw),
        (f"ours, {which}, {value:.2f} dB", tifffile.imread(f"{base}_{which}.tif")),
    ]
    for method, title in (("bm3d_oracle", "BM3D, oracle's noise"), ("n2v", "N2V")):
        if method in others:
            image = tifffile.imread(folder / f"{key(others[method]).label}.tif")
            panels.append((f"{title}, {others[method][f'psnr_{method}']:.2f} dB", image))
    panels.append(("truth: mean of 50 frames", view.truth))
    panels.append(("our error bar (standard deviation)", tifffile.imread(f"{base}_spread.tif")))
    whole = (slice(None),) * 2
    cuts = (whole, square(view.truth, 0.98), square(view.truth, 0.5))
    figure = Figure(figsize=(3.2 * len(panels), 9.4), layout="constrained")
    for axes, cut in zip(figure.subplots(len(cuts), len(panels)), cuts, strict=True):
        low, high = np.percentile(view.truth[cut], (0.5, 99.8))
        for number, (panel, (title, image)) in enumerate(zip(axes, panels, strict=True)):
            spread = number == len(panels) - 1
            limits = {} if spread else {"vmin": low, "vmax": max(high, low + 1)}
            panel.imshow(image[cut], cmap="magma" if spread else "gray", **limits)
            panel.set_title(title, fontsize=9)
            panel.set_axis_off()
    figure.savefig(folder / f"{name}.png", dpi=110)


def square(truth, rank):
    """Find a detail whose mean brightness has this rank among all of them."""
    rows, columns = (range(0, side - CROP + 1, CROP // 2) for side in truth.shape)
    cuts = [(slice(y, y + CROP), slice(x, x + CROP)) for y in rows for x in columns]
    cuts.sort(key=lambda cut: truth[cut].mean())
    return cuts[round(rank * (len(cuts) - 1))]
