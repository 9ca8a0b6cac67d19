"""Error bars of known size get the scores that closed forms, SciPy and simulation give them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation import (
    coverage,
    expected_calibration_error,
    gaussian_crps,
    interval_factor,
    normalised_calibration_error,
    reliability_curve,
    sample_crps,
    spread_bins,
)
from ladderscope.evaluation.reliability import DIAGRAM_LEVELS

RNG = np.random.default_rng(0)


# -- intervals and their coverage


@given(st.floats(0.01, 0.99), st.integers(2, 200))
def test_the_factor_is_the_quantile_of_the_predictive_distribution(level, samples):
    assert interval_factor(level) == pytest.approx(stats.norm.interval(level)[1])
    wider = stats.t(samples - 1).interval(level)[1] * np.sqrt(1 + 1 / samples)
    assert interval_factor(level, samples) == pytest.approx(wider)


def test_intervals_from_few_samples_still_cover_what_they_say():
    drawn = RNG.normal(5, 2, (6, 200_000))
    samples, truth = drawn[:5], drawn[5]
    spread, error = samples.std(0, ddof=1), samples.mean(0) - truth
    found = coverage(spread, error, factor=interval_factor(0.9, samples=5))
    assert found == pytest.approx(0.9, abs=0.003)
    assert coverage(spread, error, 0.9) < 0.82, "the normal interval of five samples is too narrow"


@given(st.floats(0.2, 5), st.sampled_from([0.5, 0.9, 0.95]))
def test_a_spread_that_is_wrong_by_a_factor_has_the_coverage_of_the_closed_form(ratio, level):
    error = np.random.default_rng(1).normal(0, 3, 40_000)
    expected = 2 * stats.norm.cdf(ratio * stats.norm.ppf(0.5 + level / 2)) - 1
    assert coverage(np.full(40_000, 3 * ratio), error, level) == pytest.approx(expected, abs=0.012)


def test_the_reliability_curve_is_the_coverage_of_every_level():
    spread = RNG.gamma(2, 1, (60, 50))
    error = RNG.normal(0, 1.5 * spread)
    found = reliability_curve(spread, error)
    assert list(found) == [coverage(spread, error, level) for level in DIAGRAM_LEVELS]
    assert np.all(np.diff(found) > 0)
    assert np.all(found < DIAGRAM_LEVELS)


def test_the_calibration_error_is_the_area_between_curve_and_diagonal():
    assert expected_calibration_error(DIAGRAM_LEVELS, DIAGRAM_LEVELS) == 0
    assert expected_calibration_error(DIAGRAM_LEVELS, np.zeros(19)) == pytest.approx(0.5)
    error = RNG.normal(size=100_000)
    curve = reliability_curve(np.full(100_000, 0.5), error)
    levels = np.array(DIAGRAM_LEVELS)
    covered = 2 * stats.norm.cdf(0.5 * stats.norm.ppf(0.5 + levels / 2)) - 1
    expected = np.mean(levels - covered)
    assert expected_calibration_error(levels, curve) == pytest.approx(expected, abs=0.003)
    with pytest.raises(LadderscopeError, match="3 nominal and 2 empirical"):
        expected_calibration_error([0.1, 0.2, 0.3], [0.1, 0.2])


# -- spread against error


def test_bins_hold_equally_many_pixels_and_their_root_mean_squares():
    spread = RNG.permutation(np.arange(1.0, 101.0)).reshape(10, 10)
    error = RNG.normal(0, spread)
    found = spread_bins(spread, error, bins=4)
    order = np.argsort(spread, axis=None).reshape(4, 25)
    assert list(found.pixels) == [25] * 4
    for at, pixels in enumerate(order):
        assert found.spread[at] == pytest.approx(np.sqrt(np.mean(spread.flat[pixels] ** 2)))
        assert found.error[at] == pytest.approx(np.sqrt(np.mean(error.flat[pixels] ** 2)))


def test_equal_spreads_share_a_bin():
    found = spread_bins(np.array([1.0] * 7 + [2.0] * 3), np.ones(10), bins=5)
    assert (list(found.pixels), list(found.spread)) == ([7, 3], [1, 2])
    (one,) = spread_bins(np.ones(9), np.ones(9)).pixels
    assert one == 9


@pytest.mark.parametrize(("ratio", "expected"), [(1, 0), (2, 1), (0.8, 0.2)])
def test_the_normalised_error_is_by_how_much_the_spread_is_wrong(ratio, expected):
    spread = RNG.uniform(1, 9, 200_000)
    bins = spread_bins(spread, RNG.normal(0, ratio * spread))
    assert normalised_calibration_error(bins) == pytest.approx(expected, abs=0.012)


def test_errors_without_any_spread_are_infinitely_wrong():
    assert normalised_calibration_error(spread_bins(np.zeros(4), np.ones(4))) == np.inf
    assert normalised_calibration_error(spread_bins(np.zeros(4), np.zeros(4))) == 0


# -- CRPS


@pytest.mark.parametrize(("spread", "error"), [(1, 0), (2, 1.5), (0.3, -4), (5, 30)])
def test_the_closed_form_is_the_integral_that_defines_crps(spread, error):
    def squared(x):
        return (stats.norm.cdf(x, error, spread) - (x >= 0)) ** 2

    below, above = sorted((0, error))
    pieces = [(below - 12 * spread, below), (below, above), (above, above + 12 * spread)]
    expected = sum(integrate.quad(squared, *piece, limit=200)[0] for piece in pieces)
    found = gaussian_crps(np.array([float(spread)]), np.array([float(error)]))
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_right_spread_has_the_smallest_crps():
    error = RNG.normal(0, 3, 50_000)
    scores = [gaussian_crps(np.full(50_000, size), error) for size in (0.0, 2.0, 3.0, 4.5)]
    assert min(scores) == scores[2]
    assert scores[2] == pytest.approx(3 / np.sqrt(np.pi), rel=0.01)
    assert scores[0] == pytest.approx(np.abs(error).mean())


def test_the_crps_of_samples_does_not_depend_on_how_few_there_are():
    truth = RNG.normal(size=100_000)
    for count in (2, 5):
        drawn = RNG.normal(0, 2, (count, 100_000))
        pairs = [np.abs(drawn[i] - drawn[j]) for i in range(count) for j in range(i)]
        direct = np.mean(np.abs(drawn - truth)) - 0.5 * np.mean(pairs)
        found = sample_crps(drawn, truth)
        assert found == pytest.approx(direct)
        assert found == pytest.approx(gaussian_crps(np.full_like(truth, 2), truth), abs=0.02)


# -- refusals


@pytest.mark.parametrize("measure", [coverage, reliability_curve, spread_bins, gaussian_crps])
@pytest.mark.parametrize(
    ("spread", "said"),
    [
        (np.ones((3, 4)), r"\(3, 4\) and the error \(4, 3\)"),
        (np.full((4, 3), -1.0), "-1"),
        (np.full((4, 3), np.nan), "nan"),
    ],
)
def test_a_spread_that_cannot_be_one_is_refused(measure, spread, said):
    with pytest.raises(LadderscopeError, match=said):
        measure(spread, np.ones((4, 3)))


def test_levels_and_samples_that_give_no_interval_are_refused():
    for level in (0, 1, 90, float("nan")):
        with pytest.raises(LadderscopeError, match="between 0 and 1"):
            interval_factor(level)
    with pytest.raises(LadderscopeError, match="1 sample "):
        interval_factor(0.9, samples=1)
    with pytest.raises(LadderscopeError, match="at least 2"):
        sample_crps(np.ones((1, 4)), np.ones(4))
    with pytest.raises(LadderscopeError, match=r"\(2, 4\) and the truth \(5,\)"):
        sample_crps(np.ones((2, 4)), np.ones(5))
