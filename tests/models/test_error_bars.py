"""Error bars of a fitted model: how large they are, and when there are none."""

import numpy as np
import pytest

from ladderscope import Denoiser, Splitter, load
from ladderscope.models.architecture import architecture_of

ROWS, COLUMNS = np.mgrid[:96, :96]
STRIPES = (20 + 10 * np.sin(ROWS / 3)).astype(np.float32)
WAVES = (30 + 10 * np.sin(COLUMNS / 9)).astype(np.float32)


@pytest.fixture(scope="module")
def splitter():
    return Splitter("musplit", "tiny").fit([STRIPES, WAVES], steps=40, progress=False)


def test_a_split_s_error_bars_are_about_as_large_as_its_errors(splitter):
    for samples in (0, 1, 8):
        restored = splitter.predict(STRIPES + WAVES, samples=samples)
        for channel, truth in enumerate((STRIPES, WAVES)):
            error = np.sqrt(np.mean((restored.mean[channel] - truth) ** 2))
            assert 0.5 < np.sqrt(np.mean(restored.std[channel] ** 2)) / error < 2


def test_in_a_single_pass_error_bars_are_as_large_as_with_samples(splitter):
    one, many = (splitter.predict(STRIPES + WAVES, samples=number).std for number in (0, 16))
    ratio = np.sqrt(np.mean(one**2, axis=(1, 2)) / np.mean(many**2, axis=(1, 2)))
    assert ratio == pytest.approx(1, abs=0.25)


def test_samples_are_drawn_without_the_decoder_s_variance(splitter):
    restored = splitter.predict(STRIPES + WAVES, samples=8)
    draws = splitter.sample(STRIPES + WAVES, n=8)
    assert draws.std(axis=0).mean() < 0.7 * restored.std.mean()


def test_the_head_comes_back_from_a_file(splitter, tmp_path):
    copy = load(splitter.save(tmp_path / "s.ladder"), device="cpu")
    assert copy.model.architecture == splitter.model.architecture
    one, other = (of.predict(STRIPES + WAVES, samples=0).std for of in (splitter, copy))
    assert np.array_equal(one, other)


def test_an_interrupted_training_has_none_until_it_is_resumed(tmp_path):
    image = STRIPES + np.random.default_rng(0).normal(0, 3, STRIPES.shape).astype(np.float32)
    asked = {"steps": 6, "progress": False, "state_file": tmp_path / "state"}
    heard = []

    def stop():
        heard.append(1)
        return len(heard) == 3

    stopped = Denoiser("tiny", noise="gaussian").fit(image, should_stop=stop, **asked)
    assert stopped.model.outcome.interrupted
    assert stopped.model.architecture == architecture_of(stopped.model.settings)
    assert stopped.predict(image, samples=0).std is None
    resumed = Denoiser("tiny", noise="gaussian").fit(image, resume=True, **asked)
    whole = Denoiser("tiny", noise="gaussian").fit(image, steps=6, progress=False)
    assert resumed.model.weights.keys() == whole.model.weights.keys()
    for name, value in whole.model.weights.items():
        assert value.equal(resumed.model.weights[name]), name


def test_stopping_while_error_bars_are_fitted_keeps_the_model():
    messages = []
    denoiser = Denoiser("tiny", noise="gaussian").fit(
        STRIPES + np.random.default_rng(0).normal(0, 3, STRIPES.shape).astype(np.float32),
        steps=4,
        progress=lambda fraction, message: messages.append(message),
        should_stop=lambda: bool(messages) and "error bars" in messages[-1],
    )
    assert not denoiser.model.outcome.interrupted and denoiser.model.outcome.steps == 4
    assert denoiser.predict(STRIPES, samples=0).std.min() > 0
