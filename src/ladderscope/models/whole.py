"""Whole numbers, as notebooks, sliders and spreadsheets hand them over."""

import math
from typing import Any

import numpy as np

from ladderscope.errors import LadderscopeError


def whole_number(value: Any, name: str, least: int = 0) -> int:
    """Take an integer, of Python or of NumPy, or a float that is whole.

    Parameters
    ----------
    value
        What was given.
    name
        The argument it was given for.
    least
        The smallest number that is allowed; the largest is below 2⁶³.

    Raises
    ------
    LadderscopeError
        It is something else, not whole, or out of range.

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
        kind = "positive whole" if least == 1 else "whole"
        raise LadderscopeError(f"{name}={value!r}: give a {kind} number from {least}, below 2⁶³")
    return int(value)
