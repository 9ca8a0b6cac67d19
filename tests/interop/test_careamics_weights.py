"""CAREamics' checkpoints: what is opened, from where, and what is refused with which words."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from described import SMALL
from torch import nn

from ladderscope.interop.careamics import (
    InteropError,
    LVAEConfig,
    build_lvae,
    load_lvae,
    load_noise_models,
    to_careamics,
)
from ladderscope.interop.careamics_names import origin_of
from ladderscope.noise import GaussianMixture

CONFIG = SMALL | {
    "output_channels": 2,
    "multiscale_count": 2,
    "z_dims": [2, 3, 4],
    "predict_logvar": "pixelwise",
}


def weights_of(config):
    torch.manual_seed(0)
    return to_careamics(build_lvae(config))


STATE = weights_of(CONFIG)
TRAINED = {
    **{f"model.{name}": value for name, value in STATE.items()},
    "noise_model.nmodel_0.weight": torch.arange(18.0, dtype=torch.float64).reshape(6, 3) / 20,
    "noise_model.nmodel_0.min_signal": torch.tensor([10.0], dtype=torch.float64),
    "noise_model.nmodel_0.max_signal": torch.tensor([900.0], dtype=torch.float64),
    "noise_model.nmodel_0.min_sigma": torch.tensor(2.0, dtype=torch.float64),
    "noise_model.nmodel_0.tolerance": torch.tensor([1e-10]),
    "noise_model_likelihood.noise_model.nmodel_0.weight": torch.zeros(6, 3),
    "gaussian_likelihood.anything": torch.zeros(1),
}
SAYS_IT_ALL = {
    "algorithm_config": {"algorithm": "hdn", "model": {"architecture": "LVAE", **CONFIG}}
}


def same(network, state=STATE):
    return all(torch.equal(value, state[name]) for name, value in to_careamics(network).items())


@pytest.fixture
def saved(tmp_path):
    """Save what is given as a checkpoint, and return its path."""

    def save(content, name="trained.ckpt"):
        path = tmp_path / name
        torch.save(content, path)
        return path

    return save


@pytest.mark.parametrize(
    "weights",
    [
        STATE,
        {name: value.numpy() for name, value in STATE.items()},
        {"state_dict": STATE, "epoch": 3},
        TRAINED,
    ],
    ids=["tensors", "arrays", "a whole checkpoint", "a module's weights"],
)
def test_weights_are_taken_as_they_are_given(weights):
    network = load_lvae(weights, CONFIG)
    assert same(network)
    assert not network.training


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".pt", ".CKPT"])
def test_a_checkpoint_is_opened(saved, suffix):
    path = saved({"state_dict": TRAINED, "epoch": 3, "callbacks": {}}, f"trained{suffix}")
    assert same(load_lvae(path, CONFIG))
    assert same(load_lvae(str(path), CONFIG))


def test_safetensors_are_opened_with_either_name_of_what_is_shared(tmp_path):
    path = tmp_path / "lvae.safetensors"
    for left_out in ("parameter_net", "output_layer", "neither"):
        entries = {name: value for name, value in STATE.items() if not name.startswith(left_out)}
        safetensors.torch.save_file(entries, path)
        assert same(load_lvae(path, CONFIG))


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        LVAEConfig(**CONFIG),
        {"architecture": "LVAE", **CONFIG},
        {"model": CONFIG},
        {"algorithm": {"algorithm": "musplit", "model": CONFIG}},
        {"version": "0.1.0", "training_config": {"lr": 1}, **SAYS_IT_ALL},
    ],
    ids=str,
)
def test_the_config_is_found_wherever_it_stands(config, tmp_path):
    assert same(load_lvae(STATE, config))
    if isinstance(config, dict):
        path = tmp_path / "config.yml"
        path.write_text(yaml.safe_dump(config))
        assert same(load_lvae(STATE, path))
        path.write_text(json.dumps(config))
        assert same(load_lvae(STATE, str(path)))


def test_a_checkpoint_that_describes_itself_needs_no_config(saved):
    path = saved({"state_dict": TRAINED, "hyper_parameters": SAYS_IT_ALL})
    assert same(load_lvae(path))
    assert same(load_lvae(path, CONFIG))
    with pytest.raises(InteropError, match=r"nonlinearity.*'ReLU'.*'ELU'"):
        load_lvae(path, CONFIG | {"nonlinearity": "ReLU"})


@pytest.mark.parametrize("hyper_parameters", [None, {}, {"lr": 1}, "text"])
def test_a_checkpoint_that_does_not_describe_itself_asks_for_a_config(saved, hyper_parameters):
    path = saved({"state_dict": TRAINED, "hyper_parameters": hyper_parameters})
    with pytest.raises(InteropError, match="give its config"):
        load_lvae(path)


def test_options_reach_the_network():
    network = build_lvae(
        CONFIG | {"nonlinearity": "LeakyReLU", "z_dims": [1, 2, 3, 4, 5], "input_shape": [64, 64]}
    )
    assert network.views == 2 and network.latent_channels == (1, 2, 3, 4, 5)
    assert network.output_channels == 4
    assert network.top_prior.shape == (1, 10, 4, 4)
    assert [rung.posterior_scale for rung in network.rungs] == pytest.approx(
        [2**0.5, 2.0, 6**0.5, 8**0.5, 10**0.5]
    )
    assert any(isinstance(module, nn.LeakyReLU) for module in network.modules())
    probabilities = {
        name.split(".")[0]: module.p
        for name, module in network.named_modules()
        if isinstance(module, nn.Dropout2d)
    }
    encoder = dict.fromkeys(("first", "bottom_up", "wider_views"), 0.1)
    assert probabilities == encoder | dict.fromkeys(("rungs", "last"), 0.2)
    assert all(rung.posterior_scale == 1 for rung in build_lvae(CONFIG).rungs)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_names_do_not_depend_on_dropout(dropout):
    config = CONFIG | {"encoder_dropout": dropout}
    assert set(weights_of(config)) == set(STATE)
    assert same(load_lvae(STATE, config))
    assert same(load_lvae(STATE, config | {"decoder_dropout": 0.0}))


def test_variances_are_those_of_careamics():
    log_variance = build_lvae(CONFIG).rungs[0].variance_map
    raw = torch.tensor([-50.0, -2.0, 0.0, 1.0, 20.0, 70.0], requires_grad=True)
    variance = log_variance(raw).exp()
    expected = [1e-6, np.exp(-2) + 1e-6, 1.0, 2.0, 21.0, 21.0]
    assert variance.tolist() == pytest.approx(expected, rel=1e-4)
    variance.sum().backward()
    assert raw.grad.tolist() == pytest.approx([0, np.exp(-2), 1, 1, 1, 0], rel=1e-4, abs=1e-6)


def test_the_noise_models_of_a_checkpoint_are_read(saved):
    path = saved({"state_dict": TRAINED})
    rows = [[i / 20 for i in range(first, first + 3)] for first in range(0, 18, 3)]
    expected = GaussianMixture(rows, min_signal=10.0, max_signal=900.0, min_sigma=2.0)
    assert load_noise_models(path) == [expected]
    assert load_noise_models(STATE) == []


# --- what is refused ---


@pytest.mark.parametrize(
    "name",
    [
        "top_down_layers.1.stochastic.conv_in_p.bias",
        "first_bottom_up.0.weight",
        "bottom_up_layers.0.lowres_merge.layer.0.bias",
    ],
)
def test_a_missing_entry_is_named(name):
    weights = {key: value for key, value in STATE.items() if key != name}
    with pytest.raises(InteropError, match=f"missing: {name}; no option"):
        load_lvae(weights, CONFIG)


def test_an_extra_entry_is_named():
    with pytest.raises(InteropError, match=r"extra: top_down_layers\.0\.else; no option"):
        load_lvae(STATE | {"top_down_layers.0.else": torch.zeros(3)}, CONFIG)


def test_an_entry_of_another_shape_is_named_with_both_shapes():
    weights = STATE | {"first_bottom_up.0.weight": torch.zeros(4, 1, 5, 5)}
    shapes = r"first_bottom_up.0.weight \(4, 1, 5, 5\) instead of \(4, 1, 3, 3\); no option"
    with pytest.raises(InteropError, match=shapes):
        load_lvae(weights, CONFIG)


STACK = {"input_shape": [3, 16, 16], "encoder_conv_strides": [1, 2, 2]}


@pytest.mark.parametrize(
    "changed, named",
    [
        ({"z_dims": [2, 3]}, "extra: bottom_up_layers.2.*z_dims is (2, 3)"),
        ({"z_dims": [2, 3, 4, 4]}, "missing: .*z_dims is (2, 3, 4, 4)"),
        ({"z_dims": [2, 3, 5]}, "shape: top_down_layers.2.*z_dims is (2, 3, 5)"),
        ({"z_dims": [1, 3, 4]}, "shape: top_down_layers.0.*z_dims is (1, 3, 4)"),
        ({"multiscale_count": 1}, "extra: bottom_up.*lowres_merge.*multiscale_count is 1"),
        ({"multiscale_count": 3}, "missing: lowres_first_bottom_ups.1.*multiscale_count is 3"),
        ({"output_channels": 3}, "output_layer.bias (4,) instead of (6,).*output_channels is 3"),
        ({"predict_logvar": None}, "output_layer.bias.*predict_logvar is None"),
        ({"encoder_n_filters": 6, "decoder_n_filters": 6}, "encoder_n_filters is 6"),
        ({"encoder_n_filters": 6, "decoder_n_filters": 6}, "final_top_down.*decoder_n_filters is"),
        ({"input_shape": [32, 32]}, "top_prior_params.*input_shape is (32, 32)"),
        (STACK, "missing: _3D_squisher.0.*decoder_conv_strides is (2, 2)"),
        (STACK | {"decoder_conv_strides": [1, 2, 2]}, "encoder_conv_strides is (1, 2, 2)"),
    ],
    ids=str,
)
def test_a_config_that_contradicts_the_weights_is_named(changed, named):
    pattern = named.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(InteropError, match=f"(?s)contradict each other.*{pattern}"):
        load_lvae(STATE, CONFIG | changed)


@pytest.mark.parametrize(
    "changed, named",
    [
        ({"decoder_n_filters": 6}, "must be one number.*4 and 6"),
        ({"multiscale_count": 5}, "3 levels take 4 views at most"),
        ({"input_shape": [2, 2]}, "too small to be halved on 2 levels"),
        ({"input_shape": [3, 16, 16]}, "do not go together"),
        ({"decoder_conv_strides": [1, 2, 2]}, "do not go together"),
        ({"encoder_conv_strides": [2, 2, 2]}, r"strides must be \[2, 2\] or \[1, 2, 2\]"),
        ({"nonlinearity": "Swish"}, "nonlinearity: found 'Swish'"),
        ({"z_dims": []}, "z_dims"),
        ({"z_dims": [2, 0]}, r"z_dims\.1: found 0"),
        ({"encoder_dropout": 1.5}, "encoder_dropout"),
        ({"predict_logvar": "global"}, "predict_logvar"),
        ({"blocks": 2}, "blocks: found 2"),
    ],
    ids=str,
)
def test_a_config_that_is_none_says_why(changed, named):
    with pytest.raises(InteropError, match=f"not the config of a LadderVAE.*{named}"):
        load_lvae(STATE, CONFIG | changed)


@pytest.mark.parametrize("missing", sorted(CONFIG.keys() - {"predict_logvar"}))
def test_every_argument_is_needed(missing):
    config = {name: value for name, value in CONFIG.items() if name != missing}
    with pytest.raises(InteropError, match=f"{missing}: "):
        load_lvae(STATE, config)


def test_a_log_variance_is_predicted_only_where_the_config_says_so():
    config = {name: value for name, value in CONFIG.items() if name != "predict_logvar"}
    network = build_lvae(config)  # CAREamics leaves out what is None when it writes a config
    assert origin_of(network).config.predict_logvar is None


def test_errors_begin_with_the_file_that_they_are_about(tmp_path):
    torch.save({"state_dict": STATE}, tmp_path / "best.ckpt")
    with pytest.raises(InteropError, match=r"best\.ckpt: .*config"):
        load_lvae(tmp_path / "best.ckpt")
    with pytest.raises(InteropError, match=r"(?s)best\.ckpt: .*contradict.*z_dims"):
        load_lvae(tmp_path / "best.ckpt", CONFIG | {"z_dims": [7] * len(CONFIG["z_dims"])})
    path = tmp_path / "config.yml"
    path.write_text("z_dims: [4]")
    with pytest.raises(InteropError, match=r"config\.yml: not the config"):
        load_lvae(STATE, path)


def test_a_part_of_a_noise_model_is_told_with_what_is_missing():
    part = {name: value for name, value in TRAINED.items() if not name.endswith("min_sigma")}
    with pytest.raises(InteropError, match=r"nmodel_0\.weight.*min_sigma.*\.npz"):
        load_noise_models(part)


@pytest.mark.parametrize("text", ["a: [", "just text", "!!python/object/apply:os.getcwd []", ""])
def test_a_file_that_is_no_config_is_refused(tmp_path, text):
    path = tmp_path / "config.yml"
    path.write_text(text)
    with pytest.raises(InteropError, match=r"config\.yml"):
        load_lvae(STATE, path)
    with pytest.raises(InteropError, match=r"nowhere\.yml"):
        load_lvae(STATE, tmp_path / "nowhere.yml")


UNET = {
    "model.encoder.encoder_blocks.0.conv1.weight": torch.zeros(4, 1, 3, 3),
    "model.decoder.decoder_blocks.0.conv1.weight": torch.zeros(4, 4, 3, 3),
    "model.final_conv.weight": torch.zeros(1, 4, 1, 1),
}


def test_a_unet_is_called_one(saved):
    for weights in (UNET, saved({"state_dict": UNET, "epoch": 1})):
        with pytest.raises(InteropError, match=r"U-Net, as N2V, CARE.*train a Denoiser"):
            load_lvae(weights, CONFIG)
    config = {"algorithm_config": {"algorithm": "n2v", "model": {"architecture": "UNet"}}}
    with pytest.raises(InteropError, match="the config is of a U-Net"):
        load_lvae(STATE, config)


@pytest.mark.parametrize(
    "weights, named",
    [
        ({"fc.weight": torch.zeros(1)}, "top_down_layers.*fc.weight"),
        ({}, "tensors by name"),
        ({"state_dict": 3}, "tensors by name"),
        ({"top_down_layers.0": "text"}, "'top_down_layers.0' is 'text'"),
        ({"state_dict": {3: torch.zeros(1)}}, "3 is"),
        ({"top_down_layers.0": np.array(["text"])}, "'top_down_layers.0' is"),
        (STATE | {"parameter_net.bias": torch.ones(4)}, "one layer in CAREamics, but differ"),
    ],
    ids=str,
)
def test_what_holds_no_ladder_is_refused(weights, named):
    with pytest.raises(InteropError, match=named):
        load_lvae(weights, CONFIG)


@pytest.mark.parametrize("name", ["nowhere.ckpt", "lvae.onnx", "lvae", "folder.ckpt"])
def test_a_path_that_is_no_checkpoint_is_refused(tmp_path, name):
    (tmp_path / "folder.ckpt").mkdir()
    with pytest.raises(InteropError, match=name):
        load_lvae(tmp_path / name, CONFIG)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_a_file_that_was_cut_short_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"cut{suffix}"
    if suffix == ".ckpt":
        torch.save({"state_dict": STATE}, path)
    else:
        safetensors.torch.save_file(STATE, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InteropError, match="damaged"):
        load_lvae(path, CONFIG)


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_noise_and_text_are_refused(tmp_path, suffix):
    path = tmp_path / f"odd{suffix}"
    for content in (b"\x80\x02garbage", b"text\n", np.random.default_rng(0).bytes(5000)):
        path.write_bytes(content)
        with pytest.raises(InteropError, match="damaged"):
            load_lvae(path, CONFIG)


class Hostile:
    """What makes a folder when it is unpickled, in place of something worse."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return Path.mkdir, (self.folder,)


def test_a_hostile_checkpoint_is_refused_and_runs_nothing(tmp_path, saved):
    proof = tmp_path / "its code ran"
    hostile = {"state_dict": STATE, "callbacks": Hostile(proof)}
    plain = tmp_path / "plain.ckpt"
    plain.write_bytes(pickle.dumps(hostile, protocol=2))
    for path in (saved(hostile), plain, saved(hostile, "weights.pth")):
        with pytest.raises(InteropError, match=r"can run any code.*trust=True"):
            load_lvae(path, CONFIG)
        with pytest.raises(InteropError, match=r"can run any code.*trust=True"):
            load_noise_models(path)
    assert not proof.exists()


def test_a_pickle_in_disguise_runs_nothing(tmp_path):
    proof = tmp_path / "its code ran"
    path = tmp_path / "lvae.safetensors"
    path.write_bytes(pickle.dumps(Hostile(proof)))
    with pytest.raises(InteropError, match="damaged"):
        load_lvae(path, CONFIG, trust=True)
    assert not proof.exists()


def test_trust_lets_a_checkpoint_run_what_it_asks_for(tmp_path, saved):
    proof = tmp_path / "its code ran"
    path = saved({"state_dict": STATE, "callbacks": Hostile(proof)})
    assert same(load_lvae(path, CONFIG, trust=True))
    assert proof.exists()


class Lost:
    """What a checkpoint asks for and nobody has."""

    def __reduce__(self):
        return Lost, ()


def test_a_trusted_checkpoint_that_needs_a_missing_package_says_so(saved, monkeypatch):
    path = saved({"state_dict": STATE, "callbacks": Lost()})
    monkeypatch.delitem(globals(), "Lost")
    with pytest.raises(InteropError, match="a package that is not installed"):
        load_lvae(path, CONFIG, trust=True)
