"""Reading a stored description back, and the error for when it makes no sense."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ladderscope.errors import LadderscopeError
from ladderscope.untrusted import shortened, shown

_HUGE = 1e300  # what is larger is no quantity
_MOST_NUMBERS = 1_000_000
_MOST_LEVELS = 4  # of nested lists

# What the parameters of a noise model may be given as.
Numbers: TypeAlias = Sequence[float] | NDArray[Any]
Table: TypeAlias = Sequence[Sequence[float]] | NDArray[Any]


class NoiseError(LadderscopeError):
    """A noise model that cannot be, or images that no noise can be measured in."""


def number(entries: Mapping[str, Any], key: str) -> float:
    """Return one finite number of a stored description.

    Parameters
    ----------
    entries
        The description, as ``to_dict`` made it.
    key
        Which entry.

    Raises
    ------
    NoiseError
        If the entry is missing, is not a number, or is not finite.

    Examples
    --------
    >>> number({"kind": "gaussian", "sigma": 3}, "sigma")
    3.0
    """
    value = _entry(entries, key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _HUGE:
        raise NoiseError(
            f"{key!r} of a stored noise model must be a finite number, not {shown(value)}"
        )
    return float(value)


def numbers(entries: Mapping[str, Any], key: str) -> NDArray[np.float64]:
    """Return one array of a stored description.

    Parameters
    ----------
    entries
        The description, as ``to_dict`` made it.
    key
        Which entry.

    Raises
    ------
    NoiseError
        If the entry is missing, or `finite` refuses it.

    Examples
    --------
    >>> numbers({"kind": "histogram", "signals": [0, 100]}, "signals")
    array([  0., 100.])
    """
    return finite(_entry(entries, key), key)


def finite(values: Any, name: str) -> NDArray[np.float64]:
    """Return nested sequences of numbers, or an array, as an array of float64.

    Parameters
    ----------
    values
        Numbers, nested to any depth.
    name
        What an error calls them.

    Raises
    ------
    NoiseError
        If something in it is not a finite number, or rows differ in length.

    Examples
    --------
    >>> finite([[1, 2], [3, 4]], "weight").shape
    (2, 2)
    """
    if not isinstance(values, np.ndarray) and not _all_numbers(values):
        raise NoiseError(
            f"{name!r} of a noise model must hold finite numbers only, in rows; found "
            f"{shown(values)} with something else in it"
        )
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise NoiseError(
            f"{name!r} of a noise model must have rows of one length ({error})"
        ) from error
    if array.size > _MOST_NUMBERS:
        raise NoiseError(
            f"{name!r} of a noise model holds {array.size:,} numbers; at most {_MOST_NUMBERS:,} "
            "are used"
        )
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise NoiseError(
            f"{name!r} of a noise model must hold finite numbers only; it is of type "
            f"{array.dtype} and shape {array.shape}"
        )
    return array.astype(np.float64)


def _all_numbers(values: Any, levels: int = _MOST_LEVELS) -> bool:
    """Tell whether nested sequences hold numbers alone: NumPy would pad texts to one length."""
    if isinstance(values, list | tuple):
        return levels > 0 and all(_all_numbers(value, levels - 1) for value in values)
    return isinstance(values, int | float | np.generic | np.ndarray) and not isinstance(
        values, bool
    )


def _entry(entries: Mapping[str, Any], key: str) -> Any:
    if key not in entries:
        found = shortened(", ".join(map(str, entries)))
        raise NoiseError(f"the stored noise model lacks {key!r}; it has {found}")
    return entries[key]
