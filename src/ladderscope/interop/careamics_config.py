"""How CAREamics describes its ladder VAE, and where a description contradicts the weights."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ladderscope.files import expanded
from ladderscope.interop.careamics_keys import check_names, is_newest, renamed
from ladderscope.interop.checkpoint import InteropError, naming
from ladderscope.models.config import LARGEST_PATCH, MOST_LEVELS
from ladderscope.models.earlier import LVAEConfig
from ladderscope.untrusted import InputError, problems_of, read_yaml, shown

A_U_NET = (
    "a U-Net, as N2V, CARE and Noise2Noise train. It is not a ladder VAE and has no posterior to "
    "sample: predict with CAREamics, or train a Denoiser on the same images"
)
# Where the constructor's arguments are found in the configurations that enclose them.
_ENCLOSING = ("algorithm_config", "algorithm", "model")

Shape = tuple[int, ...]
_DEEPEST = 10


def read_config(config: Mapping[str, Any] | LVAEConfig | str | os.PathLike[str]) -> LVAEConfig:
    """Read a config: the constructor's arguments, alone or inside a larger configuration.

    Raises
    ------
    InteropError
        If a file cannot be read, the config is of a U-Net, or an entry is wrong.
    """
    if isinstance(config, LVAEConfig):
        return config
    with naming(config):
        return _checked(config if isinstance(config, Mapping) else _read_yaml(Path(config)))


def _checked(config: Mapping[str, Any]) -> LVAEConfig:
    arguments = enclosed(config)
    arguments.pop("architecture", None)
    check_names(arguments)
    if is_newest(arguments):
        arguments.setdefault("analytical_kl", True)
    try:
        return LVAEConfig.model_validate(renamed(arguments))
    except ValidationError as error:
        raise InteropError(
            f"not the config of a LadderVAE of CAREamics: {problems_of(error, most=10)}. "
            f"Its arguments are {', '.join(LVAEConfig.model_fields)}"
        ) from error


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        content = read_yaml(expanded(path))
    except InputError as error:
        raise InteropError(f"cannot be read as a config: {error}") from error
    if not isinstance(content, Mapping):
        raise InteropError(f"a config must have named entries, found {shown(content)}")
    return content


def enclosed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Find the constructor's arguments in an enclosing configuration.

    Raises
    ------
    InteropError
        They belong to a U-Net, or are nested more than 10 levels deep.
    """
    for _ in range(_DEEPEST):
        if config.get("architecture") == "UNet":
            raise InteropError(f"the config is of {A_U_NET}")
        inner = (config[key] for key in _ENCLOSING if isinstance(config.get(key), Mapping))
        found = next(inner, None)
        if found is None:
            return {str(name): value for name, value in config.items()}
        config = found
    raise InteropError(f"the config is nested more than {_DEEPEST} levels deep")


def compare_configs(given: LVAEConfig, own: Mapping[str, Any]) -> None:
    """Refuse a config that contradicts the one in the checkpoint."""
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in renamed(own).items()
    }
    differences = [
        f"{name} is {value!r} in the config and {_brief(plain[name])} in the checkpoint"
        for name, value in given.model_dump(mode="json").items()
        if name in plain and _differ(plain[name], value)
    ]
    if differences:
        raise InteropError(
            f"the given config contradicts the one in the checkpoint: {'; '.join(differences)}"
        )


def _differ(found: Any, value: Any) -> bool:
    try:
        return bool(found != value)
    except (
        RuntimeError,
        ValueError,
        RecursionError,
    ):  # tensors and arrays cannot be compared like this
        return True


def _brief(value: Any) -> str:
    """Write a value in full if it is as short as the values of a config."""
    few = isinstance(value, list) and len(value) <= MOST_LEVELS
    if few and all(isinstance(one, int) and one <= LARGEST_PATCH for one in value):
        return repr(value)
    return shown(value)


def compare_shapes(
    config: LVAEConfig, found: Mapping[str, Shape], needed: Mapping[str, Shape]
) -> None:
    """Refuse weights that are missing, superfluous or of the wrong shape for the config."""
    problems: dict[tuple[str, ...], list[str]] = {}
    for name in sorted({*found, *needed}):
        if name not in found:
            kind, what = "missing", name
        elif name not in needed:
            kind, what = "extra", name
        elif found[name] != needed[name]:
            kind, what = "of the wrong shape", f"{name} {found[name]} instead of {needed[name]}"
        else:
            continue
        key = kind, *_options_behind(name, config, found, needed)
        problems.setdefault(key, []).append(what)
    lines = []
    for (kind, *options), whats in problems.items():
        more = f" and {len(whats) - 3} more" if len(whats) > 3 else ""
        values = " and ".join(f"{option} is {getattr(config, option)!r}" for option in options)
        why = f"in the config, {values}" if options else "no option of the config explains this"
        lines.append(f"\n- {kind}: {', '.join(whats[:3])}{more}; {why}")
    if lines:
        raise InteropError(f"the weights and the config contradict each other:{''.join(lines)}")


def _options_behind(
    name: str, config: LVAEConfig, found: Mapping[str, Shape], needed: Mapping[str, Shape]
) -> tuple[str, ...]:
    """Name the options of the config that would explain why an entry is wrong."""

    def count(prefix: str) -> int:
        return len({key.split(".")[1] for key in found if key.startswith(f"{prefix}.")})

    encoding = name.startswith(("first_bottom_up", "lowres", "bottom_up", "_3D"))
    side = "encoder" if encoding else "decoder"
    if name not in found or name not in needed:
        if name.startswith("_3D"):
            return ("encoder_conv_strides", "decoder_conv_strides")
        if count("top_down_layers") != len(config.z_dims):
            return ("z_dims",)
        if re.search(r"\.net\.\d|deterministic_block\.[1-9]|final_top_down\.[1-9]", name):
            return (f"{side}_blocks_per_layer",)
        if "lowres" in name and count("lowres_first_bottom_ups") + 1 != config.multiscale_count:
            return ("multiscale_count",)
        return ()
    one, other = found[name], needed[name]
    if len(one) != len(other):
        return (f"{side}_conv_strides",)
    if one[:2] == other[:2]:
        return ("input_shape", "multiscale_count") if name.endswith("top_prior_params") else ()
    if name.startswith(("output_layer", "parameter_net")) and one[0] != other[0]:
        return ("output_channels", "predict_logvar")
    latent_axis = slice(0, 1) if "conv_in" in name else slice(1, 2)
    if re.search("stochastic|top_prior", name) and one[latent_axis] != other[latent_axis]:
        return ("z_dims",)
    return (f"{side}_n_filters",)
