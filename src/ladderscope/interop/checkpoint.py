"""Weights that other software saved, opened without running any code in them."""

import os
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from ladderscope.errors import LadderscopeError
from ladderscope.files import expanded
from ladderscope.models.config import MOST_PARAMETERS
from ladderscope.models.weights import header_length
from ladderscope.untrusted import Zip, file_size, parse_json, shortened, shown

# Beside the network, a checkpoint holds the state of its optimizer, and noise models.
_MOST_VALUES = 8 * MOST_PARAMETERS
_MOST_MEMBERS, _MOST_PICKLE_BYTES = 100_000, 2_000_000
_ZIP = b"PK\x03\x04"
_SAFE, _PICKLES = ".safetensors", (".ckpt", ".pth", ".pt")


class InteropError(LadderscopeError):
    """A file or object of other software that cannot be used: what is wrong, and what to do."""


@contextmanager
def naming(source: object) -> Iterator[None]:
    """Make every error an `InteropError` that begins with the name of the file, if any."""
    try:
        yield
    except LadderscopeError as error:
        text = str(error)
        named = not isinstance(source, str | os.PathLike) or str(source) in text
        if named and isinstance(error, InteropError):
            raise
        raise InteropError(text if named else f"{source}: {text}") from error


class Checkpoint(NamedTuple):
    """The content of a checkpoint: tensors by name, and what was saved with them.

    Attributes
    ----------
    tensors : dict of str to Tensor
        The weights.
    hyper_parameters, of_data : any
        What describes the network, and the data that it was trained on.
    """

    tensors: dict[str, Tensor]
    hyper_parameters: Any
    of_data: Any = None


def read_checkpoint(
    weights: Mapping[str, Any] | str | os.PathLike[str], *, trust: bool = False
) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    weights
        A ``.safetensors``, ``.ckpt``, ``.pth`` or ``.pt`` file, or what one holds: tensors or
        arrays by name, or a mapping with these under ``state_dict``.
    trust
        Whether a pickle that holds more than tensors and plain values may run code.

    Raises
    ------
    InteropError
        If there is no such file, it is damaged or of another kind, a pickle asks for more than
        `trust` allows, or an entry is not a tensor.

    Examples
    --------
    >>> read_checkpoint({"state_dict": {"weight": np.zeros(2)}, "epoch": 3}).tensors
    {'weight': tensor([0., 0.], dtype=torch.float64)}
    """
    if isinstance(weights, Mapping):
        return _checkpoint(weights)
    path = expanded(weights)
    with naming(path):
        suffix = path.suffix.lower()
        if suffix not in (_SAFE, *_PICKLES):
            raise InteropError(
                f"weights are read from {', '.join((_SAFE, *_PICKLES))} files, but this one has "
                f"{f'the suffix {suffix}' if suffix else 'no suffix'}"
            )
        size = file_size(path)
        with _explained():
            if suffix == _SAFE:
                _check_header(path, size)
                content = safetensors.torch.load_file(path)
            else:
                _check_members(path, trust)
                content = _unpickle(path, trust)
        return _checkpoint(content)


def _check_header(path: Path, size: int) -> None:
    """Refuse a header that is absurdly long before it is parsed."""
    with path.open("rb") as file:
        length = header_length(file.read(8), size)
        parse_json(file.read(length))


def _check_members(path: Path, trust: bool) -> None:
    """Refuse a checkpoint with compressed members: PyTorch never writes one."""
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return
    with Zip(path, _MOST_MEMBERS, large=True) as archive:
        packed = archive.packed_sizes
        for name, size in archive.sizes.items():
            if size > packed[name]:
                raise InteropError(
                    f"not opened: member {shown(name)} is compressed, and PyTorch never compresses"
                )
            if trust or not name.endswith(".pkl"):
                continue
            if size > _MOST_PICKLE_BYTES:
                raise InteropError(
                    f"not opened: member {shown(name)} has {size:,} bytes, but at most "
                    f"{_MOST_PICKLE_BYTES:,} are read"
                )
            # the only type that needs no trust and can allocate any size from a few bytes
            if b"bytearray\n" in archive.read(name, size):
                raise InteropError("not opened: it asks for a bytearray")


def _unpickle(path: Path, trust: bool) -> Any:
    load = partial(torch.load, path, map_location="cpu")
    try:
        return load(weights_only=True)
    except pickle.UnpicklingError as refusal:
        if trust:
            return load(weights_only=False)
        wanted = re.search(r"GLOBAL (\S+)", str(refusal))
        what = f"it asks for {wanted[1]}" if wanted else "it is damaged, or holds no tensors"
        raise InteropError(
            f"not opened: {what}. This file is a pickle: one that holds more than tensors and "
            "plain values can run any code when it is opened. Save the weights alone where the "
            'network was trained: torch.save(checkpoint["state_dict"], "weights.pth"). Or, if you '
            "trust its authors, pass trust=True (--trust on the command line)"
        ) from refusal


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except InteropError:
        raise
    except (ImportError, AttributeError) as error:
        raise InteropError(
            "holds objects of a package that is not installed, or is installed in another version "
            f"({error}). Install it, or save the weights alone where the network was trained"
        ) from error
    except Exception as error:  # each part of a damaged file raises its own error
        reason = shortened(str(error) or type(error).__name__)
        raise InteropError(f"damaged or incomplete ({reason}): copy it again") from error


def _checkpoint(content: Any) -> Checkpoint:
    entries = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(entries, Mapping) or not entries:
        raise InteropError(f"weights are tensors by name, found {shown(entries)}")
    for name, value in entries.items():
        array = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
        if not isinstance(name, str) or not (array or isinstance(value, Tensor)):
            raise InteropError(
                f"weights are tensors by name, but {shown(name)} is {shown(value)}. Give the "
                "network's state_dict, or a checkpoint that has one"
            )
    tensors = {name: torch.as_tensor(value) for name, value in entries.items()}
    values = sum(value.numel() for value in tensors.values())
    if values > _MOST_VALUES:
        raise InteropError(
            f"the weights are {values:,} numbers, but at most {_MOST_VALUES:,} are read"
        )
    for name, value in tensors.items():
        plain = value.layout == torch.strided and value.device.type != "meta"
        if not plain or value.is_quantized or value.is_complex() or _repeats(value):
            raise InteropError(f"{shown(name)} is not a plain tensor of numbers")
    return Checkpoint(
        tensors, content.get("hyper_parameters"), content.get("datamodule_hyper_parameters")
    )


def _repeats(value: Tensor) -> bool:
    """Say whether a tensor repeats numbers that it stores once."""
    return value.numel() * value.element_size() > value.untyped_storage().nbytes()
