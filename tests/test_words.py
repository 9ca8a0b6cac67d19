"""Lists and numbers as a sentence needs them."""

import pytest

from ladderscope.words import percent, rounded, some, to_its_error


@pytest.mark.parametrize(
    ("fraction", "written"), [(1.0, "100 %"), (0.5, "50 %"), (0.00034, "0.034 %"), (0.0, "0 %")]
)
def test_a_fraction_keeps_two_digits(fraction: float, written: str) -> None:
    assert percent(fraction) == written


@pytest.mark.parametrize(
    ("value", "written"), [(0.0012345, "0.00123"), (-31.415, "-31.4"), (65535.0, "65535")]
)
def test_a_number_keeps_three_digits_and_all_of_a_whole_one(value: float, written: str) -> None:
    assert rounded(value) == written


def test_an_error_says_how_many_digits_are_shown() -> None:
    assert to_its_error(104.5678, 0.012) == "104.568"
    assert to_its_error(104.5678, 30.0) == "105"


def test_all_names_are_listed_where_they_are_few() -> None:
    assert some(["a", "b"], most=2) == "a, b"
