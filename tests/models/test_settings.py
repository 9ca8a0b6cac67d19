"""Settings: what presets give, and what bad ones are told."""

import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from ladderscope import Denoiser
from ladderscope.errors import LadderscopeError
from ladderscope.models import PRESETS
from ladderscope.models.architecture import architecture_of, network_of, weights_of
from ladderscope.models.config import MOST_PARAMETERS, DenoiserSettings, SplitterSettings
from ladderscope.models.fitting import too_few_steps
from ladderscope.models.presets import settings_for
from ladderscope.noise import Gaussian
from ladderscope.training import UNTRAINED


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_constructed(preset):
    assert Denoiser(preset).settings == settings_for(DenoiserSettings, preset)


def test_the_default_is_small_in_five_minutes():
    assert Denoiser().settings == Denoiser("small").settings
    assert Denoiser().settings.minutes == 5


@pytest.mark.parametrize(
    ("kind", "steps", "minutes", "remedy"),
    [
        (DenoiserSettings, 199, 5, "--minutes 11"),
        (DenoiserSettings, 346, 3, ""),
        (SplitterSettings, 247, 3, "--minutes 13"),
        (SplitterSettings, 1127, 3, ""),
        (SplitterSettings, 1300, 5, ""),
    ],
)
def test_a_training_of_few_steps_is_warned_of_by_method(kind, steps, minutes, remedy):
    settings = settings_for(kind, "small", {"minutes": minutes})
    warning = too_few_steps(replace(UNTRAINED, steps=steps), settings)
    assert bool(warning) == bool(remedy) and remedy in warning
    if remedy:
        assert f"only {steps} training steps" in warning
    for chosen in ({"interrupted": True}, {"diverged": True}):
        assert not too_few_steps(replace(UNTRAINED, steps=steps, **chosen), settings)
    assert not too_few_steps(replace(UNTRAINED, steps=8), settings_for(kind, "tiny"))


def test_paper_is_the_published_recipe():
    paper = settings_for(DenoiserSettings, "paper")
    assert (paper.levels, paper.latent_channels, paper.blocks, paper.filters) == (6, 32, 5, 64)
    assert (paper.first_kernel, paper.batch_norm, paper.dropout) == (5, True, 0.2)
    assert (paper.learning_rate, paper.rate, paper.free_bits) == (3e-4, "plateau", 1.0)


def test_an_unknown_preset_is_an_error_that_lists_the_known():
    with pytest.raises(LadderscopeError, match=r"'smal'.*tiny, small, paper"):
        Denoiser("smal")


def test_an_unknown_setting_is_an_error_that_names_it_and_lists_the_known():
    with pytest.raises(LadderscopeError, match=r"'filter'.*filters"):
        Denoiser("tiny", filter=3)


@pytest.mark.parametrize(
    "setting",
    [
        {"levels": 0},
        {"filters": 0},
        {"filters": "many"},
        {"dropout": 1.0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"free_bits": -1.0},
        {"kl_weight": math.inf},
        {"gradient_clip": 0.0},
        {"activation": "gelu2"},
        {"patch": 4},
        {"batch": 0},
        {"tile_core": 0},
        {"blind_levels": -1},
        {"blind_levels": 1.5},
        {"levels": 11},
        {"blocks": 20_000},
        {"filters": 1_000_000},
        {"latent_channels": 2**62},
        {"first_kernel": 100_001},
        {"context": 2**40},
        {"patch": 2**20},
        {"batch": 10**6},
        {"tile_margin": 10**6},
        {"warmup_steps": 10**400},
    ],
    ids=str,
)
def test_a_value_out_of_range_is_an_error_that_names_the_setting(setting):
    (name,) = setting
    with pytest.raises(LadderscopeError, match=name):
        Denoiser("tiny", **setting)


def test_a_network_beyond_the_limit_is_refused_before_any_of_it_is_made():
    settings = settings_for(
        DenoiserSettings, "tiny", {"filters": 1024, "blocks": 2, "dimensions": 3}
    )
    with pytest.raises(LadderscopeError, match="250,000,000"):
        network_of(architecture_of(settings))


def test_the_published_network_is_far_from_the_limit():
    for dimensions in (2, 3):
        settings = settings_for(DenoiserSettings, "paper", {"dimensions": dimensions})
        parameters = sum(value.numel() for value in weights_of(architecture_of(settings)).values())
        assert 10 * parameters < MOST_PARAMETERS


def test_weights_are_told_without_drawing_random_numbers():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    told = weights_of(architecture_of(settings_for(DenoiserSettings, "tiny")))
    assert torch.equal(torch.get_rng_state(), state)
    made = network_of(architecture_of(settings_for(DenoiserSettings, "tiny"))).state_dict()
    assert {name: value.shape for name, value in told.items()} == {
        name: value.shape for name, value in made.items()
    }


def test_a_patch_that_does_not_hold_the_levels_is_an_error_that_says_the_multiple():
    with pytest.raises(LadderscopeError, match="multiple of 16"):
        Denoiser("small", patch=72)


@pytest.mark.parametrize("blind", [2, 3])
def test_a_level_that_sees_the_image_is_left(blind):
    with pytest.raises(LadderscopeError, match=f"blind_levels={blind} and levels=2"):
        Denoiser("tiny", blind_levels=blind)
    assert Denoiser("tiny", blind_levels=blind, levels=4).settings.blind_levels == blind


@pytest.mark.parametrize("kernel", [2, 4])
def test_an_even_first_kernel_is_refused_at_construction(kernel):
    with pytest.raises(LadderscopeError, match="first_kernel"):
        Denoiser("tiny", first_kernel=kernel)


@pytest.mark.parametrize(
    "budget",
    [{"minutes": 0}, {"steps": 0}, {"epochs": -1}, {"minutes": math.nan}, {"minutes": math.inf}],
    ids=str,
)
def test_a_budget_that_is_not_positive_is_an_error(budget):
    with pytest.raises(LadderscopeError, match=next(iter(budget))):
        Denoiser("tiny", **budget)
    with pytest.raises(LadderscopeError, match=next(iter(budget))):
        Denoiser("tiny").fit([[1.0]], **budget)


def test_two_budgets_are_an_error():
    with pytest.raises(LadderscopeError, match="one of"):
        Denoiser("tiny", minutes=1, steps=10)
    with pytest.raises(LadderscopeError, match="minutes and steps"):
        Denoiser("tiny").fit([[1.0]], minutes=1, steps=10)


@pytest.mark.parametrize("budget", [{"minutes": 1.5}, {"steps": 7}, {"epochs": 0.5}], ids=str)
def test_a_budget_replaces_the_preset_s_whichever_it_is(budget):
    for preset in PRESETS:
        settings = settings_for(DenoiserSettings, preset, budget)
        found = {name: getattr(settings, name) for name in ("minutes", "steps", "epochs")}
        assert {name: value for name, value in found.items() if value is not None} == budget


def test_settings_cannot_be_changed_behind_the_denoiser_s_back():
    with pytest.raises(ValidationError):
        Denoiser("tiny").settings.filters = 3


@pytest.mark.parametrize("noise", ["automatic", 3.0, None, [Gaussian(1.0), "no"]], ids=str)
def test_noise_that_is_no_noise_model_is_an_error_that_shows_one(noise):
    with pytest.raises(LadderscopeError, match="Gaussian"):
        Denoiser("tiny", noise=noise)


@pytest.mark.parametrize("seed", [-1, 1.5])
def test_a_seed_is_a_whole_number_from_zero(seed):
    with pytest.raises(LadderscopeError, match="seed"):
        Denoiser("tiny", seed=seed)


@pytest.mark.parametrize("given", [{"levels": 6}, {"levels": 7}, {"dimensions": 3, "levels": 5}])
@pytest.mark.parametrize("context", [1, 2])
def test_patches_are_as_large_as_the_levels_that_are_asked_for_need(given, context):
    settings = settings_for(DenoiserSettings, "small", given | {"context": context})
    assert settings.patch % settings.patch_multiple == 0
