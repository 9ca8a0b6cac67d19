"""Correlated noise measured on noisy images alone: its correlation, its size, and structure."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy import ndimage

from ladderscope.evaluation import residual_check
from ladderscope.images import sample_image
from ladderscope.noise import Coloured, Gaussian, PoissonGaussian
from ladderscope.noise_estimation import check
from ladderscope.noise_estimation.checked import clean_plane
from ladderscope.noise_estimation.colour import coloured, measure_colour
from ladderscope.noise_estimation.from_images import fit_images
from ladderscope.noise_estimation.neighbourhoods import neighbourhoods, seen_share

SIGNAL = sample_image("dna").pixels.astype(np.float64)


def blur(width, reach=4):
    profile = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (4 * width**2))
    return np.outer(profile, profile)


TRUTH = Coloured(PoissonGaussian(2.0, 60.0), blur(0.6))


def draw(model, signal=SIGNAL, seed=0):
    return model.sample(torch.from_numpy(signal), torch.Generator().manual_seed(seed)).numpy()


def test_the_model_is_found_from_one_noisy_image():
    noisy = draw(TRUTH)
    law = fit_images([noisy], "poisson_gaussian").model
    assert law.intercept < 20  # second differences see little of smooth noise
    colour = measure_colour([noisy], law)
    assert colour.is_noise and not colour.is_structure
    expected = blur(0.6)[4, 5]
    assert colour.neighbours == pytest.approx((expected, expected), abs=0.04)
    found = coloured(law, colour)
    for signal in (20.0, 60.0):
        assert found.deviation_at(signal) == pytest.approx(TRUTH.deviation_at(signal), rel=0.12)
    # Other noise of the same kind is nearly as likely as under the truth, and not under the law.
    other, signal = torch.from_numpy(draw(TRUTH, seed=1)), torch.from_numpy(SIGNAL)
    likelihoods = [float(m.log_likelihood(other, signal).mean()) for m in (TRUTH, found, found.law)]
    assert likelihoods[1] == pytest.approx(likelihoods[0], abs=0.06)
    assert likelihoods[2] < likelihoods[0] - 0.25


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_the_correlation_is_unbiased_and_its_error_honest(width):
    flat = np.full((256, 256), 50.0)
    noise = Coloured(Gaussian(5.0), blur(width))
    found = [measure_colour([draw(noise, flat, seed)], Gaussian(5.0)) for seed in range(6)]
    expected = blur(width)[4, 5]
    along_x = np.array([one.neighbours[0] for one in found])
    error = np.mean([one.error for one in found])
    assert abs(along_x.mean() - expected) < 0.03
    assert along_x.std() < 2 * error < 0.1
    assert np.mean([one.inflation for one in found]) == pytest.approx(1, abs=0.1)
    for one in found:  # a spectrum, so the filters are those of an autocorrelation
        grid = np.zeros((64, 64))
        grid[:31, :31] = one.autocorrelation
        power = np.fft.fft2(np.roll(grid, (-15, -15), axis=(0, 1))).real
        assert power.min() > -0.05 * power.mean()


def test_white_noise_on_structure_is_not_called_correlated():
    noisy = draw(PoissonGaussian(2.0, 60.0))
    colour = measure_colour([noisy], PoissonGaussian(2.0, 60.0))
    assert not colour.is_noise and not colour.is_structure
    assert abs(colour.inflation - 1) < 0.1
    assert "not noticeably" in colour.summary()


def test_structure_without_a_flat_region_is_not_taken_for_noise():
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=(320, 320)), 2.0)
    amplitude = 2 + 30 * np.linspace(0, 1, 320) ** 2  # nowhere is it flat, but least at one end
    noisy = 100 + amplitude * texture / texture.std() + rng.normal(0, 3, texture.shape)
    colour = measure_colour([noisy], Gaussian(3.0))
    assert colour.is_structure and not colour.is_noise
    assert "flat" in colour.summary()


@pytest.mark.parametrize("planes", [[], [np.zeros((256, 256))], [np.eye(20)]])
def test_where_nothing_can_be_measured_it_says_so(planes):
    colour = measure_colour(planes, Gaussian(1.0))
    assert not colour.is_noise and colour.windows == 0
    assert "too small" in colour.summary()
    assert coloured(Gaussian(1.0), colour).law == Gaussian(1.0)


def test_many_windows_are_never_held_at_once():
    plane = clean_plane(np.random.default_rng(0).normal(100, 3, (2048, 2048)))
    measure_colour([plane.pixels[:64, :64]], Gaussian(3.0))
    tracemalloc.start()
    colour = measure_colour([plane], Gaussian(3.0))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert colour.inflation == pytest.approx(1, abs=0.02)
    assert most < 150e6  # 20 million bytes of products, and about a hundred of a thousand windows


@pytest.mark.parametrize(("width", "told"), [(0.7, True), (2.0, False)])
def test_the_check_says_nothing_of_the_size_of_noise_that_second_differences_do_not_see(
    width, told
):
    noise = Coloured(Gaussian(3.0), blur(width, reach=8))
    found = check(draw(noise, np.full((256, 256), 50.0)), Coloured(Gaussian(9.0), blur(width, 8)))
    assert found.size_seen == told
    assert (found.verdict == "too strong") == told
    assert ("could not be compared" in found.summary()) != told


@pytest.mark.parametrize("width", [0.01, 0.5, 0.7])
def test_second_differences_see_that_share_of_the_variance(width):
    noise = draw(Coloured(Gaussian(1.0), blur(width)), np.zeros((512, 512)))
    seen = neighbourhoods(noise, np.zeros(0), None).squares.mean()
    assert seen == pytest.approx(seen_share(blur(width)), rel=0.05)


def test_the_check_expects_the_correlation_of_the_model():
    noisy = draw(TRUTH)
    right = check(noisy, TRUTH)
    assert right.verdict == "about right"
    assert right.correlation[0] == pytest.approx(right.correlation_predicted[0], abs=0.05)
    assert right.correlation_predicted[0] > 0.4
    assert "0.4" in right.summary() and not right.heavy_tails
    white = check(noisy, TRUTH.law)
    assert white.verdict == "correlated between neighbouring pixels"
    assert white.correlation_predicted == (0, 0, 0)
    too_smooth = check(noisy, Coloured(TRUTH.law, blur(1.0)))
    assert too_smooth.verdict == "correlated between neighbouring pixels"
    assert "otherwise than the model predicts" in too_smooth.summary()
    too_weak = check(noisy, Coloured(PoissonGaussian(0.5, 15.0), blur(0.6)))
    assert too_weak.verdict == "too weak"


def test_the_residual_is_whitened_before_its_correlation_is_judged():
    noisy = draw(TRUTH)
    right = residual_check(noisy, SIGNAL, TRUTH)
    assert abs(right.correlation) < 0.03 and right.variance == pytest.approx(1, abs=0.1)
    assert "camera noise alone" in right.verdict
    assert residual_check(noisy, SIGNAL, TRUTH.law).correlation > 0.4
    smoothed = ndimage.gaussian_filter(SIGNAL, 4)
    assert "structured" in residual_check(noisy, smoothed, TRUTH).verdict
