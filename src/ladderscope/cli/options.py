"""The options that commands share, each with its one description."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ladderscope.noise.registry import usage
from ladderscope.noise_estimation.wanted import spellings
from ladderscope.words import listed

# Under which headings the help lists them.
IMAGES, OUTPUT, TRAINING = "Images", "Output", "Training"
NOISE, RESTORATION, MACHINE = "Noise", "Restoration", "Machine and random seed"

Device = Literal["cpu", "cuda", "mps"]
ImageFormat = Literal["tiff", "zarr"]
CompressionName = Literal["none", "deflate", "zstd"]  # as in images/output.py
MissingChunks = Literal["fill", "refuse"]  # as in images/find.py, which loads NumPy

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IN",
        help="Images: TIFF files, OME-Zarr folders or addresses, folders of images, or quoted "
        'patterns such as "day1/*.tif".',
    ),
]
# Outputs are texts: a path would lose the separator at the end that says “a folder”.
OutputModel = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="MODEL.ladder",
        help="Model file to write.",
        rich_help_panel=OUTPUT,
    ),
]
OutputFolder = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="OUT_DIR", help="Folder for the results.", rich_help_panel=OUTPUT
    ),
]
Axes = Annotated[
    str | None,
    typer.Option(
        help='Axes of the images, such as "TYX", if the files do not state them.',
        rich_help_panel=IMAGES,
    ),
]
Level = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Level to read of images that are stored at several resolutions; 0 is the finest.",
        rich_help_panel=IMAGES,
    ),
]
Missing = Annotated[
    MissingChunks,
    typer.Option(
        "--missing-chunks",
        help="Chunks missing from a Zarr image: fill reads them as the fill value, with a warning; "
        "refuse does not read the image.",
        rich_help_panel=IMAGES,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="small (default, five minutes), tiny (for a quick trial) or paper (the published "
        "recipe of HDN, for a GPU).",
        rich_help_panel=TRAINING,
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        help="Training time in minutes (default: that of the preset).", rich_help_panel=TRAINING
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        help="Number of training steps, instead of a training time.", rich_help_panel=TRAINING
    ),
]
Epochs = Annotated[
    float | None,
    typer.Option(
        help="Number of training epochs, instead of a training time.", rich_help_panel=TRAINING
    ),
]
Noise = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NOISE",
        help="Noise model: auto (default: measured on the images, and chosen by them), one kind to "
        f"be measured ({listed(spellings()[1:], 'or')}), a file from “ladderscope noise fit”, an "
        ".npz file from PPN2V, HDN or CAREamics, or one of these, in grey levels: "
        f"{usage()}. "
        "Give it once for all channels, or once per channel.",
        rich_help_panel=NOISE,
    ),
]
BlindLevels = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Against lines and patterns in the noise: hide the image from the N finest levels of "
        "the network (default: 0; try 2).",
        rich_help_panel=NOISE,
    ),
]
Repeats = Annotated[
    str | None,
    typer.Option(
        metavar="T|S",
        help="Axis along which the frames show the same scene: their average is restored, with "
        "the noise of the average (default: every frame is restored).",
        rich_help_panel=NOISE,
    ),
]
StartFrom = Annotated[
    Path | None,
    typer.Option(
        "--start-from",
        metavar="MODEL.ladder",
        help="Train on from this model instead of from scratch: with its network, for a fifth of "
        "its training time. The noise is measured anew.",
        rich_help_panel=TRAINING,
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Lateral context: number of inputs per patch, the patch included, each covering "
        "twice the width of the one before (default: 1).",
        rich_help_panel=TRAINING,
    ),
]
Dimensions = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=3,
        metavar="2|3",
        help="2 (default) restores the planes of a Z stack one by one; 3 also uses the "
        "neighbouring planes.",
        rich_help_panel=TRAINING,
    ),
]
Seed = Annotated[int | None, typer.Option(help="Random seed.", min=0, rich_help_panel=MACHINE)]
DeviceName = Annotated[
    Device | None,
    typer.Option(
        "--device",
        help="Device to compute on (default: the best available).",
        rich_help_panel=MACHINE,
    ),
]
Devices = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Number of devices that train together on each machine: each takes an equal part of "
        "every batch.",
        rich_help_panel=MACHINE,
    ),
]
Nodes = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Number of machines that train together, in a SLURM job.",
        rich_help_panel=MACHINE,
    ),
]
Samples = Annotated[
    int,
    typer.Option(
        min=0,
        max=1_000_000,
        help="Number of posterior samples to average. 0 takes a single pass: the fastest. Its "
        "spread is then predicted, too.",
        rich_help_panel=RESTORATION,
    ),
]
KeepDtype = Annotated[
    bool,
    typer.Option(
        "--keep-dtype",
        help="Save restorations in the data type of the input, rounded and clipped.",
        rich_help_panel=OUTPUT,
    ),
]
Format = Annotated[
    ImageFormat | None,
    typer.Option(
        "--format",
        help="Write OME-TIFF or OME-Zarr (default: that of each input).",
        rich_help_panel=OUTPUT,
    ),
]
Compression = Annotated[
    CompressionName | None,
    typer.Option(
        "--compression",
        help="Compression of the outputs (default: none in TIFF, zstd in Zarr).",
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace existing output files.", rich_help_panel=OUTPUT),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue an interrupted run. Give the same images and settings.",
        rich_help_panel=OUTPUT,
    ),
]
Part = Annotated[
    str | None,
    typer.Option(
        "--part",
        metavar="K/N",
        help="Restore one of N equal shares of the tiles, such as 2/8, in one of N processes "
        "with the same output: for array jobs of a cluster.",
    ),
]
Dask = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS|local:N",
        help="Let the workers of a Dask cluster restore the tiles: address of its scheduler, or "
        "local:N for N processes on this computer.",
    ),
]
SamplesOut = Annotated[
    bool,
    typer.Option(
        "--samples-out",
        help="Also write the posterior samples, one file per image: NAME_samples.ome.tif.",
        rich_help_panel=OUTPUT,
    ),
]
NoThumbnail = Annotated[
    bool,
    typer.Option(
        "--no-thumbnail",
        help="Store no pictures of the data in the model file.",
        rich_help_panel=OUTPUT,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="RUN.YAML",
        help="YAML file with settings: preset, noise, seed, axes, and any setting of the model. "
        "Options on the command line take precedence.",
        rich_help_panel=TRAINING,
    ),
]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL.ladder", help="A trained model.")]


@dataclass(frozen=True)
class Training:
    """The options of every training; None stands for one that was not given."""

    axes: Axes = None
    preset: Preset = None
    start_from: StartFrom = None
    minutes: Minutes = None
    steps: Steps = None
    epochs: Epochs = None
    noise: Noise = None
    context: Context = None
    dimensions: Dimensions = None
    seed: Seed = None
    device: DeviceName = None
    devices: Devices = 1
    nodes: Nodes = 1
    config: Config = None


def with_training(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Training` in place of its parameter of that name.

    Parameters
    ----------
    command
        A function with a parameter ``training: Training``.

    Returns
    -------
    Callable
        A function with one parameter per option, as Typer reads them.

    Examples
    --------
    >>> @with_training
    ... def show(training: Training, samples: int = 16) -> None:
    ...     print(training.minutes, samples)
    >>> show(minutes=2.0, samples=4)
    2.0 4
    """
    shared = inspect.signature(Training).parameters
    own = inspect.signature(command).parameters
    parameters = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.items()
        for option in (shared.values() if name == "training" else [parameter])
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        training = Training(**{name: given.pop(name) for name in shared if name in given})
        command(training=training, **given)

    run.__annotations__ = {option.name: option.annotation for option in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
