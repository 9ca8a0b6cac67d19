"""A joint histogram keeps what matters of any number of pairs, in bounded memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ladderscope.noise import GaussianMixture, NoiseError
from ladderscope.noise_estimation import JointHistogram
from ladderscope.noise_estimation.clipping import (
    CEILING,
    clipped_at_black,
    clipped_counts,
    find_clipping,
)

Array = NDArray[np.float64]


def pairs(
    size: int = 40_000, seed: int = 0, gain: float = 2.0, read: float = 3.0
) -> tuple[Array, Array]:
    """Give observations and signals of a camera."""
    generator = np.random.default_rng(seed)
    signal = generator.uniform(10.0, 500.0, size)
    photons = generator.poisson(signal / gain)
    return gain * photons + read * generator.normal(size=size), signal


def counted(*parts: tuple[Array, Array]) -> JointHistogram:
    joint = JointHistogram()
    for observation, signal in parts:
        joint.add(observation, signal)
    return joint


@given(
    seed=st.integers(0, 1000),
    size=st.integers(1, 300),
    scale=st.sampled_from([1e-6, 1.0, 60_000.0]),
    offset=st.sampled_from([0.0, -5.0, 1e4]),
)
def test_sums_are_exact(seed: int, size: int, scale: float, offset: float) -> None:
    generator = np.random.default_rng(seed)
    signal = offset + scale * generator.random(size)
    observation = signal + scale * generator.normal(size=size)
    table = counted((observation, signal)).table()
    residual = observation - signal
    assert table.counts.sum() == size
    assert (table.signals * table.counts).sum() == pytest.approx(signal.sum(), rel=1e-9)
    found = (table.counts * (table.residual_variances + table.residual_means**2)).sum()
    assert found == pytest.approx((residual**2).sum(), rel=1e-6)


def test_the_variance_of_each_signal_is_found() -> None:
    joint = counted(pairs(400_000))
    table = joint.table().coarsened(20)
    expected = 2 * table.signals + 9
    assert (np.diff(table.signals) > 0).all()
    np.testing.assert_allclose(table.residual_variances, expected, rtol=0.06)
    assert 900 < joint.table().signals.size < 1200


def test_parts_make_the_same_whole() -> None:
    observation, signal = pairs()
    one = counted((observation, signal)).table()
    # the first part lays out the bins: give it the same one
    whole, rest = counted((observation, signal)), pairs(1000, seed=1)
    whole.add(*rest)
    for start in range(0, 1000, 100):
        part = slice(start, start + 100)
        joint = counted((observation, signal)) if start == 0 else joint
        joint.add(rest[0][part], rest[1][part])
    for name in ("sums", "marks", "cells"):
        np.testing.assert_allclose(getattr(joint.table(), name), getattr(whole.table(), name))
    assert whole.table().counts.sum() == one.counts.sum() + 1000


def test_bins_stay_few_whatever_comes_later() -> None:
    joint = counted(pairs())
    for power in range(1, 7):
        observation, signal = pairs(20_000, seed=power)
        joint.add(10.0**power * observation, 10.0**power * signal)
        joint.add(-(10.0**power) * observation, -(10.0**power) * signal)
    table = joint.table()
    assert table.counts.size <= 2048
    assert table.counts.sum() == 40_000 + 12 * 20_000
    assert (np.diff(table.signals) > 0).all()


def test_a_far_signal_takes_one_bin_and_no_resolution() -> None:
    observation, signal = pairs()
    observation[:3], signal[:3] = 60_000.0, 60_000.0
    assert counted((observation, signal)).table().signals.size > 900


def test_what_cells_round_away_is_negligible() -> None:
    observation, signal = pairs(200_000)
    joint = counted((observation, signal))
    table = joint.table().coarsened(256)
    rows, columns = np.nonzero(table.cells)
    signals, residuals, counts = (
        table.signals[rows],
        table.residuals[rows, columns],
        table.cells[rows, columns],
    )
    assert len(table.sums) <= 256
    assert counts.sum() == 200_000
    exact = np.mean((observation - signal) ** 2)
    assert np.average(residuals**2, weights=counts) == pytest.approx(exact, rel=1e-3)
    rows = [[-1.0, -3.0], [1.0, 3.0], [3.0, 6.0], [2.0, 7.0], [0.5, 0.0], [0.0, 0.3]]
    noise = GaussianMixture(rows, 10.0, 500.0, min_sigma=0.1)
    on_pixels = noise.log_likelihood(torch.from_numpy(observation), torch.from_numpy(signal))
    on_cells = noise.log_likelihood(
        torch.from_numpy(signals + residuals), torch.from_numpy(signals)
    )
    likelihood = np.average(on_cells.numpy(), weights=counts)
    assert likelihood == pytest.approx(float(on_pixels.mean()), abs=1e-3)


def test_a_noisy_signal_does_not_choose_its_bin() -> None:
    generator = np.random.default_rng(0)
    light = np.repeat([20.0, 500.0], 50_000)
    noise = np.array([[1.0], [1.0]]) * 4.0 * generator.normal(size=(2, light.size))
    signal, around = light + noise[0], light + noise[1] / 3
    joint = JointHistogram()
    joint.add(signal + 4 * generator.normal(size=light.size), signal, around=around)
    table = joint.table()
    dark = table.signals < 100
    # bins by the surroundings: all hold signals around 20, and none only the lowest of them
    thick = table.counts[dark] > 100
    assert abs(table.signals[dark][thick] - 20).max() < 4
    far = JointHistogram()
    far.add(signal + 4 * generator.normal(size=light.size), signal, around=np.full_like(light, 0.0))
    np.testing.assert_allclose(far.table().signals.max(), signal.max(), rtol=0.05)


def test_an_empty_plane_adds_nothing() -> None:
    joint = JointHistogram()
    joint.add(np.zeros((0, 5)), np.zeros((0, 5)))
    assert joint.table().counts.size == 0


def test_without_noise_there_is_no_variance() -> None:
    signal = np.linspace(0.0, 100.0, 1000)
    assert counted((signal, signal)).table().residual_variances.max() == 0


@given(rate=st.floats(0.05, 6.0), seed=st.integers(0, 100))
def test_zeros_of_a_photon_counter_are_not_clipped(rate: float, seed: int) -> None:
    counts = np.random.default_rng(seed).poisson(rate, 4000)
    tally = np.array([[np.count_nonzero(counts == value) for value in range(3)]], dtype=float)
    assert not clipped_at_black(tally)[0]


@pytest.mark.parametrize("read", [3.0, 10.0])
@pytest.mark.parametrize("light", [-1.0, 0.0, 1.0])
def test_what_falls_below_black_is_clipped(read: float, light: float) -> None:
    noise = np.random.default_rng(0).normal(light * read, read, 20_000)
    values = np.maximum(np.round(noise), 0)
    tally = np.array([[np.count_nonzero(values == value) for value in range(3)]], dtype=float)
    assert clipped_at_black(tally)[0]


def test_a_bin_that_hides_its_clipping_by_chance_is_told_by_its_neighbours() -> None:
    black = np.array([[737, 119, 61, 58, 0], [612, 95, 66, 45, 0], [801, 98, 39, 50, 0]], float)
    assert clipped_counts(black[1:2]).tolist() == [0]
    assert clipped_counts(black).tolist() == [119, 95, 98]


def test_the_ends_of_a_plane_are_marked() -> None:
    generator = np.random.default_rng(0)
    plane = np.clip(np.round(generator.normal(2000, 1000, (100, 100))), 0, 4095)
    found = find_clipping(plane, np.dtype(np.uint16))
    assert found.values == (0.0, 4095.0)
    assert ((found.marks == CEILING) == (plane == 4095)).all()
    assert ((found.marks == 1) == (plane == 0)).all()
    thin = find_clipping(generator.normal(2000, 1000, (100, 100)), np.dtype(np.float64))
    assert thin.values == ()
    assert not thin.marks.any()


def test_pixels_at_the_ceiling_are_counted() -> None:
    observation, signal = pairs(10_000)
    marks = np.where(observation > 400, CEILING, 0).astype(np.uint8)
    joint = JointHistogram()
    joint.add(observation, signal, marks)
    table = joint.table()
    assert table.clipped.sum() == np.count_nonzero(marks)
    assert table.clipped[table.signals < 200].sum() == 0


def test_whole_numbers_do_not_overflow() -> None:
    joint = JointHistogram()
    joint.add(np.full((40, 40), 3, dtype=np.uint8), np.full((40, 40), 200, dtype=np.uint8))
    assert joint.table().residual_means.tolist() == [-197.0]


def test_what_does_not_match_is_refused() -> None:
    with pytest.raises(NoiseError, match="shapes"):
        JointHistogram().add(np.zeros((4, 4)), np.zeros((4, 5)))
