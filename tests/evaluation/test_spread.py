"""Scores of error bars: the right numbers, and bounds that hold although errors are correlated."""

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation import (
    coverage,
    evaluate,
    expected_calibration_error,
    gaussian_crps,
    interval_factor,
    normalised_calibration_error,
    reliability_curve,
    spread_bins,
    spread_scores,
)
from ladderscope.evaluation.bounds import bounded_coverage, counted_by_square, squares_of
from ladderscope.evaluation.reliability import DIAGRAM_LEVELS
from ladderscope.images import Image
from ladderscope.noise import Gaussian, PoissonGaussian

RNG = np.random.default_rng(0)
TRUTH = gaussian_filter(RNG.gamma(1, 400, (2, 150, 170)), (0, 3, 3))
SPREAD = 1 + np.sqrt(TRUTH) / 10
PREDICTION = RNG.normal(TRUTH, 1.3 * SPREAD)
ERROR = PREDICTION - TRUTH


def test_all_scores_are_those_of_the_functions_of_arrays():
    scores = spread_scores(SPREAD, PREDICTION, TRUTH)
    assert [one.level for one in scores.coverage] == [0.5, 0.9, 0.95]
    for one in scores.coverage:
        assert one.found == coverage(SPREAD, ERROR, one.level)
        assert one.lower < one.found < one.upper
    curve = reliability_curve(SPREAD, ERROR)
    assert scores.covered == pytest.approx(curve)
    assert scores.levels == DIAGRAM_LEVELS
    assert scores.calibration_error == pytest.approx(
        expected_calibration_error(DIAGRAM_LEVELS, curve)
    )
    bins = spread_bins(SPREAD, ERROR)
    assert pytest.approx(np.array(bins)) == np.array(scores.bins).T
    assert scores.normalised_calibration_error == pytest.approx(normalised_calibration_error(bins))
    assert scores.normalised_calibration_error == pytest.approx(0.3, abs=0.02)
    assert scores.crps == pytest.approx(gaussian_crps(SPREAD, ERROR))
    assert scores.ranks_errors == pytest.approx(
        stats.spearmanr(SPREAD.ravel(), np.abs(ERROR).ravel()).statistic
    )


def test_intervals_of_few_samples_are_wider():
    drawn = RNG.normal(TRUTH, 1, (6, *TRUTH.shape))
    mean, std = drawn[:5].mean(0), drawn[:5].std(0, ddof=1)
    scores = spread_scores(std, mean, drawn[5], factor=lambda level: interval_factor(level, 5))
    assert scores.covered == pytest.approx(scores.levels, abs=0.01)


def test_coverage_by_brightness_is_of_fifths_of_the_prediction():
    brightness = RNG.permutation(np.arange(10_000.0)).reshape(100, 100)
    ratio = np.where(brightness < 2000, 3.0, 1.0)  # errors of the darkest fifth are three times
    prediction = brightness + 0.25
    scores = spread_scores(np.ones_like(ratio), prediction, prediction - ratio * 0.9)
    assert scores.by_brightness == (0, 1, 1, 1, 1)
    blank = np.zeros((100, 100))
    blank[:30] = brightness[:30] + 1
    found = spread_scores(np.ones_like(blank), blank, blank).by_brightness
    assert found == (None, None, None, 1, 1)


def test_the_noise_of_the_truth_is_allowed_for():
    camera = PoissonGaussian(gain=2.0, intercept=9.0)
    frames = 8
    clean = TRUTH[0]
    noisy = RNG.normal(clean, np.sqrt((2 * clean + 9) / frames))
    prediction = RNG.normal(clean, 3)
    images = [Image(one, "YX", "") for one in (prediction, noisy, np.full_like(clean, 3.0))]
    (naive,) = evaluate(*images)
    (corrected,) = evaluate(*images, truth_noise=camera, truth_frames=frames)
    assert naive.spread.coverage[1].found < 0.5
    assert corrected.spread.coverage[1].found == pytest.approx(0.9, abs=0.01)
    assert corrected.psnr == naive.psnr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"truth_noise": [Gaussian(1.0), Gaussian(2.0)]}, "2 noise models for 1 channel"),
        ({"factors": [interval_factor] * 3}, "3 factors for 1 channel"),
        ({"truth_frames": 0}, "truth_frames is 0"),
    ],
)
def test_what_does_not_fit_the_channels_is_refused(given, said):
    image = Image(TRUTH[0], "YX", "")
    with pytest.raises(LadderscopeError, match=said):
        evaluate(image, image, image, **given)


def test_error_bars_of_another_shape_are_refused():
    with pytest.raises(LadderscopeError, match=r"\(2, 150, 170\), .* \(150, 170\)"):
        spread_scores(SPREAD, PREDICTION[0], TRUTH)


# -- bounds


def bounds(inside):
    squares = squares_of(inside.shape)
    covered, pixels = (
        counted_by_square(one, 0, 0, squares) for one in (inside, np.ones_like(inside))
    )
    return bounded_coverage(0.9, covered, pixels)


@pytest.mark.parametrize(("smoothing", "least"), [(0, 0.88), (2, 0.86)])
def test_bounds_hold_the_true_coverage_although_errors_are_correlated(smoothing, least):
    held, widths, trials = 0, [], 120
    for _ in range(trials):
        noise = RNG.normal(size=(128, 128))
        if smoothing:
            noise = gaussian_filter(noise, smoothing, mode="wrap")
            noise *= 2 * smoothing * np.sqrt(np.pi)
        found = bounds(np.abs(noise) < stats.norm.ppf(0.95))
        held += found.lower <= 0.9 <= found.upper
        widths.append(found.upper - found.lower)
    assert held >= least * trials
    independent = 2 * 1.96 * np.sqrt(0.09 / 128**2)
    assert np.mean(widths) / independent == pytest.approx(1.1 if smoothing == 0 else 4.7, rel=0.25)


def test_independent_pixels_have_the_bounds_of_wilson():
    pixels = np.full(400, 100)
    covered = RNG.binomial(100, 0.9, 400)
    found = bounded_coverage(0.9, covered, pixels)
    expected = stats.binomtest(int(covered.sum()), 40_000).proportion_ci(method="wilson")
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high), abs=4e-4)


def test_extreme_coverages_have_bounds():
    full = bounds(np.ones((100, 100), bool))
    assert (full.found, full.upper) == (1, 1)
    assert 0.7 < full.lower < 0.95
    none = bounds(np.zeros((100, 100), bool))
    assert (none.found, none.lower) == (0, 0)
    assert none.upper == pytest.approx(1 - full.lower)
    assert bounded_coverage(0.9, np.array([3]), np.array([4])) == (0.9, 0.75, 0, 1)


def test_planes_of_one_scene_do_not_narrow_the_bounds():
    """The same errors in five frames are no more evidence than those in one."""
    inside = np.abs(RNG.normal(size=(128, 128))) < 1.6
    squares = squares_of(inside.shape)
    one = [counted_by_square(each, 0, 0, squares) for each in (inside, np.ones_like(inside))]
    single, repeated = (bounded_coverage(0.9, *(n * part for part in one)) for n in (1, 5))
    assert repeated == pytest.approx(single, abs=2e-3)
