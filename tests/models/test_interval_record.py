"""Whoever has only the file of an error bar can read how wide its intervals are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.evaluation import interval_factor
from ladderscope.evaluation.calibration import LEVELS, Calibration
from ladderscope.images.metadata import description_of
from ladderscope.models import Restoration
from ladderscope.models.interval_record import interval_record, intervals_recorded

BETWEEN = st.floats(0.05, 0.99)


@given(st.lists(st.floats(0.01, 500), min_size=1, max_size=4), BETWEEN)
def test_what_is_written_is_read_again_and_interpolated(scales, level):
    factors = [lambda at, scale=scale: scale * interval_factor(at, 16) for scale in scales]
    text = f"From 16 samples. {interval_record(factors)}. Calibrated."
    found = intervals_recorded(text)
    assert len(found) in (1, len(scales))
    for number, factor in enumerate(factors):
        read = found[number if len(found) > 1 else 0]
        assert read(0.9) == pytest.approx(factor(0.9), rel=1e-3)
        assert read(level) == pytest.approx(factor(level), rel=0.02)


@pytest.mark.parametrize("samples", [0, 2, 16])
def test_the_file_of_an_error_bar_says_what_interval_uses(tmp_path, samples):
    mean = np.full((2, 8, 8), 10, np.float32)
    rest = {"samples": 16, "before": LEVELS, "after": LEVELS}
    wide = Calibration((1.0,), (1.5,), multipliers=(0.8, 1.1, 2.0, 2.4, 3.1), **rest)
    narrow = Calibration((1.0,), (1.0,), multipliers=(0.5, 0.9, 1.5, 1.8, 2.5), **rest)
    for calibration in ((), (wide, narrow)):
        one = Restoration(mean, mean / 5, "CYX", samples=samples, calibration=calibration)
        one.save(tmp_path / "a_restored.ome.tif", overwrite=True)
        found = intervals_recorded(description_of(tmp_path / "a_spread.ome.tif"))
        assert len(found) == max(1, len(calibration))
        _, upper = one.interval(0.9)
        for channel in range(2):
            factor = (upper - mean)[channel, 0, 0] / 2
            assert factor == pytest.approx(one.factors[channel](0.9))
            assert found[channel if len(found) > 1 else 0](0.9) == pytest.approx(factor, rel=1e-3)


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
