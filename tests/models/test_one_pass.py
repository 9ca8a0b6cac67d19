"""The module of one pass computes what predict(samples=0) does, for images of any size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope import load
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Calibration
from ladderscope.models.architecture import with_variance_head
from ladderscope.models.one_pass import OnePass, calibrated

FIXTURES = Path(__file__).parent / "fixtures" / "format_2"
CALIBRATION = Calibration((2.0, 5.0, 9.0), (3.0, 3.5, 12.0), (50.0, 90.0), (1.2, 0.8))


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    monkeypatch.setattr("ladderscope.models.predictor.fast_type", lambda device: None)


@pytest.fixture(scope="module")
def with_error_bars():
    """A denoiser that predicts a calibrated error bar, with random weights."""
    denoiser = load(FIXTURES / "denoiser.ladder", device="cpu")
    architecture = with_variance_head(denoiser.model.architecture, 1)
    torch.manual_seed(0)
    head = architecture.build().state_dict()
    model = replace(
        denoiser.model,
        architecture=architecture,
        weights=head | denoiser.model.weights,
        calibration=(CALIBRATION,),
    )
    return type(denoiser).from_model(model, device="cpu")


def image_for(model, space):
    """Make an image like those of the training: smooth structure and noise."""
    shown = model.statistics if model.mixture is None else (model.mixture.statistics,)
    wave = np.sin(np.indices(space).sum(axis=0) / 5)
    noise = np.random.default_rng(0).normal(0, 0.3, space)
    return np.stack([one.mean + one.std * (wave + noise) for one in shown]).astype(np.float32)


def assert_as_predicted(restorer, image):
    """Compare a single pass with the prediction, of one channel or several."""
    several = len(image) > 1
    axes = "C" * several + "ZYX"[-image.ndim + 1 :]
    restored = restorer.predict(image if several else image[0], axes, samples=0)
    with torch.no_grad():
        answer = OnePass(restorer.model)(torch.from_numpy(image)[None])
    assert len(answer) == 1 + (restored.std is not None)
    unit = max(one.std for one in restorer.model.statistics)
    for found, expected in zip(answer, (restored.mean, restored.std), strict=False):
        difference = found[0].numpy().reshape(expected.shape) - expected
        assert abs(difference).max() < 1e-5 * unit


@pytest.mark.parametrize(
    "name, space",
    [
        ("denoiser", (37, 50)),
        ("denoiser_blind", (21, 64)),
        ("denoiser_channels", (33, 18)),
        ("denoiser_3d", (5, 19, 22)),
        ("careamics_denoiser", (41, 32)),
        ("splitter_denoisplit", (30, 47)),
        ("splitter_microsplit", (64, 33)),
    ],
)
def test_a_model_of_any_kind(name, space):
    restorer = load(FIXTURES / f"{name}.ladder", device="cpu")
    assert_as_predicted(restorer, image_for(restorer.model, space))


@settings(max_examples=6)
@given(st.tuples(st.integers(2, 40), st.integers(2, 40)))
def test_any_size_with_a_calibrated_error_bar(with_error_bars, space):
    assert_as_predicted(with_error_bars, image_for(with_error_bars.model, space))


def test_what_exceeds_the_limits_is_handed_back(with_error_bars):
    image = image_for(with_error_bars.model, (40, 40))
    image[0, 8:12, 8:12] = 1e5
    assert_as_predicted(with_error_bars, image)


def test_the_error_bar_is_calibrated_between_the_knots_and_beyond():
    spread, mean = np.meshgrid(np.linspace(0.1, 12, 60), np.linspace(30, 110, 50))
    found = calibrated(torch.from_numpy(spread), torch.from_numpy(mean), CALIBRATION)
    assert np.allclose(found.numpy(), CALIBRATION.std(spread, mean), rtol=1e-9)


def test_the_network_that_was_trained_is_left_alone(with_error_bars):
    trained = with_error_bars._network.train()
    one_pass = OnePass(with_error_bars.model)
    assert trained.training and not one_pass.network.training
    assert all(weight.requires_grad for weight in trained.parameters())


@pytest.mark.parametrize(
    "name, why", [("denoiser_context", "views"), ("careamics_stacks", "middle plane")]
)
def test_a_network_that_needs_more_than_the_image_is_refused(name, why):
    with pytest.raises(LadderscopeError, match=why):
        OnePass(load(FIXTURES / f"{name}.ladder", device="cpu").model)
