"""Calibrated intervals cover what they promise, against simulated errors and closed forms."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import LEVELS, Calibration
from ladderscope.evaluation.with_truth import calibrate
from ladderscope.evaluation.without_truth import calibrate_without_truth

PIXELS = 100_000


def simulated(seed, pixels=PIXELS):
    """Predicted standard deviations, intensities, and errors that are larger than predicted."""
    rng = np.random.default_rng(seed)
    std, mean = rng.gamma(4.0, 0.5, pixels), rng.gamma(2.0, 10.0, pixels)
    true = np.sqrt(0.3**2 + (1.4 * std) ** 2) * np.where(mean > 20, 1.3, 1.0)
    return mean, std, true, rng


def coverage(calibration, mean, std, truth, level=0.9, samples=16):
    half = calibration.std(std, mean) * calibration.multiplier(level, samples)
    return np.abs(truth - mean) <= half


@pytest.mark.parametrize("law", [stats.norm(), stats.t(4, scale=0.5**0.5), stats.laplace()])
def test_new_pixels_are_covered_as_promised_whatever_the_law_of_errors(law):
    mean, std, true, rng = simulated(0)
    calibration = calibrate(mean, std, mean + true * law.rvs(PIXELS, random_state=rng))
    mean, std, true, rng = simulated(1)
    truth = mean + true * law.rvs(PIXELS, random_state=rng)
    for level in LEVELS:
        assert np.mean(coverage(calibration, mean, std, truth, level)) == pytest.approx(
            level, abs=0.006
        )


def test_coverage_holds_in_every_fifth_of_brightness_and_of_the_standard_deviation():
    mean, std, true, rng = simulated(0)
    calibration = calibrate(mean, std, mean + rng.normal(0, true))
    mean, std, true, rng = simulated(1)
    covered = coverage(calibration, mean, std, mean + rng.normal(0, true))
    for by in (mean, std):
        order = np.argsort(by)
        for fifth in np.split(order, 5):
            assert 0.88 < covered[fifth].mean() < 0.92


def test_the_standard_deviation_becomes_the_root_mean_square_error():
    mean, std, true, rng = simulated(0)
    calibration = calibrate(mean, std, mean + rng.normal(0, true))
    mapped = calibration.std(std, mean)
    for low, high in ((0.5, 1.0), (1.0, 2.0), (2.0, 4.0)):
        inside = (std > low) & (std < high)
        rms = np.sqrt(np.mean(mapped[inside] ** 2) / np.mean(true[inside] ** 2))
        assert rms == pytest.approx(1.0, abs=0.03)
    assert calibration.error_after < 0.001 < calibration.error_before


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5.0), st.integers(1_000, 5_000))
def test_the_map_rises_with_the_standard_deviation_at_every_brightness(seed, scale, pixels):
    rng = np.random.default_rng(seed)
    std = rng.gamma(2.0, 1.0, pixels)
    mean = rng.normal(50, 10, pixels)
    calibration = calibrate(mean, std, mean + scale * rng.normal(0, std[rng.permutation(pixels)]))
    grid = np.linspace(0, 2 * std.max(), 200)
    for brightness in (0.0, 50.0, 90.0):
        mapped = calibration.std(grid, np.full(200, brightness))
        assert mapped[0] == 0
        assert np.all(np.diff(mapped) >= -1e-9 * mapped.max())
    multipliers = [calibration.multiplier(level, 16) for level in np.linspace(0.05, 0.995, 60)]
    assert np.all(np.diff(multipliers) > 0)


def test_known_noise_of_the_truth_is_subtracted_and_unknown_noise_widens():
    mean, std, true, rng = simulated(0)
    noise = 3.0
    truth = mean + rng.normal(0, true)
    noisy = truth + rng.normal(0, noise, PIXELS)
    knows = calibrate(mean, std, noisy, noise**2, source="second exposure")
    ignores = calibrate(mean, std, noisy)
    assert np.mean(coverage(knows, mean, std, truth)) == pytest.approx(0.9, abs=0.01)
    assert np.mean(coverage(ignores, mean, std, truth)) > 0.95
    assert "second exposure" in knows.summary()


def test_a_truth_in_other_units_is_refused_or_matched():
    mean, std, true, rng = simulated(0)
    truth = 3.0 * (mean + rng.normal(0, true)) + 100.0
    with pytest.raises(LadderscopeError, match=r"about 3 times.*100.*match=True"):
        calibrate(mean, std, truth)
    matched = calibrate(mean, std, truth, match=True)
    assert matched.scale == pytest.approx(3.0, rel=0.02)
    assert "was matched" in matched.summary()
    plain = calibrate(mean, std, (truth - 100.0) / 3.0)
    assert matched.std(std, mean).mean() == pytest.approx(plain.std(std, mean).mean(), rel=0.03)
    with pytest.raises(LadderscopeError, match="same field"):
        calibrate(mean, std, -truth, match=True)


def test_too_few_pixels_and_other_shapes_are_refused():
    mean = np.zeros((40, 40))
    std = np.ones((40, 40))
    std[:, 20:] = 0  # padding
    with pytest.raises(LadderscopeError, match=r"800 pixels.*1,000"):
        calibrate(mean, std, mean)
    with pytest.raises(LadderscopeError, match=r"\(40, 40\).*\(40, 39\)"):
        calibrate(mean, std, mean[:, 1:])


def test_fewer_samples_than_in_the_calibration_give_wider_intervals():
    mean, std, true, rng = simulated(0)
    calibration = calibrate(mean, std, mean + rng.normal(0, true), samples=16)
    by_samples = [calibration.multiplier(0.9, samples) for samples in (2, 4, 16, 50, 0)]
    assert by_samples[0] > by_samples[1] > by_samples[2] == by_samples[3] == by_samples[4]


# -- sums of held-out recordings

MADE = "held-out recordings"


@pytest.mark.parametrize("source", ["held-out pairs", "held-out recordings"])
def test_held_out_sums_widen_error_bars_as_far_as_they_ask(source):
    mean, _, true, rng = simulated(0)
    truth, std = mean + rng.normal(0, true), 0.5 * true
    plain, made = (calibrate(mean, std, truth, source=one) for one in ("truth", source))
    np.testing.assert_array_equal(made.std(std, mean), plain.std(std, mean))
    assert made.multipliers == plain.multipliers
    assert np.mean(coverage(made, mean, std, truth)) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("source", ["held-out pairs", "held-out recordings"])
def test_held_out_sums_narrow_error_bars_half_as_far_as_they_ask(source):
    mean, _, true, rng = simulated(0)
    truth, std = mean + rng.normal(0, true), 2.0 * true
    plain, made = (calibrate(mean, std, truth, source=one) for one in ("truth", source))
    wanted = np.sqrt(plain.std(std, mean) * std)
    np.testing.assert_allclose(made.std(std, mean), wanted, rtol=0.03)
    assert made.multipliers == plain.multipliers
    assert np.mean(coverage(made, mean, std, truth)) > 0.95
    assert "narrowed half as far" in made.summary()


def test_neighbouring_errors_show_structure_that_was_taken_for_noise():
    mean, _, true, rng = simulated(0)
    error = rng.normal(0, true)
    believed = 0.9 * true**2  # the truth is free of noise
    neighbours = 0.8 * error**2
    plain = calibrate(mean, true, mean + error, believed)
    made = calibrate(mean, true, mean + error, believed, neighbours=neighbours)
    assert np.mean(plain.std(true, mean) / true) < 0.5
    assert np.mean(made.std(true, mean) / true) == pytest.approx(0.8**0.5, abs=0.02)


def test_neighbouring_errors_change_nothing_where_the_noise_is_known():
    mean, std, true, rng = simulated(0)
    error = rng.normal(0, true)
    noisy = mean + error + rng.normal(0, 2.0, PIXELS)
    plain = calibrate(mean, std, noisy, 4.0)
    made = calibrate(mean, std, noisy, 4.0, neighbours=0.5 * error**2)
    np.testing.assert_array_equal(made.std(std, mean), plain.std(std, mean))


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_heavy_tails_narrow_the_intervals_of_low_levels_with_a_noisy_truth_too(noise):
    rng = np.random.default_rng(0)
    mean, std = np.zeros(PIXELS), np.ones(PIXELS)
    error = np.where(rng.random(PIXELS) < 0.05, 4.0, 0.5) * rng.normal(size=PIXELS)
    truth = error + rng.normal(0, noise, PIXELS)
    made = calibrate(mean, std, truth, noise**2)
    assert made.std(std, mean).mean() == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.05)
    assert np.mean(coverage(made, mean, std, error)) == pytest.approx(0.9, abs=0.03)


# -- without truth


def denoised(seed, shrink=1.0, pixels=PIXELS):
    """The posterior mean of a Gaussian prior, which follows the image as Wiener's filter does."""
    rng = np.random.default_rng(seed)
    variance = rng.uniform(1.0, 4.0, pixels)  # of the signal; that of the noise is 9
    signal = rng.normal(0, np.sqrt(variance))
    weight = shrink * variance / (variance + 9.0)
    observed = signal + rng.normal(0, 3.0, pixels)
    noise = rng.normal(0, 3.0, pixels)
    follows = noise**2 * weight
    mean = weight * observed
    surplus = (observed - mean) ** 2 - 9.0 + follows
    posterior = np.sqrt(variance * 9.0 / (variance + 9.0))
    return signal, mean, posterior, follows, surplus


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0])
def test_without_truth_error_bars_that_are_too_small_are_widened_to_the_posterior(factor):
    _, mean, posterior, follows, surplus = denoised(0)
    calibration = calibrate_without_truth(factor * posterior, follows, surplus, 0.9, samples=10_000)
    mapped = calibration.std(factor * posterior, mean)
    assert np.sqrt(np.mean(mapped**2) / np.mean(posterior**2)) == pytest.approx(1.0, abs=0.03)
    expected = 2 * stats.norm.cdf(1.645 * factor) - 1
    assert calibration.before[LEVELS.index(0.9)] == pytest.approx(expected, abs=0.02)
    assert calibration.after[LEVELS.index(0.9)] == pytest.approx(0.9, abs=0.02)


def test_without_truth_error_bars_are_never_narrowed():
    _, mean, posterior, follows, surplus = denoised(0)
    calibration = calibrate_without_truth(2 * posterior, follows, surplus)
    mapped = calibration.std(2 * posterior, mean)
    assert np.all(mapped >= 2 * posterior * (1 - 1e-6))
    assert not calibration.changes
    assert calibration.after[LEVELS.index(0.9)] > 0.98
    assert "unchanged" in calibration.summary()


def test_without_truth_a_network_that_removes_signal_is_found_out():
    signal, mean, posterior, follows, surplus = denoised(0, shrink=0.1)
    doubt = 0.1
    small = 0.3 * posterior
    calibration = calibrate_without_truth(small, follows, surplus, doubt)
    error = np.sqrt(np.mean((mean - signal) ** 2))
    found = np.sqrt(np.mean(calibration.std(small, mean) ** 2))
    assert 0.85 < found / error < 1.05
    hidden = calibrate_without_truth(small, follows, surplus, 5.0)
    assert np.sqrt(np.mean(hidden.std(small, mean) ** 2)) < 0.6 * error


def test_a_calibration_is_plain_numbers():
    mean, std, true, rng = simulated(0, 2_000)
    calibration = calibrate(mean, std, mean + rng.normal(0, true))
    assert Calibration(**asdict(calibration)) == calibration
    assert all(type(number) is float for number in calibration.predicted + calibration.multipliers)
