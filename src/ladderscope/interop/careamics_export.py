"""A network that CAREamics can run, handed back to it with its config."""

import json
import os
from pathlib import Path
from typing import Any

import torch

from ladderscope.files import whole_file
from ladderscope.interop.careamics import build_lvae, to_careamics
from ladderscope.interop.careamics_keys import BLOCKS
from ladderscope.interop.checkpoint import InteropError
from ladderscope.models import Denoiser, Splitter
from ladderscope.models.architecture import Architecture
from ladderscope.models.earlier import LVAEConfig
from ladderscope.models.file import Model
from ladderscope.names import WEIGHTS
from ladderscope.noise import GaussianMixture

_NONLINEARITIES = {
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "identity": "None",
}


def export_careamics(
    restorer: Denoiser | Splitter, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write the weights and the config of a network as CAREamics loads them.

    The file holds ``state_dict``, for ``LadderVAE.load_state_dict``; its constructor's arguments
    under ``hyper_parameters``, ``algorithm_config`` and ``model``; noise models that CAREamics
    knows; and the normalisation under ``datamodule_hyper_parameters``. Everything in it is a
    tensor or plain. `import_careamics` reads it without further arguments.

    Parameters
    ----------
    restorer : Denoiser or Splitter
        One that was imported from CAREamics.
    path : path
        The file to write, such as ``"nuclei.pth"``.
    overwrite : bool
        Whether an existing file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InteropError
        CAREamics cannot run the network: each difference is named.
    OutputError
        The file exists, or cannot be written.
    """
    path, model = WEIGHTS.file(path), restorer.model
    config = config_of(model)
    network = build_lvae(config)
    network.load_state_dict(model.weights)
    # version 0.3.5 builds one block per layer, and has no arguments for it
    one_block = {name for name in BLOCKS if getattr(config, name) == 1}
    arguments = {"architecture": "LVAE", **config.model_dump(mode="json", exclude=one_block)}
    algorithm: dict[str, Any] = {
        "algorithm": "hdn" if model.mixture is None else "microsplit",
        "model": arguments,
    }
    mixtures = [one for one in model.noise_models if isinstance(one, GaussianMixture)]
    if mixtures and len(mixtures) == len(model.noise_models):
        algorithm["noise_model"] = {"noise_models": [_described(one) for one in mixtures]}
    content = {
        "state_dict": to_careamics(network),
        "hyper_parameters": {"algorithm_config": algorithm},
        "datamodule_hyper_parameters": {"data_config": {"normalization": _normalisation(model)}},
    }
    with whole_file(path, overwrite) as unfinished:
        torch.save(content, unfinished)
    return path


def config_of(model: Model) -> LVAEConfig:
    """Give the constructor's arguments that build a model's network in CAREamics.

    Raises
    ------
    InteropError
        No arguments do.
    """
    built, channels = model.architecture, len(model.statistics)
    decoder = built.decoder_dimensions or built.dimensions
    config = LVAEConfig.model_validate(
        {
            "input_shape": _patch(model),
            "output_channels": channels,
            "multiscale_count": built.views,
            "z_dims": built.latent_channels,
            "encoder_n_filters": built.filters,
            "decoder_n_filters": built.filters,
            "encoder_conv_strides": (1, 2, 2)[-built.dimensions :],
            "decoder_conv_strides": (1, 2, 2)[-decoder:],
            "encoder_blocks_per_layer": built.blocks,
            "decoder_blocks_per_layer": built.decoder_blocks or built.blocks,
            "encoder_dropout": built.dropout,
            "decoder_dropout": built.dropout,
            "nonlinearity": _NONLINEARITIES.get(built.activation, "ELU"),
            "predict_logvar": "pixelwise" if built.output_channels > channels else None,
            "analytical_kl": True,
        }
    )
    theirs = config.architecture
    differences = [
        f"{name} is {getattr(built, name)} and not {getattr(theirs, name)}"
        for name in Architecture.model_fields
        if getattr(built, name) != getattr(theirs, name)
    ]
    if differences:
        raise InteropError(
            "CAREamics cannot run this network, because it is built otherwise: "
            f"{'; '.join(differences)}. Only models imported from CAREamics can be exported to it"
        )
    return config


def _patch(model: Model) -> tuple[int, ...]:
    """Give ([Z] Y X) of the patches of training, which the prior of the top level is tied to."""
    built, settings = model.architecture, model.settings
    halvings = len(built.latent_channels) + 1 - built.views
    prior = built.top_prior_size
    height, width = (
        (settings.patch, settings.patch)
        if prior is None
        else (prior[-2] << halvings, prior[-1] << halvings)
    )
    if built.dimensions == 2:
        return height, width
    depth = prior[0] if prior is not None and len(prior) == 3 else settings.depth
    return depth, height, width


def _described(noise: GaussianMixture) -> dict[str, Any]:
    return {
        "model_type": "GaussianMixtureNoiseModel",
        "weight": json.dumps(noise.weight),
        "min_signal": noise.min_signal,
        "max_signal": noise.max_signal,
        "min_sigma": noise.min_sigma,
    }


def _normalisation(model: Model) -> dict[str, Any]:
    shown = model.statistics if model.mixture is None else (model.mixture.statistics,)
    found: dict[str, Any] = {
        "name": "mean_std",
        "input_means": [one.mean for one in shown],
        "input_stds": [one.std for one in shown],
    }
    if model.mixture is not None:
        found["target_means"] = [one.mean for one in model.statistics]
        found["target_stds"] = [one.std for one in model.statistics]
    return found
