"""Every loss that CAREamics computed for the golden files, from its own outputs and KLs."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ladderscope.errors import LadderscopeError
from ladderscope.interop.careamics_losses import replay_losses
from ladderscope.losses import musplit_objective
from ladderscope.noise import Gaussian, GaussianMixture

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.npz"))
METHODS = (
    "hdn_gaussian",
    "hdn_noise_model",
    "musplit",
    "denoisplit",
    "denoisplit_restricted",
    "microsplit",
)
TERMS = ("loss", "reconstruction_loss", "kl_loss")


def outputs_of(golden, mode):
    kinds = ("out", "z/", "kl/", "kl_restricted/")
    return {
        key.removeprefix(f"{mode}/"): torch.from_numpy(golden[key])
        for key in golden.files
        if key.startswith(tuple(f"{mode}/{kind}" for kind in kinds))
    }


def noise_models_of(golden):
    return [
        GaussianMixture(
            golden[f"noise_model/{channel}/trained_weight"],
            *(
                golden[f"noise_model/{channel}/{key}"].item()
                for key in ("min_signal", "max_signal", "min_sigma")
            ),
        )
        for channel in range(golden["target"].shape[1])
    ]


def test_there_are_golden_files():
    assert len(GOLDEN) == 8


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_loss_is_reproduced(path, mode):
    with np.load(path) as golden:
        prefix = f"{mode}/loss/"
        expected = {
            key.removeprefix(prefix): golden[key].item()
            for key in golden.files
            if key.startswith(prefix)
        }
        found = replay_losses(
            outputs_of(golden, mode),
            golden["target"],
            noise_models_of(golden),
            golden["data_mean"],
            golden["data_std"],
        )
    assert set(found) == set(expected) == {f"{name}/{term}" for name in METHODS for term in TERMS}
    for name, loss in found.items():
        assert loss.item() == pytest.approx(expected[name], rel=1e-5), name


def small_outputs(channels=2, log_variance=True, depth=(), levels=2):
    generator = torch.Generator().manual_seed(0)
    out = torch.randn(
        2, channels * (1 + log_variance), *depth, 8, 8, generator=generator, requires_grad=True
    )
    outputs = {"out": out}
    for level in range(1, levels + 1):
        side = 8 // 2**level
        outputs[f"z/{level}"] = torch.zeros(2, 3, *depth, side, side)
        outputs[f"kl/{level}"] = 10 * torch.rand(2, generator=generator)
        outputs[f"kl_restricted/{level}"] = 5 * torch.rand(2, generator=generator)
    target = torch.randn(2, channels, *depth, 8, 8, generator=generator)
    return outputs, target


CAMERAS = [Gaussian(3.0), Gaussian(5.0)]
DATA = {"data_mean": [100.0, 200.0], "data_std": [10.0, 20.0]}


def test_the_losses_are_attached_to_the_outputs():
    outputs, target = small_outputs()
    losses = replay_losses(outputs, target, CAMERAS, **DATA)
    for name in METHODS:
        (gradient,) = torch.autograd.grad(losses[f"{name}/loss"], outputs["out"], retain_graph=True)
        assert gradient.isfinite().all() and gradient.any()


def test_depth_divides_the_kl_of_musplit_twice_and_every_other_once():
    flat, flat_target = small_outputs()
    deep, deep_target = small_outputs(depth=(5,))
    deep |= {key: 5 * flat[key] for key in flat if key.startswith("kl")}
    flat_losses = replay_losses(flat, flat_target, CAMERAS, **DATA)
    deep_losses = replay_losses(deep, deep_target, CAMERAS, **DATA)
    for name in ("hdn_gaussian", "denoisplit", "denoisplit_restricted"):
        key = f"{name}/kl_loss"
        torch.testing.assert_close(deep_losses[key], flat_losses[key])
    key = "musplit/kl_loss"
    torch.testing.assert_close(deep_losses[key], flat_losses[key] / 5)
    for outputs, losses in ((flat, flat_losses), (deep, deep_losses)):
        kl = torch.stack([outputs["kl/1"], outputs["kl/2"]], dim=1)
        elements = [outputs["z/1"][0].numel(), outputs["z/2"][0].numel()]
        ours = musplit_objective(torch.zeros(2, 2, 8, 8), kl, elements).kl
        depth = outputs["out"].shape[2] if outputs["out"].ndim == 5 else 1
        torch.testing.assert_close(losses[key], ours / depth)


def test_microsplit_is_not_annealed():
    outputs, target = small_outputs()
    full = replay_losses(outputs, target, CAMERAS, **DATA)
    annealed = replay_losses(outputs, target, CAMERAS, **DATA, kl_weight=0.25)
    final = replay_losses(outputs, target, CAMERAS, **DATA, final_kl_weight=0.5)
    for name in METHODS:
        key, microsplit = f"{name}/kl_loss", name == "microsplit"
        torch.testing.assert_close(annealed[key], full[key] * (1 if microsplit else 0.25))
        torch.testing.assert_close(final[key], full[key] * (0.5 if microsplit else 1))


def test_without_a_predicted_log_variance_half_the_squared_error_is_left():
    outputs, target = small_outputs(log_variance=False)
    losses = replay_losses(outputs, target, CAMERAS, **DATA)
    expected = 0.5 * (outputs["out"] - target).square().mean()
    torch.testing.assert_close(losses["musplit/reconstruction_loss"], expected)


@pytest.mark.parametrize(("log_variance", "counted"), [(-4.5, -4.5), (-5.5, -5), (-50, -5)])
def test_a_predicted_log_variance_is_clipped_at_minus_five(log_variance, counted):
    outputs, target = small_outputs()
    exact = torch.cat([target, torch.full_like(target, log_variance)], dim=1)
    losses = replay_losses(outputs | {"out": exact}, target, CAMERAS, **DATA)
    expected = 0.5 * (counted + math.log(2 * math.pi))
    assert losses["musplit/reconstruction_loss"].item() == pytest.approx(expected)


def test_one_channel_takes_a_model_and_numbers_as_they_are():
    outputs, target = small_outputs(channels=1)
    bare = replay_losses(outputs, target.numpy(), Gaussian(3.0), 100, 10)
    listed = replay_losses(
        outputs, target, [Gaussian(3.0)], np.full((1, 1, 1, 1), 100.0), np.array([10.0])
    )
    assert bare == listed


@pytest.mark.parametrize("missing", ["out", "z/1", "kl/1", "kl_restricted/1"])
def test_a_missing_output_is_named(missing):
    outputs, target = small_outputs()
    del outputs[missing]
    with pytest.raises(LadderscopeError, match=f"lack '{missing}'"):
        replay_losses(outputs, target, CAMERAS, **DATA)


@pytest.mark.parametrize("missing", ["z/2", "kl/2", "kl_restricted/2"])
def test_levels_that_do_not_agree_are_refused(missing):
    outputs, target = small_outputs()
    del outputs[missing]
    with pytest.raises(LadderscopeError, match="must hold the same levels"):
        replay_losses(outputs, target, CAMERAS, **DATA)


def test_shapes_and_channels_that_do_not_agree_are_refused():
    outputs, target = small_outputs()
    with pytest.raises(LadderscopeError, match=r"or twice its channels .* \(2, 4, 8, 8\)"):
        replay_losses(outputs, target[:, :1], CAMERAS, **DATA)
    with pytest.raises(LadderscopeError, match="2 channels and needs a noise model for each"):
        replay_losses(outputs, target, CAMERAS[:1], **DATA)
    with pytest.raises(LadderscopeError, match="data_mean must hold one number, or one for each"):
        replay_losses(outputs, target, CAMERAS, data_mean=[1.0, 2.0, 3.0], data_std=1.0)
