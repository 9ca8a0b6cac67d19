"""How wide intervals are, written into the file of a standard deviation and read from it."""

import re
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from ladderscope.evaluation.calibration import LEVELS, interpolated_factor
from ladderscope.evaluation.spread import Factor

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
    >>> from ladderscope.evaluation import interval_factor
    >>> interval_record([interval_factor])
    'Intervals: 50 % ± 0.6745, 68 % ± 0.9945, 90 % ± 1.645, 95 % ± 1.96, 99 % ± 2.576 \
standard deviations'
    """
    channels = [
        ", ".join(f"{100 * level:.0f} % ± {_digits(factor(level))}" for level in LEVELS)
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
    if not rising:
        return []
    return [
        partial(interpolated_factor, levels=levels, factors=factors)
        for levels, factors in (zip(*one, strict=True) for one in pairs)
    ]


def _digits(factor: float) -> str:
    return np.format_float_positional(factor, precision=4, fractional=False, trim="-")
