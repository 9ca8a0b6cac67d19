"""The numbers of a noise model, as arguments or in a stored description, checked."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ladderscope.errors import LadderscopeError
from ladderscope.untrusted import shortened, shown

_HUGE = 1e300  # larger numbers are no quantities
_MOST_NUMBERS = 1_000_000
_MOST_LEVELS = 4  # of nested lists

# The types of a noise model's parameters that are no single number.
Numbers: TypeAlias = Sequence[float] | NDArray[Any]
Table: TypeAlias = Sequence[Sequence[float]] | NDArray[Any]


class NoiseError(LadderscopeError):
    """A noise model with impossible parameters, or images whose noise cannot be measured."""


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
            f"{name!r} of a noise model must hold only finite numbers, in rows; found "
            f"{shown(values)}, which contains other values"
        )
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise NoiseError(
            f"{name!r} of a noise model must have rows of equal length ({error})"
        ) from error
    if array.size > _MOST_NUMBERS:
        raise NoiseError(
            f"{name!r} of a noise model holds {array.size:,} numbers; at most {_MOST_NUMBERS:,} "
            "are allowed"
        )
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise NoiseError(
            f"{name!r} of a noise model must hold only finite numbers; found type {array.dtype} "
            f"and shape {array.shape}"
        )
    return array.astype(np.float64)


def _all_numbers(values: Any, levels: int = _MOST_LEVELS) -> bool:
    """Whether nested sequences hold only numbers; NumPy would pad texts to one length."""
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
