"""``ladderscope calibrate``: scale the error bars of a model to the errors that are found."""

from typing import Annotated

import typer

from ladderscope.cli import options


def calibrate(
    model: options.ModelFile,
    inputs: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="Noisy (or mixed) images: a TIFF file, a folder, or a quoted pattern.",
        ),
    ],
    truth: Annotated[
        str | None,
        typer.Argument(
            metavar="TRUTH",
            help="Their true signal, in the same order and units; for a splitter with its channels "
            "along C. Without it, a denoiser is calibrated on the noisy images alone.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="MODEL.ladder",
            help="Where to write the calibrated model (default: replace the model).",
        ),
    ] = None,
    truth_frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="The truth is the average of N exposures like the images, whose noise is then "
            "subtracted; 1 for a second exposure of each field (default: no noise).",
        ),
    ] = None,
    match: Annotated[
        bool,
        typer.Option(
            "--match", help="Fit the scale and the offset of a truth that is in other units."
        ),
    ] = False,
    samples: Annotated[
        int,
        typer.Option(
            min=2, max=1_000_000, help="Number of posterior samples, best as many as for predict."
        ),
    ] = 16,
    seed: options.Seed = None,
    axes: options.Axes = None,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
    truth_axes: Annotated[
        str | None,
        typer.Option(help='Axes of the truth, such as "CYX", if they differ from the images\'.'),
    ] = None,
    device: options.DeviceName = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Calibrate the error bars of a model on images, with or without their truth.

    The model keeps the calibration, and “ladderscope predict” applies it.
    """
    from ladderscope.claims import claimed
    from ladderscope.cli import work
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.summary import calibration_rows
    from ladderscope.cli.terminal import show_summary
    from ladderscope.errors import LadderscopeError
    from ladderscope.images import find_images
    from ladderscope.models import load
    from ladderscope.names import MODEL

    target = model if output is None else MODEL.file(output)
    paths = work.find([inputs], level, missing_chunks)
    truths = None if truth is None else list(find_images([truth], own_outputs=True).sources)
    if truths is None and (truth_frames is not None or match):
        raise LadderscopeError("--truth-frames and --match describe the truth: give TRUTH as well")
    if output is not None:
        check_outputs([target], [*paths, model], may_replace=overwrite)
    with claimed(target):
        restorer = load(model, device=device)
        restorer.calibrate(
            paths,
            truths,
            axes,
            truth_axes=truth_axes,
            truth_frames=truth_frames,
            match=match,
            samples=samples,
            seed=seed,
            progress=True,
        )
        restorer.save(target, overwrite=output is None or overwrite)
    show_summary([("model", str(target)), *calibration_rows(restorer.model)])
