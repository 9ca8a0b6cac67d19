"""``ladderscope demo``: the whole path, on sample images whose clean version is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ladderscope.cli import options

if TYPE_CHECKING:
    from ladderscope.cli.naming import Outputs
    from ladderscope.images import Image

PHOTONS_PER_UNIT = 0.5
READ_NOISE = 3.0
SAMPLES = 16


def demo(
    output: options.OutputFolder = Path("demo"),
    minutes: options.Minutes = None,
    preset: options.Preset = None,
    steps: options.Steps = None,
    seed: options.Seed = None,
    device: options.DeviceName = None,
    images: Annotated[
        list[str] | None, typer.Option("--image", help="Sample images: cells, dna or ph3.")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Add noise to sample images of cells, restore them, and say how much that gained."""
    import logging

    import tifffile

    from ladderscope.cli import work
    from ladderscope.cli.naming import outputs_in
    from ladderscope.cli.preflight import check_folder, check_outputs
    from ladderscope.cli.setup import make_denoiser
    from ladderscope.cli.terminal import show_summary
    from ladderscope.files import whole_file
    from ladderscope.images import SAMPLE_CREDIT, sample_image

    if minutes is None and steps is None:
        minutes = 3.0
    denoiser, _ = make_denoiser(
        None, device, preset=preset, minutes=minutes, steps=steps, seed=seed
    )
    logging.getLogger("ladderscope").info("%s", SAMPLE_CREDIT)
    clean = [sample_image(name) for name in images or ["cells", "dna"]]  # type: ignore[arg-type]
    noisy = [_noisy(image, number) for number, image in enumerate(clean)]
    outputs = [outputs_in(output, Path(image.name).stem) for image in clean]
    noisy_paths = [output / "noisy" / image.name for image in clean]
    picture_path = output / "demo.png"
    check_outputs(
        [
            *(file for pair in outputs for file in pair),
            *noisy_paths,
            picture_path,
            output / "model.ladder",
            output / "report.html",
        ],
        [],
        may_replace=overwrite,
    )
    check_folder(output)
    for path, image in zip(noisy_paths, noisy, strict=True):
        # not by write_image: what that signs as Ladderscope's own is never taken as input
        with whole_file(path, overwrite) as unfinished:
            tifffile.imwrite(unfinished, image.pixels, software="demonstration")
    failures = work.denoise_batch(
        denoiser,
        noisy,
        outputs,
        output,
        title="Ladderscope's demonstration",
        samples=SAMPLES,
        overwrite=overwrite,
    )
    if failures:
        raise typer.Exit(1)
    rows = _compare(clean, noisy, outputs, picture_path, overwrite)
    show_summary([*rows, ("picture", str(picture_path)), ("credit", SAMPLE_CREDIT)])


def _noisy(image: "Image", number: int) -> "Image":
    """Count photons and read them out, with a fixed seed: half a photon a unit, σ = 3."""
    from dataclasses import replace

    import numpy as np

    rng = np.random.default_rng([0, number])
    photons = rng.poisson(PHOTONS_PER_UNIT * image.pixels.astype(np.float64))
    pixels = photons / PHOTONS_PER_UNIT + rng.normal(0.0, READ_NOISE, image.pixels.shape)
    return replace(image, pixels=pixels.astype(np.float32))


def _compare(
    clean: "list[Image]",
    noisy: "list[Image]",
    outputs: "list[Outputs]",
    picture_path: Path,
    overwrite: bool,
) -> list[tuple[str, str]]:
    """Measure what was gained, and draw it for the first image."""
    import tifffile

    from ladderscope.evaluation import psnr
    from ladderscope.files import whole_file
    from ladderscope.report import comparison_picture

    rows: list[tuple[str, str]] = []
    for truth, observed, files in zip(clean, noisy, outputs, strict=True):
        restored = tifffile.imread(files.restored)
        before, after = psnr(observed.pixels, truth.pixels), psnr(restored, truth.pixels)
        rows.append(("PSNR", f"{truth.name}: noisy {before:.2f} dB, restored {after:.2f} dB"))
        if truth is clean[0]:
            titles = [f"noisy ({before:.1f} dB)", f"restored ({after:.1f} dB)", "clean (the truth)"]
            spread = tifffile.imread(files.spread)
            drawn = comparison_picture(observed.pixels, restored, spread, truth.pixels, titles)
            with whole_file(picture_path, overwrite) as unfinished:
                unfinished.write_bytes(drawn)
    return rows
