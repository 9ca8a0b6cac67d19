"""Budgets, and learning rates along them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.errors import LadderscopeError
from ladderscope.training import Budget
from ladderscope.training.budget import CosineRate, PlateauRate

FRACTIONS = st.floats(0, 1)


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"minutes": 5.0, "steps": 0},
        {"minutes": 0.0},
        {"minutes": -1.0},
        {"minutes": math.nan},
        {"minutes": math.inf},
        {"steps": 0},
        {"steps": -5},
    ],
    ids=str,
)
def test_a_budget_is_positive(given_):
    with pytest.raises(LadderscopeError, match="budget"):
        Budget(**given_)


@given(st.integers(1, 10**6), st.integers(0, 10**7), st.floats(0, 1e6))
def test_a_budget_of_steps_knows_no_time(steps, done, seconds):
    budget = Budget(steps=steps)
    assert budget.fraction(done, seconds) == min(1, done / steps)


@given(st.floats(1e-3, 1e4), st.integers(0, 10**7), st.floats(0, 1e6))
def test_a_budget_of_minutes_knows_no_steps(minutes, done, seconds):
    assert Budget(minutes=minutes).fraction(done, seconds) == pytest.approx(
        min(1, seconds / 60 / minutes)
    )


@given(st.floats(1e-3, 1e4), st.integers(1, 10**6), st.integers(0, 10**7), st.floats(0, 1e6))
def test_of_minutes_and_steps_what_is_spent_first_counts(minutes, steps, done, seconds):
    both = Budget(minutes=minutes, steps=steps).fraction(done, seconds)
    assert both == max(
        Budget(minutes=minutes).fraction(done, seconds), Budget(steps=steps).fraction(done, seconds)
    )


def test_a_budget_says_what_it_is():
    assert str(Budget(minutes=2.5)) == "2.5 minutes"
    assert str(Budget(steps=70)) == "70 steps"


@given(st.floats(1e-6, 1), st.integers(0, 500), FRACTIONS, FRACTIONS)
def test_the_cosine_falls_from_its_peak_to_zero(peak, warmup, one, other):
    rate = CosineRate(peak, warmup)
    earlier, later = sorted((one, other))
    assert rate(warmup, 0.0) == pytest.approx(peak)
    assert rate(warmup, 0.5) == pytest.approx(peak / 2)
    assert rate(warmup, 1.0) == pytest.approx(0, abs=1e-12)
    assert 0 <= rate(warmup, later) <= rate(warmup, earlier) <= peak * (1 + 1e-12)


def test_the_warm_up_rises_in_equal_steps_and_never_from_zero():
    rate = CosineRate(1.0, warmup_steps=4)
    assert [rate(step, 0.0) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert not rate.exhausted()


def told(rate, *losses):
    for loss in losses:
        rate.validated(loss)
    return rate


def test_the_plateau_rate_halves_after_each_stall_of_its_patience():
    rate = PlateauRate(1.0, patience=2, stop_after=100)
    assert rate(0, 0.0) == 1.0
    halved_after = []
    for number, loss in enumerate([5, 6, 6, 4, 4, 4, 4, 4], start=1):
        before = rate(0, 0.0)
        rate.validated(float(loss))
        if rate(0, 0.0) < before:
            halved_after.append(number)
    assert halved_after == [3, 6, 8]
    assert rate(0, 0.0) == 0.125


def test_gain_keeps_the_plateau_rate_where_it_is():
    rate = told(PlateauRate(1.0, patience=2), *(1 / n for n in range(1, 40)))
    assert rate(0, 0.0) == 1.0
    assert not rate.exhausted()


def test_the_plateau_rate_ends_training_after_so_long_without_gain():
    rate = PlateauRate(1.0, patience=2, stop_after=3)
    assert not rate.exhausted()
    assert not told(rate, 2.0, 1.0, 1.5, 1.5).exhausted()
    assert told(rate, 1.5).exhausted()


@pytest.mark.parametrize("at", [0, 1])
def test_a_validation_loss_that_is_not_finite_is_no_gain_and_hides_none(at):
    losses = [3.0, 2.0, 1.0, 0.5]
    losses.insert(at, math.nan)
    rate = told(PlateauRate(1.0, patience=2, stop_after=3), *losses)
    assert rate(0, 0.0) == 1.0
    assert not rate.exhausted()
