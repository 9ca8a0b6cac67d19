"""``ladderscope train``: a model, saved for later."""

from pathlib import Path
from typing import Annotated

import typer

from ladderscope.cli import options


def train_denoiser(
    inputs: options.Inputs,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL.ladder", help="The model to write.")
    ],
    axes: options.Axes = None,
    preset: options.Preset = None,
    minutes: options.Minutes = None,
    steps: options.Steps = None,
    epochs: options.Epochs = None,
    noise: options.Noise = None,
    blind_levels: options.BlindLevels = None,
    seed: options.Seed = None,
    device: options.DeviceName = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    no_thumbnail: options.NoThumbnail = False,
    config: options.Config = None,
) -> None:
    """Train a denoiser on noisy images and save it, with a picture of the noise it measured.

    Ctrl-C ends training early and saves the best model so far; a second one aborts.
    """
    from ladderscope.cli import work
    from ladderscope.cli.preflight import check_folder, check_outputs, check_training
    from ladderscope.cli.setup import make_denoiser
    from ladderscope.cli.terminal import show_summary

    denoiser, axes = make_denoiser(
        config,
        device,
        axes=axes,
        preset=preset,
        minutes=minutes,
        steps=steps,
        epochs=epochs,
        noise=noise or None,
        blind_levels=blind_levels,
        seed=seed,
    )
    paths = work.find(inputs)
    check_training(output, resume=resume, overwrite=overwrite)
    picture = output.with_name(f"{output.stem}_noise.png")
    check_outputs([output, picture], paths, may_replace=overwrite or resume)
    check_folder(output.parent)
    images, failures = work.read_batch(paths, axes)
    work.train_and_save(
        denoiser, list(images.values()), output, resume=resume, thumbnail=not no_thumbnail
    )
    rows = work.training_rows(denoiser, output)
    if work.draw_noise(denoiser, picture):
        rows.append(("picture", str(picture)))
    show_summary(rows)
    work.say_failures(failures)
    if failures:
        raise typer.Exit(1)
