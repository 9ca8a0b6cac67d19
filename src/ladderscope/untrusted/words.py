"""Saying what was found in a file, however large or strange it is."""

import unicodedata

from ladderscope.errors import LadderscopeError

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
_REORDERING = {*"\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}


class InputError(LadderscopeError):
    """What is wrong with a file; its name is put before that by whoever asked for it."""


def printable(text: str) -> str:
    """Take out of a text what would steer a terminal, or turn the order of letters.

    Line breaks and tabs become spaces, the rest of it U+FFFD.

    Examples
    --------
    >>> printable("red \x1b[31malert") == "red \ufffd[31malert"
    True
    """
    if text.isprintable():
        return text
    return "".join(
        " "
        if sign in "\n\r\t"
        else "\ufffd"
        if unicodedata.category(sign) in _UNPRINTABLE or sign in _REORDERING
        else sign
        for sign in text
    )


def shortened(text: str, most: int = 300) -> str:
    """Make a text printable, and cut it off where it is longer.

    Examples
    --------
    >>> shortened("abcdef", most=4)
    'abc…'
    """
    text = printable(text[: most + 1])
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
