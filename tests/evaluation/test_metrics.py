"""Metrics agree with scikit-image and with closed forms."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation import psnr, range_invariant_psnr, ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    truth = rng.normal(100, 20, (32, 40))
    return truth + rng.normal(0, 5, truth.shape), truth


def test_psnr_is_that_of_scikit_image(pair):
    noisy, truth = pair
    assert psnr(noisy, truth, peak=255) == pytest.approx(
        peak_signal_noise_ratio(truth, noisy, data_range=255)
    )
    assert psnr(noisy, truth) == psnr(noisy, truth, peak=np.ptp(truth))


def test_psnr_of_integers_does_not_wrap_around():
    truth = np.array([0, 255], np.uint8)
    assert psnr(truth[::-1].copy(), truth) == pytest.approx(0.0)


def test_equal_images_have_infinite_psnr(pair):
    assert psnr(pair[1], pair[1]) == math.inf


def test_range_invariant_psnr_ignores_scale_and_offset(pair):
    noisy, truth = pair
    assert range_invariant_psnr(0.01 * noisy - 7, truth) == pytest.approx(
        range_invariant_psnr(noisy, truth)
    )
    assert range_invariant_psnr(noisy, truth) >= psnr(noisy, truth)


def test_range_invariant_psnr_fits_by_least_squares(pair):
    noisy, truth = pair
    slope, offset = np.polyfit(noisy.ravel(), truth.ravel(), 1)
    assert range_invariant_psnr(noisy, truth) == pytest.approx(psnr(slope * noisy + offset, truth))


def test_a_constant_prediction_is_as_good_as_the_mean(pair):
    _, truth = pair
    expected = 10 * math.log10(np.ptp(truth) ** 2 / truth.var())
    assert range_invariant_psnr(np.zeros_like(truth), truth) == pytest.approx(expected)


def test_ssim_is_that_of_the_paper_and_the_mean_over_planes(pair):
    noisy, truth = pair
    expected = structural_similarity(
        noisy,
        truth,
        data_range=np.ptp(truth),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(noisy, truth) == pytest.approx(expected)
    both = ssim(np.stack([noisy, truth]), np.stack([truth, truth]))
    assert both == pytest.approx((expected + 1) / 2)


@pytest.mark.parametrize("metric", [psnr, range_invariant_psnr, ssim])
def test_images_that_cannot_be_compared_are_refused(metric):
    with pytest.raises(LadderscopeError, match="shape"):
        metric(np.zeros((16, 16)), np.zeros((16, 17)))
    with pytest.raises(LadderscopeError, match="no pixels"):
        metric(np.zeros((0, 16)), np.zeros((0, 16)))
    with pytest.raises(LadderscopeError, match="constant"):
        metric(np.zeros((16, 16)), np.ones((16, 16)))


def test_ssim_needs_room_for_its_window():
    with pytest.raises(LadderscopeError, match="11×11"):
        ssim(np.eye(10), np.eye(10))
