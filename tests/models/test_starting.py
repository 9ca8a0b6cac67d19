"""Training on from a model: its network, new statistics, new noise."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import CAMERA, noisy

from ladderscope import Denoiser, LadderscopeError, Splitter
from ladderscope.images import sample_image
from ladderscope.models.file import read_model

SLOWLY = {"steps": 1, "learning_rate": 1e-12}


@pytest.fixture(scope="module")
def other():
    return 3 * noisy(sample_image("ph3").pixels[100:180, 100:180], seed=5) + 40


@pytest.fixture(scope="module")
def splitter(crops):
    names = ["dna", "cells"]
    return Splitter("musplit", "tiny").fit([*crops[:2]], names=names, steps=3, progress=False)


def without_head(model):
    return {name: value for name, value in model.weights.items() if "variance" not in name}


def test_training_begins_with_the_weights_of_the_model(denoiser, other):
    again = Denoiser.starting_from(denoiser, noise=CAMERA, **SLOWLY).fit(other, progress=False)
    before, after = (without_head(one.model) for one in (denoiser, again))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=1e-4, atol=1e-5)


def test_statistics_and_noise_are_those_of_the_new_images_and_a_sentence_says_so(
    denoiser, other, tmp_path, caplog
):
    denoiser.save(tmp_path / "old.ladder")
    with caplog.at_level(logging.INFO, "ladderscope"):
        again = Denoiser.starting_from(tmp_path / "old.ladder", **SLOWLY)
        again.fit(other, progress=False)
    (found,) = again.model.statistics
    assert found.mean == pytest.approx(other.mean(), rel=1e-3)
    assert again.model.noise_models != denoiser.model.noise_models
    assert "old.ladder" in caplog.text and "measured anew" in caplog.text
    assert any("old.ladder" in notice for notice in again.model.notices)
    again.save(tmp_path / "new.ladder")
    assert read_model(tmp_path / "new.ladder").notices == again.model.notices


def test_a_model_of_one_channel_is_trained_on_with_two(denoiser, other):
    two = np.stack([other, other[::-1]])
    again = Denoiser.starting_from(denoiser, noise=CAMERA, **SLOWLY)
    assert len(again.fit(two, axes="CYX", progress=False).model.statistics) == 2


def test_the_budget_is_a_fifth_and_the_warm_up_a_quarter_unless_given(denoiser):
    before = denoiser.model.settings.model_copy(update={"warmup_steps": 100, "steps": 1000})
    model = Denoiser.from_model(replace(denoiser.model, settings=before))
    after = Denoiser.starting_from(model).settings
    assert (after.steps, after.warmup_steps) == (200, 25)
    assert after.learning_rate == before.learning_rate
    assert Denoiser.starting_from(model, minutes=2).settings.minutes == 2


def test_a_splitter_is_trained_on(splitter, crops):
    again = Splitter.starting_from(splitter, **SLOWLY)
    again.fit([*crops[1:]], names=["x", "y"], progress=False)
    assert again.settings.method == "musplit"
    assert again.model.channel_names == ("x", "y")


@pytest.mark.parametrize("setting", [{"levels": 3}, {"filters": 16}, {"dimensions": 3}])
def test_another_network_is_refused_with_both_values(denoiser, setting):
    ((name, value),) = setting.items()
    with pytest.raises(LadderscopeError, match=f"{name}={value}.*{name}=") as refused:
        Denoiser.starting_from(denoiser, steps=5, **setting)
    assert "train a new model" in str(refused.value)


def test_another_number_or_order_of_channels_is_refused(splitter, crops):
    with pytest.raises(LadderscopeError, match=r"channels=3.*channels=2"):
        Splitter.starting_from(splitter, channels=3)
    with pytest.raises(LadderscopeError, match=r"cells and dna.*dna and cells"):
        Splitter.starting_from(splitter).fit([*crops[:2]], names=["cells", "dna"], progress=False)


def test_another_kind_of_model_is_refused(denoiser, splitter):
    with pytest.raises(LadderscopeError, match="splitter"):
        Denoiser.starting_from(splitter)
    with pytest.raises(LadderscopeError, match="denoiser"):
        Splitter.starting_from(denoiser)


def test_a_resumed_training_starts_from_the_same_model(denoiser, other, tmp_path):
    state = tmp_path / "state"
    stopped = iter([False] * 2 + [True] * 1000)
    settings = {"noise": CAMERA, "steps": 6}
    Denoiser.starting_from(denoiser, **settings).fit(
        other, state_file=state, progress=False, should_stop=lambda: next(stopped)
    )
    assert state.exists()
    with pytest.raises(LadderscopeError):
        Denoiser("tiny", **settings).fit(other, state_file=state, resume=True, progress=False)
    again = Denoiser.starting_from(denoiser, **settings)
    again.fit(other, state_file=state, resume=True, progress=False)
    assert again.model.outcome.steps == 6
