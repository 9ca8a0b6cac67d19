"""The names of channels: which are names, and in which order they come."""

import re
from collections.abc import Sequence

# what programs write where nobody gave a name; three digits are a laser or a filter
_NUMBERED = re.compile(r"(c|ch|chan|channel|default)?[\W_]*(\d{1,2}([\W_]\d{1,2})*)?")


def numbered_channels(count: int) -> tuple[str, ...]:
    """Give unnamed channels the names "channel 1", "channel 2" and so on.

    Examples
    --------
    >>> numbered_channels(2)
    ('channel 1', 'channel 2')
    """
    return tuple(f"channel {number}" for number in range(1, count + 1))


def channel_order(found: Sequence[str] | None, wanted: Sequence[str] | None) -> list[int] | None:
    """Find channels by their names.

    Parameters
    ----------
    found
        The names of an image's channels, in their order.
    wanted
        Those of the channels looked for.

    Returns
    -------
    list of int or None
        The position in `found` of each of `wanted`, from 0. None where the channels are not the
        same, or where there are no names but numbers. Upper and lower case are the same.

    Examples
    --------
    >>> channel_order(("DAPI", "GFP"), ("gfp", "dapi"))
    [1, 0]
    >>> channel_order(("DAPI", "GFP"), ("GFP", "RFP")) is None
    True
    """
    here, there = _comparable(found), _comparable(wanted)
    if not here or not there or sorted(here) != sorted(there):
        return None
    return [here.index(name) for name in there]


def names_differ(found: Sequence[str] | None, wanted: Sequence[str] | None) -> bool:
    """Return whether both name their channels, and name different ones.

    Parameters
    ----------
    found, wanted
        As in `channel_order`.

    Examples
    --------
    >>> names_differ(("DAPI",), ("GFP",)), names_differ(("channel 1",), ("GFP",))
    (True, False)
    """
    here, there = _comparable(found), _comparable(wanted)
    return bool(here and there) and sorted(here) != sorted(there)


def _comparable(names: Sequence[str] | None) -> list[str]:
    """Give names as they are compared; none where one repeats or is but a number."""
    plain = [" ".join(name.casefold().split()) for name in names or ()]
    named = len(set(plain)) == len(plain) and not any(map(_NUMBERED.fullmatch, plain))
    return plain if named else []
