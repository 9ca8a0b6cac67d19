"""``ladderscope denoise``: train on noisy images, restore them, write a report."""

from contextlib import nullcontext

import typer

from ladderscope.cli import options


@options.with_training
def denoise(
    inputs: options.Inputs,
    output: options.OutputFolder,
    training: options.Training,
    blind_levels: options.BlindLevels = None,
    repeats: options.Repeats = None,
    samples: options.Samples = 16,
    keep_dtype: options.KeepDtype = False,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
    format: options.Format = None,
    compression: options.Compression = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    no_thumbnail: options.NoThumbnail = False,
) -> None:
    """Train on noisy images, restore them, and write a report.

    Ctrl-C ends training early and keeps the best model so far; pressing it again aborts.
    """
    from ladderscope.cli import work
    from ladderscope.cli.naming import ending_for, output_names, outputs_in
    from ladderscope.cli.preflight import check_outputs, check_training, state_of
    from ladderscope.cli.setup import make_restorer
    from ladderscope.models import Denoiser
    from ladderscope.names import output_folder

    folder = output_folder(output)
    model_path, report_path = folder / "model.ladder", folder / "report.html"
    denoiser, axes = make_restorer(Denoiser, training, blind_levels=blind_levels, repeats=repeats)
    paths = work.find(inputs, level, missing_chunks)
    outputs = {
        path: outputs_in(folder, name, ending_for(path, format))
        for path, name in zip(paths, output_names(paths), strict=True)
    }
    trains = check_training(model_path, resume=resume, overwrite=overwrite, restores=True)
    check_outputs(
        [
            *(file for named in outputs.values() for file in named.files),
            *(model_path, state_of(model_path), report_path),
        ],
        paths,
        may_replace=overwrite or resume,
    )
    with work.claimed_by(denoiser, model_path):
        with work.started(denoiser) if trains else nullcontext():
            images, failures = work.read_batch(paths, axes)
        failures = work.denoise_batch(
            denoiser,
            list(images.values()),
            [outputs[path] for path in images],
            folder,
            failures=failures,
            samples=samples,
            keep_dtype=keep_dtype,
            compression=compression,
            overwrite=overwrite,
            resume=resume,
            is_trained=not trains,
            thumbnail=not no_thumbnail,
        )
    if failures:
        raise typer.Exit(1)
