"""Saying what was found in a file, however large or strange it is."""

from ladderscope.errors import LadderscopeError
from ladderscope.harmless import readable


class InputError(LadderscopeError):
    """What is wrong with a file; its name is put before that by whoever asked for it."""


def shortened(text: str, most: int = 300) -> str:
    """Make a text readable, and cut it off where it is longer.

    Examples
    --------
    >>> shortened("abcdef", most=4)
    'abc…'
    """
    text = readable(text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown(value: object) -> str:
    """Say what a value is, in a few words however large it is.

    Examples
    --------
    >>> shown(3.5), shown([1, 2]), shown({"a": 1}), shown("x" * 100)[:8], shown(None)
    ('3.5', 'a list of 2', 'an object of 1', "'xxxxxxx", 'nothing (null)')
    """
    match value:
        case None:
            return "nothing (null)"
        case str():
            return repr(shortened(value, 60))
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return f"an object of {len(value)}"
        case int() if value.bit_length() > 64:
            return "a whole number beyond 64 bits"
        case bool() | int() | float():
            return repr(value)
    return f"something of type {type(value).__name__}"
