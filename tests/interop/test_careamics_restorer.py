"""A ladder VAE of CAREamics as a restorer: its own numbers come out of `predict` and `sample`."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from described import SMALL
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope import Denoiser, Splitter, load
from ladderscope.data import Mixing
from ladderscope.images import Statistics, sample_image
from ladderscope.interop.careamics import (
    InteropError,
    LVAEConfig,
    build_lvae,
    load_lvae,
    replay,
    to_careamics,
)
from ladderscope.interop.careamics_restorer import import_careamics
from ladderscope.noise import Gaussian, GaussianMixture
from ladderscope.prediction import sampler

GOLDEN = Path(__file__).parents[1] / "parity" / "golden"
CLOSE = 1e-4  # of the largest value: float32, normalised and back


@pytest.fixture
def in_float32(monkeypatch):
    """Leave bfloat16 out, where the processor has it."""
    monkeypatch.setattr("ladderscope.models.predictor.fast_type", lambda device: None)


def read(name):
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def state_of(golden):
    return {key[6:]: value for key, value in golden.items() if key.startswith("state/")}


def config_of(golden):
    return json.loads(str(golden["config"]))


def statistics_of(channels):
    """Means and deviations of the input and of each channel, all different."""
    return [400.0 + 10 * n for n in range(channels + 1)], [120.0 + n for n in range(channels + 1)]


def imported(golden, **options):
    channels = config_of(golden)["output_channels"]
    means, stds = statistics_of(channels) if channels > 1 else (400.0, 120.0)
    given = {"data_mean": means, "data_std": stds} | options
    return import_careamics(state_of(golden), config_of(golden), **given)


def grey(normalised, channels):
    """Give channels the units that `imported` gives them: (channels, ...)."""
    means, stds = statistics_of(channels) if channels > 1 else ([400, 400], [120, 120])
    scaled = [one * s + m for one, m, s in zip(normalised, means[1:], stds[1:], strict=True)]
    return np.stack(scaled)


def assert_close(found, expected):
    """Compare with the largest deviation from the mean: the offset would hide differences."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= CLOSE * np.abs(expected - expected.mean()).max()


@pytest.mark.parametrize(
    "name",
    ["hdn_2d", "hdn_2d_five_levels_relu", "hdn_2d_mean_only", "hdn_3d", "split_2d_montecarlo"],
)
@pytest.mark.parametrize("item", [0, 1])
def test_careamics_own_outputs_come_out_of_its_noise(name, item, monkeypatch, in_float32):
    golden = read(name)
    monkeypatch.setattr(
        sampler,
        "latent_noise",
        lambda seed, field, sample, level, *rest: torch.from_numpy(golden[f"noise/{level}"][item]),
    )
    restorer = imported(golden)
    channels = len(restorer.model.statistics)
    image = golden["x"][item, 0] * 120.0 + 400.0
    drawn = restorer.sample(image, "ZYX"[-image.ndim :], n=1)
    expected = grey(golden["eval/out"][item, :channels], channels)
    assert_close(drawn[0].reshape(expected.shape), expected)


def test_of_a_stack_under_a_2d_decoder_its_middle_plane_comes_out(monkeypatch, in_float32):
    golden = read("split_3d_to_2d")
    monkeypatch.setattr(
        sampler,
        "latent_noise",
        lambda seed, field, sample, level, *rest: torch.from_numpy(golden[f"noise/{level}"][0]),
    )
    drawn = imported(golden).sample(golden["x"][0, 0] * 120.0 + 400.0, "ZYX", n=1)
    assert drawn.shape == (1, 2, 3, 64, 64)
    assert_close(drawn[0, :, 1], grey(golden["eval/out"][0, :2], 2))


def zeros(network, x):
    maps = network.encode(torch.as_tensor(x)).levels
    return {
        level: torch.zeros(1, channels, *one.shape[2:])
        for level, (one, channels) in enumerate(zip(maps, network.latent_channels, strict=True), 1)
    }


def test_every_plane_of_a_stack_is_the_middle_of_those_around_it(in_float32):
    golden = read("split_3d_to_2d")
    stack = np.random.default_rng(0).normal(size=(5, 64, 64)).astype(np.float32)
    restored = imported(golden).predict(stack * 120.0 + 400.0, "ZYX", samples=0)
    assert (restored.mean.shape, restored.axes) == ((2, 5, 64, 64), "CZYX")
    network = load_lvae(state_of(golden), config_of(golden))
    with torch.no_grad():
        for plane, around in enumerate([[1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 3]]):
            x = stack[None, None, around]
            out = replay(network, x, zeros(network, x))["out"]
            assert_close(restored.mean[:, plane], grey(out[0, :2].numpy(), 2))


@pytest.mark.parametrize(
    "name",
    ["hdn_2d", "hdn_3d", "split_2d_context3", "split_2d_context_all", "split_3d_to_2d"],
)
def test_it_is_saved_and_opened_and_restores_images_of_any_size(name, tmp_path):
    golden = read(name)
    restorer = imported(golden)
    kind = Denoiser if name.startswith("hdn") else Splitter
    space = (len(config_of(golden)["input_shape"]) == 3) * (3,) + (41, 70)
    image = np.random.default_rng(1).normal(400, 120, space).astype(np.float32)
    axes = "ZYX"[-len(space) :]
    again = load(restorer.save(tmp_path / "a.ladder"))
    assert type(restorer) is type(again) is kind
    for samples in (0, 2):
        one, other = (r.predict(image, axes, samples=samples) for r in (restorer, again))
        assert np.array_equal(one.mean, other.mean)
        assert one.mean.shape == (() if kind is Denoiser else (len(golden["target"][0]),)) + space
        assert np.isfinite(one.mean).all()
    assert one.std.min() > 0
    assert np.array_equal(again.sample(image, axes, n=2), restorer.sample(image, axes, n=2))
    assert again.model.architecture == LVAEConfig(**config_of(golden)).architecture
    assert again.model.trained_by == "CAREamics"
    assert again.model.noise_models == ()
    again.save(tmp_path / "b.ladder")
    for opened in (tmp_path / "a.ladder", tmp_path / "b.ladder"):
        weights = load(opened).model.weights
        for entry, value in restorer.model.weights.items():
            assert torch.equal(weights[entry], value), entry


def test_a_splitter_mixes_as_careamics_does():
    golden = read("split_2d_context_all")
    restorer = imported(golden)
    model = restorer.model
    assert model.mixture.mixing == Mixing((0.0, 0.0, 0.0), (1 / 3, 1 / 3, 1 / 3))
    assert model.mixture.statistics == Statistics(400.0, 120.0)
    assert [one.mean for one in model.statistics] == [410.0, 420.0, 430.0]
    image = np.random.default_rng(1).normal(400, 120, (41, 70)).astype(np.float32)
    split = restorer.predict(image, samples=0)
    np.testing.assert_allclose(split.residual, image - split.mean.mean(axis=0), atol=1e-2)
    assert split.channel_names == ("channel 1", "channel 2", "channel 3")


# --- settings ---

LARGER = SMALL | {"input_shape": [32, 32], "z_dims": [2, 2]}
IN_3D = {"encoder_conv_strides": [1, 2, 2], "decoder_conv_strides": [1, 2, 2]}
FROM_3D = {"encoder_conv_strides": [1, 2, 2]}


def small(changed=None, mean=0.0, std=1.0, **options):
    torch.manual_seed(0)
    config = LARGER | (changed or {})
    weights = to_careamics(build_lvae(config))
    return import_careamics(weights, config, data_mean=mean, data_std=std, **options)


@pytest.mark.parametrize(
    "changed, said",
    [
        ({}, {"levels": 2, "filters": 4, "latent_channels": 2, "patch": 32, "dropout": 0.1}),
        ({}, {"batch_norm": True, "context": 1, "dimensions": 2, "activation": "elu"}),
        ({"z_dims": [2, 5, 3]}, {"levels": 3, "latent_channels": 5}),
        ({"z_dims": [2] * 5}, {"levels": 5, "tile_margin": 32}),
        ({"z_dims": [2] * 6, "input_shape": [64, 64]}, {"levels": 6, "tile_margin": 64}),
        ({"z_dims": [2] * 3, "input_shape": [20, 20]}, {"patch": 24}),
        (
            {"z_dims": [2] * 3, "multiscale_count": 4, "input_shape": [20, 20]},
            {"patch": 32, "context": 4},
        ),
        ({"z_dims": [2], "input_shape": [4, 6]}, {"levels": 1, "patch": 8}),
        ({"encoder_dropout": 1.0}, {"dropout": 0.9}),
        ({"nonlinearity": "Tanh"}, {"activation": "elu"}),
        ({"nonlinearity": "LeakyReLU"}, {"activation": "leaky_relu"}),
        (IN_3D | {"input_shape": [4, 32, 32]}, {"dimensions": 3, "depth": 4}),
        (IN_3D | {"input_shape": [1, 32, 32]}, {"dimensions": 3, "depth": 2}),
        (FROM_3D | {"input_shape": [5, 32, 32]}, {"tile_depth": 1, "tile_depth_margin": 2}),
        (FROM_3D | {"input_shape": [5, 32, 32], "multiscale_count": 2}, {"context": 2}),
    ],
    ids=str,
)
def test_settings_say_what_they_can_and_whatever_careamics_builds_restores(changed, said):
    restorer = small(changed)
    for name, value in said.items():
        assert getattr(restorer.settings, name) == value, name
    space = (2,) * (restorer.settings.dimensions - 2) + (33, 18)
    image = np.random.default_rng(0).normal(size=space)
    restored = restorer.predict(image, "ZYX"[-len(space) :], samples=2)
    assert restored.mean.shape == space
    assert np.isfinite(restored.mean).all()


@pytest.mark.parametrize(
    "noise, log_variance, method, variance",
    [
        (False, None, "musplit", 1.0),
        (False, "pixelwise", "musplit", "predicted"),
        (True, None, "denoisplit", 1.0),
        (True, "pixelwise", "microsplit", "predicted"),
    ],
)
def test_the_method_is_the_one_that_the_network_and_the_noise_serve(
    noise, log_variance, method, variance
):
    models = [Gaussian(3.0), Gaussian(4.0)] if noise else None
    changed = {"output_channels": 2, "predict_logvar": log_variance}
    found = small(changed, noise_models=models).settings
    assert (found.method, found.variance, found.channels) == (method, variance, 2)


@pytest.mark.parametrize("noise_models", [None, [Gaussian(5.0)]])
def test_it_can_be_trained_anew_on_ones_own_images(crops, noise_models):
    restorer = small({"input_shape": [16, 16]}, noise_models=noise_models)
    restorer.fit(crops[0], steps=2, compile_network=False, progress=False)
    assert restorer.model.trained_by == "Ladderscope"
    assert restorer.model.outcome.steps == 2
    assert (restorer.model.noise_models == (Gaussian(5.0),)) == (noise_models is not None)
    assert restorer.predict(crops[0], samples=0).mean.shape == crops[0].shape


# --- normalisation ---

channel = st.lists(st.integers(0, 4000), min_size=6, max_size=6).filter(lambda v: len(set(v)) > 1)


@settings(max_examples=10)
@given(st.lists(channel, min_size=2, max_size=4))
def test_the_mixed_image_is_normalised_as_all_pixels_together(channels):
    pixels = np.array(channels, float)
    restorer = small(
        {"output_channels": len(pixels)}, pixels.mean(axis=1), pixels.std(axis=1).tolist()
    )
    found = restorer.model.mixture.statistics
    assert found.mean == pytest.approx(pixels.mean())
    assert found.std == pytest.approx(pixels.std())
    assert any("mixed images are normalised" in notice for notice in restorer.model.notices)
    assert [one.std for one in restorer.model.statistics] == pytest.approx(pixels.std(axis=1))


def test_one_number_is_for_everything_and_the_first_of_more_is_the_mixed_images():
    two = {"output_channels": 2}
    model = small(two, 5, 2).model
    assert (model.mixture.statistics, *model.statistics) == (Statistics(5.0, 2.0),) * 3
    model = small(two, [1, 2, 3], np.array([4.0, 5.0, 6.0])).model
    assert model.mixture.statistics == Statistics(1.0, 4.0)
    assert model.statistics == (Statistics(2.0, 5.0), Statistics(3.0, 6.0))
    assert not any("mixed images are normalised" in notice for notice in model.notices)
    assert small({}, [5], [2]).model.statistics == (Statistics(5.0, 2.0),)


@pytest.mark.parametrize(
    "channels, mean, std, named",
    [
        (1, [1, 2], [1, 2], "2 means and 2 standard deviations.*denoises, so give one of each"),
        (1, [], [], "0 means and 0 standard deviations"),
        (2, [1, 2], [1], "2 means and 1 standard deviation of"),
        (3, [1, 2], [1, 2], "3 channels, so give 1 .* or 3, one per channel; or 4"),
        (2, [1, 2, 3, 4], [1, 2, 3, 4], "2 channels"),
        (1, float("nan"), 1, "the mean of the data must be finite, not nan"),
        (1, 1, float("inf"), "the standard deviation of the data must be finite"),
        (1, 1, 0, "standard deviation 0 "),
        (2, [1, 2], [1, -2], "standard deviation -2 "),
        (1, "much", 1, "the mean of the data must be numbers, not 'much'"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(channels, mean, std, named):
    with pytest.raises(InteropError, match=named):
        small({"output_channels": channels}, mean, std)


# --- noise ---

WEIGHT = np.arange(6.0).reshape(6, 1) / 20


def checkpoint(config, noise_models):
    entries = {f"model.{name}": value for name, value in to_careamics(build_lvae(config)).items()}
    for number in range(noise_models):
        name = f"noise_model.nmodel_{number}"
        entries |= {
            f"{name}.weight": torch.from_numpy(WEIGHT) + number,
            f"{name}.min_signal": torch.tensor([10.0]),
            f"{name}.max_signal": torch.tensor([900.0]),
            f"{name}.min_sigma": torch.tensor(2.0),
        }
    return entries


def test_noise_models_come_from_the_checkpoint_or_are_given_or_are_none(caplog):
    config = LARGER | {"output_channels": 2}
    weights = checkpoint(config, 2)
    asked = {"data_mean": 0, "data_std": 1}
    own = import_careamics(weights, config, **asked).model
    assert own.noise_models == tuple(
        GaussianMixture(WEIGHT + n, min_signal=10.0, max_signal=900.0, min_sigma=2.0)
        for n in range(2)
    )
    assert own.noise_fits == (None, None)
    assert any("the checkpoint holds a noise model" in notice for notice in own.notices)
    given = (Gaussian(3.0), Gaussian(4.0))
    assert import_careamics(weights, config, **asked, noise_models=given).model.noise_models == (
        given
    )
    none = import_careamics(weights, config, **asked, noise_models=[])
    assert none.model.noise_models == none.model.noise_fits == ()


@pytest.mark.parametrize("held", [1, 3])
def test_another_number_of_noise_models_is_refused(held):
    config = LARGER | {"output_channels": 2}
    asked = {"data_mean": 0, "data_std": 1}
    with pytest.raises(InteropError, match=f"holds {held} noise model.*has 2 channels"):
        import_careamics(checkpoint(config, held), config, **asked)
    models = [Gaussian(1.0)] * held
    with pytest.raises(InteropError, match=f"{held} noise model.*given.*has 2 channels"):
        import_careamics(checkpoint(config, 2), config, **asked, noise_models=models)


# --- what is said, and refused ---


def test_stacks_without_a_middle_plane_are_refused():
    with pytest.raises(InteropError, match=r"stacks of 4 planes"):
        small(FROM_3D | {"input_shape": [4, 32, 32]})


def test_weights_and_configs_are_refused_as_elsewhere():
    with pytest.raises(InteropError, match="a U-Net"):
        import_careamics(
            {"encoder.encoder_blocks.0.weight": torch.zeros(1)}, LARGER, data_mean=0, data_std=1
        )
    with pytest.raises(InteropError, match="give its config"):
        import_careamics(to_careamics(build_lvae(LARGER)), data_mean=0, data_std=1)


@pytest.mark.parametrize(
    "name, words",
    [
        ("hdn_2d", "3 levels of 4, 6 and 8 latent channels, 8 filters, elu, 2 output channels"),
        ("hdn_2d_mean_only", "1 output channel"),
        ("split_2d_context3", "elu, 3 views, 4 output channels"),
        ("hdn_3d", "3-D"),
        ("split_3d_to_2d", "restores the middle plane of a stack"),
    ],
)
def test_a_network_is_described_in_words(name, words):
    assert words in LVAEConfig(**config_of(read(name))).architecture.in_words()


def test_an_image_unlike_the_training_images_draws_a_warning(caplog):
    restorer = small({}, 1000.0, 10.0)
    with caplog.at_level(logging.WARNING, "ladderscope"):
        restorer.predict(sample_image("dna").pixels[:32, :32], samples=0)
    assert "far from those of the training images" in caplog.text
