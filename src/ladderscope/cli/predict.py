"""``ladderscope predict``: restore images with a trained model."""

from typing import Annotated

import typer

from ladderscope.cli import options


def predict(
    model: options.ModelFile,
    inputs: options.Inputs,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Folder for the results or, for a single image, a .tif file or a .zarr.",
        ),
    ],
    samples: options.Samples = 16,
    seed: options.Seed = None,
    axes: options.Axes = None,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
    device: options.DeviceName = None,
    keep_dtype: options.KeepDtype = False,
    format: options.Format = None,
    compression: options.Compression = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    part: options.Part = None,
    dask: options.Dask = None,
    samples_out: options.SamplesOut = False,
    report: Annotated[
        str | None,
        typer.Option(metavar="FILE.html", help="Also write a report with pictures and checks."),
    ] = None,
) -> None:
    """Restore or split images with a trained model.

    Images may be larger than memory. Each finished tile is kept on the disk until the image is
    written: after an interruption, give the same command again with --resume.
    """
    from ladderscope.cli import summary, work
    from ladderscope.cli.given import share_in
    from ladderscope.cli.naming import ending_for, output_names, outputs_at, outputs_in
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.sentences import predicted
    from ladderscope.errors import LadderscopeError
    from ladderscope.models import Splitter, load
    from ladderscope.models.workers import connected
    from ladderscope.names import PAGE, image_or_folder
    from ladderscope.report.page import SHOWN_IMAGES

    if resume and overwrite:
        raise LadderscopeError(
            "--resume continues a prediction and --overwrite starts again: give only one of them"
        )
    share = None if part is None else share_in(part)
    if share is not None and (resume or overwrite or dask is not None or report is not None):
        raise LadderscopeError(
            "--part works on what other processes work on, and goes on with what is there: omit "
            "--resume, --overwrite, --dask and --report, or give them without --part at the end"
        )
    target, to_a_file = image_or_folder(output)
    page = None if report is None else PAGE.file(report)
    restorer = load(model, device=device)
    split = isinstance(restorer, Splitter)
    paths = work.find(inputs, level, missing_chunks)
    if to_a_file and len(paths) > 1:
        raise LadderscopeError(
            f"-o {output} names one file, but there are {len(paths)} images: give a folder"
        )
    if to_a_file and format and (format == "zarr") != (target.suffix.lower() == ".zarr"):
        raise LadderscopeError(f"-o {output} is not what --format {format} writes: omit --format")
    outputs = (
        [outputs_at(target, split=split)]
        if to_a_file
        else [
            outputs_in(target, name, ending_for(path, format), split=split)
            for path, name in zip(paths, output_names(paths), strict=True)
        ]
    )
    check_outputs(
        [*(file for named in outputs for file in named.files), *([page] if page else [])],
        [*paths, model],
        may_replace=overwrite or resume or share is not None,
    )
    with connected(dask) as workers:
        done = work.restore_all(
            restorer,
            list(zip(paths, outputs, strict=True)),
            axes=axes,
            samples=samples,
            seed=seed,
            keep_dtype=keep_dtype,
            compression=compression,
            overwrite=overwrite,
            resume=resume,
            samples_out=samples_out,
            share=share,
            dask=workers,
            shown=SHOWN_IMAGES if page else 0,
        )
    failures = summary.sum_up(
        summary.prediction_rows(restorer, done),
        done.failures,
        page,
        lambda path: summary.write_page(
            path,
            restorer,
            done,
            title="Split images" if split else "Restored images",
            sentence=predicted(restorer, len(done.images), samples),
            samples=samples,
            overwrite=overwrite or resume,
        ),
    )
    if failures:
        raise typer.Exit(1)
