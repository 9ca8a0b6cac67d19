"""``ladderscope import``: models that other software trained, made into ours."""

from pathlib import Path
from typing import Annotated

import typer

from ladderscope.cli import options


def careamics(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A ladder VAE of CAREamics: a .ckpt, .pth or .safetensors file.",
        ),
    ],
    output: options.OutputModel,
    data_mean: Annotated[
        list[float] | None,
        typer.Option(
            metavar="M",
            help="The mean that CAREamics normalised with, in grey levels. Of a splitter: once for "
            "all, once per channel, or once for the mixed image and then once per channel.",
        ),
    ] = None,
    data_std: Annotated[
        list[float] | None,
        typer.Option(metavar="S", help="The standard deviation, as often as the mean."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="YAML",
            help="The network's configuration, where the checkpoint does not hold it.",
        ),
    ] = None,
    noise: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.npz",
            help="The noise model of a channel, once per channel; by default those in the "
            "checkpoint. Prediction needs none.",
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Open a checkpoint that may run code. Only for files from people whom you trust.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Bring a model along that CAREamics trained (HDN, µSplit, denoiSplit, MicroSplit).

    Restore images with it by “ladderscope predict MODEL.ladder IN... -o OUT”.
    """
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.errors import LadderscopeError
    from ladderscope.interop.careamics_config import describe
    from ladderscope.interop.careamics_restorer import import_careamics
    from ladderscope.names import MODEL
    from ladderscope.noise import NoiseModel, load_noise_model
    from ladderscope.report import noise_in_words

    inputs = [checkpoint, *([config] if config else []), *(noise or [])]
    model_path = MODEL.file(output)
    check_outputs([model_path], inputs, may_replace=overwrite)
    if not data_mean or not data_std:
        raise LadderscopeError(
            "give --data-mean and --data-std, what CAREamics normalised its training images with: "
            "a checkpoint does not hold them, and with others the results are wrong. For HDN they "
            "are data_config.image_means and image_stds of the configuration, for splitting what "
            "get_mean_std() of the training data set returns"
        )
    stored = [load_noise_model(path) for path in noise or []]
    models = [model for one in stored for model in ([one] if isinstance(one, NoiseModel) else one)]
    restorer = import_careamics(
        checkpoint,
        config,
        data_mean=data_mean,
        data_std=data_std,
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
            ("network", describe(model.careamics or {})),
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
