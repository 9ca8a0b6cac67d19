"""CAREamics' checkpoints on the command line: imported, predicted with, and refused."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
import yaml
from invoked import run

from ladderscope.images import read_image
from ladderscope.images.lateral_context import views_around
from ladderscope.interop.careamics import load_lvae, replay
from ladderscope.models.file import read_model
from ladderscope.noise import GaussianMixture, PoissonGaussian, save_noise_model

GOLDEN = Path(__file__).parents[1] / "parity" / "golden"
CLOSE = 1e-4
NUMBERS = ["--data-mean", 400, "--data-std", 120]


@pytest.fixture
def trained(tmp_path):
    """Write a golden file's weights as CAREamics' module would: a checkpoint, and its YAML."""

    def write(name, *, noise_models=0, describes_itself=False):
        with np.load(GOLDEN / f"{name}.npz") as file:
            golden = {key: file[key] for key in file.files}
        state = {key[6:]: golden[key] for key in golden if key.startswith("state/")}
        config = json.loads(str(golden["config"]))
        entries = {f"model.{key}": torch.from_numpy(value) for key, value in state.items()}
        for channel in range(noise_models):
            for ours, theirs in {"trained_weight": "weight"}.items() | {
                (key, key) for key in ("min_signal", "max_signal", "min_sigma")
            }:
                value = torch.from_numpy(golden[f"noise_model/{channel}/{ours}"])
                entries[f"noise_model.nmodel_{channel}.{theirs}"] = value
        checkpoint = {"state_dict": entries, "epoch": 7, "pytorch-lightning_version": "2.5.0"}
        algorithm = {"algorithm_config": {"model": {"architecture": "LVAE", **config}}}
        if describes_itself:
            checkpoint["hyper_parameters"] = algorithm
        paths = SimpleNamespace(
            checkpoint=tmp_path / "best.ckpt",
            config=tmp_path / "config.yml",
            model=tmp_path / "out" / "model.ladder",
            state=state,
            arguments=config,
        )
        torch.save(checkpoint, paths.checkpoint)
        paths.config.write_text(yaml.safe_dump(algorithm))
        return paths

    return write


def imported(paths, *options):
    result = run(
        "import",
        "careamics",
        paths.checkpoint,
        "--config",
        paths.config,
        "-o",
        paths.model,
        *options,
    )
    assert result.code == 0, result.said
    return result


def predicted(paths, pixels, axes, monkeypatch, *options):
    """Restore an image on the command line, in float32 and in one pass."""
    monkeypatch.setattr("ladderscope.models.predictor.fast_type", lambda device: None)
    source, out = paths.model.with_name("a.tif"), paths.model.with_name("a_out.tif")
    tifffile.imwrite(source, pixels.astype(np.float32), photometric="minisblack")
    result = run(
        "predict", paths.model, source, "-o", out, "--axes", axes, "--samples", 0, *options
    )
    assert result.code == 0, result.said
    return read_image(out).pixels


def zeros(network, x):
    maps = network.encode(torch.as_tensor(x)).levels
    return {
        level: torch.zeros(1, channels, *one.shape[2:])
        for level, (one, channels) in enumerate(zip(maps, network.latent_channels, strict=True), 1)
    }


def replayed(paths, x):
    network = load_lvae(paths.state, paths.arguments)
    with torch.no_grad():
        out = replay(network, x, zeros(network, x))["out"][0]
    return out[: paths.arguments["output_channels"]].numpy()


def assert_close(found, expected):
    """Compare with the largest deviation from the mean: the offset would hide differences."""
    found = found.reshape(expected.shape)
    assert np.abs(found - expected).max() <= CLOSE * np.abs(expected - expected.mean()).max()


def noise_image(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name, axes", [("hdn_2d", "YX"), ("hdn_3d", "ZYX")])
@pytest.mark.parametrize("noise_models", [0, 1])
def test_a_denoiser_is_imported_and_predicts_what_careamics_does(
    trained, monkeypatch, name, axes, noise_models
):
    paths = trained(name, noise_models=noise_models)
    result = imported(paths, *NUMBERS)
    assert "kind      denoiser" in result.printed
    assert "values    mean 400, standard deviation 120" in result.printed
    assert ("Given: A Gaussian mixture of" in result.printed) == bool(noise_models)
    assert len(read_model(paths.model).noise_models) == noise_models
    normalised = noise_image(*paths.arguments["input_shape"])
    restored = predicted(paths, normalised * 120 + 400, axes, monkeypatch)
    assert_close(restored, replayed(paths, normalised[None, None]) * 120 + 400)


def test_a_splitter_is_imported_and_splits_as_careamics_does(trained, monkeypatch):
    paths = trained("split_2d_montecarlo", noise_models=2)
    means, stds = (500, 400, 300), (50, 60, 70)
    options = [f"--data-mean={mean}" for mean in means] + [f"--data-std={std}" for std in stds]
    result = imported(paths, *options)
    assert "kind      splitter" in result.printed
    assert "values    mixed image: mean 500, standard deviation 50" in result.printed
    assert "values    channel 2: mean 300, standard deviation 70" in result.printed
    normalised = noise_image(64, 64)
    split = predicted(paths, normalised * 50 + 500, "YX", monkeypatch)
    out = replayed(paths, normalised[None, None])
    assert_close(split, np.stack([out[0] * 60 + 400, out[1] * 70 + 300]))


@pytest.mark.parametrize("name", ["split_2d_context3", "split_2d_context_all"])
def test_wider_views_come_from_the_image(trained, monkeypatch, name):
    paths = trained(name)
    imported(paths, *NUMBERS)
    normalised = noise_image(64, 64)
    split = predicted(paths, normalised * 120 + 400, "YX", monkeypatch)
    # the window is larger than the patch: so is the prior's, which has no part in the output
    paths.arguments |= {"input_shape": [128, 128]}
    prior = next(key for key in paths.state if key.endswith("top_prior_params"))
    _, channels, height, width = paths.state[prior].shape
    paths.state[prior] = np.zeros((1, channels, 2 * height, 2 * width), np.float32)
    window = slice(-32, 96)
    views = views_around(normalised, window, window, paths.arguments["multiscale_count"])
    expected = replayed(paths, views[None])[..., 32:96, 32:96]
    assert_close(split, expected * 120 + 400)


def test_a_plane_from_a_stack(trained, monkeypatch):
    paths = trained("split_3d_to_2d")
    imported(paths, *NUMBERS)
    normalised = noise_image(3, 64, 64)
    split = predicted(paths, normalised * 120 + 400, "ZYX", monkeypatch).reshape(2, 3, 64, 64)
    assert_close(split[:, 1], replayed(paths, normalised[None, None]) * 120 + 400)


def test_a_checkpoint_that_describes_itself_needs_no_config(trained):
    paths = trained("split_2d_montecarlo", describes_itself=True)
    options = ["--data-mean", 90, "--data-std", 20, "--data-mean", 110, "--data-std", 20]
    result = run("import", "careamics", paths.checkpoint, "-o", paths.model, *options)
    assert result.code == 0
    assert "mixed images are normalised with mean 100 and standard deviation 22.361" in result.said
    assert "network   LVAE of CAREamics: 3 levels of 4, 6 and 8 latent channels" in result.printed


@pytest.mark.parametrize("noise_models", [0, 1])
def test_what_is_imported_predicts_with_samples_and_a_spread(trained, tmp_path, noise_models):
    paths = trained("hdn_2d", noise_models=noise_models)
    imported(paths, *NUMBERS)
    assert run("info", paths.model).code == 0
    tifffile.imwrite(tmp_path / "a.tif", (noise_image(50, 41) * 120 + 400).astype(np.float32))
    result = run("predict", paths.model, tmp_path / "a.tif", "-o", tmp_path, "--samples", 2)
    assert result.code == 0, result.said
    assert read_image(tmp_path / "a_spread.ome.tif").pixels.min() > 0


MIXTURE = GaussianMixture(np.arange(6.0).reshape(6, 1) / 20, 0.0, 900.0, 2.0)


def test_noise_models_are_taken_from_files(trained, tmp_path):
    paths = trained("split_2d_montecarlo")
    save_noise_model(MIXTURE, tmp_path / "one.npz")
    save_noise_model([MIXTURE, PoissonGaussian(2.0, 9.0)], tmp_path / "both.json")
    one, both = (["--noise", tmp_path / name] for name in ("one.npz", "both.json"))
    imported(paths, *NUMBERS, *one, *one)
    assert read_model(paths.model).noise_models == (MIXTURE, MIXTURE)
    imported(paths, *NUMBERS, *both, "--overwrite")
    assert read_model(paths.model).noise_models == (MIXTURE, PoissonGaussian(2.0, 9.0))


# --- what is refused ---


def refused(*arguments):
    result = run("import", "careamics", *arguments)
    assert result.code == 1
    assert result.said.count("error:") == 1
    return result.said


@pytest.mark.parametrize(
    "options, named",
    [
        ([], "--data-mean and --data-std .* data_config.image_means"),
        (["--data-mean", 1], "--data-mean and --data-std"),
        (["--data-std", 1], "--data-mean and --data-std"),
        ([*NUMBERS, *NUMBERS, "--data-mean", 1], "3 means and 2 standard deviations"),
        ([*NUMBERS * 4], "4 means and 4 standard deviations .* 3, the mixed image's first"),
        (["--data-mean", "nan", "--data-std", 1], "the mean of the data must be finite"),
        (["--data-mean", 1, "--data-std", 0], "standard deviation 0 "),
        ([*NUMBERS, "--noise", "nowhere.npz"], "nowhere.npz: there is no such file"),
        ([*NUMBERS, "--noise", "plain.npz"], "plain.npz: lacks trained_weight"),
        ([*NUMBERS, "--noise", "one.npz"], "1 noise model .*2 channels"),
        ([*NUMBERS, *["--noise", "one.npz"] * 3], "3 noise models .*2 channels"),
        ([*NUMBERS, "--config", "nowhere.yml"], "nowhere.yml: cannot be read"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused_and_nothing_is_written(
    trained, tmp_path, monkeypatch, options, named
):
    paths = trained("split_2d_montecarlo", describes_itself=True)
    monkeypatch.chdir(tmp_path)
    np.savez("plain.npz", weights=np.zeros(3))
    save_noise_model(MIXTURE, "one.npz")
    said = refused(paths.checkpoint, "-o", paths.model, *options)
    assert re.search(named, said), said
    assert not paths.model.parent.exists()


def test_a_config_is_asked_for_and_compared(trained):
    paths = trained("hdn_2d")
    asked = [paths.checkpoint, "-o", paths.model, *NUMBERS]
    assert "give its config" in refused(*asked)
    paths.config.write_text(yaml.safe_dump(paths.arguments | {"z_dims": [4, 6]}))
    assert "z_dims is (4, 6)" in refused(*asked, "--config", paths.config)


def test_a_unet_is_called_one(tmp_path):
    unet = {"model.encoder.encoder_blocks.0.conv1.weight": torch.zeros(4, 1, 3, 3)}
    torch.save({"state_dict": unet}, tmp_path / "n2v.ckpt")
    said = refused(tmp_path / "n2v.ckpt", "-o", tmp_path / "m.ladder", *NUMBERS)
    assert "a U-Net, as N2V, CARE and Noise2Noise train" in said


class Hostile:
    """What makes a folder when it is unpickled, in place of something worse."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return Path.mkdir, (self.folder,)


def test_a_hostile_checkpoint_runs_nothing_unless_it_is_trusted(trained, tmp_path):
    paths = trained("hdn_2d", describes_itself=True)
    proof = tmp_path / "its code ran"
    content = torch.load(paths.checkpoint, weights_only=True)
    torch.save(content | {"callbacks": Hostile(proof)}, paths.checkpoint)
    asked = [paths.checkpoint, "-o", paths.model, *NUMBERS]
    said = refused(*asked)
    assert "can run any code" in said and "--trust on the command line" in said
    assert not proof.exists() and not paths.model.exists()
    assert run("import", "careamics", *asked, "--trust").code == 0
    assert proof.exists() and paths.model.exists()


def test_outputs_are_not_replaced_unasked(trained):
    paths = trained("hdn_2d")
    imported(paths, *NUMBERS)
    before = paths.model.read_bytes()
    asked = [paths.checkpoint, "--config", paths.config, *NUMBERS, "-o"]
    assert "give --overwrite" in refused(*asked, paths.model)
    assert paths.model.read_bytes() == before
    assert "is a .ladder file" in refused(*asked, paths.checkpoint, "--overwrite")
    assert "is a folder" in refused(*asked, paths.model.parent)
    assert "there is no such file" in refused("nowhere.ckpt", "-o", "m.ladder", *NUMBERS)
