"""Reading a stored description back, and the error for when it makes no sense."""

import math
from collections.abc import Mapping
from typing import Any

from ladderscope.errors import LadderscopeError


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
    if key not in entries:
        raise NoiseError(f"the stored noise model lacks {key!r}; it has {sorted(entries)}")
    value = entries[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise NoiseError(f"{key!r} of a stored noise model must be a finite number, not {value!r}")
    return float(value)
