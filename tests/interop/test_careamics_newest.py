"""Configs and checkpoints of CAREamics after 0.3.5, and models handed back to CAREamics."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from described import SMALL

from ladderscope import load
from ladderscope.files import OutputError
from ladderscope.interop.careamics import build_lvae, load_lvae, load_noise_models, to_careamics
from ladderscope.interop.careamics_config import read_config
from ladderscope.interop.careamics_export import export_careamics
from ladderscope.interop.careamics_restorer import import_careamics
from ladderscope.interop.checkpoint import InteropError
from ladderscope.noise import GaussianMixture

FIXTURES = Path(__file__).parents[1] / "models" / "fixtures"
LEFT_OUT = {"encoder_n_filters", "decoder_n_filters", "analytical_kl"}
NEW = {name: value for name, value in SMALL.items() if name not in LEFT_OUT} | {
    "n_filters": 4,
    "predict_logvar": False,
    "encoder_blocks_per_layer": 1,
    "decoder_blocks_per_layer": 1,
}
MIXTURE = GaussianMixture(np.arange(6.0).reshape(6, 1) / 20, 10.0, 900.0, 2.0)
MEAN, STD = 400.0, 120.0


def checkpoint(config, *, noise=(), says=True, normalization=None):
    """Make a checkpoint as the newest modules of CAREamics write it."""
    torch.manual_seed(0)
    state = to_careamics(build_lvae(config))
    entries = {
        f"model.{name}": value
        for name, value in state.items()
        if not name.startswith("parameter_net")
    }
    for channel, one in enumerate(noise):
        weight = torch.tensor(one.weight)
        weight[: len(weight) // 3] /= STD
        weight[len(weight) // 3 : 2 * len(weight) // 3] -= math.log(STD**2)
        name = f"noise_model.nmodel_{channel}"
        entries[f"{name}.weight"] = weight
        entries[f"{name}.min_signal"] = torch.tensor((one.min_signal - MEAN) / STD)
        entries[f"{name}.max_signal"] = torch.tensor((one.max_signal - MEAN) / STD)
        entries[f"{name}.min_sigma"] = torch.tensor(one.min_sigma / STD**2)
        entries[f"{name}.tolerance"] = torch.tensor([1e-10])
    described = [
        {
            "model_type": "GaussianMixtureNoiseModel",
            "weight": json.dumps(one.weight) if says else None,
            "min_signal": one.min_signal,
            "max_signal": one.max_signal,
            "min_sigma": one.min_sigma,
        }
        for one in noise
    ]
    model = {"architecture": "LVAE", **config}
    algorithm = {"algorithm": "hdn", "model": model, "noise_model": {"noise_models": described}}
    data = {"data_config": {"normalization": {"name": "mean_std", **(normalization or {})}}}
    return {
        "state_dict": entries,
        "hyper_parameters": {"algorithm_config": algorithm},
        "datamodule_hyper_parameters": data,
    }


def test_old_and_new_names_describe_the_same_network():
    assert read_config(NEW) == read_config(SMALL)
    assert read_config(NEW | {"predict_logvar": True}).predict_logvar == "pixelwise"
    two = {"encoder_n_filters": 4, "decoder_n_filters": 4}
    without = {name: value for name, value in NEW.items() if name != "n_filters"}
    assert read_config(without | two) == read_config(SMALL)


@pytest.mark.parametrize(
    "changed, named",
    [
        ({"encoder_blocks_per_layer": 2, "multiscale_count": 2}, "per_layer is 2.*lateral context"),
        ({"decoder_blocks_per_layer": 9}, "decoder_blocks_per_layer.*8"),
        ({"n_filters": 4, "encoder_n_filters": 8}, "n_filters is 4, but encoder_n_filters is 8"),
        ({"multiscale_counts": 3}, "multiscale_counts.*did you mean multiscale_count"),
        ({"n_filter": 8}, "n_filter.*did you mean n_filters"),
        ({"zzz": 8}, "zzz.*its arguments are input_shape"),
        ({"n_filters": "many"}, "n_filters"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_by_name(changed, named):
    with pytest.raises(InteropError, match=named):
        read_config(NEW | changed)


def test_a_new_checkpoint_needs_neither_a_config_nor_numbers(tmp_path):
    path = tmp_path / "last.ckpt"
    numbers = {"input_means": [MEAN], "input_stds": [STD], "target_means": None}
    torch.save(checkpoint(NEW, noise=[MIXTURE], normalization=numbers), path)
    model = import_careamics(path).model
    (statistics,) = model.statistics
    assert (statistics.mean, statistics.std) == (MEAN, STD)
    assert model.noise_models == (MIXTURE,)
    old = load_lvae(checkpoint(NEW)["state_dict"], SMALL).state_dict()
    assert all(torch.equal(value, old[name]) for name, value in model.weights.items())


def test_a_new_splitter_takes_the_numbers_of_the_mixed_image_first():
    numbers = {
        "input_means": [30.0],
        "input_stds": [3.0],
        "target_means": [10.0, 20.0],
        "target_stds": [1.0, 2.0],
    }
    config = NEW | {"output_channels": 2, "multiscale_count": 2, "predict_logvar": True}
    model = import_careamics(checkpoint(config, normalization=numbers)).model
    assert model.mixture.statistics.mean == 30.0 and model.architecture.views == 2
    assert [(one.mean, one.std) for one in model.statistics] == [(10.0, 1.0), (20.0, 2.0)]


@pytest.mark.parametrize(
    "normalization",
    [
        None,
        {"input_means": None, "input_stds": None},
        {"input_means": [1.0], "input_stds": [1.0], "target_means": [2.0], "target_stds": [2.0]},
    ],
    ids=["none", "not measured", "of pairs"],
)
def test_numbers_that_a_checkpoint_does_not_hold_are_asked_for(normalization):
    with pytest.raises(InteropError, match="data_mean and data_std"):
        import_careamics(checkpoint(NEW, normalization=normalization))


def test_a_splitter_is_not_given_the_numbers_of_the_mixed_image_for_everything():
    numbers = {"input_means": [30.0], "input_stds": [3.0], "target_means": None}
    content = checkpoint(NEW | {"output_channels": 2}, normalization=numbers)
    with pytest.raises(InteropError, match="data_mean and data_std"):
        import_careamics(content)


def test_a_normalised_noise_model_is_not_taken_for_one_of_the_camera():
    content = checkpoint(NEW, noise=[MIXTURE], says=False)
    with pytest.raises(InteropError, match=r"normalised.*\.npz"):
        load_noise_models(content)
    model = import_careamics(content, data_mean=MEAN, data_std=STD).model
    assert model.noise_models == () and any(".npz" in notice for notice in model.notices)


def test_a_noise_model_that_cannot_be_read_is_told():
    content = checkpoint(NEW, noise=[MIXTURE])
    algorithm = content["hyper_parameters"]["algorithm_config"]
    algorithm["noise_model"]["noise_models"][0]["weight"] = "[[1, "
    with pytest.raises(InteropError, match="noise model in the configuration"):
        load_noise_models(content)


@pytest.mark.parametrize(
    "name",
    ["format_2/careamics_denoiser", "format_2/careamics_splitter", "format_2/careamics_stacks"],
)
def test_an_imported_model_goes_back_and_comes_again(name, tmp_path, monkeypatch):
    monkeypatch.setattr("ladderscope.models.predictor.fast_type", lambda device: None)
    restorer = load(FIXTURES / f"{name}.ladder", device="cpu")
    path = export_careamics(restorer, tmp_path / "a.pth")
    again = import_careamics(path, device="cpu")
    assert again.model.architecture == restorer.model.architecture
    assert again.model.noise_models == tuple(
        one for one in restorer.model.noise_models if isinstance(one, GaussianMixture)
    )
    shape = (3, 32, 32) if restorer.model.architecture.dimensions == 3 else (40, 33)
    mean, std = restorer.model.statistics[0].mean, restorer.model.statistics[0].std
    image = np.random.default_rng(0).normal(mean, std, shape).astype(np.float32)
    axes = "ZYX"[-len(shape) :]
    one, other = (each.predict(image, axes, samples=0).mean for each in (restorer, again))
    assert np.array_equal(one, other)
    with pytest.raises(OutputError):
        export_careamics(restorer, path)


def test_several_blocks_per_layer_are_imported_saved_and_handed_back(tmp_path):
    blocks = {"encoder_blocks_per_layer": 2, "decoder_blocks_per_layer": 3}
    content = checkpoint(NEW | blocks)
    import_careamics(content, data_mean=MEAN, data_std=STD).save(tmp_path / "a.ladder")
    denoiser = load(tmp_path / "a.ladder", device="cpu")
    built = denoiser.model.architecture
    assert (built.first_blocks, built.blocks, built.decoder_blocks) == (1, 2, 3)
    image = np.random.default_rng(0).normal(MEAN, STD, (20, 17)).astype(np.float32)
    assert np.isfinite(denoiser.predict(image, samples=2).mean).all()
    again = torch.load(export_careamics(denoiser, tmp_path / "a.pth"))
    model = again["hyper_parameters"]["algorithm_config"]["model"]
    assert {name: model[name] for name in blocks} == blocks
    for name, value in again["state_dict"].items():
        if not name.startswith("parameter_net"):
            assert torch.equal(value, content["state_dict"][f"model.{name}"])


def test_weights_of_other_blocks_name_the_argument():
    state = checkpoint(NEW | {"decoder_blocks_per_layer": 2})["state_dict"]
    with pytest.raises(InteropError, match="decoder_blocks_per_layer is 1"):
        load_lvae(state, NEW)


def test_a_model_that_careamics_cannot_run_is_refused_with_what_differs(tmp_path):
    with pytest.raises(InteropError, match="variance is exp and not elu"):
        export_careamics(load(FIXTURES / "denoiser.ladder", device="cpu"), tmp_path / "a.pth")
    assert not list(tmp_path.iterdir())
