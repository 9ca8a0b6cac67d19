"""The noise model is chosen by the images; what it does not describe is said."""

import numpy as np
import pytest

from ladderscope.noise_estimation import calibrate_poisson_gaussian
from ladderscope.noise_estimation.choice import choose
from ladderscope.noise_estimation.wanted import WANTED, wanted

SIGNAL = 40.0 * np.linspace(0, 5, 256) * np.ones((256, 1))


def camera(seed=0, gain=2.0, read=3.0):
    rng = np.random.default_rng(seed)
    noisy = gain * rng.poisson(SIGNAL / gain) + 100 + rng.normal(0, read, SIGNAL.shape)
    return noisy.round().astype(np.uint16)


def test_a_camera_has_poisson_gaussian_noise_with_the_fit_that_it_always_had():
    planes = [camera(0), camera(1)]
    choice = choose(planes)
    assert choice.fit.to_dict() == calibrate_poisson_gaussian(planes).to_dict()
    assert (choice.asked, choice.warnings) == ("auto", ())
    assert len(choice.reasons) == 2
    assert "Poisson–Gaussian" in choice.reasons[0]


def test_noise_of_one_strength_is_gaussian():
    noisy = np.random.default_rng(0).normal(100, 3, SIGNAL.shape) + SIGNAL
    choice = choose([noisy])
    assert choice.fit.model.kind == "gaussian"
    assert choice.fit.model.sigma == pytest.approx(3, rel=0.05)
    assert "Gaussian" in choice.reasons[0]
    assert choice.warnings == ()


@pytest.mark.parametrize("one", WANTED[1:], ids=str)
def test_a_law_that_was_asked_for_is_taken(one):
    choice = choose([camera()], one)
    assert (choice.fit.model.kind, choice.asked) == (one.law, one.name)
    assert one.spelling in choice.reasons[0]


def test_a_law_that_does_not_describe_the_images_is_warned_of():
    assert any("dark" in text for text in choose([camera()], wanted("gaussian")).warnings)


def test_correlated_noise_is_warned_of_unless_the_network_is_made_for_it():
    white = np.random.default_rng(0).normal(0, 3, (256, 256))
    planes = [100 + SIGNAL + (white + np.roll(white, 1, axis=1)) / 2]
    assert any("correlated" in text for text in choose(planes).warnings)
    assert choose(planes, structured=True).warnings == ()


def test_spikes_are_warned_of():
    noisy = camera().astype(float)
    rng = np.random.default_rng(0)
    spikes = rng.random(noisy.shape) < 0.01
    noisy[spikes] += rng.exponential(60, spikes.sum())
    assert any("tails" in text for text in choose([noisy]).warnings)


@pytest.mark.parametrize("one", WANTED, ids=str)
def test_names_are_read_as_python_and_the_command_line_spell_them(one):
    assert wanted(one.name) == wanted(one.spelling) == one
    assert wanted(f"{one.name}?") is None
