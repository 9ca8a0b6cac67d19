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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any, cast

import torch
from jaxtyping import Real
from numpy.typing import ArrayLike
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
from ladderscope.interop.checkpoint import InteropError, naming, read_checkpoint
from ladderscope.losses import channelwise, gaussian_kl, gaussian_kl_one_sample, samplewise, spatial
from ladderscope.models.architecture import weights_of
from ladderscope.models.earlier import LVAEConfig
from ladderscope.models.weights import check_finite
from ladderscope.network import DiagonalGaussian, LadderVAE, Level
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
_LAST_LAYER = ("output_layer", "parameter_net")
_ORIGIN = "careamics"


@dataclass(frozen=True, eq=False)
class Origin:
    """What a network of CAREamics is beside our network: options of its KL, idle weights."""

    config: LVAEConfig
    idle: Mapping[str, Tensor]


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
        for name, parts in _entries(network).items():
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
    levels = range(1, len(config.z_dims) + 1)
    network = config.architecture.build()
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout2d | nn.Dropout3d):
            decoding = name.startswith(("rungs.", "last."))
            module.p = config.decoder_dropout if decoding else config.encoder_dropout
    merging = "bottom_up_layers.0.lowres_merge."
    idle = {
        name.replace(".0.", f".{level - 1}.", 1): torch.zeros_like(_joined(parts))
        for name, parts in _entries(network).items()
        if name.startswith(merging)
        for level in levels[config.multiscale_count - 1 :]
    }
    setattr(network, _ORIGIN, Origin(config, idle))
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


def to_careamics(network: LadderVAE) -> dict[str, Tensor]:
    """Hand a ladder VAE back under CAREamics' names, as its ``load_state_dict`` takes it.

    Every entry is a copy of a parameter or buffer of the network, of two joined, or of an idle
    weight that came with it. So gradients, put in the parameters' place, come out under
    CAREamics' names too.

    Parameters
    ----------
    network : LadderVAE
        From `load_lvae` or `build_lvae`, trained further or not.

    Raises
    ------
    InteropError
        If the network is another.
    """
    idle = origin_of(network).idle
    return {name: _joined(parts) for name, parts in _entries(network).items()} | {
        name: value.to(network.top_prior.device, copy=True) for name, value in idle.items()
    }


def replay(
    network: LadderVAE,
    x: Real[Tensor, "batch views *space"] | ArrayLike,
    noise: Mapping[int, Tensor | ArrayLike],
) -> dict[str, Tensor]:
    """Compute what CAREamics' network computes from the same input and noise.

    Parameters
    ----------
    network : LadderVAE
        From `load_lvae`; its mode, train or eval, is respected.
    x : Tensor or array, shape (batch, views, [Z], Y, X)
        Normalised, of the size that the network was trained on, the patch first.
    noise : mapping of int to Tensor or array
        For each level, 1 the finest, the standard-normal noise that picks the latent from its
        posterior: (batch, latent channels, [Z], Y, X).

    Returns
    -------
    dict of str to Tensor
        ``out`` (batch, channels, [Z], Y, X); and for each level, such as 1: the latent ``z/1``,
        and its KL in nats as ``kl/1`` (batch,), ``kl_restricted/1`` (batch,), which leaves out
        the margin that wider views add, ``kl_spatial/1`` (batch, [Z], Y, X) and
        ``kl_channelwise/1`` (batch, channels). All are attached to the graph of the network.

    Raises
    ------
    InteropError
        If the network is another, `x` is of another size than the network was trained on or of
        an odd one, or noise of a level is missing or of another shape.
    ValueError
        If `x` has other views or axes.
    """
    config = origin_of(network).config
    like = network.top_prior
    features = network.encode(torch.as_tensor(x).to(like))
    size, multiple = config.input_shape[-2:], network.multiple
    if features.size != size or any(side % multiple for side in size):
        raise InteropError(
            f"CAREamics runs this network on Y and X of {size} alone, which can be repeated if "
            f"they are multiples of {multiple}; found {features.size}"
        )
    drawn = []
    for number, (level_map, channels) in enumerate(
        zip(features.levels, config.z_dims, strict=True), start=1
    ):
        if number not in noise:
            raise InteropError(f"there is noise for levels {list(noise)}, but not for {number}")
        drawn.append(torch.as_tensor(noise[number]).to(like))
        needed = (level_map.shape[0], channels, *level_map.shape[2:])
        if drawn[-1].shape != needed:
            raise InteropError(
                f"the noise of level {number} must have the shape {needed}, "
                f"found {tuple(drawn[-1].shape)}"
            )
    decoded = network.decode(features, drawn)
    outputs = {"out": decoded.output}
    for number, level in enumerate(decoded.levels, start=1):
        kl = _kl(level, config.analytical_kl)
        # where the margin is odd, CAREamics keeps one pixel more
        margin = (kl.shape[-1] - (features.size[1] >> number)) // 2
        inner = slice(margin, kl.shape[-1] - margin)
        outputs |= {
            f"z/{number}": level.sample,
            f"kl/{number}": samplewise(kl),
            f"kl_restricted/{number}": samplewise(kl[..., inner, inner]),
            f"kl_spatial/{number}": spatial(kl),
            f"kl_channelwise/{number}": channelwise(kl),
        }
    return outputs


def _kl(level: Level, analytical: bool) -> Tensor:
    # no level is blind, and priors were asked for
    q, p = cast(tuple[DiagonalGaussian, DiagonalGaussian], (level.posterior, level.prior))
    return gaussian_kl(*q, *p) if analytical else gaussian_kl_one_sample(level.sample, *q, *p)


def origin_of(network: LadderVAE) -> Origin:
    """Say what a network of CAREamics is beside our network.

    Raises
    ------
    InteropError
        If the network is another.
    """
    origin = getattr(network, _ORIGIN, None)
    if not isinstance(origin, Origin):
        raise InteropError(
            "the network must come from load_lvae or build_lvae: CAREamics cannot run any other"
        )
    return origin


def _entries(network: LadderVAE) -> dict[str, tuple[Tensor, ...]]:
    """Return the tensors of ours that each entry of CAREamics' is made of, by its name there."""
    entries = {}
    for theirs, *ours in _layers(network):
        states = [network.get_submodule(name).state_dict(keep_vars=True) for name in ours]
        for name in states[0]:
            entries[f"{theirs}.{name}"] = tuple(state[name] for state in states)
    top = len(network.latent_channels) - 1
    entries[f"top_down_layers.{top}.top_prior_params"] = (network.top_prior,)
    return entries


def _joined(parts: tuple[Tensor, ...]) -> Tensor:
    return parts[0].detach().clone() if len(parts) == 1 else torch.cat(parts).detach()


def _layers(network: LadderVAE) -> Iterator[tuple[str, ...]]:
    """Give the name of each layer in CAREamics, and the name or names of it in ours."""

    def block(theirs: str, ours: str) -> Iterator[tuple[str, ...]]:
        # activations and dropouts have no weights; in ours the latter are there only if used
        layers = network.get_submodule(f"{ours}.residual").named_children()
        names = [f"{ours}.residual.{name}" for name, layer in layers if layer.state_dict()]
        yield from ((f"{theirs}.block.{2 * place}", name) for place, name in enumerate(names[:4]))
        for gate in names[4:]:
            yield f"{theirs}.block.8.conv", f"{gate}.value", f"{gate}.gate"

    def first(theirs: str, ours: str) -> Iterator[tuple[str, ...]]:
        yield f"{theirs}.0", f"{ours}.0"
        yield from block(f"{theirs}.2.res", f"{ours}.2")

    def merge(theirs: str, ours: str) -> Iterator[tuple[str, ...]]:
        yield f"{theirs}.layer.0", f"{ours}.mix"
        yield from block(f"{theirs}.layer.1", f"{ours}.block")

    yield from first("first_bottom_up", "first")
    for index in range(network.views - 1):
        yield from first(f"lowres_first_bottom_ups.{index}", f"wider_views.{index}.first")
        yield from merge(f"bottom_up_layers.{index}.lowres_merge", f"wider_views.{index}.merge")
    for index in range(len(network.z_gates)):
        gate = f"z_gates.{index}"
        yield f"_3D_squisher.{index}.conv", f"{gate}.value", f"{gate}.gate"
    for index in range(len(network.latent_channels)):
        theirs, ours = f"bottom_up_layers.{index}.net_downsized.0", f"bottom_up.{index}"
        yield f"{theirs}.pre_conv", f"{ours}.0.convolution"
        yield from block(f"{theirs}.res", f"{ours}.1")
        theirs, ours = f"top_down_layers.{index}", f"rungs.{index}"
        if index < len(network.latent_channels) - 1:
            yield f"{theirs}.stochastic.conv_in_p", f"{ours}.to_prior"
            yield from merge(f"{theirs}.merge", f"{ours}.merge")
            yield from merge(f"{theirs}.skip_connection_merger", f"{ours}.skip_merge")
        yield f"{theirs}.stochastic.conv_in_q", f"{ours}.to_posterior"
        yield f"{theirs}.stochastic.conv_out", f"{ours}.from_sample"
        yield f"{theirs}.deterministic_block.0.pre_conv", f"{ours}.down.0"
        yield from block(f"{theirs}.deterministic_block.0.res", f"{ours}.down.1")
    yield from block("final_top_down.0.res", "last.0")
    for theirs in _LAST_LAYER:
        yield theirs, "output"


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
        one, other = (f"{layer}.{name}" for layer in _LAST_LAYER)
        if one not in state and other not in state:
            continue
        # .safetensors files hold what is shared once
        first = state.setdefault(one, state.get(other, torch.empty(0)))
        if not torch.equal(first, state.setdefault(other, first)):
            raise InteropError(f"{one} and {other} are one layer in CAREamics, but differ here")
    return state
