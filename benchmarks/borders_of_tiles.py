"""How often does the traffic light see the borders of tiles, where they show and where not?

    python benchmarks/borders_of_tiles.py DATA

A denoiser is trained briefly on each real image, and restores it in small tiles: as it does by
default, without overlap, and with fresh noise in every tile.
"""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile

from ladderscope import Denoiser
from ladderscope.images import Image
from ladderscope.models.building import geometry_of
from ladderscope.models.lights import denoised_checks
from ladderscope.prediction import tiles_of
from ladderscope.prediction.sampler import Sampling, draw_tile
from ladderscope.prediction.seen import Part

SIDE, STEPS = 448, 80
RNG = np.random.default_rng(0)


def images(folder):
    """Read a part of one plane of each recording; clean ones get the noise of a camera."""
    raw = [*folder.glob("fmd/*_raw.tif"), folder / "speckles/hoechst.tif"]
    raw.append(folder / "embryo/sequence1.tif")
    clean = [*folder.glob("human/*.tif"), *(min(one.glob("*.tif")) for one in folder.glob("fly/*"))]
    for path in sorted([*raw, *clean]):
        plane = tifffile.imread(path)
        while plane.ndim > 2:
            plane = plane[len(plane) // 2]
        plane = plane[:SIDE, :SIDE].astype(np.float32)
        if path in clean:
            plane = RNG.poisson(plane.clip(0) / 2) * 2 + RNG.normal(0, 3, plane.shape)
        yield f"{path.parent.name}/{path.stem}", plane.astype(np.float32)


def in_tiles(model, core, margin):
    settings = model.settings.model_copy(update={"tile_core": core, "tile_margin": margin})
    return Denoiser.from_model(replace(model, settings=settings))


def with_fresh_noise(denoiser, noisy, samples):
    """Average samples whose noise is drawn anew in every tile."""
    network, (statistics,) = denoiser._ready_network(), denoiser.model.statistics
    field = ((noisy - statistics.mean) / statistics.std).astype(np.float32)
    mean, part = np.empty_like(field), Part.of_whole(field)
    for number, tile in enumerate(tiles_of(network, field.shape, geometry_of(denoiser.settings))):
        drawn = draw_tile(network, part, tile, Sampling(samples=samples, seed=number))
        mean[tile.core] = drawn[:, 0].mean(dim=0).numpy()
    return mean * statistics.std + statistics.mean


def light(checks):
    return next((check.light for check in checks if check.name == "borders of tiles"), "none")


def main() -> None:
    found = Counter()
    for name, noisy in images(Path(sys.argv[1])):
        denoiser = Denoiser("tiny", seed=0).fit(noisy, steps=STEPS, progress=False)
        model, margin = denoiser.model, denoiser.settings.tile_margin
        for core in (64, 96):
            tiled = in_tiles(model, core, margin)
            for samples, seed in ((0, 0), (1, 1), (4, 0)):
                restored = tiled.predict(noisy, samples=samples, seed=seed)
                found["as by default", light(restored.checks)] += 1
        restored = in_tiles(model, 64, 0).predict(noisy, samples=0)
        found["no overlap", light(restored.checks)] += 1
        for samples in (1, 16):
            tiled = in_tiles(model, 64, margin)
            mean = with_fresh_noise(tiled, noisy, samples)[None, None]
            checks = denoised_checks(Image(noisy, "YX", name), mean, tiled.model, [0], "YX")
            found[f"fresh noise, {samples} samples", light(checks)] += 1
        print(name, dict(found), flush=True)


if __name__ == "__main__":
    main()
