"""The ladder VAE of CAREamics 0.3.5 in ours, weight for weight, and back.

`load_lvae` opens one, `to_careamics` hands it back, and `replay` computes what CAREamics would.
CAREamics differs from our own networks in these points, which reach `LadderVAE` as arguments:

- a raw value r, clipped at 20, stands for the variance 1 + ELU(r) + 10⁻⁶;
- with more than four levels, the features that give the posterior of level l are multiplied by
  √(2l);
- the top level's prior is learned per position of the patch, so that a KL is defined only for
  images of that size;
- encoder and decoder have separate dropout probabilities;
- a gate is one convolution, and the second half of its channels are the gates;
- with lateral context, every level has weights to merge an input, used or not.

One difference is left out: CAREamics crops a posterior whose last axis is odd, and then fails at
its KL.
"""

import os
from collections.abc import Mapping
from itertools import count, takewhile
from typing import Any

import torch
from torch import Tensor, nn

from ladderscope.interop.careamics_config import (
    A_U_NET,
    compare_configs,
    compare_shapes,
    enclosed,
    read_config,
)
from ladderscope.interop.careamics_described import described_noise
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

# Entries of a CAREamics checkpoint beside the network's own, which begin with "model.".
_BESIDE = ("noise_model.", "noise_model_likelihood.", "gaussian_likelihood.", "metrics.")
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
        file. Anything in a checkpoint that is not part of the network is ignored.
    config : mapping, LVAEConfig or path, optional
        The constructor arguments of CAREamics' ``LadderVAE``, as in `LVAEConfig`, or a
        configuration that encloses them (under ``algorithm_config`` and ``model``), or the YAML
        file of either. By default, the configuration in the checkpoint.
    trust : bool, default False
        Whether a pickle may run code. A ``.ckpt`` is a pickle: one that holds more than tensors
        and plain values is refused unless you trust its authors.

    Returns
    -------
    LadderVAE
        In evaluation mode. It takes images that are normalised as in CAREamics; a checkpoint does
        not hold their mean and standard deviation. Without a KL (``decode(..., priors=False)``)
        it restores images of any size.

    Raises
    ------
    InteropError
        If a file is missing, damaged or asks to run code; if it holds no ladder VAE; if the
        config is invalid or contradicts the weights: each kind of missing, extra or mis-shaped
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
    described = None if config is None else read_config(config)
    with naming(weights):
        state = _state_of_the_network(checkpoint.tensors)
        own = checkpoint.hyper_parameters
        own = enclosed(own) if isinstance(own, Mapping) else {}
        if described is None and "z_dims" not in own:
            raise InteropError(
                "the checkpoint does not describe its network: give its config, the constructor "
                "arguments of CAREamics' LadderVAE"
            )
        described = read_config(own) if described is None else described
        compare_configs(described, own)
        needed = to_careamics(_without_content(described))
        compare_shapes(described, _shapes(state), _shapes(needed))
        network = _built(described)
        with torch.no_grad():
            for name, parts in entries_of(network).items():
                # a scalar, such as the number of batches seen, has one part
                values = state[name].chunk(len(parts)) if len(parts) > 1 else (state[name],)
                for part, value in zip(parts, values, strict=True):
                    part.copy_(value)
            for name, value in origin_of(network).idle.items():
                value.copy_(state[name])
        check_finite(to_careamics(network), "the weights")
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
        If the config lacks an entry, has a wrong one or contradicts itself; or if the network
        would have too many parameters.
    """
    with naming(config):
        described = read_config(config)
        _without_content(described)
    return _built(described)


def _without_content(config: LVAEConfig) -> LadderVAE:
    """Build the network without allocating its weights, and refuse one of too many."""
    weights_of(config.architecture)
    with torch.device("meta"):
        return _built(config)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


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
    """Read the noise models in a checkpoint of CAREamics.

    Parameters
    ----------
    weights, trust
        As `load_lvae` takes them.

    Returns
    -------
    list of GaussianMixture
        One per channel, in camera units; empty if there are none.

    Raises
    ------
    InteropError
        As of `load_lvae` for files; or if the checkpoint holds only part of a noise model.
    NoiseError
        If a noise model is invalid.
    """
    tensors, described, _ = read_checkpoint(weights, trust=trust)
    if (stored := described_noise(described)) is not None:
        return stored
    names = (f"noise_model.nmodel_{channel}" for channel in count())
    models = []
    for name in takewhile(lambda name: f"{name}.weight" in tensors, names):
        numbers = [tensors.get(f"{name}.{end}") for end in _OF_A_MIXTURE]
        if any(number is None or number.numel() != 1 for number in numbers):
            raise InteropError(
                f"the checkpoint holds {name}.weight without {', '.join(_OF_A_MIXTURE)}, as older "
                "versions of CAREamics wrote it: give the noise model's .npz file"
            )
        ends = (number.item() for number in numbers if number is not None)
        weight = tensors[f"{name}.weight"].detach().cpu().double().numpy()
        models.append(GaussianMixture(weight, *ends))
    return models


def _state_of_the_network(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the network out of a checkpoint, with both names of its last layer."""
    state = {
        name.removeprefix("model."): value
        for name, value in tensors.items()
        if not name.startswith(_BESIDE)
    }
    if any(name.startswith(_OF_A_UNET) for name in state):
        raise InteropError(f"the weights are of {A_U_NET}")
    if not any(name.startswith("top_down_layers.") for name in state):
        raise InteropError(
            "the weights are not those of a CAREamics ladder VAE: no name begins with "
            f"top_down_layers; names found: {', '.join(list(state)[:3])}"
        )
    for name in ("weight", "bias"):
        one, other = (f"{layer}.{name}" for layer in LAST_LAYER)
        if one not in state and other not in state:
            continue
        # a .safetensors file holds a shared tensor once
        first = state.setdefault(one, state.get(other, torch.empty(0)))
        if not torch.equal(first, state.setdefault(other, first)):
            raise InteropError(f"{one} and {other} are one layer in CAREamics, but differ here")
    return state
