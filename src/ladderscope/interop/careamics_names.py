"""The names of CAREamics' weights, and our tensors that each is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ladderscope.interop.checkpoint import InteropError
from ladderscope.models.earlier import LVAEConfig
from ladderscope.network import LadderVAE

LAST_LAYER = ("output_layer", "parameter_net")  # two names of one layer
_ORIGIN = "careamics"


@dataclass(frozen=True, eq=False)
class Origin:
    """What a network of CAREamics has beside ours.

    Attributes
    ----------
    config
        How CAREamics builds it.
    idle
        Weights under CAREamics' names that it never uses: where there is lateral context, every
        level has weights to merge an input.
    """

    config: LVAEConfig
    idle: Mapping[str, Tensor]


def adopt(network: LadderVAE, config: LVAEConfig) -> None:
    """Attach to a network what CAREamics needs beside ours; idle weights are zeros."""
    merging = "bottom_up_layers.0.lowres_merge."
    idle = {
        name.replace(".0.", f".{index}.", 1): torch.zeros_like(_joined(parts))
        for name, parts in entries_of(network).items()
        if name.startswith(merging)
        for index in range(config.multiscale_count - 1, len(config.z_dims))
    }
    setattr(network, _ORIGIN, Origin(config, idle))


def origin_of(network: LadderVAE) -> Origin:
    """Return what a network of CAREamics has beside ours.

    Raises
    ------
    InteropError
        If the network does not come from `load_lvae` or `build_lvae`.
    """
    origin = getattr(network, _ORIGIN, None)
    if not isinstance(origin, Origin):
        raise InteropError(
            "the network must come from load_lvae or build_lvae: CAREamics cannot run any other"
        )
    return origin


def to_careamics(network: LadderVAE) -> dict[str, Tensor]:
    """Return the weights of a ladder VAE under CAREamics' names, for its ``load_state_dict``.

    Every entry is a copy of a parameter or buffer of the network, of two joined, or of an idle
    weight. Gradients put in the parameters' place come out under CAREamics' names too.

    Parameters
    ----------
    network : LadderVAE
        From `load_lvae` or `build_lvae`, trained further or not.

    Raises
    ------
    InteropError
        If the network does not come from `load_lvae` or `build_lvae`.
    """
    idle = origin_of(network).idle
    return {name: _joined(parts) for name, parts in entries_of(network).items()} | {
        name: value.to(network.top_prior.device, copy=True) for name, value in idle.items()
    }


def entries_of(network: LadderVAE) -> dict[str, tuple[Tensor, ...]]:
    """Return our tensors that make up each of CAREamics' weights, by its name there."""
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
    """Give the name of each layer in CAREamics, and its name or names in ours."""

    def count(ours: str) -> int:
        return len(cast(nn.Sequential, network.get_submodule(ours)))

    def block(theirs: str, ours: str) -> Iterator[tuple[str, ...]]:
        # activations and dropouts have no weights; ours has dropouts only where they are used
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
        theirs, ours = f"bottom_up_layers.{index}", f"bottom_up.{index}"
        yield f"{theirs}.net_downsized.0.pre_conv", f"{ours}.0.convolution"
        yield from block(f"{theirs}.net_downsized.0.res", f"{ours}.1")
        for place in range(2, count(ours)):
            yield from block(f"{theirs}.net.{place - 2}.res", f"{ours}.{place}")
        theirs, ours = f"top_down_layers.{index}", f"rungs.{index}"
        if index < len(network.latent_channels) - 1:
            yield f"{theirs}.stochastic.conv_in_p", f"{ours}.to_prior"
            yield from merge(f"{theirs}.merge", f"{ours}.merge")
            yield from merge(f"{theirs}.skip_connection_merger", f"{ours}.skip_merge")
        yield f"{theirs}.stochastic.conv_in_q", f"{ours}.to_posterior"
        yield f"{theirs}.stochastic.conv_out", f"{ours}.from_sample"
        yield f"{theirs}.deterministic_block.0.pre_conv", f"{ours}.down.0"
        for place in range(1, count(f"{ours}.down")):
            yield from block(
                f"{theirs}.deterministic_block.{place - 1}.res", f"{ours}.down.{place}"
            )
    for place in range(count("last")):
        yield from block(f"final_top_down.{place}.res", f"last.{place}")
    for theirs in LAST_LAYER:
        yield theirs, "output"
