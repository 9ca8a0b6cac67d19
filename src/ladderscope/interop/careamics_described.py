"""What a checkpoint of CAREamics says beside the weights: its noise models and normalisation."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ladderscope.interop.careamics_config import enclosed
from ladderscope.interop.careamics_keys import is_newest
from ladderscope.interop.checkpoint import InteropError
from ladderscope.noise import GaussianMixture
from ladderscope.untrusted import parse_json, shown

_NUMBERS = ("min_signal", "max_signal", "min_sigma")


def described_noise(hyper_parameters: Any) -> list[GaussianMixture] | None:
    """Read the noise models that the configuration in a checkpoint holds, in camera units.

    The newest versions of CAREamics normalise a noise model when training begins. Those in the
    configuration stay as they were measured, and those among the weights do not.

    Returns
    -------
    list of GaussianMixture, or None
        None if the weights are to be asked.

    Raises
    ------
    InteropError
        The noise models among the weights are normalised, and the configuration holds none.
    NoiseError
        A noise model is invalid.
    """
    algorithm = _inner(hyper_parameters, "algorithm_config")
    entries = _inner(algorithm, "noise_model").get("noise_models")
    described = [entry for entry in entries or [] if isinstance(entry, Mapping)]
    if described and all(entry.get("weight") is not None for entry in described):
        return [_mixture(entry) for entry in described]
    if described and is_newest(enclosed(algorithm)):
        raise InteropError(
            "the noise model in the checkpoint is normalised, and its configuration does not hold "
            "the measured one: give the noise model's .npz file"
        )
    return None


def _mixture(entry: Mapping[str, Any]) -> GaussianMixture:
    weight = entry["weight"]
    try:
        table = parse_json(weight.encode()) if isinstance(weight, str) else weight
        weight = np.asarray(table, np.float64)
        numbers = [float(entry[name]) for name in _NUMBERS]
    except (KeyError, TypeError, ValueError) as error:
        raise InteropError(
            f"the noise model in the configuration cannot be read: {shown(str(error))}"
        ) from error
    return GaussianMixture(weight, *numbers)


def stored_normalisation(of_data: Any, channels: int) -> tuple[list[float], list[float]] | None:
    """Find the means and standard deviations that the newest checkpoints hold.

    Parameters
    ----------
    of_data
        What the checkpoint says of the data.
    channels
        Of the network's output. With several, those of the input come first.

    Returns
    -------
    (list, list), or None
        None if it does not hold them.
    """
    found = _inner(_inner(of_data, "data_config"), "normalization")
    groups = ("input", "target") if channels > 1 else ("input",)
    if channels == 1 and found.get("target_means"):
        return None  # trained on pairs: the result is not in the units of the image
    means, stds = (
        [_list(found.get(f"{group}_{kind}")) for group in groups] for kind in ("means", "stds")
    )
    if not all((*means, *stds)):
        return None
    return [one for part in means for one in part], [one for part in stds for one in part]


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _inner(mapping: Any, name: str) -> Mapping[str, Any]:
    inner = mapping.get(name) if isinstance(mapping, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}
