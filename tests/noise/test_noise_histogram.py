"""The histogram: a density in every sense, differentiable, and with tails."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import integrate, stats

from ladderscope.noise.entries import NoiseError
from ladderscope.noise.histogram import Histogram

RESIDUALS = np.linspace(-5, 5, 41)
SIGNALS = np.array([10.0, 40.0, 200.0])
DEVIATIONS = np.array([2.0, 5.0, 9.0])
DENSITIES = np.stack(
    [stats.gamma(a, loc=-math.sqrt(a), scale=1 / math.sqrt(a)).pdf(RESIDUALS) for a in (2, 5, 40)]
)
HISTOGRAM = Histogram(SIGNALS, DEVIATIONS, DENSITIES, reach=5.0)
# Before the first knot, on knots, between them, and beyond the last.
WHERE = [-50.0, 10.0, 18.0, 40.0, 150.0, 200.0, 4000.0]


def density(model: Histogram, signal: float, points: int = 200_001) -> tuple[NDArray, NDArray]:
    """Observations around a signal, and the density of each."""
    reach = 8 * max(model.reach, 3) * max(model.deviations)
    observation = torch.linspace(signal - reach, signal + reach, points, dtype=torch.float64)
    value = model.log_likelihood(observation, torch.tensor(signal, dtype=torch.float64))
    return observation.numpy(), value.exp().numpy()


@pytest.mark.parametrize("signal", WHERE)
def test_it_integrates_to_one_and_has_the_moments_of_its_density(signal: float) -> None:
    observation, p = density(HISTOGRAM, signal)
    mean, variance = (float(m) for m in HISTOGRAM.moments(torch.tensor(signal).double()))
    assert integrate.trapezoid(p, observation) == pytest.approx(1, abs=1e-6)
    assert integrate.trapezoid(p * observation, observation) == pytest.approx(mean, abs=1e-5)
    second = integrate.trapezoid(p * (observation - mean) ** 2, observation)
    assert second == pytest.approx(variance, rel=1e-5)


@given(
    data=st.data(),
    knots=st.integers(1, 4),
    columns=st.integers(3, 9),
    reach=st.floats(0.5, 30),
    signal=st.floats(-100, 500),
)
def test_any_table_becomes_a_density(
    data: st.DataObject, knots: int, columns: int, reach: float, signal: float
) -> None:
    table = data.draw(arrays(np.float64, (knots, columns), elements=st.floats(0, 1e3)))
    table[:, 1] += 0.01
    deviations = data.draw(arrays(np.float64, knots, elements=st.floats(0.5, 3)))
    model = Histogram(np.arange(knots) * 100.0, deviations, table, reach)
    observation, p = density(model, signal)
    assert np.isfinite(p).all() and (p >= 0).all()
    assert integrate.trapezoid(p, observation) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("signal", WHERE)
def test_samples_follow_the_density(signal: float) -> None:
    drawn = HISTOGRAM.sample(
        torch.full((20_000,), signal, dtype=torch.float64), torch.Generator().manual_seed(5)
    )
    observation, p = density(HISTOGRAM, signal)
    cdf = integrate.cumulative_trapezoid(p, observation, initial=0)
    test = stats.kstest(drawn.numpy(), lambda y: np.interp(y, observation, cdf))
    assert test.pvalue > 0.01


def test_outliers_are_drawn_as_often_as_they_are_likely() -> None:
    drawn = HISTOGRAM.sample(torch.full((1_000_000,), 40.0), torch.Generator().manual_seed(6))
    beyond = int(((drawn - 40).abs() > 5 * HISTOGRAM.deviations[1]).sum())
    expected = 1_000_000 * 1e-3 * 2 * stats.norm.sf(5, scale=3)
    assert abs(beyond - expected) < 4 * math.sqrt(expected)


def test_density_is_interpolated_in_signal_and_residual() -> None:
    signal, observation = 80.0, 84.0  # a quarter of the way from the second to the third knot
    deviation = 0.75 * DEVIATIONS[1] + 0.25 * DEVIATIONS[2]
    residual = (observation - signal) / deviation
    rows = DENSITIES.copy()
    rows[:, [0, -1]] = 0
    rows /= rows.sum(1, keepdims=True) * 0.25
    at = [np.interp(residual, RESIDUALS, row) for row in rows]
    table = 0.75 * at[1] + 0.25 * at[2]
    expected = (0.999 * table + 0.001 * stats.norm.pdf(residual, scale=3)) / deviation
    value = HISTOGRAM.log_likelihood(torch.tensor(observation).double(), torch.tensor(signal))
    assert float(value) == pytest.approx(math.log(expected), abs=1e-9)


def test_a_fine_table_of_a_gaussian_is_that_gaussian() -> None:
    residuals = np.linspace(-6, 6, 401)
    model = Histogram([0.0], [7.0], np.exp(-0.5 * residuals**2)[None], 6.0)
    observation = torch.linspace(-21, 21, 301, dtype=torch.float64)
    expected = torch.distributions.Normal(0.0, 7.0).log_prob(observation)
    value = model.log_likelihood(observation, torch.zeros(1))
    torch.testing.assert_close(value, expected, rtol=0, atol=0.02)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("signal", WHERE)
def test_a_thousand_sigma_away_it_is_the_wide_gaussian(signal: float, sign: float) -> None:
    true = torch.tensor(signal, requires_grad=True)
    deviation = float(np.interp(signal, SIGNALS, DEVIATIONS))
    observation = torch.tensor(signal + sign * 1000 * deviation, requires_grad=True)
    value = HISTOGRAM.log_likelihood(observation, true)
    value.backward()
    expected = stats.norm.logpdf(1000, scale=3) + math.log(1e-3 / deviation)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=1e-4)
    assert observation.grad is not None and true.grad is not None
    assert float(observation.grad) == pytest.approx(-sign * 1000 / 9 / deviation, rel=1e-3)
    assert true.grad.isfinite()


def test_longest_tables_have_finite_values_and_gradients_in_single_precision() -> None:
    residuals = np.linspace(-30, 30, 301)
    model = Histogram([0.0, 1.0], [0.1, 5.0], np.exp(-0.5 * np.stack([residuals] * 2) ** 2), 30.0)
    observation = torch.linspace(-200, 200, 4001, requires_grad=True)
    signal = torch.linspace(-1, 2, 4001, requires_grad=True)
    value = model.log_likelihood(observation, signal)
    value.sum().backward()
    for numbers in (value, observation.grad, signal.grad):
        assert numbers is not None and numbers.isfinite().all()


def test_density_has_no_step_where_the_table_ends() -> None:
    edge = 40 + 5 * 5.0
    observation = torch.tensor([edge - 1e-6, edge + 1e-6], dtype=torch.float64)
    inside, outside = HISTOGRAM.log_likelihood(observation, torch.tensor(40.0))
    assert float(inside) == pytest.approx(float(outside), abs=1e-3)


def test_scale_and_ends_of_a_row_do_not_matter() -> None:
    other = DENSITIES * np.array([[1.0], [1e6], [0.3]])
    other[:, 0] = 5.0
    again = Histogram(SIGNALS.tolist(), DEVIATIONS.tolist(), other.tolist(), 5.0)
    np.testing.assert_allclose(again.densities, HISTOGRAM.densities, rtol=1e-12)
    assert Histogram(SIGNALS, DEVIATIONS, np.array(again.densities), 5.0) == again
    assert hash(Histogram(SIGNALS, DEVIATIONS, DENSITIES, 5.0)) == hash(HISTOGRAM)


def test_its_name_is_short() -> None:
    assert len(repr(HISTOGRAM)) < 100


@pytest.mark.parametrize(
    ("signals", "deviations", "densities", "reach", "message"),
    [
        (SIGNALS[:2], DEVIATIONS, DENSITIES, 5.0, r"\(2,\), \(3,\) and \(3, 41\)"),
        (SIGNALS, DEVIATIONS[:2], DENSITIES, 5.0, "shapes"),
        (SIGNALS, DEVIATIONS, DENSITIES[:2], 5.0, "shapes"),
        (SIGNALS, DEVIATIONS, DENSITIES[:, :2], 5.0, "three densities"),
        (SIGNALS, DEVIATIONS, DENSITIES[0], 5.0, "shapes"),
        (np.zeros(0), np.zeros(0), np.zeros((0, 5)), 5.0, "shapes"),
        (SIGNALS, DEVIATIONS, DENSITIES, 0.0, "reach"),
        (SIGNALS, DEVIATIONS, DENSITIES, 31.0, "reach"),
        (SIGNALS, DEVIATIONS, DENSITIES, math.nan, "reach"),
        (SIGNALS[::-1], DEVIATIONS, DENSITIES, 5.0, "ascend"),
        (np.array([1.0, 1.0, 2.0]), DEVIATIONS, DENSITIES, 5.0, "ascend"),
        (np.array([1.0, 1 + 1e-9, 2.0]), DEVIATIONS, DENSITIES, 5.0, "single precision"),
        (SIGNALS, -DEVIATIONS, DENSITIES, 5.0, "positive"),
        (SIGNALS, DEVIATIONS * 0, DENSITIES, 5.0, "positive"),
        (SIGNALS, DEVIATIONS, -DENSITIES, 5.0, "negative"),
        (SIGNALS, DEVIATIONS, DENSITIES * [[1], [0], [1]], 5.0, "row 1"),
        (SIGNALS, DEVIATIONS, DENSITIES * math.nan, 5.0, "'densities'.*finite"),
    ],
)
def test_impossible_tables_are_refused(
    signals: NDArray[np.float64],
    deviations: NDArray[np.float64],
    densities: NDArray[np.float64],
    reach: float,
    message: str,
) -> None:
    with pytest.raises(NoiseError, match=message):
        Histogram(signals, deviations, densities, reach)
