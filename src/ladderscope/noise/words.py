"""Numbers with their uncertainty, in the sentences that report a fit."""

from ladderscope.words import rounded

Interval = tuple[float, float]


def with_interval(value: float, interval: Interval | None) -> str:
    """Write a number, and its 95 % interval if it has one.

    Examples
    --------
    >>> with_interval(2.0, (1.9, 2.1))
    '2 (95 % interval 1.9 to 2.1)'
    """
    if interval is None:
        return rounded(value)
    return f"{rounded(value)} (95 % interval {rounded(interval[0])} to {rounded(interval[1])})"
