"""What was found in a file, in a few words."""

from typing import TYPE_CHECKING, Any

from ladderscope.errors import LadderscopeError
from ladderscope.harmless import harmless

if TYPE_CHECKING:
    from pydantic import ValidationError

_NAMED = 3  # problems in an error


class InputError(LadderscopeError):
    """What is wrong with a file. The caller adds its name."""


def shortened(text: str, most: int = 300) -> str:
    """Make a text harmless, and cut it off if it is longer.

    Examples
    --------
    >>> shortened("abcdef", most=4)
    'abc…'
    """
    text = harmless(text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown(value: object) -> str:
    """Describe a value in a few words, however large it is.

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


def problems_of(error: "ValidationError", most: int = _NAMED) -> str:
    """Say which entries do not validate: where, what was found, what is needed.

    Examples
    --------
    >>> from pydantic import TypeAdapter, ValidationError
    >>> try:
    ...     _ = TypeAdapter(dict[str, int]).validate_python({"a": 1, "b": None, "c": "x" * 100})
    ... except ValidationError as error:
    ...     print(problems_of(error, most=1))
    b: found nothing (null): Input should be a valid integer; and 1 more
    """
    problems = error.errors(include_url=False, include_context=False)
    more = f"; and {len(problems) - most} more" if len(problems) > most else ""
    return "; ".join(map(_problem, problems[:most])) + more


def _problem(problem: Any) -> str:
    path = shortened(".".join(map(str, problem["loc"])), 100)
    value = problem["input"]
    of_parts = problem["type"] in ("missing", "value_error") and isinstance(value, dict)
    found = [] if of_parts else [f"found {shown(value)}"]
    needed = shortened(problem["msg"].removeprefix("Value error, "))
    return ": ".join([*([path] if path else []), *found, needed])
