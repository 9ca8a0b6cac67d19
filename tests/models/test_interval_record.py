"""Whoever has only the file of an error bar can read how wide its intervals are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.evaluation import interval_factor
from ladderscope.models.interval_record import interval_record, intervals_recorded

LEVELS = st.floats(0.05, 0.99)


@given(st.lists(st.floats(0.01, 500), min_size=1, max_size=4), LEVELS)
def test_what_is_written_is_read_again_and_interpolated(scales, level):
    factors = [lambda at, scale=scale: scale * interval_factor(at, 16) for scale in scales]
    text = f"From 16 samples. {interval_record(factors)}. Calibrated."
    found = intervals_recorded(text)
    assert len(found) in (1, len(scales))
    for number, factor in enumerate(factors):
        read = found[number if len(found) > 1 else 0]
        assert read(0.9) == pytest.approx(factor(0.9), rel=1e-3)
        assert read(level) == pytest.approx(factor(level), rel=0.02)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spread of 16 posterior samples",
        "Intervals: 90 % ± 1.8",
        "Intervals: 0 % ± 1.8 standard deviations",
        "Intervals: 90 % ± 1.8, 50 % ± 0.7 standard deviations",
        "Intervals: 90 % ± " + "9" * 100_000,
    ],
)
def test_a_text_without_intervals_has_none(text):
    assert intervals_recorded(text) == []
