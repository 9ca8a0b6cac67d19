"""JSON and YAML of limited size, depth and number of values."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ladderscope.untrusted.files import read_bytes
from ladderscope.untrusted.words import InputError, shortened, shown

MOST_VALUES = 1_000_000  # in a JSON file
MOST_YAML_BYTES = 100_000
_MOST_YAML_NODES, _MOST_YAML_LEVELS = 100_000, 50
_MOST_DIGITS = 20  # of a whole number: 2⁶⁴ has as many


def parse_json(
    content: bytes, most_values: int = MOST_VALUES, *, constant: Callable[[str], Any] | None = None
) -> Any:
    """Parse JSON of a limited number of values; every name in an object must be there once.

    Parameters
    ----------
    content
        The file.
    most_values
        How many values it may hold.
    constant
        What makes a value of ``NaN`` and ``Infinity``, such as `float`; by default, an error.

    Raises
    ------
    InputError
        It is not JSON, is nested too deeply, or holds too many values, a number that is not
        finite or a whole number beyond 20 digits.

    Examples
    --------
    >>> parse_json(b'{"gain": 2.5}')
    {'gain': 2.5}
    >>> parse_json(b'{"gain": NaN}')
    Traceback (most recent call last):
    ...
    ladderscope.untrusted.words.InputError: not a JSON file, or a damaged one (NaN is not finite)
    """
    nested = content.count(b"[") + content.count(b"{")
    if nested + content.count(b",") > most_values or nested > most_values // 10:
        raise InputError(
            f"holds more than {most_values:,} values, or more than {most_values // 10:,} lists and "
            "objects"
        )
    try:
        return json.loads(
            content.decode("utf-8"),
            parse_int=_whole,
            parse_constant=constant or _not_finite,
            object_pairs_hook=_unique,
        )
    except RecursionError as error:
        raise InputError("not a JSON file that can be read: it is nested too deeply") from error
    except ValueError as error:
        raise InputError(f"not a JSON file, or a damaged one ({shortened(str(error))})") from error


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _not_finite(name: str) -> None:
    raise ValueError(f"{name} is not finite")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(twice)} is there twice")
    return entries


class _BoundedLoader(yaml.SafeLoader):
    """Builds plain values only, of limited depth and number, counted where aliases repeat them."""

    _levels = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._levels += 1
        if self._levels > _MOST_YAML_LEVELS:
            raise yaml.YAMLError(f"nested more than {_MOST_YAML_LEVELS} levels deep")
        node = super().compose_node(parent, index)
        self._levels -= 1
        return node

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None and _nodes(node, {}) > _MOST_YAML_NODES:
            raise yaml.YAMLError(f"its aliases repeat more than {_MOST_YAML_NODES:,} values")
        return node

    def construct_yaml_int(self, node: Any) -> int:
        value: int = super().construct_yaml_int(node)
        if value.bit_length() > 64:
            raise yaml.YAMLError("a whole number beyond 64 bits")
        return value


_BoundedLoader.add_constructor("tag:yaml.org,2002:int", _BoundedLoader.construct_yaml_int)


def _nodes(node: Any, known: dict[int, float]) -> float:
    """Count the values under a node, aliases included: infinitely many where it holds itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        parts = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            names = [name.value for name, _ in parts if isinstance(name, yaml.ScalarNode)]
            if len({*names}) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise yaml.YAMLError(f"{shown(twice)} is there twice")
            parts = [part for pair in parts for part in pair]
        known[id(node)] = 1 + sum(_nodes(part, known) for part in parts)
    return known[id(node)]


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values.

    Raises
    ------
    InputError
        As `read_bytes`, for 100,000 bytes; or it is not YAML, is nested more than 50 levels deep,
        repeats too much by aliases, or holds a whole number beyond 64 bits.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = Path(file.name).write_text("minutes: 5")
    ...     read_yaml(Path(file.name))
    {'minutes': 5}
    """
    content = read_bytes(path, MOST_YAML_BYTES)
    try:
        return yaml.load(content.decode("utf-8"), _BoundedLoader)
    except Exception as error:  # a value that does not fit its tag raises whatever it meets
        raise InputError(f"is not YAML that can be read ({shortened(str(error))})") from error
