"""Files of noise models: JSON for every kind, and the mixture's .npz that other software reads.

A file holds descriptions, as `NoiseModel.to_dict` makes them.
"""

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ladderscope.files import whole_file
from ladderscope.noise.entries import NoiseError, finite
from ladderscope.untrusted import (
    InputError,
    Zip,
    file_size,
    parse_json,
    read_bytes,
    shortened,
    shown,
)

Description: TypeAlias = Mapping[str, Any]

_FORMAT = "ladderscope noise model"
_VERSION = 1
_MOST_BYTES, _MOST_ARRAY_BYTES, _MOST_MEMBERS = 32_000_000, 8_000_000, 1000
NPZ_KIND = "mixture"  # what an .npz holds
_WEIGHT, _SCALARS = "trained_weight", ("min_signal", "max_signal", "min_sigma")


def write(
    described: Description | Sequence[Description], path: str | os.PathLike[str], overwrite: bool
) -> None:
    """Write the description of a noise model, or of one per channel, to a file.

    Raises
    ------
    NoiseError
        If the suffix is another, or an ``.npz`` is to hold anything but one mixture.
    OutputError
        If the file cannot be written.
    """
    if _suffix(path) == ".npz":
        _write_npz(described, path, overwrite)
        return
    content = {"format": _FORMAT, "format_version": _VERSION, "noise": described}
    with whole_file(path, overwrite) as unfinished:
        unfinished.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def read(path: Path) -> Any:
    """Read the description of a noise model, or a list of them; what they hold is not checked.

    Raises
    ------
    InputError, NoiseError
        If there is no such file, its suffix is another, or it is damaged or foreign.
    """
    reader = _read_npz if _suffix(path) == ".npz" else _read_json
    file_size(path)
    return reader(path)


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".json", ".npz"):
        raise NoiseError(
            f"{path}: noise models are stored as .json, and a Gaussian mixture also as .npz; "
            f"{suffix or 'a name without a suffix'} is neither"
        )
    return suffix


def _read_json(path: Path) -> Any:
    content = parse_json(read_bytes(path, _MOST_BYTES))
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise NoiseError(
            "a JSON file, but not of a noise model that Ladderscope wrote: its entry 'format' "
            f"is not {_FORMAT!r}"
        )
    version = content.get("format_version")
    if type(version) is not int or not 1 <= version <= _VERSION:
        raise NoiseError(
            f"written in format version {shown(version)}; this version of Ladderscope reads up to "
            f"{_VERSION}. Update Ladderscope"
        )
    noise = content.get("noise")
    if not isinstance(noise, dict | list) or noise == []:
        raise NoiseError("holds no noise model: its entry 'noise' is empty or missing")
    for entries in noise if isinstance(noise, list) else []:
        if not isinstance(entries, dict):
            raise NoiseError(f"a stored noise model must be an object, not {shown(entries)}")
    return noise


def _write_npz(
    described: Description | Sequence[Description], path: str | os.PathLike[str], overwrite: bool
) -> None:
    several = [described] if isinstance(described, Mapping) else described
    if [entries["kind"] for entries in several] != [NPZ_KIND]:
        kinds = ", ".join(repr(entries["kind"]) for entries in several)
        raise NoiseError(
            f"{path}: an .npz holds one noise model of kind {NPZ_KIND!r}, not {kinds}; "
            "save as .json, which holds every kind and several channels"
        )
    mixture = several[0]
    # The range as arrays of one number, least variance as a bare one: so some readers index them.
    with whole_file(path, overwrite) as unfinished, unfinished.open("wb") as file:
        np.savez(
            file,
            trained_weight=np.array(mixture["weight"]),
            min_signal=np.array([mixture["min_signal"]]),
            max_signal=np.array([mixture["max_signal"]]),
            min_sigma=np.array(mixture["min_sigma"]),
        )


def _read_npz(path: Path) -> Description:
    wanted = [_WEIGHT, *_SCALARS]
    try:
        with Zip(path, _MOST_MEMBERS) as archive:
            found = sorted(name.removesuffix(".npy") for name in archive.sizes)
            entries = {
                key: _array(archive.read(f"{key}.npy", _MOST_ARRAY_BYTES), key)
                for key in wanted
                if f"{key}.npy" in archive.sizes
            }
    except InputError as error:
        raise NoiseError(
            f"not an .npz of plain numbers, or a damaged one ({error}). Pickled content is never "
            "opened"
        ) from error
    missing = [key for key in wanted if key not in entries]
    if missing:
        held = shortened(", ".join(found)) or "nothing"
        raise NoiseError(
            f"lacks {', '.join(missing)}; the .npz of a Gaussian-mixture noise model holds "
            f"{_WEIGHT}, {', '.join(_SCALARS)}, and this one {held}"
        )
    weight = finite(entries[_WEIGHT], _WEIGHT)
    return {"kind": NPZ_KIND, "weight": weight} | {key: _scalar(entries, key) for key in _SCALARS}


def _array(content: bytes, name: str) -> NDArray[Any]:
    """Read an .npy, once its header is known to ask for no more than is there."""
    file = io.BytesIO(content)
    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, _, dtype = headers[np.lib.format.read_magic(file)](file)
        size, left = math.prod(shape) * dtype.itemsize, len(content) - file.tell()
        if dtype.hasobject or size != left or min(shape, default=0) < 0:
            raise InputError(f"{shape} of {dtype} in {left} bytes")
        file.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # each part of a damaged header raises its own
        raise InputError(f"{name}: {shortened(str(error))}") from error
    return array


def _scalar(entries: Mapping[str, Any], key: str) -> float:
    array = finite(entries[key], key)
    if array.size != 1:
        raise NoiseError(f"{key} must be one number, but its shape is {array.shape}")
    return float(array.item())
