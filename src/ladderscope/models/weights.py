"""The tensors of a safetensors file, whose header is checked before they are read."""

import math
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from ladderscope.untrusted import InputError, Zip, parse_json, shown

MOST_HEADER_BYTES = 8_000_000
LARGEST_WEIGHT = 1e9
_LENGTH = struct.Struct("<Q")
_SIZES = {"F32": 4, "I64": 8}
_NAMED = 3  # tensors, in an error
# Weights hardly compress: a member that unpacks to much more is an attack on the memory.
_MOST_UNPACKED, _FREELY_UNPACKED = 4, 1_000_000


class Layout(NamedTuple):
    """Type and shape of a tensor, as a safetensors header names them."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"

    @property
    def bytes(self) -> int:
        """How many bytes it takes."""
        return _SIZES.get(self.dtype, 0) * math.prod(self.shape)


def layout_of(tensor: Tensor) -> Layout:
    """Give the type and shape in which a weight is stored: 32-bit float or 64-bit integer.

    Examples
    --------
    >>> str(layout_of(torch.zeros(2, 3, dtype=torch.float64)))
    'F32 [2, 3]'
    """
    return Layout("F32" if tensor.is_floating_point() else "I64", tuple(tensor.shape))


def read_weights(archive: Zip, name: str, needed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read the weights of a network from a member of a model file.

    Parameters
    ----------
    archive
        The model file.
    name
        The member.
    needed
        The network's weights by name, with or without content.

    Raises
    ------
    InputError
        Names, types, shapes or sizes are wrong (then only the header has been unpacked), the member
        is damaged, or a weight is not finite.
    """
    size, packed = archive.sizes[name], archive.packed_sizes[name]
    layouts = {key: layout_of(value) for key, value in needed.items()}
    expected = sum(layout.bytes for layout in layouts.values())
    most = _LENGTH.size + MOST_HEADER_BYTES + expected
    if not expected <= size <= most or size > max(_FREELY_UNPACKED, _MOST_UNPACKED * packed):
        raise InputError(
            f"{name}: {packed:,} bytes, which unpack to {size:,}; the network needs weights of "
            f"{expected:,} bytes, which hardly compress"
        )
    length = header_length(archive.start(name, _LENGTH.size), size)
    start = archive.start(name, _LENGTH.size + length)[_LENGTH.size :]
    try:
        _check_header(parse_json(start), layouts, size - _LENGTH.size - length)
        weights = safetensors.torch.load(archive.read(name, most))
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: damaged ({shown(str(error))})") from error
    check_finite(weights, name)
    return weights


def header_length(start: bytes, size: int) -> int:
    """Read the length of a safetensors header from the first eight bytes of the file.

    Raises
    ------
    InputError
        It would be longer than the file, or than 8 MB.

    Examples
    --------
    >>> header_length(b"\\x10" + 7 * b"\\0", size=100)
    16
    """
    if len(start) < _LENGTH.size:
        raise InputError("damaged: not a safetensors file, which has at least eight bytes")
    length: int = _LENGTH.unpack(start[: _LENGTH.size])[0]
    if length > min(MOST_HEADER_BYTES, size - _LENGTH.size):
        raise InputError(
            f"damaged: the header claims {length:,} bytes, but the file has {size:,}, and at most "
            f"{MOST_HEADER_BYTES:,} are read"
        )
    return length


def check_finite(weights: Mapping[str, Tensor], name: str) -> None:
    """Refuse weights that are not finite or beyond 10⁹, and running variances below zero.

    Raises
    ------
    InputError
        Naming the tensor.

    Examples
    --------
    >>> check_finite({"bias": torch.tensor([1.0, float("nan")])}, "model.safetensors")
    Traceback (most recent call last):
    ...
    ladderscope.untrusted.words.InputError: model.safetensors: bias: 1 of 2 weights are not finite
    """
    for key, value in weights.items():
        if not value.is_floating_point():
            continue
        for what, wrong in (
            ("are not finite", ~torch.isfinite(value)),
            (f"are beyond {LARGEST_WEIGHT:g}", value.abs() > LARGEST_WEIGHT),
            ("are variances below zero", value < (0 if key.endswith("running_var") else -math.inf)),
        ):
            count = int(wrong.sum())
            if count:
                raise InputError(f"{name}: {key}: {count} of {value.numel()} weights {what}")


def _check_header(header: Any, needed: Mapping[str, Layout], data: int) -> None:
    if not isinstance(header, dict):
        raise InputError(f"damaged: its header must be an object, not {shown(header)}")
    found = {name: entry for name, entry in header.items() if name != "__metadata__"}
    lacking, beside = needed.keys() - found.keys(), found.keys() - needed.keys()
    for what, names in (("lacks", lacking), ("also holds", beside)):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            listed = ", ".join(shown(name) for name in sorted(names)[:_NAMED])
            raise InputError(f"does not fit the network: it {what} {listed}{more}")
    end = 0
    for name, (first, last) in sorted(
        ((name, _checked_entry(name, found[name], needed[name])) for name in found),
        key=lambda entry: entry[1],
    ):
        should_end = end + needed[name].bytes
        if (first, last) != (end, should_end):
            raise InputError(
                f"damaged: tensor {name} should have the bytes {end} to {should_end}, found "
                f"{first} to {last}"
            )
        end = last
    if end != data:
        raise InputError(f"damaged: the tensors have {end:,} bytes, but the file has {data:,}")


def _checked_entry(name: str, entry: Any, needed: Layout) -> tuple[int, int]:
    """Compare the entry of a tensor with the needed layout, and return its first and last byte."""
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(first), int(last)]}:
            if all(type(side) is int for side in shape):
                found = Layout(dtype[:8], tuple(shape))
                if found == needed:
                    return first, last
                raise InputError(
                    f"does not fit the network: {name} is {shown(str(found))}, not {needed}"
                )
    raise InputError(f"damaged: the header's entry of {name} is {shown(entry)}")
