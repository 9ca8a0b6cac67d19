"""``ladderscope report``: the report of a model, or of what a run has left in a folder."""

from pathlib import Path
from typing import Annotated

import typer

from ladderscope.cli import options


def report(
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL.ladder|OUT_DIR",
            help="A trained model, or a folder with restored images.",
        ),
    ],
    originals: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IN]...",
            help="The images that were restored, if they are no longer where they were: TIFF "
            "files, folders, or quoted patterns.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.html",
            help="Report to write (default: report.html in the folder, or MODEL_report.html).",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL.ladder",
            help="Model that restored the images (default: model.ladder in the folder).",
        ),
    ] = None,
    axes: options.Axes = None,
    device: options.DeviceName = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write the report of a model, or rebuild that of a folder with restored images.

    A model has training curves, noise and statistics. A folder also has pictures and checks, as
    far as the noisy images are found.
    """
    from ladderscope.cli import rebuilt, summary
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.errors import LadderscopeError
    from ladderscope.models import load
    from ladderscope.names import MODEL, PAGE
    from ladderscope.report import write_report

    given = Path(source).expanduser()
    folder = given if given.is_dir() else None
    if folder is None and (originals or model):
        raise LadderscopeError(
            f"{source} is not a folder, but IN and --model belong to a folder with restored "
            "images: give that folder, or the model alone"
        )
    if folder is None:
        model_path = MODEL.file(source)
        usual = model_path.with_name(f"{model_path.stem}_report.html")
    else:
        model_path, usual = model or folder / "model.ladder", folder / "report.html"
        if not model_path.exists():
            raise LadderscopeError(
                f"{model_path} does not exist: name the model that restored the images in "
                f"{folder} with --model"
            )
    restored = [] if folder is None else rebuilt.restored_in(folder)
    page = usual if output is None else PAGE.file(output)
    check_outputs([page], [model_path], may_replace=overwrite)
    restorer = load(model_path, device=device)
    made = (
        rebuilt.of_model(restorer, model_path)
        if folder is None
        else rebuilt.of_folder(restorer, restored, originals or [], axes)
    )
    failures = summary.sum_up(
        [("notice", text) for text in made.notices],
        tuple(summary.Failure(*one) for one in made.failures),
        page,
        lambda path: write_report(path, made, overwrite=overwrite),
    )
    if failures:
        raise typer.Exit(1)
