"""``ladderscope choose``: which of several models fits an image, or none."""

from pathlib import Path
from typing import Annotated

import typer

from ladderscope.cli import options


def choose(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A noisy image.")],
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Trained denoisers, or folders that hold them."),
    ],
    axes: options.Axes = None,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
    device: options.DeviceName = None,
) -> None:
    """Choose the denoiser that fits an image, by its likelihood, or none.

    Each model restores the middle of the image in a single pass. The likeliest one is chosen whose
    restoration has no red light.
    """
    from ladderscope.cli import work
    from ladderscope.cli.terminal import show_summary
    from ladderscope.errors import LadderscopeError
    from ladderscope.models import choose as choose_model

    files = [file for given in models for file in _files(given)]
    found = work.find([image], level, missing_chunks)
    if len(found) > 1:
        raise LadderscopeError(f"{image} stands for {len(found)} images: give a single one")
    choice = choose_model(found[0], list(dict.fromkeys(files)), axes, device=device)
    none = "none: train a new model, or train on from the first of these (--start-from)"
    rows = [("choice", none if choice.best is None else choice.best.model)]
    for fit in choice.fits:
        if fit.nats is None:
            rows.append(("left out", f"{fit.model}: {fit.reason}"))
        else:
            rows.append(
                ("model", f"{fit.model}: {fit.nats:.4g} nats per pixel, {fit.light}: {fit.reason}")
            )
    show_summary(rows)


def _files(given: Path) -> list[Path]:
    """List the model files of a folder; a file stands for itself."""
    from ladderscope.errors import LadderscopeError

    if not given.is_dir():
        return [given]
    files = sorted(given.glob("*.ladder"))
    if not files:
        raise LadderscopeError(f"{given} holds no .ladder file: give models, or a folder with some")
    return files
