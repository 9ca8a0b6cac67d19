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
# Outputs are texts: a path would lose the separator at the end that says “a folder”.
OutputModel = Annotated[
    str, typer.Option("--output", "-o", metavar="MODEL.ladder", help="The model to write.")
]
OutputFolder = Annotated[
    str, typer.Option("--output", "-o", metavar="OUT_DIR", help="Folder for what is written.")
]
Axes = Annotated[
    str | None,
    typer.Option(help='Axes of the images, such as "TYX", where their files do not tell.'),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="small (the default: five minutes), tiny (to try things out), or paper (HDN's "
        "recipe, for a GPU)."
    ),
]
Minutes = Annotated[
    float | None, typer.Option(help="Train for so many minutes (default: the preset's).")
]
Steps = Annotated[int | None, typer.Option(help="Train for so many steps instead.")]
Epochs = Annotated[float | None, typer.Option(help="Train for so many epochs instead.")]
Noise = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NOISE",
        help="auto (the default: measured on the images); a file from “ladderscope noise fit” or "
        "an .npz of PPN2V, HDN or CAREamics; gaussian:SIGMA; or "
        "poisson-gaussian:GAIN,OFFSET,READ in grey levels (gain: grey levels per photoelectron). "
        "Once for all channels, or once per channel.",
    ),
]
BlindLevels = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Against lines and patterns in the noise: the N finest levels of the network never "
        "see the image (default: 0, all see it; try 2).",
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Lateral context: how many views the network has of a place, each twice as wide as "
        "the one before (default: 1, the patch alone).",
    ),
]
Dimensions = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=3,
        metavar="2|3",
        help="3 looks across the planes of Z stacks; 2, the default, takes them one by one.",
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
        max=1_000_000,
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
    bool,
    typer.Option(
        "--resume",
        help="Go on with a run that Ctrl-C ended, or a crash: same images, same settings.",
    ),
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
        help="Settings in a file: preset, noise, seed, axes, and any setting of the model. "
        "What the command line says comes first.",
    ),
]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL.ladder", help="A trained model.")]
