"""Units of length and time in the spellings of microscopes' files, and the numbers they go with."""

import math
import re
import unicodedata
from typing import Any

_MICROMETRES = {
    "pm": 1e-6,
    "picometer": 1e-6,
    "å": 1e-4,
    "angstrom": 1e-4,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "in": 25400.0,
    "inch": 25400.0,
    "inches": 25400.0,
}
_SECONDS = {
    "ns": 1e-9,
    "nanosecond": 1e-9,
    "μs": 1e-6,
    "us": 1e-6,
    "microsecond": 1e-6,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hrs": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
_LEAST, _MOST = 1e-9, 1e9  # a micrometre or a second times these is no measurement of a microscope


def in_micrometres(value: Any, unit: Any) -> float | None:
    """Convert a length, whatever a file calls its unit.

    Parameters
    ----------
    value
        A number, or its text.
    unit
        In any of the usual spellings: short, in full, British or American, singular or plural,
        with a micro sign, a Greek mu or ImageJ's escape of either.

    Returns
    -------
    float or None
        None where the value is no plausible length or the unit is none of length, as ``"pixel"``.

    Examples
    --------
    >>> in_micrometres("100", "nanometres"), in_micrometres(0.1, r"\\u03BCm")
    (0.1, 0.1)
    >>> in_micrometres(1, "pixel") is None
    True
    """
    return _converted(value, unit, _MICROMETRES)


def in_seconds(value: Any, unit: Any) -> float | None:
    """Convert a duration, whatever a file calls its unit.

    Parameters
    ----------
    value, unit
        As in `in_micrometres`.

    Returns
    -------
    float or None
        None where the value is no plausible duration, or the unit is none of time.

    Examples
    --------
    >>> in_seconds(2, "mins"), in_seconds("NaN", "s")
    (120.0, None)
    """
    return _converted(value, unit, _SECONDS)


def number(value: Any) -> float | None:
    """Read a finite positive number.

    Parameters
    ----------
    value
        A number, its text, or anything else.

    Examples
    --------
    >>> number("1.4"), number("-1"), number("high"), number(None)
    (1.4, None, None, None)
    """
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found > 0 else None


def _converted(value: Any, unit: Any, table: dict[str, float]) -> float | None:
    amount, factor = number(value), _factor(unit, table)
    if amount is None or factor is None:
        return None
    converted = amount * factor
    return converted if _LEAST <= converted <= _MOST else None


def _factor(unit: Any, table: dict[str, float]) -> float | None:
    escaped = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda found: chr(int(found[1], 16)), str(unit or ""))
    # the micro sign becomes a Greek mu, and the sign of ångström its letter
    plain = re.sub(r"[\s.\-_]", "", unicodedata.normalize("NFKC", escaped))
    if re.fullmatch("[MP][ms]", plain):  # mega and peta, not milli and pico
        return None
    spelling = plain.lower().replace("metre", "meter").replace("ångström", "angstrom")
    # "µm/pixel", and a micro sign that was decoded by the wrong table
    spelling = re.sub(r"(/|per)(px|pixel)$", "", spelling).removeprefix("â")
    singular = spelling.removesuffix("s") if len(spelling) > 3 else spelling
    return table.get(spelling, table.get(singular))
