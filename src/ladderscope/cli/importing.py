"""``ladderscope import``: models from other software."""

from pathlib import Path
from typing import Annotated

import typer

from ladderscope.cli import options


def careamics(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A ladder VAE trained by CAREamics: a .ckpt, .pth or .safetensors file.",
        ),
    ],
    output: options.OutputModel,
    data_mean: Annotated[
        list[float] | None,
        typer.Option(
            metavar="M",
            help="Mean that CAREamics used for normalisation, in grey levels; not needed if the "
            "checkpoint holds it. For a splitter: once for all, once per channel, or once for the "
            "mixed image and then once per channel.",
        ),
    ] = None,
    data_std: Annotated[
        list[float] | None,
        typer.Option(
            metavar="S",
            help="Standard deviation used for normalisation, given as often as the mean.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="YAML",
            help="Configuration of the network, if the checkpoint does not contain it.",
        ),
    ] = None,
    noise: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.npz",
            help="Noise model of a channel, given once per channel (default: those in the "
            "checkpoint). Prediction needs none.",
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Open a checkpoint that may run code. Only for files from sources you trust.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Import a CAREamics model (HDN, µSplit, denoiSplit or MicroSplit).

    “ladderscope predict MODEL.ladder IN... -o OUT” then restores images with it.
    """
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.interop.careamics_restorer import import_careamics
    from ladderscope.names import MODEL
    from ladderscope.noise import NoiseModel, load_noise_model
    from ladderscope.report import noise_in_words

    inputs = [checkpoint, *([config] if config else []), *(noise or [])]
    model_path = MODEL.file(output)
    check_outputs([model_path], inputs, may_replace=overwrite)
    stored = [load_noise_model(path) for path in noise or []]
    models = [model for one in stored for model in ([one] if isinstance(one, NoiseModel) else one)]
    restorer = import_careamics(
        checkpoint,
        config,
        data_mean=data_mean or None,
        data_std=data_std or None,
        noise_models=models if noise else None,
        trust=trust,
    )
    restorer.save(model_path, overwrite=overwrite)
    model = restorer.model
    names = model.channel_names or ("",)
    values = [*zip(names, model.statistics, strict=True)]
    if model.mixture is not None:
        values.insert(0, ("mixed image", model.mixture.statistics))
    show_summary(
        [
            ("model", str(model_path)),
            ("kind", restorer.kind),
            ("network", f"LVAE of CAREamics: {model.architecture.in_words()}"),
            *(
                (
                    "values",
                    f"{name}{': ' if name else ''}mean {one.mean:.5g}, standard deviation "
                    f"{one.std:.5g}",
                )
                for name, one in values
            ),
            *(("noise", noise_in_words(one)) for one in model.noise_models),
        ]
    )


def bioimage(
    package: Annotated[
        Path,
        typer.Argument(
            metavar="PACKAGE.zip", help="A package that “ladderscope export bioimage” wrote."
        ),
    ],
    output: options.OutputModel,
    overwrite: options.Overwrite = False,
) -> None:
    """Take the model out of a package for the BioImage Model Zoo that Ladderscope exported."""
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.interop.zoo import import_bioimage
    from ladderscope.names import MODEL

    path = MODEL.file(output)
    check_outputs([path], [package], may_replace=overwrite)
    show_summary([("model", str(import_bioimage(package, path, overwrite=overwrite)))])
