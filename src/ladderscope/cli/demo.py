"""``ladderscope demo``: the whole workflow, on sample images whose clean version is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ladderscope.cli import options

if TYPE_CHECKING:
    from ladderscope.cli.naming import Outputs
    from ladderscope.images import Image
    from ladderscope.models import Denoiser, Splitter

SAMPLES = 16
MINUTES = 3.0
STAINS: tuple[Literal["dna", "cells"], ...] = ("dna", "cells")
TRAINED_COLUMNS = 320


def demo(
    output: options.OutputFolder = "demo",
    split: Annotated[
        bool,
        typer.Option(
            "--split",
            help="Add up the images of two stains and split the sum; results go to OUT_DIR/split.",
        ),
    ] = False,
    minutes: Annotated[
        float | None, typer.Option(help=f"Training time in minutes (default: {MINUTES:g}).")
    ] = None,
    preset: options.Preset = None,
    steps: options.Steps = None,
    seed: options.Seed = None,
    device: options.DeviceName = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--image", help="Sample image: cells, dna or ph3. May be repeated."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Add noise to sample images, restore them, and compare the result with the clean images."""
    from ladderscope.cli.setup import make_restorer
    from ladderscope.errors import LadderscopeError
    from ladderscope.models import Denoiser, Splitter
    from ladderscope.names import output_folder

    folder = output_folder(output)
    if minutes is None and steps is None:
        minutes = MINUTES
    chosen = options.Training(preset=preset, minutes=minutes, steps=steps, seed=seed, device=device)
    if not split:
        denoiser, _ = make_restorer(Denoiser, chosen)
        _denoise(denoiser, images or [*STAINS[::-1]], folder, overwrite)
        return
    if images:
        raise LadderscopeError(
            f"--split always uses the stains {' and '.join(STAINS)}: omit --image"
        )
    splitter, _ = make_restorer(Splitter, chosen)
    _split(splitter, folder / "split", overwrite)


def _denoise(denoiser: "Denoiser", names: list[str], output: Path, overwrite: bool) -> None:
    from ladderscope.cli import work
    from ladderscope.cli.naming import outputs_in
    from ladderscope.cli.terminal import show_summary
    from ladderscope.images import SAMPLE_CREDIT, sample_image
    from ladderscope.images.samples import with_noise

    clean = [sample_image(name) for name in names]  # type: ignore[arg-type]
    noisy = [with_noise(image, number) for number, image in enumerate(clean)]
    outputs = [outputs_in(output, Path(image.name).stem) for image in clean]
    picture_path = output / "demo.png"
    _begin(
        output,
        [*(path for named in outputs for path in named.files), picture_path],
        {output / "noisy" / image.name: image for image in noisy},
        overwrite,
    )
    failures = work.denoise_batch(
        denoiser,
        noisy,
        outputs,
        output,
        title="Denoising demonstration",
        samples=SAMPLES,
        overwrite=overwrite,
    )
    if failures:
        raise typer.Exit(1)
    rows = _compare(clean, noisy, outputs, picture_path, overwrite)
    show_summary([*rows, ("picture", str(picture_path)), ("credit", SAMPLE_CREDIT)])


def _split(splitter: "Splitter", output: Path, overwrite: bool) -> None:
    """Train on one part of a field, stain by stain; split the other, where both were added."""
    from dataclasses import replace

    import numpy as np

    from ladderscope.cli import summary, work
    from ladderscope.cli.naming import outputs_in
    from ladderscope.cli.terminal import show_summary
    from ladderscope.images import SAMPLE_CREDIT, sample_image
    from ladderscope.images.samples import with_noise

    stains = [sample_image(name) for name in STAINS]
    recorded = [
        with_noise(replace(stain, pixels=stain.array[:, :TRAINED_COLUMNS]), number)
        for number, stain in enumerate(stains)
    ]
    truth = [replace(stain, pixels=stain.array[:, TRAINED_COLUMNS:]) for stain in stains]
    both = np.sum([stain.array for stain in truth], axis=0, dtype=int)
    mixed = with_noise(replace(truth[0], pixels=both, name="mixed.tif"), len(stains))
    outputs = outputs_in(output, "mixed", split=True)
    picture_path, report_path = output / "demo_split.png", output / "report.html"
    inputs = {output / "training" / image.name: image for image in recorded}
    _begin(
        output,
        [*outputs.files, picture_path],
        inputs | {output / mixed.name: mixed},
        overwrite,
    )
    work.train_and_save(
        splitter,
        output / "model.ladder",
        resume=False,
        overwrite=overwrite,
        thumbnail=True,
        channels=[[image] for image in recorded],
        names=STAINS,
        paired=True,
        offsets=[0.0] * len(STAINS),  # this camera has no black level
    )
    done = work.restore_all(
        splitter, [(mixed, outputs)], samples=SAMPLES, keep_dtype=False, overwrite=overwrite
    )
    failures = summary.sum_up(
        [
            *summary.restored_rows(done),
            *summary.training_rows(splitter, output / "model.ladder"),
        ],
        done.failures,
        report_path,
        lambda path: summary.write_page(
            path,
            splitter,
            done,
            title="Splitting demonstration",
            sentence=(
                f"A splitter was trained on the left {TRAINED_COLUMNS} columns of two stains of "
                f"the same field, {' and '.join(STAINS)}, with noise added. The remaining columns "
                "of both stains were added up, noise was added, and this mixed image was split."
            ),
            samples=SAMPLES,
            overwrite=overwrite,
        ),
    )
    if failures:
        raise typer.Exit(1)
    rows = _compare_split(truth, mixed, outputs, picture_path, overwrite)
    show_summary([*rows, ("picture", str(picture_path)), ("credit", SAMPLE_CREDIT)])


def _begin(output: Path, outputs: list[Path], inputs: "dict[Path, Image]", overwrite: bool) -> None:
    """Check that everything can be written, credit the images, and write the noisy ones."""
    import logging

    import tifffile

    from ladderscope.cli.preflight import check_outputs, state_of
    from ladderscope.files import whole_file
    from ladderscope.images import SAMPLE_CREDIT

    logging.getLogger("ladderscope").info("%s", SAMPLE_CREDIT)
    model_path = output / "model.ladder"
    files = [*outputs, *inputs, model_path, state_of(model_path), output / "report.html"]
    check_outputs(files, [], may_replace=overwrite)
    for path, image in inputs.items():
        # not by write_image: what that signs as Ladderscope's own is never taken as input
        with whole_file(path, overwrite) as unfinished:
            tifffile.imwrite(unfinished, image.array, software="demonstration")


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
        before, after = psnr(observed.array, truth.array), psnr(restored, truth.array)
        rows.append(("PSNR", f"{truth.name}: noisy {before:.2f} dB, restored {after:.2f} dB"))
        if truth is clean[0]:
            titles = [
                f"noisy ({before:.1f} dB)",
                f"restored ({after:.1f} dB)",
                "ground truth",
            ]
            spread = tifffile.imread(files.spread)
            drawn = comparison_picture(observed.array, restored, spread, truth.array, titles)
            with whole_file(picture_path, overwrite) as unfinished:
                unfinished.write_bytes(drawn)
    return rows


def _compare_split(
    truth: "list[Image]", mixed: "Image", outputs: "Outputs", picture_path: Path, overwrite: bool
) -> list[tuple[str, str]]:
    """Measure how near each channel is to its truth, and how near the mixed image was; draw it."""
    import tifffile

    from ladderscope.evaluation import psnr, range_invariant_psnr
    from ladderscope.files import whole_file
    from ladderscope.report import split_picture

    restored, spread = tifffile.imread(outputs.restored), tifffile.imread(outputs.spread)
    rows: list[tuple[str, str]] = []
    titles = ["mixed"]
    for name, channel, stain in zip(STAINS, restored, truth, strict=True):
        scores = [
            f"{score}: mixed {measure(mixed.array, stain.array):.2f} dB, split "
            f"{measure(channel, stain.array):.2f} dB"
            for score, measure in (("PSNR", psnr), ("range-invariant", range_invariant_psnr))
        ]
        rows.append(("split", f"{name}, {'; '.join(scores)}"))
        titles += [f"{name}, split ({psnr(channel, stain.array):.1f} dB)", f"{name}, ground truth"]
    channels = [
        (restored[number], spread[number], stain.array) for number, stain in enumerate(truth)
    ]
    with whole_file(picture_path, overwrite) as unfinished:
        unfinished.write_bytes(split_picture(mixed.array, channels, titles))
    return rows
