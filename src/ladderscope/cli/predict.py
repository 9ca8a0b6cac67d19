"""``ladderscope predict``: restore images with a model that is trained already."""

from pathlib import Path
from typing import Annotated

import typer

from ladderscope.cli import options

_FILE_ENDINGS = (".tif", ".tiff")
_PAGES = (".html", ".htm")


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
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a page with pictures and checks."),
    ] = None,
) -> None:
    """Restore or split images with a trained model."""
    from ladderscope.cli import work
    from ladderscope.cli.naming import output_names, outputs_at, outputs_in
    from ladderscope.cli.preflight import check_folder, check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.errors import LadderscopeError
    from ladderscope.report.page import SHOWN_IMAGES
    from ladderscope.restorers import Splitter, load

    restorer = load(model, device=device)
    split = isinstance(restorer, Splitter)
    if report is not None and report.suffix.lower() not in _PAGES:
        raise LadderscopeError(f"--report {report}: give a name that ends in .html")
    paths = work.find(inputs)
    to_a_file = output.suffix.lower() in _FILE_ENDINGS and not output.is_dir()
    if to_a_file and len(paths) > 1:
        raise LadderscopeError(
            f"-o {output} is one file, and there are {len(paths)} images: give a folder"
        )
    outputs = (
        [outputs_at(output, split=split)]
        if to_a_file
        else [outputs_in(output, name, split=split) for name in output_names(paths)]
    )
    check_outputs(
        [*(file for named in outputs for file in named.files), *([report] if report else [])],
        [*paths, model],
        may_replace=overwrite,
    )
    check_folder(output.parent if to_a_file else output)
    if report is not None:
        check_folder(report.parent)
    done = work.restore_all(
        restorer,
        list(zip(paths, outputs, strict=True)),
        axes=axes,
        samples=samples,
        seed=seed,
        keep_dtype=keep_dtype,
        overwrite=overwrite,
        shown=SHOWN_IMAGES if report else 0,
    )
    rows = work.restored_rows(done, samples)
    if report is not None:
        work.write_page(
            report,
            restorer,
            done,
            title="Split images" if split else "Restored images",
            sentence=work.predicted(restorer, len(done.images), samples),
            samples=samples,
            overwrite=overwrite,
        )
        rows.append(("report", str(report)))
    show_summary(rows)
    work.say_failures(done.failures)
    if done.failures:
        raise typer.Exit(1)
