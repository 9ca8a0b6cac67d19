"""The residual tells removed noise from removed image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation import residual_check
from ladderscope.noise import Gaussian, PoissonGaussian

RNG = np.random.default_rng(0)
SIGNAL = 200 + 100 * np.sin(np.mgrid[:200, :200].sum(0) / 10)
CAMERA = PoissonGaussian(gain=2.0, intercept=9.0)
WHITE = RNG.normal(size=SIGNAL.shape)


def test_the_camera_s_noise_has_variance_one_and_no_correlation():
    noisy = SIGNAL + WHITE * np.sqrt(2 * SIGNAL + 9)
    check = residual_check(noisy.astype(np.float32), SIGNAL.astype(np.float32), CAMERA)
    assert check.variance == pytest.approx(1, abs=0.05)
    assert check.correlation == pytest.approx(0, abs=0.02)
    assert "noise alone" in check.verdict


def test_structure_in_the_residual_shows_as_correlation():
    blurred = gaussian_filter(SIGNAL, 8)
    check = residual_check(SIGNAL + 5 * WHITE, blurred, Gaussian(5.0))
    assert check.correlation > 0.5
    assert "structure" in check.verdict


def test_the_correlation_of_filtered_noise_is_the_filter_s():
    filtered = WHITE[:, 1:] + WHITE[:, :-1]
    check = residual_check(filtered, np.zeros_like(filtered), Gaussian(np.sqrt(2.0)))
    assert check.correlation == pytest.approx((0.5 + 0) / 2, abs=0.02)


@pytest.mark.parametrize(("sigma", "words"), [(10.0, "Less was removed"), (2.5, "More was")])
def test_noise_of_another_size_than_expected_is_reported(sigma, words):
    check = residual_check(SIGNAL + 5 * WHITE, SIGNAL, Gaussian(sigma))
    assert check.variance == pytest.approx((5 / sigma) ** 2, rel=0.05)
    assert words in check.verdict


def test_alternating_residuals_are_reported():
    checkers = np.where(np.indices(SIGNAL.shape).sum(0) % 2, 1.0, -1.0)
    check = residual_check(SIGNAL + checkers, SIGNAL, Gaussian(1.0))
    assert check.correlation == pytest.approx(-1)
    assert "alternates" in check.verdict


def test_integers_and_stacks_are_taken():
    stack = RNG.integers(0, 9, (3, 16, 16)).astype(np.uint16)
    assert residual_check(stack, stack, Gaussian(1.0)).variance == 0


def test_shapes_must_agree():
    with pytest.raises(LadderscopeError, match="shape"):
        residual_check(SIGNAL, SIGNAL[1:], Gaussian(1.0))
