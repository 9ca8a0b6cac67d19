"""A kept training: whole and fitting, or refused by name before any of it is used."""

import copy
import io
import math
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope.network import LadderVAE
from ladderscope.training import Record, TrainingError
from ladderscope.training.optimizers import OPTIMIZERS, muon
from ladderscope.training.state import State, read_state, restore_optimizer, write_state


def ladder():
    torch.manual_seed(0)
    return LadderVAE(latent_channels=(2, 2), filters=4, batch_norm=True)


def trained(make=muon):
    network = ladder()
    optimizer = make(network)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    return State(
        fingerprint="these images",
        network=weights,
        optimizer=optimizer.state_dict(),
        random=torch.get_rng_state(),
        device_random=None,
        step=7,
        skipped=1,
        validated=2,
        seconds=3.5,
        history=(Record(5, 3.0, math.nan, 1.0, 2.0, 3.0, 1.0, 2.0, (0.5, 0.25)),),
        since=((1.0, 0.5, 0.5),),
        best_loss=3.0,
        best_step=5,
        best_weights=weights,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "whole"
    write_state(path, trained())
    return path


NETWORK = ladder()


def read(path, network=NETWORK):
    return read_state(path, "these images", network)


def alike(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return repr(one) == repr(other)


@pytest.mark.parametrize("make", OPTIMIZERS.values())
def test_what_is_read_is_what_was_written(tmp_path, make):
    state = trained(make)
    write_state(tmp_path / "state", state)
    found = read(tmp_path / "state")
    assert alike(vars(found), vars(state))
    optimizer = make(ladder())
    restore_optimizer(tmp_path / "state", found, optimizer)
    assert alike(optimizer.state_dict(), state.optimizer)


@settings(max_examples=30)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_or_without_effect(whole, where, bit):
    content = bytearray(whole.read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    path = whole.with_name("flipped")
    path.write_bytes(content)
    try:
        found = read(path)
    except TrainingError as error:
        assert str(path) in str(error)
    else:
        assert alike(vars(found), vars(read(whole)))


def changed(whole, name, value):
    """Write a state in which one entry is another, and read it."""
    content = torch.load(whole, weights_only=True)
    content[name] = value(content[name]) if callable(value) else value
    path = whole.with_name("changed")
    torch.save(content, path)
    return read(path)


@pytest.mark.parametrize(
    "name, value",
    [
        ("step", -1),
        ("step", 10**30),
        ("step", "many"),
        ("skipped", None),
        ("seconds", math.nan),
        ("seconds", -1.0),
        ("history", 5),
        ("history", [{"step": 1}]),
        ("since_validation", ()),
        ("since", ((1.0, 2.0),)),
        ("best_loss", [1.0]),
        ("random", torch.zeros(3, dtype=torch.uint8)),
        ("random", torch.zeros(1, dtype=torch.uint8).expand(10**12)),
        ("random", "seed"),
        ("network", {}),
        ("network", [torch.zeros(3)]),
        ("network", {"top_prior": 3}),
        ("best_weights", {"top_prior": torch.zeros(1)}),
    ],
)
def test_an_entry_of_a_wrong_kind_is_refused(whole, name, value):
    with pytest.raises(TrainingError, match="damaged"):
        changed(whole, name, value)


def replaced(**weights):
    return lambda network: network | weights


@pytest.mark.parametrize("entry", ["network", "best_weights"])
@pytest.mark.parametrize(
    "prior",
    [
        torch.full((1, 4, 1, 1), math.nan),
        torch.full((1, 4, 1, 1), math.inf),
        torch.zeros(1, 4, 1, 1, dtype=torch.float64),
        torch.zeros(1, 4, 2, 1),
        torch.zeros(1).expand(1, 4, 10**6, 10**6),
    ],
    ids=["nan", "infinite", "float64", "shape", "huge view"],
)
def test_weights_that_are_no_numbers_or_do_not_fit_are_refused(whole, entry, prior):
    with pytest.raises(TrainingError, match="top_prior"):
        changed(whole, entry, replaced(top_prior=prior))


def test_a_state_of_another_network_is_refused(whole):
    with pytest.raises(TrainingError, match="damaged"):
        read(whole, LadderVAE(latent_channels=(2, 2), filters=8, batch_norm=True))


def without_a_group(state):
    state["param_groups"].pop()


def renumbered(state):
    state["param_groups"][0]["params"].reverse()


def of_another_momentum(state):
    state["param_groups"][0]["momentum"] = 0.5


def of_half_a_step(state):
    state["param_groups"][0]["step"] = 0.5


def of_another_shape(state):
    state["state"][0]["momentum_buffer"] = torch.zeros(3)


def not_a_number(state):
    state["state"][0]["momentum_buffer"][:] = math.nan


def of_no_tensor(state):
    state["state"][0]["momentum_buffer"] = "momentum"


def of_a_parameter_too_many(state):
    state["state"][10**6] = {"momentum_buffer": torch.zeros(3)}


@pytest.mark.parametrize(
    "damage",
    [
        without_a_group,
        renumbered,
        of_another_momentum,
        of_half_a_step,
        of_another_shape,
        not_a_number,
        of_no_tensor,
        of_a_parameter_too_many,
    ],
)
def test_an_optimizer_that_does_not_fit_is_refused(whole, damage):
    state = read(whole)
    damaged = copy.deepcopy(state.optimizer)
    damage(damaged)
    with pytest.raises(TrainingError, match="damaged"):
        restore_optimizer(whole, State(**(vars(state) | {"optimizer": damaged})), muon(ladder()))


def test_another_optimizer_is_refused(whole):
    with pytest.raises(TrainingError, match=str(whole)):
        restore_optimizer(whole, read(whole), OPTIMIZERS["adamax"](ladder()))


def repacked(whole, **options):
    content = io.BytesIO()
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(content, "w", **options) as other:
        for member in archive.infolist():
            other.writestr(member.filename, archive.read(member))
    path = whole.with_name("repacked")
    path.write_bytes(content.getvalue())
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members_are_refused_unpacked(whole, method):
    with pytest.raises(TrainingError, match="compressed"):
        read(repacked(whole, compression=method))


@pytest.mark.parametrize("name", ["archive/data/more", "whole/data.pkl"])
def test_a_file_too_large_for_the_network_is_refused_unread(whole, monkeypatch, name):
    path = repacked(whole)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, bytes(2**26))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(TrainingError, match="large"):
        read(path)
