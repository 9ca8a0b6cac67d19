"""What CAREamics' networks computed, from its weights, inputs and latent noise, in ours."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ladderscope.interop.careamics import (
    InteropError,
    load_lvae,
    replay,
    replay_losses,
    to_careamics,
)
from ladderscope.network import LadderVAE
from ladderscope.noise import GaussianMixture

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.npz"))
BLOCKS = Path(__file__).parent / "golden" / "blocks" / "hdn_2d_blocks.npz"
# Of the largest value in a tensor: float32, and its rounding errors after some hundred layers.
CLOSE = 1e-5

every_file = pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)


@cache
def read(path):
    with np.load(path) as file:
        return {key: file[key] for key in file.files}


def under(golden, prefix):
    """Return the entries whose names begin with a prefix, without it."""
    return {key.removeprefix(prefix): golden[key] for key in golden if key.startswith(prefix)}


def opened(golden, mode="eval"):
    network = load_lvae(under(golden, "state/"), json.loads(str(golden["config"])))
    return network.train(mode == "train")


def replayed(golden, network):
    noise = {int(level): values for level, values in under(golden, "noise/").items()}
    return replay(network, golden["x"], noise)


def test_there_are_golden_files():
    assert len(GOLDEN) == 8


@pytest.mark.parametrize("mode", ["eval", "train"])
@every_file
def test_outputs_latents_and_every_kl_are_reproduced(path, mode):
    golden = read(path)
    expected = {
        key: value
        for key, value in under(golden, f"{mode}/").items()
        if not key.startswith(("loss/", "grad_norm/"))
    }
    found = replayed(golden, opened(golden, mode))
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key].shape == value.shape, key
        difference = np.abs(found[key].detach().numpy() - value).max()
        assert difference <= CLOSE * np.abs(value).max(), key


@every_file
def test_every_gradient_is_reproduced_under_its_name(path):
    golden = read(path)
    network = opened(golden, "train")
    channels = range(golden["target"].shape[1])
    noise_models = [
        GaussianMixture(
            golden[f"noise_model/{channel}/trained_weight"],
            *(
                golden[f"noise_model/{channel}/{key}"].item()
                for key in ("min_signal", "max_signal", "min_sigma")
            ),
        )
        for channel in channels
    ]
    losses = replay_losses(
        replayed(golden, network),
        golden["target"],
        noise_models,
        golden["data_mean"],
        golden["data_std"],
    )
    losses["hdn_gaussian/loss"].backward()
    for parameter in network.parameters():
        parameter.data = parameter.grad
    gradients = to_careamics(network)
    expected = {key: norm.item() for key, norm in under(golden, "train/grad_norm/").items()}
    rounding = 1e-6 * max(expected.values())
    for name, norm in expected.items():
        assert gradients[name].norm().item() == pytest.approx(norm, rel=1e-3, abs=rounding), name


@every_file
def test_the_weights_go_back_as_they_came(path):
    expected = under(read(path), "state/")
    found = to_careamics(opened(read(path)))
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == torch.from_numpy(value).dtype, name
        assert np.array_equal(found[name], value), name


@every_file
def test_a_network_trained_further_goes_back_with_its_new_weights(path):
    golden = read(path)
    network = opened(golden, "train")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 1.5
    replayed(golden, network)  # moves the statistics of batch normalisation
    config = json.loads(str(golden["config"]))
    again = load_lvae(to_careamics(network), config)
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_in_double_precision_it_is_the_same_to_more_digits():
    golden = read(GOLDEN[0])
    exact = replayed(golden, opened(golden).double())
    for key, value in replayed(golden, opened(golden)).items():
        assert exact[key].dtype == torch.float64
        torch.testing.assert_close(value.double(), exact[key], rtol=1e-3, atol=1e-4)


def test_networks_with_several_blocks_per_layer_are_reproduced():
    golden = read(BLOCKS)
    network = opened(golden)
    found = replayed(golden, network)["out"].detach().numpy()
    assert np.abs(found - golden["out"]).max() <= CLOSE * np.abs(golden["out"]).max()
    state = to_careamics(network)
    assert state.keys() == under(golden, "state/").keys()
    assert all(
        np.array_equal(state[name], value) for name, value in under(golden, "state/").items()
    )


def test_the_network_restores_images_of_other_sizes_where_no_kl_is_asked_for():
    golden = read(next(path for path in GOLDEN if path.stem == "split_2d_context3"))
    network = opened(golden)
    features = network.encode(torch.randn(1, 3, 90, 51))
    decoded = network.decode(features, network.standard_noise(features), priors=False)
    assert decoded.output.shape == (1, 4, 90, 51)


def test_what_cannot_be_replayed_is_refused():
    golden = read(GOLDEN[0])
    network, x = opened(golden), torch.zeros(2, 1, 64, 64)
    noise = {level: golden[f"noise/{level}"] for level in (1, 2, 3)}
    with pytest.raises(InteropError, match="not for 2"):
        replay(network, x, {1: noise[1], 3: noise[3]})
    with pytest.raises(InteropError, match=r"level 2 must have the shape \(2, 6, 16, 16\)"):
        replay(network, x, noise | {2: noise[3]})
    with pytest.raises(InteropError, match=r"\(64, 64\) alone.*found \(128, 64\)"):
        replay(network, torch.zeros(2, 1, 128, 64), noise)
    with pytest.raises(ValueError, match="takes"):
        replay(network, torch.zeros(2, 2, 64, 64), noise)
    foreign = LadderVAE(latent_channels=(4, 6, 8), filters=8)
    with pytest.raises(InteropError, match="must come from load_lvae"):
        replay(foreign, x, noise)
    with pytest.raises(InteropError, match="must come from load_lvae"):
        to_careamics(foreign)
