"""``ladderscope export``: models for other software."""

from typing import Annotated

import typer

from ladderscope.cli import options


def onnx(
    model: options.ModelFile,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="MODEL.onnx", help="ONNX file to write.")
    ],
    overwrite: options.Overwrite = False,
) -> None:
    """Export the restoration in a single pass (--samples 0) as an ONNX file.

    It takes images of any size in grey levels, and gives the restored image and its error bar.
    """
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.interop.checkpoint import naming
    from ladderscope.interop.onnx_file import export_onnx
    from ladderscope.interop.recorded import axes_of, names_of, one_pass_of
    from ladderscope.models import load
    from ladderscope.names import ONNX
    from ladderscope.words import listed

    path = ONNX.file(output)
    check_outputs([path], [model], may_replace=overwrite)
    restorer = load(model, device="cpu")
    with naming(model):
        one_pass = one_pass_of(restorer)
    export_onnx(restorer, path, overwrite=overwrite)
    axes = ", ".join(axes_of(one_pass))
    show_summary(
        [
            ("model", str(path)),
            ("kind", restorer.kind),
            ("input", f"image ({axes}), float32, in grey levels"),
            ("output", f"{listed(names_of(one_pass))} ({axes}), float32, in grey levels"),
            ("left out", "tiles, padding, hot pixels, and the checks before and after restoring"),
        ]
    )


def bioimage(
    model: options.ModelFile,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="MODEL.zip", help="Package to write.")
    ],
    author: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Who trained the model; once per person."),
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="SPDX", help="Licence of the model, such as CC-BY-4.0.")
    ] = "",
    name: Annotated[
        str, typer.Option(help="Name in the zoo (default: made of the name of the file).")
    ] = "",
    description: Annotated[str, typer.Option(help="A sentence on the model.")] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="A tag, such as nuclei; may be repeated."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Export a model as a package of the BioImage Model Zoo, for Fiji, ilastik and others.

    It holds the restoration in a single pass, as ONNX and TorchScript, and the model itself.
    """
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.interop.zoo import export_bioimage
    from ladderscope.interop.zoo_card import Card
    from ladderscope.names import ZOO

    path = ZOO.file(output)
    check_outputs([path], [model], may_replace=overwrite)
    card = Card(name, description, tuple(author or ()), licence, tuple(tag or ()))
    export_bioimage(model, path, card=card, overwrite=overwrite)
    rows = [("package", str(path)), ("weights", "ONNX and TorchScript, restoring in one pass")]
    if not (author and licence):
        rows.append(("notice", "to upload it, the zoo asks for --author and --licence"))
    show_summary(rows)


def careamics(
    model: options.ModelFile,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="MODEL.pth", help="File of weights to write.")
    ],
    overwrite: options.Overwrite = False,
) -> None:
    """Export a model that was imported from CAREamics to CAREamics: its weights and its config."""
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.interop.careamics_export import export_careamics
    from ladderscope.interop.checkpoint import naming
    from ladderscope.models import load
    from ladderscope.names import WEIGHTS

    path = WEIGHTS.file(output)
    check_outputs([path], [model], may_replace=overwrite)
    restorer = load(model, device="cpu")
    with naming(model):
        export_careamics(restorer, path, overwrite=overwrite)
    show_summary([("weights", str(path)), ("kind", restorer.kind)])
