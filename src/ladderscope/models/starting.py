"""Training on from a model: its network and weights, on new images."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ladderscope.errors import LadderscopeError
from ladderscope.machine import single_precision
from ladderscope.models.architecture import Architecture, architecture_of, network_of
from ladderscope.models.config import RestorerSettings, Settings, checked
from ladderscope.models.file import Model, read_model
from ladderscope.models.identity import digest_of_model
from ladderscope.network import LadderVAE
from ladderscope.training.seeding import seeded
from ladderscope.words import listed

SHARE_OF_BUDGET, SHARE_OF_WARM_UP = 0.2, 0.25


@dataclass(frozen=True, eq=False)
class Start:
    """The model that a training starts from.

    Attributes
    ----------
    name : str
        Its file, or what it is.
    weights : dict of str to Tensor
        Of its network.
    channel_names : tuple of str, optional
        One per channel.
    digest : str
        Of the model.
    """

    name: str
    weights: Mapping[str, Tensor]
    channel_names: tuple[str, ...] | None
    digest: str

    @property
    def sentence(self) -> str:
        """Say that a training starts from the model, and what is not taken from it."""
        return (
            f"training starts from the weights of {self.name}; the statistics of the images and "
            "their noise are measured anew"
        )


def start_of(
    source: Model | str | os.PathLike[str], kind: type[Settings], what: str
) -> tuple[Start, Settings]:
    """Take a model to start from, and its settings.

    Parameters
    ----------
    source
        A model, or its file.
    kind
        The settings of what is to be trained.
    what
        What is to be trained, in a word.

    Raises
    ------
    LadderscopeError
        The file cannot be opened, holds the other kind of model, or its network is one that only
        other software trains.
    """
    model = source if isinstance(source, Model) else read_model(Path(source))
    name = f"a {model.kind}" if isinstance(source, Model) else str(source)
    if not isinstance(model.settings, kind):
        raise LadderscopeError(f"{name} is a {model.kind}, and a {what} cannot start from it")
    if _without_head(model.architecture) != architecture_of(model.settings):
        raise LadderscopeError(
            f"{name} has a network of {model.trained_by or 'another program'} that Ladderscope can "
            "use and not train: train a new model"
        )
    start = Start(name, model.weights, model.channel_names, digest_of_model(model))
    return start, model.settings


def fine_tuning(settings: Settings, overrides: Mapping[str, Any], name: str) -> Settings:
    """Give the settings for training on: a fifth of the budget, a quarter of the warm-up.

    Parameters
    ----------
    settings
        Those of the model.
    overrides
        Settings in place of them.
    name
        The model, for messages.

    Raises
    ------
    LadderscopeError
        A setting would need another network, or a value is out of range.

    Examples
    --------
    >>> from ladderscope.models import DenoiserSettings
    >>> fine_tuning(DenoiserSettings(minutes=5), {}, "a.ladder").minutes
    1.0
    """
    shorter = {
        "warmup_steps": round(SHARE_OF_WARM_UP * settings.warmup_steps),
        "kl_annealing_steps": 0,
        **_share_of_budget(settings),
    }
    kind = type(settings)
    chosen = checked(kind, settings.model_dump() | shorter, overrides)
    if architecture_of(chosen) != architecture_of(settings):
        alone = [
            one
            for one, value in overrides.items()
            if value != getattr(settings, one)
            and architecture_of(settings.model_copy(update={one: value}))
            != architecture_of(settings)
        ]
        given = listed([f"{one}={overrides[one]}" for one in alone or overrides])
        found = listed([f"{one}={getattr(settings, one)}" for one in alone or overrides])
        raise LadderscopeError(
            f"{given}: the network of {name} has {found}, and training on keeps the network. Leave "
            "this out, or train a new model"
        )
    return chosen


def _share_of_budget(settings: RestorerSettings) -> dict[str, float | int]:
    if settings.steps is not None:
        return {"steps": max(1, round(SHARE_OF_BUDGET * settings.steps))}
    unit = "minutes" if settings.minutes is not None else "epochs"
    return {unit: SHARE_OF_BUDGET * getattr(settings, unit)}


def first_network(settings: RestorerSettings, seed: int, start: Start | None = None) -> LadderVAE:
    """Make the network that training begins with: of random weights, or of a model's."""
    with seeded(seed), single_precision():
        network = network_of(architecture_of(settings))
    if start is not None:
        network.load_state_dict({name: start.weights[name] for name in network.state_dict()})
    return network


def described_with(start: Start | None, data: Any) -> Any:
    """Identify the data of a training and where it starts, as JSON: see `trained`."""
    return data if start is None else {"start": start.digest, "data": data}


def check_order(start: Start | None, names: tuple[str, ...]) -> None:
    """Refuse the channels of a splitter in another order than those of the model it starts from.

    Raises
    ------
    LadderscopeError
        Naming the order.
    """
    before = None if start is None else start.channel_names
    if before is not None and before != names and sorted(before) == sorted(names):
        raise LadderscopeError(
            f"the channels are {listed(names)}, and those of the model that training starts from "
            f"are {listed(before)}: give them in its order"
        )


def _without_head(architecture: Architecture) -> Architecture:
    return architecture.model_copy(update={"variance_filters": 0, "variances": 1})
