"""KL weights: the function CAREamics knows, and the schedules."""

import dataclasses
import inspect
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ladderscope.losses import (
    ConstantKLWeight,
    CosineKLWeight,
    CyclicalKLWeight,
    LinearKLWeight,
    get_kl_weight,
)

counters = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)
durations = st.integers(1, 10**6) | st.floats(1e-6, 1e6)
weights = st.floats(0, 1e3)
schedules = st.one_of(
    st.builds(ConstantKLWeight, weights),
    st.builds(LinearKLWeight, counters, durations, weights),
    st.builds(CosineKLWeight, counters, durations, weights),
    st.builds(CyclicalKLWeight, durations, st.floats(0, 1, exclude_min=True), weights),
)


@pytest.mark.parametrize(
    ("epoch", "ramp"),
    [(0, 0.0), (2, 0.0), (3, 0.25), (4, 0.5), (4.5, 0.625), (5, 0.75), (6, 1.0), (50, 1.0)],
)
@pytest.mark.parametrize(("kl_weight", "final"), [(None, 1.0), (0.5, 0.5), (3, 3.0), (0, 0.0)])
def test_the_annealed_weight_is_the_ramp_times_the_weight(epoch, ramp, kl_weight, final):
    assert get_kl_weight(True, 2, 4, kl_weight, epoch) == ramp * final


# start 2, duration 4: what the source published for CAREamics answers, worked out from its text.
AS_PUBLISHED = [
    (0, 0.0),
    (2, 0.0),
    (3, 0.0625),
    (4, 0.25),
    (5, 0.5625),
    (6, 1.0),
    (50, 1.0),
]


@pytest.mark.parametrize(("epoch", "published"), AS_PUBLISHED)
@pytest.mark.parametrize("kl_weight", [None, 0.5, 3, 0])
def test_as_published_is_the_ramp_squared_whatever_the_weight(epoch, published, kl_weight):
    assert get_kl_weight(True, 2, 4, kl_weight, epoch, as_published=True) == published


@pytest.mark.parametrize(("kl_weight", "expected"), [(None, 1.0), (0.5, 0.5), (3, 3.0), (0, 0.0)])
@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("epoch", [0, 7])
def test_without_annealing_it_is_the_weight(kl_weight, expected, as_published, epoch):
    for start, annealtime in [(None, None), (3, 10), (3, 0)]:
        weight = get_kl_weight(
            False, start, annealtime, kl_weight, epoch, as_published=as_published
        )
        assert weight == expected
        assert type(weight) is float


def test_arguments_keep_their_positions():
    parameters = inspect.signature(get_kl_weight).parameters
    positional = [name for name, each in parameters.items() if each.kind != each.KEYWORD_ONLY]
    assert positional == [
        "kl_annealing",
        "kl_start",
        "kl_annealtime",
        "kl_weight",
        "current_epoch",
    ]


@pytest.mark.parametrize("kl_weight", [None, 1, 0.5])
@pytest.mark.parametrize("as_published", [False, True])
def test_the_answer_is_a_float(kl_weight, as_published):
    for epoch in (0, 3, 10):
        answer = get_kl_weight(True, 0, 5, kl_weight, epoch, as_published=as_published)
        assert type(answer) is float


@pytest.mark.parametrize(("start", "annealtime"), [(None, 5), (0, None), (None, None)])
def test_annealing_without_its_times_is_refused(start, annealtime):
    with pytest.raises(ValueError, match=f"kl_start .* found {start} and {annealtime}"):
        get_kl_weight(True, start, annealtime, None, 1)


@pytest.mark.parametrize("annealtime", [0, 0.0, -3, math.nan])
@pytest.mark.parametrize("as_published", [False, True])
def test_an_annealtime_that_is_not_positive_is_refused(annealtime, as_published):
    with pytest.raises(ValueError, match=f"kl_annealtime must be positive, found {annealtime}"):
        get_kl_weight(True, 0, annealtime, None, 1, as_published=as_published)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match=f"kl_weight must be finite, found {value}"):
        get_kl_weight(True, 0, 5, value, 1)
    with pytest.raises(ValueError, match=f"kl_weight must be finite, found {value}"):
        get_kl_weight(False, None, None, value, 1)
    with pytest.raises(ValueError, match=f"current_epoch must be finite, found {value}"):
        get_kl_weight(True, 0, 5, None, value)
    with pytest.raises(ValueError, match=f"kl_start must be finite, found {value}"):
        get_kl_weight(True, value, 5, None, 1)


@given(counters, durations, weights, counters)
def test_the_linear_schedule_is_get_kl_weight(start, duration, weight, epoch):
    schedule = LinearKLWeight(start, duration, weight)
    assert schedule(epoch) == get_kl_weight(True, start, duration, weight, epoch)


@given(schedules, counters)
def test_a_weight_stays_between_zero_and_the_final_one(schedule, counter):
    assert 0 <= schedule(counter) <= schedule.weight


@given(schedules, counters)
def test_a_schedule_answers_with_a_float(schedule, counter):
    assert type(schedule(counter)) is float


@given(
    st.sampled_from([LinearKLWeight, CosineKLWeight]),
    counters,
    durations,
    weights,
    counters,
    counters,
)
def test_a_ramp_never_falls(kind, start, duration, weight, one, other):
    schedule = kind(start, duration, weight)
    assert schedule(min(one, other)) <= schedule(max(one, other))


@given(st.sampled_from([LinearKLWeight, CosineKLWeight]), st.integers(-99, 99), st.integers(1, 99))
def test_a_ramp_goes_from_zero_through_half_to_the_weight(kind, start, duration):
    schedule = kind(start, duration, 2.0)
    assert schedule(start) == 0
    assert schedule(start + duration / 2) == pytest.approx(1.0)
    assert schedule(start + duration) == 2.0


@given(st.floats(0, 1))
def test_the_cosine_is_below_the_line_before_the_middle_and_above_it_after(fraction):
    cosine, line = CosineKLWeight(0, 1)(fraction), LinearKLWeight(0, 1)(fraction)
    if fraction <= 0.5:
        assert cosine <= line + 1e-12
    else:
        assert cosine >= line - 1e-12


def test_the_cosine_at_thirds():
    schedule = CosineKLWeight(start=6, duration=6, weight=4.0)
    assert [schedule(counter) for counter in (5, 8, 10, 13)] == pytest.approx([0, 1, 3, 4])


def test_a_cycle_by_hand():
    schedule = CyclicalKLWeight(period=10, ramp=0.4, weight=2.0)
    answers = [schedule(step) for step in (0, 1, 2, 4, 5, 9, 9.5, 10, 11, 20, 21)]
    assert answers == pytest.approx([0, 0.5, 1, 2, 2, 2, 2, 0, 0.5, 0, 0.5])


def test_a_cycle_that_only_rises():
    schedule = CyclicalKLWeight(period=4, ramp=1)
    assert [schedule(step) for step in range(6)] == [0, 0.25, 0.5, 0.75, 0, 0.25]


@given(st.integers(1, 1000), st.floats(0, 1, exclude_min=True), st.integers(0, 1000))
def test_every_period_is_the_same(period, ramp, step):
    schedule = CyclicalKLWeight(period, ramp)
    assert schedule(step) == schedule(step + period)


@given(weights, counters)
def test_the_constant_is_constant(weight, counter):
    assert ConstantKLWeight(weight)(counter) == weight


@pytest.mark.parametrize(
    "schedule",
    [
        ConstantKLWeight(),
        LinearKLWeight(0, 10),
        CosineKLWeight(0, 10),
        CyclicalKLWeight(10),
    ],
)
class TestEverySchedule:
    def test_ends_at_one_by_default(self, schedule):
        assert schedule(9.999) == pytest.approx(1.0, abs=1e-3)

    def test_cannot_be_changed(self, schedule):
        with pytest.raises(dataclasses.FrozenInstanceError):
            schedule.weight = 2.0

    def test_equals_its_copy(self, schedule):
        assert dataclasses.replace(schedule) == schedule

    @pytest.mark.parametrize("counter", [math.nan, math.inf, -math.inf])
    def test_refuses_a_counter_that_is_not_finite(self, schedule, counter):
        with pytest.raises(ValueError, match=f"counter must be finite, found {counter}"):
            schedule(counter)

    @pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
    def test_refuses_a_weight_that_is_negative_or_not_finite(self, schedule, weight):
        expected = f"weight must be finite and not negative, found {weight}"
        with pytest.raises(ValueError, match=expected):
            dataclasses.replace(schedule, weight=weight)


@pytest.mark.parametrize("kind", [LinearKLWeight, CosineKLWeight])
def test_ramps_refuse_a_start_or_duration_that_makes_no_sense(kind):
    for start in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"start must be finite, found {start}"):
            kind(start, 10)
    for duration in (0, -1, math.nan):
        with pytest.raises(ValueError, match=f"duration must be positive, found {duration}"):
            kind(0, duration)


def test_a_cycle_refuses_a_period_or_ramp_that_makes_no_sense():
    for period in (0, -1):
        with pytest.raises(ValueError, match=f"period must be positive, found {period}"):
            CyclicalKLWeight(period)
    for period in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"period must be finite, found {period}"):
            CyclicalKLWeight(period)
    for ramp in (0, -0.5, 1.5, math.nan):
        with pytest.raises(ValueError, match=f"ramp must be above 0 and at most 1, found {ramp}"):
            CyclicalKLWeight(10, ramp)


@given(counters, st.floats(0, 1e6, exclude_min=True), counters)
def test_a_ramp_of_any_positive_length_is_safe(start, duration, counter):
    assume(duration > 0)
    assert 0 <= LinearKLWeight(start, duration)(counter) <= 1
