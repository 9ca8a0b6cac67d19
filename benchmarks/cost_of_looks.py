"""How much time do the first and the last look take, compared with an earlier version?

    python benchmarks/cost_of_looks.py --before ../earlier/src --rounds 5 [IMAGE.tif]

The two versions alternate, and each measurement runs in a separate process with PYTHONPATH set to
one of them. The ratio of the medians is printed; it is below 1 where this version is faster. The
default image is a sample image enlarged to 1024×1024 pixels by mirroring, with added noise; a given
image is used unchanged.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

OWN = Path(__file__).parents[1] / "src"


def image(path):
    import numpy as np
    import tifffile

    from ladderscope.images import sample_image

    if path:
        return tifffile.imread(path)
    clean = np.pad(sample_image("cells").pixels.astype(float), (0, 512), mode="symmetric")
    rng = np.random.default_rng(0)
    return (2.0 * rng.poisson(clean / 2) + rng.normal(0, 3, clean.shape)).astype(np.float32)


def timed(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(path):
    """Time the parts in this process."""
    from ladderscope import Denoiser

    pixels = image(path)
    detail = pixels[:256, :256]
    found = {}
    Denoiser("tiny", seed=0).fit(detail, steps=5, progress=False)  # what is loaded once
    found["fit, tiny, 300 steps"] = timed(
        lambda: Denoiser("tiny", seed=0).fit(detail, steps=300, progress=False)
    )
    small = Denoiser("small", seed=0)
    found["fit, small, 30 steps"] = timed(
        lambda: small.fit(pixels, steps=30, progress=False, compile_network=False)
    )
    small.predict(detail, samples=0)
    for samples, repeats in ((0, 3), (4, 1)):
        name = f"predict, small, {samples} samples"
        predict = partial(small.predict, pixels, samples=samples)
        found[name] = min(timed(predict) for _ in range(repeats))
    print(json.dumps(found))


def run(tree, *arguments):
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def one_side(tree, path):
    lines = run(tree, __file__, "--measure", *([path] if path else [])).splitlines()
    found = json.loads(lines[-1])
    found["ladderscope --help"] = min(
        timed(lambda: run(tree, "-c", "from ladderscope.cli import main; main()", "--help"))
        for _ in range(3)
    )
    found["import ladderscope"] = min(
        timed(lambda: run(tree, "-c", "import ladderscope")) for _ in range(3)
    )
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("image", nargs="?")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.image)
        return
    sides = {"before": options.before.resolve(), "now": OWN}
    found = {side: [] for side in sides}
    for number in range(options.rounds):
        for side in sorted(sides, reverse=bool(number % 2)):
            found[side].append(one_side(sides[side], options.image))
    print("| | before | now | ratio |\n| --- | --- | --- | --- |")
    for name in found["now"][0]:
        before, now = (
            statistics.median(one[name] for one in found[side]) for side in ("before", "now")
        )
        print(f"| {name} | {before:.3f} s | {now:.3f} s | {now / before:.3f} |")


if __name__ == "__main__":
    main()
