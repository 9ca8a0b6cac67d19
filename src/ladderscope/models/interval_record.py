"""How wide intervals are, written into the file of a standard deviation and read from it."""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ladderscope.evaluation import interval_factor
from ladderscope.evaluation.spread import Factor

_LEVELS = (0.5, 0.68, 0.9, 0.95, 0.99)
_INTERVAL = r"(\d{1,2}) % ± (\d{1,9}(?:\.\d{1,9})?)"
_RECORD = re.compile(rf"Intervals: ((?:{_INTERVAL}[,;] )*{_INTERVAL}) standard deviations")
_SEVERAL = "; "


def interval_record(factors: Sequence[Factor]) -> str:
    """Write down how many standard deviations the intervals extend to each side.

    Parameters
    ----------
    factors
        Gives them for a level: one for each channel, or one for all.

    Examples
    --------
    >>> interval_record([interval_factor])
    'Intervals: 50 % ± 0.6745, 68 % ± 0.9945, 90 % ± 1.645, 95 % ± 1.96, 99 % ± 2.576 \
standard deviations'
    """
    channels = [
        ", ".join(f"{100 * level:.0f} % ± {_digits(factor(level))}" for level in _LEVELS)
        for factor in factors
    ]
    if len(set(channels)) == 1:
        del channels[1:]
    return f"Intervals: {_SEVERAL.join(channels)} standard deviations"


def intervals_recorded(text: str) -> list[Factor]:
    """Read what `interval_record` wrote; between its levels, the factors are interpolated.

    Returns
    -------
    list
        One per channel, or one for all; empty if the text does not say it.

    Examples
    --------
    >>> (factor,) = intervals_recorded("Intervals: 50 % ± 0.7, 90 % ± 1.8 standard deviations")
    >>> round(factor(0.9), 2), round(factor(0.95), 2)
    (1.8, 2.14)
    """
    found = _RECORD.search(text)
    if found is None:
        return []
    channels = [re.findall(_INTERVAL, channel) for channel in found[1].split(_SEVERAL)]
    pairs = [[(int(level) / 100, float(factor)) for level, factor in one] for one in channels]
    rising = all(
        low < high for one in pairs for (low, _), (high, _) in pairwise([(0.0, 0.0), *one])
    )
    return [_interpolated(one) for one in pairs] if rising else []


def _digits(factor: float) -> str:
    return np.format_float_positional(factor, precision=4, fractional=False, trim="-")


def _interpolated(pairs: Sequence[tuple[float, float]]) -> Factor:
    levels = [level for level, _ in pairs]
    # the ratio to the normal distribution changes slowly between the levels and beyond
    ratios = [factor / interval_factor(level) for level, factor in pairs]

    def factor(level: float) -> float:
        return interval_factor(level) * float(np.interp(level, levels, ratios))

    return factor
