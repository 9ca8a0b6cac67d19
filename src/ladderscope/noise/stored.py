"""Files of noise models: JSON for every kind, and the mixture's .npz that other software reads."""

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ladderscope.files import expanded, whole_file
from ladderscope.noise.entries import NoiseError, finite
from ladderscope.noise.mixture import GaussianMixture
from ladderscope.noise.model import NoiseModel, noise_model_from_dict
from ladderscope.untrusted import (
    InputError,
    Zip,
    file_size,
    parse_json,
    read_bytes,
    shortened,
    shown,
)

_FORMAT = "ladderscope noise model"
_VERSION = 1
_MOST_BYTES, _MOST_ARRAY_BYTES, _MOST_MEMBERS = 32_000_000, 8_000_000, 1000
_WEIGHT, _SCALARS = "trained_weight", ("min_signal", "max_signal", "min_sigma")


def save_noise_model(
    models: NoiseModel | Sequence[NoiseModel],
    path: str | os.PathLike[str],
    overwrite: bool = True,
) -> None:
    """Write a noise model, or one for each channel, to a file.

    Parameters
    ----------
    models
        One model, or a sequence with one per channel.
    path
        Where to. Its suffix says the format: ``.json`` holds any
        models, ``.npz`` one Gaussian mixture in the format of PPN2V, HDN and CAREamics.
    overwrite
        Whether a file that exists is replaced.

    Raises
    ------
    NoiseError
        If the suffix is another, there is no model, or an ``.npz`` is to hold anything but one
        mixture.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from ladderscope.noise import Gaussian
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_noise_model([Gaussian(3.0), Gaussian(5.0)], Path(folder, "noise.json"))
    ...     load_noise_model(Path(folder, "noise.json"))
    [Gaussian(sigma=3.0), Gaussian(sigma=5.0)]
    """
    several = [models] if isinstance(models, NoiseModel) else list(models)
    foreign = [model for model in several if not isinstance(model, NoiseModel)]
    if foreign or not several:
        raise NoiseError(
            "give one noise model, or one for each channel; "
            + (f"{foreign[0]!r} is none" if foreign else "there is none in an empty list")
        )
    if _suffix(path) == ".npz":
        _write_npz(several, path, overwrite)
        return
    noise = [model.to_dict() for model in several]
    content = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "noise": noise[0] if isinstance(models, NoiseModel) else noise,
    }
    with whole_file(path, overwrite) as unfinished:
        unfinished.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def load_noise_model(path: str | os.PathLike[str]) -> NoiseModel | list[NoiseModel]:
    """Read what `save_noise_model` wrote, or the ``.npz`` of PPN2V, HDN and CAREamics.

    Nothing in such a file can be code: pickled content is refused.

    Parameters
    ----------
    path
        A ``.json`` or an ``.npz`` file.

    Returns
    -------
    NoiseModel or list of NoiseModel
        One model, or a list with one per channel if that is what was saved.

    Raises
    ------
    NoiseError
        If there is no such file, its suffix is another, or it is damaged or foreign: a missing
        entry is named, as is a value that no model can have.

    Examples
    --------
    >>> import tempfile
    >>> from ladderscope.noise import PoissonGaussian
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PoissonGaussian(gain=2.0, intercept=9.0).save(Path(folder, "camera.json"))
    ...     load_noise_model(Path(folder, "camera.json"))
    PoissonGaussian(gain=2.0, intercept=9.0, floor=None)
    """
    path = expanded(path)
    read = _read_npz if _suffix(path) == ".npz" else _read_json
    try:
        file_size(path)
        return read(path)
    except (InputError, NoiseError) as error:
        raise NoiseError(f"{path}: {shortened(str(error), 1000)}") from error


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".json", ".npz"):
        raise NoiseError(
            f"{path}: a noise model is kept as .json, or a Gaussian mixture also as .npz; "
            f"{suffix or 'a name without a suffix'} is neither"
        )
    return suffix


def _read_json(path: Path) -> NoiseModel | list[NoiseModel]:
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
    if isinstance(noise, list) and noise:
        return [_model(channel) for channel in noise]
    if not isinstance(noise, dict):
        raise NoiseError("holds no noise model: its entry 'noise' is empty, or not there")
    return _model(noise)


def _model(entries: Any) -> NoiseModel:
    if not isinstance(entries, dict):
        raise NoiseError(f"a stored noise model must be an object, not {shown(entries)}")
    return noise_model_from_dict(entries)


def _write_npz(models: Sequence[NoiseModel], path: str | os.PathLike[str], overwrite: bool) -> None:
    model = models[0]
    if len(models) > 1 or not isinstance(model, GaussianMixture):
        kinds = ", ".join(repr(model.kind) for model in models)
        raise NoiseError(
            f"{path}: an .npz holds one noise model of kind {GaussianMixture.kind!r}, not {kinds}; "
            "save as .json, which holds every kind and several channels"
        )
    # The range as arrays of one number, least variance as a bare one: so some readers index them.
    with whole_file(path, overwrite) as unfinished, unfinished.open("wb") as file:
        np.savez(
            file,
            trained_weight=np.array(model.weight),
            min_signal=np.array([model.min_signal]),
            max_signal=np.array([model.max_signal]),
            min_sigma=np.array(model.min_sigma),
        )


def _read_npz(path: Path) -> GaussianMixture:
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
    return GaussianMixture(
        finite(entries[_WEIGHT], _WEIGHT), *(_scalar(entries, key) for key in _SCALARS)
    )


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
