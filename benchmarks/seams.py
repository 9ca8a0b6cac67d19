"""Can the tiles be seen? The noise of positions, fresh noise per tile, and inner tiling.

    python benchmarks/seams.py [STEPS]

A denoiser is trained on a part of the bundled image of cells, and restores all of it in tiles. The
latent noise of Ladderscope depends on the position alone; fresh noise is made by giving every tile
its own random seed. Inner tiling draws fresh noise too, and keeps only the middle of windows with a
margin four times as wide.
"""

import sys

import numpy as np

from ladderscope import Denoiser
from ladderscope.evaluation import Borders, seams
from ladderscope.images import sample_image
from ladderscope.prediction import Geometry, tiles_of
from ladderscope.prediction.sampler import Sampling, draw_tile
from ladderscope.prediction.seen import Part

CORE, MARGIN = 96, 32


def drawn(network, field, geometry, *, samples, seed, fresh):
    """Draw samples tile by tile; with fresh noise, each tile has a seed of its own."""
    part, image = Part.of_whole(field), np.empty((samples, *field.shape), np.float32)
    for number, tile in enumerate(tiles_of(network, field.shape, geometry)):
        asked = Sampling(samples=samples, seed=1000 * seed + fresh * number)
        image[:, *tile.core] = draw_tile(network, part, tile, asked)[:, 0].numpy()
    return image


def borders_of(network, size, geometry):
    """Say where tiles meet."""
    cores = [tile.core for tile in tiles_of(network, size, geometry)]
    rows, columns = (tuple(sorted({core[axis].start for core in cores} - {0})) for axis in (0, 1))
    return Borders(rows, columns, 2 ** len(network.latent_channels))


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    clean = sample_image("cells").pixels.astype(np.float32)
    rng = np.random.default_rng(0)
    noisy = clean + rng.normal(0, 0.15 * clean.std(), clean.shape).astype(np.float32)
    denoiser = Denoiser("tiny", seed=0).fit(noisy[:256], steps=steps, progress=False)
    network, (statistics,) = denoiser._ready_network(), denoiser.model.statistics
    field = ((noisy - statistics.mean) / statistics.std).astype(np.float32)
    tiled, inner, none = Geometry(CORE, MARGIN), Geometry(CORE, 4 * MARGIN), Geometry(CORE, 0)
    ways = {
        "one tile, same lines": (Geometry(max(field.shape), MARGIN), False, tiled),
        "Ladderscope": (tiled, False, tiled),
        "fresh noise per tile": (tiled, True, tiled),
        "inner tiling": (inner, True, inner),
        "no margin": (none, False, none),
    }
    print(f"{field.shape} pixels, {steps} steps, standard deviation {clean.std():.1f} grey levels")
    for samples, seeds in ((1, 8), (16, 2)):
        for name, (geometry, fresh, judged) in ways.items():
            borders = borders_of(network, field.shape, judged)
            found = []
            for seed in range(seeds):
                draws = drawn(network, field, geometry, samples=samples, seed=seed, fresh=fresh)
                found.append(seams(draws.mean(axis=0) * statistics.std, borders))
            step = np.sqrt(np.mean([one.step**2 for one in found]))
            p_values = [one.p_value for one in found]
            print(
                f"{samples:3} samples  {name:22} {found[0].borders:2} borders"
                f"  ratio {np.mean([one.ratio for one in found]):.2f}"
                f"  step {step:.2f}  median p {np.median(p_values):.4f}"
                f"  below 0.01: {sum(p < 0.01 for p in p_values)} of {seeds}",
                flush=True,
            )


if __name__ == "__main__":
    main()
