"""The ladder VAE of CAREamics 0.3.5 in ours, weight for weight, and back.

`load_lvae` opens one, `to_careamics` hands it back, and `replay` computes what CAREamics would.
What CAREamics does in its own way lives here, and reaches our network as arguments:

- a raw value r, clipped at 20, becomes a variance by exp(r) up to 0 and 1 + r beyond, and 10⁻⁶
  is added;
- with more than four levels, the features that the posterior of level l is read from are
  multiplied by √(2l);
- the top level's prior is learned for each place of the patch, so that a KL is defined for
  images of that size alone;
- encoder and decoder have a dropout each;
- a gate is one convolution, whose second half of channels are the gates;
- with wider views, every level has weights to merge one, used or not.

One is left out: CAREamics crops a posterior whose last axis is odd, and then fails at its KL.
"""

import os
from collections.abc import Mapping
from itertools import count, takewhile
from typing import Any

import torch
from torch import Tensor, nn

from ladderscope.errors import LadderscopeError
from ladderscope.interop.careamics_config import (
    A_U_NET,
    compare_configs,
    compare_shapes,
    enclosed,
    read_config,
)
from ladderscope.interop.careamics_losses import replay_losses
from ladderscope.interop.careamics_names import (
    LAST_LAYER,
    adopt,
    entries_of,
    origin_of,
    to_careamics,
)
from ladderscope.interop.careamics_replay import replay
from ladderscope.interop.checkpoint import InteropError, naming, read_checkpoint
from ladderscope.models.architecture import weights_of
from ladderscope.models.earlier import LVAEConfig
from ladderscope.models.weights import check_finite
from ladderscope.network import LadderVAE
from ladderscope.noise import GaussianMixture
from ladderscope.untrusted import InputError

__all__ = [
    "InteropError",
    "LVAEConfig",
    "build_lvae",
    "load_lvae",
    "load_noise_models",
    "replay",
    "replay_losses",
    "to_careamics",
]

# What checkpoints of CAREamics hold beside the network, whose entries begin with "model.".
_BESIDE = ("noise_model.", "noise_model_likelihood.", "gaussian_likelihood.")
_OF_A_UNET = ("encoder.encoder_blocks.", "decoder.decoder_blocks.", "final_conv.")
_OF_A_MIXTURE = ("min_signal", "max_signal", "min_sigma")


def load_lvae(
    weights: Mapping[str, Any] | str | os.PathLike[str],
    config: Mapping[str, Any] | LVAEConfig | str | os.PathLike[str] | None = None,
    *,
    trust: bool = False,
) -> LadderVAE:
    """Open a ladder VAE that CAREamics trained.

    Parameters
    ----------
    weights : mapping or path
        The ``state_dict``, of tensors or arrays, or a ``.safetensors``, ``.ckpt`` or ``.pth``
        file. What a checkpoint holds beside the network is left aside.
    config : mapping, LVAEConfig or path, optional
        The constructor arguments of CAREamics' ``LadderVAE``, as in `LVAEConfig`, or a
        configuration that encloses them (under ``algorithm_config`` and ``model``), or the YAML
        file of either. By default, what the checkpoint says of itself.
    trust : bool, default False
        Whether a pickle may run code. A ``.ckpt`` is one: if it holds more than tensors and plain
        values, it is refused unless you trust where it comes from.

    Returns
    -------
    LadderVAE
        In evaluation mode. Images are normalised as they were in CAREamics; mean and standard
        deviation are not part of a checkpoint. Without a KL (``decode(..., priors=False)``) it
        restores images of any size.

    Raises
    ------
    InteropError
        If a file is missing, damaged or asks to run code; if it holds no ladder VAE; if the
        config is not one, or contradicts the weights: each kind of missing, extra or mis-shaped
        entry is named, with the option that would explain it.

    References
    ----------
    CAREamics 0.3.5, https://github.com/CAREamics/careamics.

    Examples
    --------
    >>> config = {
    ...     "input_shape": [64, 64], "output_channels": 2, "multiscale_count": 1,
    ...     "z_dims": [4, 4], "encoder_n_filters": 8, "decoder_n_filters": 8,
    ...     "encoder_conv_strides": [2, 2], "decoder_conv_strides": [2, 2],
    ...     "encoder_dropout": 0.1, "decoder_dropout": 0.1, "nonlinearity": "ELU",
    ...     "predict_logvar": None, "analytical_kl": True,
    ... }
    >>> weights = to_careamics(build_lvae(config))
    >>> network = load_lvae(weights, config)
    >>> noise = {1: torch.zeros(1, 4, 32, 32), 2: torch.zeros(1, 4, 16, 16)}
    >>> outputs = replay(network, torch.zeros(1, 1, 64, 64), noise)
    >>> outputs["out"].shape, outputs["kl/2"].shape
    (torch.Size([1, 2, 64, 64]), torch.Size([1]))
    """
    checkpoint = read_checkpoint(weights, trust=trust)
    with naming(weights):
        state = _state_of_the_network(checkpoint.tensors)
        own = checkpoint.hyper_parameters
        own = enclosed(own) if isinstance(own, Mapping) else {}
        if config is None and "z_dims" not in own:
            raise InteropError(
                "the weights do not say how their network was built: give its config, the "
                "constructor arguments of CAREamics' LadderVAE"
            )
        described = read_config(own if config is None else config)
        compare_configs(described, own)
        compare_shapes(
            described,
            found={name: tuple(value.shape) for name, value in state.items()},
            needed={
                name: tuple(value.shape)
                for name, value in to_careamics(_without_content(described)).items()
            },
        )
        network = _built(described)
        origin = origin_of(network)
    with torch.no_grad():
        for name, parts in entries_of(network).items():
            # of a scalar, such as the number of batches that were counted, there is one part
            values = state[name].chunk(len(parts)) if len(parts) > 1 else (state[name],)
            for part, value in zip(parts, values, strict=True):
                part.copy_(value)
        for name, value in origin.idle.items():
            value.copy_(state[name])
    try:
        check_finite(to_careamics(network), "the weights")
    except InputError as error:
        raise InteropError(str(error)) from error
    return network


def build_lvae(config: Mapping[str, Any] | LVAEConfig | str | os.PathLike[str]) -> LadderVAE:
    """Build a ladder VAE as CAREamics would, with random weights, in evaluation mode.

    Parameters
    ----------
    config : mapping, LVAEConfig or path
        As `load_lvae` takes it.

    Raises
    ------
    InteropError
        If the config is not one: what it lacks, or what in it does not go together; or if the
        network would have too many parameters.
    """
    with naming(config):
        described = read_config(config)
        _without_content(described)
    return _built(described)


def _without_content(config: LVAEConfig) -> LadderVAE:
    """Build the network without allocating its weights, and refuse one of too many."""
    try:
        weights_of(config.architecture)
    except LadderscopeError as error:
        raise InteropError(str(error)) from error
    with torch.device("meta"):
        return _built(config)


def _built(config: LVAEConfig) -> LadderVAE:
    network = config.architecture.build()
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout2d | nn.Dropout3d):
            decoding = name.startswith(("rungs.", "last."))
            module.p = config.decoder_dropout if decoding else config.encoder_dropout
    adopt(network, config)
    return network.eval()


def load_noise_models(
    weights: Mapping[str, Any] | str | os.PathLike[str], *, trust: bool = False
) -> list[GaussianMixture]:
    """Read the noise models that a checkpoint of CAREamics holds beside its network.

    Parameters
    ----------
    weights, trust
        As `load_lvae` takes them.

    Returns
    -------
    list of GaussianMixture
        One a channel, in camera units; empty if there are none.

    Raises
    ------
    InteropError
        As `load_lvae` raises it for files; or if the checkpoint holds a part of a noise model.
    NoiseError
        If the numbers of a noise model make no sense.
    """
    tensors = read_checkpoint(weights, trust=trust).tensors
    names = (f"noise_model.nmodel_{channel}" for channel in count())
    models = []
    for name in takewhile(lambda name: f"{name}.weight" in tensors, names):
        numbers = [tensors.get(f"{name}.{end}") for end in _OF_A_MIXTURE]
        if any(number is None or number.numel() != 1 for number in numbers):
            raise InteropError(
                f"the checkpoint holds {name}.weight, but not a number each for "
                f"{', '.join(_OF_A_MIXTURE)}, as those of older versions do not: give the noise "
                "model's .npz file"
            )
        ends = (number.item() for number in numbers if number is not None)
        weight = tensors[f"{name}.weight"].detach().cpu().double().numpy()
        models.append(GaussianMixture(weight, *ends))
    return models


def _state_of_the_network(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave only the network in a checkpoint, with both names of its last layer."""
    state = {
        name.removeprefix("model."): value
        for name, value in tensors.items()
        if not name.startswith(_BESIDE)
    }
    if any(name.startswith(_OF_A_UNET) for name in state):
        raise InteropError(f"the weights are of {A_U_NET}")
    if not any(name.startswith("top_down_layers.") for name in state):
        raise InteropError(
            "the weights are not of a ladder VAE that CAREamics trained: nothing in them is named "
            f"top_down_layers; their names are like {', '.join(list(state)[:3])}"
        )
    for name in ("weight", "bias"):
        one, other = (f"{layer}.{name}" for layer in LAST_LAYER)
        if one not in state and other not in state:
            continue
        # .safetensors files hold what is shared once
        first = state.setdefault(one, state.get(other, torch.empty(0)))
        if not torch.equal(first, state.setdefault(other, first)):
            raise InteropError(f"{one} and {other} are one layer in CAREamics, but differ here")
    return state
