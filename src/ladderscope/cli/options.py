"""The options that commands share, each with its one description."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Device = Literal["cpu", "cuda", "mps"]

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IN...", help='Noisy images: TIFF files, folders, or patterns such as "day1/*.tif".'
    ),
]
OutputFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT_DIR", help="Folder for what is written.")
]
Axes = Annotated[
    str | None,
    typer.Option(help='Axes of the images, such as "TYX", where their files do not tell.'),
]
Preset = Annotated[
    str | None,
    typer.Option(help="tiny (to try things out), small (minutes on a laptop) or paper (HDN's)."),
]
Minutes = Annotated[float | None, typer.Option(help="Budget of training in minutes.")]
Steps = Annotated[int | None, typer.Option(help="Budget of training in steps.")]
Epochs = Annotated[float | None, typer.Option(help="Budget of training in epochs.")]
Noise = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NOISE",
        help="auto (measured on the images), gaussian:SIGMA, or "
        "poisson-gaussian:GAIN,OFFSET,READ. Once for all channels, or once a channel.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Fixes what is random.", min=0)]
DeviceName = Annotated[
    Device | None, typer.Option("--device", help="Where to compute; the best there is by default.")
]
Samples = Annotated[
    int,
    typer.Option(
        min=0,
        help="Posterior samples to average. 0 is one pass, the quickest, without a spread.",
    ),
]
KeepDtype = Annotated[
    bool,
    typer.Option(
        "--keep-dtype", help="Write restorations in the type of the input, clipped and rounded."
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that earlier runs have written.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Finish the training that Ctrl-C ended, or a crash.")
]
NoThumbnail = Annotated[
    bool,
    typer.Option("--no-thumbnail", help="Keep pictures of the data out of the model file."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="RUN.YAML",
        help="Settings in a file: preset, noise, seed, axes, and any setting of the denoiser. "
        "What the command line says comes first.",
    ),
]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL.ladder", help="A trained model.")]
