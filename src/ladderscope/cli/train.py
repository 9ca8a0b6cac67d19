"""``ladderscope train``: a model, saved for later."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ladderscope.cli import options

if TYPE_CHECKING:
    from ladderscope.cli.summary import Failure
    from ladderscope.models import Denoiser, Splitter

# As in models/config.py, which loads torch.
Method = Literal["musplit", "denoisplit", "microsplit"]
Balance = Literal["none", "std"]


@options.with_training
def train_denoiser(
    inputs: options.Inputs,
    output: options.OutputModel,
    training: options.Training,
    blind_levels: options.BlindLevels = None,
    repeats: options.Repeats = None,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    no_thumbnail: options.NoThumbnail = False,
) -> None:
    """Train a denoiser on noisy images and save it, with a plot of the measured noise.

    Ctrl-C ends training early and saves the best model so far; pressing it again aborts.
    """
    from ladderscope.cli import work
    from ladderscope.cli.setup import make_restorer
    from ladderscope.models import Denoiser
    from ladderscope.names import MODEL

    model_path = MODEL.file(output)
    denoiser, axes = make_restorer(Denoiser, training, blind_levels=blind_levels, repeats=repeats)
    paths = work.find(inputs, level, missing_chunks)
    picture = _check(model_path, paths, resume=resume, overwrite=overwrite)
    with work.claimed_by(denoiser, model_path):
        with work.started(denoiser):
            images, failures = work.read_batch(paths, axes)
        work.train_and_save(
            denoiser,
            model_path,
            resume=resume,
            overwrite=overwrite,
            thumbnail=not no_thumbnail,
            images=list(images.values()),
        )
        _sum_up(denoiser, model_path, picture, failures, overwrite=overwrite or resume)


@options.with_training
def train_splitter(
    channels: Annotated[
        list[str],
        typer.Option(
            "--channel",
            metavar="NAME=FILES",
            help="Name of a structure and its recordings, without a C axis: a TIFF file, a folder, "
            'or a pattern such as "nuclei=dna/*.tif". Give it once per structure.',
        ),
    ],
    output: options.OutputModel,
    training: options.Training,
    mixed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILES",
            help="Recordings of the mixed images: file k shows the same field as file k of every "
            "channel. Without them, training adds the channels up.",
        ),
    ] = None,
    paired: Annotated[
        bool,
        typer.Option(
            "--paired",
            help="File k of every channel shows the same field, so that training mixes structures "
            "that belong together. By default the positions are drawn independently per channel.",
        ),
    ] = False,
    method: Annotated[
        Method | None,
        typer.Option(
            help="musplit for recordings with little noise, denoisplit to remove noise as well, "
            "microsplit (default) for the weighted mean of both."
        ),
    ] = None,
    offset: Annotated[
        list[float] | None,
        typer.Option(
            metavar="N",
            help="Black level in grey levels, once for all channels or once per channel (default: "
            "estimated from the darkest pixels).",
        ),
    ] = None,
    balance: Annotated[
        Balance | None,
        typer.Option(
            help="std scales the channels to equal standard deviation before they are added up; "
            "none (default) adds them up as they are."
        ),
    ] = None,
    ratios: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="Multiply each channel by a random factor from this range before they are added "
            "up (default: 1 1).",
        ),
    ] = None,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    no_thumbnail: options.NoThumbnail = False,
) -> None:
    """Train a splitter on recordings of single structures and save it.

    “ladderscope predict” then splits images in which the structures are superimposed.

    Ctrl-C ends training early and saves the best model so far; pressing it again aborts.
    """
    from ladderscope.cli import work
    from ladderscope.cli.setup import make_restorer, parse_channels
    from ladderscope.models import Splitter
    from ladderscope.names import MODEL

    model_path = MODEL.file(output)
    files = parse_channels(channels)
    splitter, axes = make_restorer(
        Splitter, training, method=method, channels=len(files), balance=balance, ratios=ratios
    )
    how = level, missing_chunks
    paths = {name: work.find([pattern], *how) for name, pattern in files.items()}
    mixed_paths = work.find(mixed, *how) if mixed else []
    picture = _check(
        model_path,
        [*(path for of_channel in paths.values() for path in of_channel), *mixed_paths],
        resume=resume,
        overwrite=overwrite,
    )
    with work.claimed_by(splitter, model_path):
        with work.started(splitter):
            stacks, failures = work.read_channels(
                paths, mixed_paths, axes, together=paired or bool(mixed)
            )
        work.train_and_save(
            splitter,
            model_path,
            resume=resume,
            overwrite=overwrite,
            thumbnail=not no_thumbnail,
            channels=stacks,
            axes=axes,
            mixed=mixed_paths or None,
            paired=paired,
            offsets=offset * len(files) if offset and len(offset) == 1 else offset or None,
            names=list(files),
        )
        _sum_up(splitter, model_path, picture, failures, overwrite=overwrite or resume)


def _check(model_path: Path, paths: list[Path], *, resume: bool, overwrite: bool) -> Path:
    """Check that a model can be written, and name the plot of the noise beside it."""
    from ladderscope.cli.preflight import check_outputs, check_training, state_of

    check_training(model_path, resume=resume, overwrite=overwrite)
    picture = model_path.with_name(f"{model_path.stem}_noise.png")
    files = [model_path, state_of(model_path), picture]
    check_outputs(files, paths, may_replace=overwrite or resume)
    return picture


def _sum_up(
    restorer: "Denoiser | Splitter",
    model_path: Path,
    picture: Path,
    failures: "tuple[Failure, ...]",
    *,
    overwrite: bool,
) -> None:
    from ladderscope.cli import summary

    measured = any(fit is not None for fit in restorer.model.noise_fits)
    failures = summary.sum_up(
        summary.training_rows(restorer, model_path),
        failures,
        picture if measured else None,
        lambda path: summary.draw_noise(restorer, path, overwrite=overwrite),
        label="picture",
    )
    if failures:
        raise typer.Exit(1)
