"""What a training needs to be resumed, as a file that is checked before any of it is used."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from ladderscope.files import internal_file
from ladderscope.training.errors import TrainingError
from ladderscope.training.module import Record

# Increased whenever the content of the file changes.
_FORMAT = 3
# The largest file: the weights twice, up to two numbers per weight of the optimizer, and the rest:
# the history, and three numbers per step since the last validation.
_MOST_COPIES, _MOST_BESIDES = 4, 2**24

# Settings of an optimizer that change from step to step.
_CHANGING = ("lr", "step")

_Count = Annotated[int, Field(ge=0, lt=10**9)]


@dataclass(frozen=True)
class State:
    """Everything that determines how a training continues.

    Attributes
    ----------
    fingerprint : str
        What the state belongs to.
    network, optimizer, random
        Weights, the optimizer's state, and that of torch's random numbers.
    device_random
        The state of the random numbers that a GPU draws; None without one.
    step, skipped, validated : int
        Steps done and skipped; validations due so far.
    seconds : float
        Time spent.
    history : tuple of Record
        One line per validation.
    since : tuple of triples
        Loss, reconstruction and KL of each step since the last validation.
    best_loss, best_step, best_weights
        The best weights so far, and when and how good they were.
    """

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    fingerprint: str
    network: dict[str, Tensor]
    optimizer: dict[str, Any]
    random: Tensor
    device_random: Tensor | None
    step: _Count
    skipped: _Count
    validated: _Count
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    history: tuple[Record, ...]
    since: tuple[tuple[float, float, float], ...]
    best_loss: float
    best_step: _Count
    best_weights: dict[str, Tensor] | None


def write_state(path: Path, state: State) -> None:
    """Write a state, whole or not at all.

    Raises
    ------
    OutputError, OSError
        It cannot be written.
    """
    # A full disk met by torch itself would end as an error of torch.
    content = io.BytesIO()
    kept = {field: value for field, value in vars(state).items() if field != "history"}
    history = [asdict(line) for line in state.history]
    torch.save({"format": _FORMAT, "history": history, **kept}, content)
    with internal_file(path, overwrite=True) as unfinished:
        unfinished.write_bytes(content.getbuffer())


def read_state(path: Path | None, fingerprint: str, network: nn.Module) -> State:
    """Read a state, and check that it is complete and belongs to this training and network.

    Raises
    ------
    TrainingError
        The file is missing or damaged, or belongs to another training.
    """
    if path is None or not path.exists():
        raise TrainingError(
            f"nothing to resume: {path} does not exist. Train without resuming first; interrupted "
            "training leaves its state there"
        )
    try:
        _check_archive(path, network)
        content = dict(torch.load(path, map_location="cpu", weights_only=True))
        found, kept = content["fingerprint"], content.pop("format", None)
    except Exception as error:
        raise _damaged(path, error) from error
    if kept != _FORMAT:
        raise TrainingError(
            f"{path} was written by another version of Ladderscope (format {kept!r}; this one "
            f"reads format {_FORMAT}): resume with that version, or delete the file and train "
            "again"
        )
    if found != fingerprint:
        raise TrainingError(
            f"{path} belongs to a training with other settings or other images: resume with the "
            "same ones, or delete the file and train again"
        )
    try:
        state = TypeAdapter(State).validate_python(content)
        for weights in (state.network, state.best_weights):
            if weights is not None:
                _check_weights(weights, network.state_dict())
        torch.Generator().set_state(state.random)
    except (ValueError, TypeError, RuntimeError) as error:
        raise _damaged(path, error) from error
    return state


def restore_optimizer(path: Path | None, state: State, optimizer: torch.optim.Optimizer) -> None:
    """Restore the state of an optimizer.

    Raises
    ------
    TrainingError
        It belongs to another optimizer, or is damaged.
    """
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    try:
        _check_optimizer(state.optimizer, optimizer.state_dict(), parameters)
        optimizer.load_state_dict(state.optimizer)
    except (AttributeError, KeyError, IndexError, ValueError, TypeError, RuntimeError) as error:
        raise _damaged(path, error) from error


def device_random(device: torch.device) -> Tensor | None:
    """Give the state of the random numbers that a GPU draws; None for the CPU.

    Examples
    --------
    >>> device_random(torch.device("cpu")) is None
    True
    """
    if device.type == "cpu":
        return None
    state: Tensor = torch.get_device_module(device).get_rng_state()
    return state


def restore_random(path: Path | None, state: State, device: torch.device) -> None:
    """Restore the state of torch's random numbers, also on a GPU if the training ran on one.

    Raises
    ------
    TrainingError
        The state is damaged.
    """
    torch.set_rng_state(state.random)
    if state.device_random is not None and device.type != "cpu":
        try:
            torch.get_device_module(device).set_rng_state(state.device_random)
        except (RuntimeError, TypeError) as error:
            raise _damaged(path, error) from error


def _damaged(path: Path | None, error: Exception) -> TrainingError:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        why = str(error) or type(error).__name__
    return TrainingError(
        f"{path} cannot be resumed: it is damaged or not a training state ({why}). Delete it "
        "and train again"
    )


def _check_archive(path: Path, network: nn.Module) -> None:
    """Check sizes and checksums, which torch ignores, before anything is unpacked."""
    weights = sum(value.nbytes for value in network.state_dict().values())
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("its members are compressed")
        if sum(member.file_size for member in members) > _MOST_COPIES * weights + _MOST_BESIDES:
            raise ValueError("it is larger than any state of this network")
        if any(
            member.filename.endswith(".pkl") and member.file_size > _MOST_BESIDES
            for member in members
        ):
            raise ValueError("its description is too large")
        if broken := archive.testzip():
            raise ValueError(f"the checksum of {broken} is wrong")


def _check_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    if weights.keys() != expected.keys():
        raise ValueError("its weights belong to another network")
    for name, value in weights.items():
        like = expected[name]
        if value.shape != like.shape or value.dtype != like.dtype:
            raise ValueError(f"{name} has another shape or type than in the network")
        _check_finite(name, value)


def _check_optimizer(
    found: Mapping[str, Any], fresh: Mapping[str, Any], parameters: Sequence[Tensor]
) -> None:
    """Check the state of each parameter; the settings must agree, but for rate and step."""
    groups = [
        {name: value for name, value in group.items() if name not in _CHANGING}
        for state in (found, fresh)
        for group in state["param_groups"]
    ]
    if groups[: len(groups) // 2] != groups[len(groups) // 2 :]:
        raise ValueError("it belongs to another optimizer")
    for group in found["param_groups"]:
        if not isinstance(group.get("step", 0), int):
            raise ValueError("the optimizer's step count is not a whole number")
    for number, memory in found["state"].items():
        for name, value in memory.items():
            if value.numel() > 1 and value.shape != parameters[number].shape:
                raise ValueError(f"{name} of the optimizer has another shape")
            _check_finite(f"{name} of the optimizer", value)


def _check_finite(name: str, value: Tensor) -> None:
    if not torch.isfinite(value).all():
        raise ValueError(f"{name} has non-finite values")
