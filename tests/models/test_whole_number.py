"""Whole numbers come in many types; what is none is refused in words."""

import numpy as np
import pytest

from ladderscope import Denoiser
from ladderscope.errors import LadderscopeError
from ladderscope.models.whole import whole_number


@pytest.mark.parametrize("value", [4, 4.0, np.int16(4), np.uint64(4), np.float32(4.0)])
def test_what_is_whole_is_taken(value):
    found = whole_number(value, "n", least=4)
    assert found == 4 and type(found) is int


@pytest.mark.parametrize(
    "value", [4.5, "4", True, np.True_, None, -1, float("nan"), float("inf"), 1e300, 2**63, [4]]
)
def test_what_is_not_is_refused_by_name(value):
    with pytest.raises(LadderscopeError, match="samples="):
        whole_number(value, "samples")


def test_a_restorer_takes_them_wherever_it_counts(crops, denoiser):
    assert (Denoiser("tiny", seed=1.0, steps=np.int64(9)).settings.steps) == 9
    expected = denoiser.predict(crops[0], samples=2, seed=1)
    found = denoiser.predict(crops[0], samples=2.0, seed=np.float64(1))
    assert np.array_equal(found.mean, expected.mean)
    assert denoiser.sample(crops[0], n=np.uint8(2)).shape == (2, *crops[0].shape)


@pytest.mark.parametrize("value", [1.5, "2", True])
def test_and_refuses_the_rest_before_it_begins(crops, denoiser, value):
    for ask in (
        lambda: denoiser.predict(crops[0], samples=value),
        lambda: denoiser.predict(crops[0], seed=value),
        lambda: denoiser.sample(crops[0], n=value),
        lambda: Denoiser("tiny", seed=value),
        lambda: Denoiser("tiny", steps=value),
        lambda: Denoiser("tiny").fit(crops[0], steps=value),
    ):
        with pytest.raises(LadderscopeError, match="whole number"):
            ask()
