"""``ladderscope predict``: restore images with a model that is trained already."""

from pathlib import Path
from typing import Annotated

import typer

from ladderscope.cli import options

_FILE_ENDINGS = (".tif", ".tiff")


def predict(
    model: options.ModelFile,
    inputs: options.Inputs,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT", help="A folder; or, for one image, a .tif file."
        ),
    ],
    samples: options.Samples = 16,
    seed: options.Seed = None,
    axes: options.Axes = None,
    device: options.DeviceName = None,
    keep_dtype: options.KeepDtype = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Restore images with a trained model."""
    from ladderscope.cli import work
    from ladderscope.cli.naming import Outputs, output_names, outputs_in
    from ladderscope.cli.preflight import check_folder, check_outputs
    from ladderscope.errors import LadderscopeError
    from ladderscope.restorers import load
    from ladderscope.restorers.restoration import spread_beside

    denoiser = load(model, device=device)
    paths = work.find(inputs)
    to_a_file = output.suffix.lower() in _FILE_ENDINGS and not output.is_dir()
    if to_a_file and len(paths) > 1:
        raise LadderscopeError(
            f"-o {output} is one file, and there are {len(paths)} images: give a folder"
        )
    outputs = (
        [Outputs(output, spread_beside(output))]
        if to_a_file
        else [outputs_in(output, name) for name in output_names(paths)]
    )
    check_outputs([file for pair in outputs for file in pair], paths, may_replace=overwrite)
    check_folder(output.parent if to_a_file else output)
    done = work.restore_all(
        denoiser,
        list(zip(paths, outputs, strict=True)),
        axes=axes,
        samples=samples,
        seed=seed,
        keep_dtype=keep_dtype,
        overwrite=overwrite,
    )
    work.show_restored(done, samples)
    if done.failures:
        raise typer.Exit(1)
