"""Whole numbers, as they come from notebooks, sliders and spreadsheets."""

import math
from typing import Any

import numpy as np

from ladderscope.errors import LadderscopeError


def whole_number(value: Any, name: str, least: int = 0) -> int:
    """Accept an integer of Python or NumPy, or a float that is whole.

    Parameters
    ----------
    value
        The value.
    name
        The name of the argument.
    least
        The smallest number that is allowed; the largest is below 2⁶³.

    Raises
    ------
    LadderscopeError
        The value is no number, not whole, or out of range.

    Examples
    --------
    >>> whole_number(4.0, "samples"), whole_number(np.uint8(3), "seed")
    (4, 3)
    """
    is_number = isinstance(value, int | float | np.integer | np.floating)
    if (
        not is_number
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value != int(value)
        or not least <= value < 2**63
    ):
        raise LadderscopeError(
            f"{name}={value!r}: give a whole number of at least {least} and below 2⁶³"
        )
    return int(value)
