"""Lists, counts and numbers as a sentence needs them."""

import math
from collections.abc import Sequence


def counted(number: int, noun: str, plural: str = "s") -> str:
    """Put a number before its noun, which may have a plural ending of its own.

    Examples
    --------
    >>> counted(1, "image"), counted(3, "image"), counted(2, "batch", "es")
    ('1 image', '3 images', '2 batches')
    """
    return f"{number} {noun}{'' if number == 1 else plural}"


def listed(names: Sequence[object], last: str = "and") -> str:
    """List all names, with a word before the last; nothing if there are none.

    Examples
    --------
    >>> listed(["nuclei", "actin", "tubulin"]), listed([".tif", ".tiff"], "or")
    ('nuclei, actin and tubulin', '.tif or .tiff')
    """
    *others, end = map(str, names or ("",))
    return f"{', '.join(others)} {last} {end}" if others else end


def data_size(count: float) -> str:
    """Write a number of bytes in the unit that suits it.

    Examples
    --------
    >>> data_size(7_200_000_000), data_size(34_000_000), data_size(500_000)
    ('7.2 GB', '34 MB', '0.5 MB')
    """
    number, unit = (count / 1e9, "GB") if count >= 1e9 else (count / 1e6, "MB")
    return f"{number:,.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"


def some(names: Sequence[object], most: int = 5) -> str:
    """List the first names, and say how many more there are.

    Examples
    --------
    >>> some("abcdefg", 3)
    'a, b, c and 4 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def rounded(value: float) -> str:
    """Write a number with three significant digits, whole where it is large.

    Examples
    --------
    >>> rounded(3.14159), rounded(31415.9)
    ('3.14', '31416')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def to_its_error(value: float, error: float) -> str:
    """Write a number with two digits of its error.

    Examples
    --------
    >>> to_its_error(12.3456, 0.12), to_its_error(-0.001, 0.0)
    ('12.35', '0.00')
    """
    digits = min(6, max(0, 1 - math.floor(math.log10(error)))) if error > 0 else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 turns −0.0 into 0.0


def percent(fraction: float) -> str:
    """Write a fraction in per cent, with two digits where it is small.

    Examples
    --------
    >>> percent(1.0), percent(0.00123)
    ('100 %', '0.12 %')
    """
    return f"{100 * fraction:.0f} %" if fraction > 0.095 else f"{100 * fraction:.2g} %"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it.

    Examples
    --------
    >>> duration(4.21), duration(61), duration(7320)
    ('4.2 s', '1 min 1 s', '2 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
