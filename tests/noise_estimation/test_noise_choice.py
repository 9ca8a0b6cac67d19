"""The noise model is chosen by the images; what it does not describe is said."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from ladderscope.noise import Coloured, Gaussian, PhotonCounting, PoissonGaussian
from ladderscope.noise_estimation import calibrate_poisson_gaussian, choice
from ladderscope.noise_estimation.checking import check_planes
from ladderscope.noise_estimation.choice import choose
from ladderscope.noise_estimation.colour import measure_colour
from ladderscope.noise_estimation.wanted import WANTED, wanted

SIGNAL = 40.0 * np.linspace(0, 5, 256) * np.ones((256, 1))
BLUR = np.outer(*2 * [np.exp(-(np.arange(-4, 5.0) ** 2) / 1.5)])


def drawn(model, signal=SIGNAL, seed=0):
    draw = model.sample(torch.from_numpy(signal), torch.Generator().manual_seed(seed))
    return draw.numpy().round().clip(0).astype(np.uint16)


def camera(seed=0):
    rng = np.random.default_rng(seed)
    noisy = 2.0 * rng.poisson(SIGNAL / 2.0) + 100 + rng.normal(0, 3, SIGNAL.shape)
    return noisy.round().astype(np.uint16)


def said(choice):
    return " ".join(choice.reasons)


def test_a_camera_has_poisson_gaussian_noise_with_the_fit_that_it_always_had():
    planes = [camera(0), camera(1)]
    choice = choose(planes)
    assert (choice.asked, choice.warnings, len(choice.reasons)) == ("auto", (), 2)
    before, now = (fit.to_dict() for fit in (calibrate_poisson_gaussian(planes), choice.fit))
    assert {key: now[key] for key in before if "advantage" not in key} == {
        key: value for key, value in before.items() if "advantage" not in key
    }
    assert "Poisson–Gaussian noise was chosen, independent" in said(choice)
    assert f"by {abs(choice.fit.advantage):.4f}" in said(choice)
    assert "grows measurably" in said(choice)
    why = f"more likely, by {choice.fit.advantage:.4f}"
    assert why in said(choice) and f", but {choice.fit.doubt})" in said(choice)
    assert "the gain and the offset" in choice.fit.doubt


def test_dim_light_on_a_camera_is_no_photon_counting():
    noisy = drawn(PoissonGaussian.from_camera(2.0, 100.0, 3.0), 100 + SIGNAL / 20)
    assert choose([noisy]).fit.model.kind == "poisson_gaussian"


def test_noise_of_one_strength_is_gaussian():
    noisy = np.random.default_rng(0).normal(100, 3, SIGNAL.shape) + SIGNAL
    choice = choose([noisy])
    assert choice.fit.model.kind == "gaussian"
    assert choice.fit.model.sigma == pytest.approx(3, rel=0.05)
    assert "Gaussian noise was chosen" in said(choice)
    assert choice.warnings == ()


@pytest.mark.parametrize("shape", [1.0, 3.0])
def test_single_photons_are_counted(shape):
    truth = PhotonCounting(12.0, 20.0, 1.0, shape)
    choice = choose([drawn(truth, 20 + SIGNAL / 4)])
    assert choice.fit.model.kind == "photon_counting"
    assert choice.fit.model.gain == pytest.approx(12, rel=0.1)
    assert choice.warnings == ()
    assert "Photon-counting noise was chosen" in said(choice)


def test_a_law_is_checked_once_where_its_tails_decide(monkeypatch):
    checked = []

    def watched(planes, model):
        checked.append(model)
        return check_planes(planes, model)

    monkeypatch.setattr(choice, "check_planes", watched)
    monkeypatch.setattr(choice, "WORTHWHILE", 1.0)
    found = choose([drawn(PhotonCounting(4.0, 20.0, 0.5), 20 + SIGNAL / 4)])
    assert found.fit.advantage > 0
    assert [id(model) for model in checked] == [id(found.fit.model)]


@pytest.mark.parametrize("law", [Gaussian(6.0), PoissonGaussian(2.0, 60.0)], ids=str)
def test_correlated_noise_is_described(law):
    choice = choose([drawn(Coloured(law, BLUR), 100 + SIGNAL)])
    model = choice.fit.model
    assert (model.kind, model.law.kind) == ("coloured", law.kind)
    assert model.deviation_at(200.0) == pytest.approx(law.deviation_at(200.0), rel=0.15)
    assert choice.fit.bin_variances.mean() == pytest.approx(
        np.mean([law.deviation_at(signal) ** 2 for signal in choice.fit.bin_signals]), rel=0.3
    )
    assert choice.warnings == ()
    assert "correlated from pixel to pixel" in said(choice)


@pytest.mark.parametrize("one", WANTED[1:], ids=str)
def test_a_law_that_was_asked_for_is_taken(one):
    noisy = drawn(PhotonCounting(12.0, 20.0, 1.0, 3.0), 20 + SIGNAL / 4)
    choice = choose([noisy], one)
    model = choice.fit.model
    assert (model.pixelwise.kind, choice.asked) == (one.law, one.name)
    assert isinstance(model, Coloured) == one.correlated
    assert one.spelling in said(choice)


def test_photon_counting_on_images_of_a_camera_falls_back_and_says_so():
    choice = choose([camera()], wanted("photon-counting"))
    assert choice.fit.model == calibrate_poisson_gaussian([camera()]).model
    assert any("photon-counting was asked for" in text for text in choice.warnings)
    for part in ("Photon-counting noise was asked for", choice.fit.doubt, "noise is used instead"):
        assert part in said(choice)
    assert choice.fit.doubt in " ".join(choice.warnings)
    assert "Poisson–Gaussian noise was asked for" not in said(choice)


def test_the_variance_is_measured_before_it_is_said_not_to_grow():
    of_camera, level = (
        said(choose([noisy], wanted("gaussian")))
        for noisy in (camera(), SIGNAL + np.random.default_rng(0).normal(100, 3, SIGNAL.shape))
    )
    assert "variance grows measurably with the brightness, which Gaussian noise" in of_camera
    assert "variance does not grow measurably" in level


def test_few_pixels_cannot_tell_the_photons_and_that_is_said():
    detector = PhotonCounting(12.0, 20.0, 1.0, 3.0)
    small, tiny = (
        choose([drawn(detector, 20 + SIGNAL[:size, :: 256 // size][:, :size] * size / 2000)])
        for size in (40, 28)
    )
    low, high = small.fit.intervals["gain"]
    assert low < 12 < high < 1.8 * low
    assert tiny.fit.model.kind == "gaussian"
    assert "too few flat" in tiny.fit.doubt
    assert f"photon-counting noise cannot be measured ({tiny.fit.doubt})" in said(tiny)


def test_photons_that_show_in_few_pixels_are_weighed_with_the_correlation_of_all():
    # pixels of up to 20 photons, among those of up to 100
    assert 0.1 < choose([camera()]).fit.compared_share < 0.3


def test_a_law_that_does_not_describe_the_images_is_warned_of():
    (warning,) = choose([camera()], wanted("gaussian")).warnings
    assert "does not describe" in warning
    assert "ladderscope noise fit" in warning


def test_correlated_noise_of_another_law_is_no_case_for_a_mixture():
    noisy = drawn(Coloured(PoissonGaussian(2.0, 0.0), BLUR), 20 + SIGNAL)
    warnings = " ".join(choose([noisy], wanted("correlated-gaussian")).warnings)
    assert "does not describe" in warnings
    assert "raw recording" in warnings and "--blind-levels" in warnings
    assert "mixture" not in warnings


@pytest.mark.parametrize("width", [1, 2, 4])
def test_noise_over_more_pixels_than_can_be_measured_is_said_to_be_underestimated(width):
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(256, 256)), width)
    choice = choose([100 + SIGNAL + 3 * noise / noise.std()], wanted("correlated-gaussian"))
    assert choice.fit.model.kind == "coloured"
    if width == 1:
        assert choice.fit.model.law.sigma == pytest.approx(3, rel=0.05)
        assert choice.warnings == ()
    else:
        assert choice.fit.model.law.sigma < 2.8
        (warning,) = choice.warnings
        assert "weaker than it is" in warning and "--blind-levels" in warning


def test_correlation_that_is_not_described_is_warned_of():
    noisy = drawn(Coloured(Gaussian(6.0), BLUR), 100 + SIGNAL)
    (warning,) = choose([noisy], wanted("gaussian")).warnings
    assert "correlated" in warning and "--blind-levels" in warning


def test_correlation_is_neither_measured_nor_warned_of_with_blind_levels():
    noisy = drawn(Coloured(Gaussian(6.0), BLUR), 100 + SIGNAL)
    choice = choose([noisy], structured=True)
    assert (choice.fit.model.kind, choice.warnings) == ("gaussian", ())


def test_structure_without_a_flat_region_is_not_taken_for_correlated_noise():
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=(320, 320)), 2.0)
    amplitude = 2 + 30 * np.linspace(0, 1, 320) ** 2
    noisy = 100 + amplitude * texture / texture.std() + rng.normal(0, 3, texture.shape)
    assert choose([noisy]).fit.model.kind != "coloured"
    forced = choose([noisy], wanted("correlated-gaussian"))
    assert forced.fit.model.kind == "coloured"
    assert any("no flat region" in text for text in forced.warnings)


def test_texture_that_is_the_same_everywhere_may_be_taken_for_noise_and_that_is_said():
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=(256, 256)), 1.2)
    choice = choose([100 + 30 * texture / texture.std() + rng.normal(0, 3, texture.shape)])
    assert choice.fit.model.kind == "coloured"
    (warning,) = choice.warnings
    assert "Texture" in warning and "--noise poisson-gaussian" in warning


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


def test_structure_of_a_few_pixels_everywhere_is_not_taken_for_correlated_noise():
    waves = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(256, 256)), 3)
    signal = 75 + 18 * waves / waves.std()
    choice = choose([drawn(PoissonGaussian(1.0, 4.0), signal)])
    assert choice.fit.model.kind == "poisson_gaussian"
    assert measure_colour([drawn(PoissonGaussian(1.0, 4.0), signal)], choice.fit.model).is_noise
