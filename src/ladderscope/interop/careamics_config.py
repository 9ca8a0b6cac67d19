"""How CAREamics describes its ladder VAE, and what in such a description contradicts weights."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ladderscope.files import expanded
from ladderscope.interop.checkpoint import InteropError, naming
from ladderscope.models.config import (
    LARGEST_PATCH,
    MOST_CHANNELS,
    MOST_DEPTH,
    MOST_FILTERS,
    MOST_LEVELS,
    RestorerSettings,
    SplitterSettings,
)
from ladderscope.untrusted import InputError, read_yaml, shortened, shown

A_U_NET = (
    "a U-Net, as N2V, CARE and Noise2Noise train. It is no ladder VAE and has no posterior to "
    "sample: predict with CAREamics, or train a Denoiser on the same images"
)
# Where the constructor's arguments are found in the configurations that enclose them.
_ENCLOSING = ("algorithm_config", "algorithm", "model")

Dropout = Annotated[float, Field(ge=0, le=1)]
Axes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=LARGEST_PATCH)], ...], Field(min_length=2, max_length=3)
]
Filters = Annotated[int, Field(ge=1, le=MOST_FILTERS)]
Shape = tuple[int, ...]
_DEEPEST = 10
_TOLD = 10  # problems in an error


class LVAEConfig(BaseModel):
    """The constructor arguments of CAREamics' ladder VAE, under its names.

    Attributes
    ----------
    input_shape
        ([Z] Y X) of the patches that it was trained on.
    output_channels, z_dims
        Channels of the target, and latent channels of each level, finest first.
    multiscale_count
        Views: the patch and the wider ones.
    encoder_n_filters, decoder_n_filters
        Channels of the feature maps, the same number.
    encoder_conv_strides, decoder_conv_strides
        (2, 2) in 2-D, (1, 2, 2) in 3-D.
    encoder_dropout, decoder_dropout
        Probability with which a channel is dropped in training.
    nonlinearity
        Name of the activation.
    predict_logvar
        ``"pixelwise"`` if a log-variance is predicted in as many further channels.
    analytical_kl
        Whether the KL has its closed form, or is estimated from the sample.

    Notes
    -----
    All are bounded as our own settings are: at most 10 levels, 1,024 filters and latent channels
    of a level, 64 output channels, patches of 4,096 pixels and 1,024 planes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_shape: Axes
    output_channels: Annotated[int, Field(ge=1, le=MOST_CHANNELS)]
    multiscale_count: Annotated[int, Field(ge=1, le=MOST_LEVELS + 1)]
    z_dims: Annotated[tuple[Filters, ...], Field(min_length=1, max_length=MOST_LEVELS)]
    encoder_n_filters: Filters
    decoder_n_filters: Filters
    encoder_conv_strides: Axes
    decoder_conv_strides: Axes
    encoder_dropout: Dropout
    decoder_dropout: Dropout
    nonlinearity: Literal["None", "Sigmoid", "Softmax", "Tanh", "ReLU", "LeakyReLU", "ELU"]
    predict_logvar: Literal["pixelwise"] | None = None
    analytical_kl: bool

    @model_validator(mode="after")
    def _is_a_network(self) -> "LVAEConfig":
        for strides in (self.encoder_conv_strides, self.decoder_conv_strides):
            if strides not in ((2, 2), (1, 2, 2)):
                raise ValueError(f"strides must be [2, 2] or [1, 2, 2], not {list(strides)}")
        dimensions = len(self.encoder_conv_strides)
        if len(self.input_shape) != dimensions or len(self.decoder_conv_strides) > dimensions:
            raise ValueError(
                f"input_shape {list(self.input_shape)}, encoder_conv_strides of {dimensions} and "
                f"decoder_conv_strides of {len(self.decoder_conv_strides)} axes do not go together"
            )
        if max(self.input_shape[:-2], default=1) > MOST_DEPTH:
            raise ValueError(f"input_shape {list(self.input_shape)} has over {MOST_DEPTH} planes")
        if self.encoder_n_filters != self.decoder_n_filters:
            raise ValueError(
                "encoder_n_filters and decoder_n_filters must be one number, as their features "
                f"are merged: found {self.encoder_n_filters} and {self.decoder_n_filters}"
            )
        if self.multiscale_count > len(self.z_dims) + 1:
            raise ValueError(
                f"multiscale_count is {self.multiscale_count}, but {len(self.z_dims)} levels "
                f"take {len(self.z_dims) + 1} views at most"
            )
        if min(self.top_prior_size) < 1:
            raise ValueError(
                f"input_shape {list(self.input_shape)} is too small to be halved on "
                f"{len(self.z_dims) + 1 - self.multiscale_count} levels"
            )
        return self

    @property
    def restores_a_plane(self) -> bool:
        """Whether a 2-D decoder restores one plane of a stack."""
        return len(self.decoder_conv_strides) < len(self.encoder_conv_strides)

    @property
    def top_prior_size(self) -> tuple[int, ...]:
        """([Z] Y X) of the top level's prior."""
        halvings = len(self.z_dims) + 1 - self.multiscale_count
        *depth, height, width = self.input_shape[-len(self.decoder_conv_strides) :]
        return (*depth, height >> halvings, width >> halvings)


def read_config(config: Mapping[str, Any] | LVAEConfig | str | os.PathLike[str]) -> LVAEConfig:
    """Read a config, wherever it stands: the constructor's arguments, or what encloses them.

    Raises
    ------
    InteropError
        If a file cannot be read, the config is of a U-Net, or its entries are not as needed.
    """
    if isinstance(config, LVAEConfig):
        return config
    with naming(config):
        return _checked(config if isinstance(config, Mapping) else _read_yaml(Path(config)))


def _checked(config: Mapping[str, Any]) -> LVAEConfig:
    arguments = enclosed(config)
    arguments.pop("architecture", None)
    try:
        return LVAEConfig.model_validate(arguments)
    except ValidationError as error:
        problems = [
            ": ".join(
                (
                    *(shortened(str(part), 60) for part in problem["loc"]),
                    shortened(problem["msg"].removeprefix("Value error, ")),
                )
            )
            for problem in error.errors()[:_TOLD]
        ]
        raise InteropError(
            f"not the config of a LadderVAE of CAREamics 0.3.5: {'; '.join(problems)}. "
            f"Its arguments are {', '.join(LVAEConfig.model_fields)}"
        ) from error


def _read_yaml(path: Path) -> Mapping[str, Any]:
    path = expanded(path)
    try:
        content = read_yaml(path)
    except InputError as error:
        raise InteropError(f"{path}: cannot be read as a config: {error}") from error
    if not isinstance(content, Mapping):
        raise InteropError(f"{path}: a config has named entries, found {shown(content)}")
    return content


def enclosed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Take the constructor's arguments out of the configurations around them.

    Raises
    ------
    InteropError
        They are of a U-Net, or lie implausibly deep.
    """
    for _ in range(_DEEPEST):
        if config.get("architecture") == "UNet":
            raise InteropError(f"the config is of {A_U_NET}")
        inner = (config[key] for key in _ENCLOSING if isinstance(config.get(key), Mapping))
        found = next(inner, None)
        if found is None:
            return {str(name): value for name, value in config.items()}
        config = found
    raise InteropError(f"the config encloses another more than {_DEEPEST} times")


def describe(config: Mapping[str, Any] | LVAEConfig) -> str:
    """Say in words what network a config describes.

    Examples
    --------
    >>> describe({
    ...     "input_shape": [64, 64], "output_channels": 2, "multiscale_count": 3,
    ...     "z_dims": [4, 6, 8], "encoder_n_filters": 32, "decoder_n_filters": 32,
    ...     "encoder_conv_strides": [2, 2], "decoder_conv_strides": [2, 2],
    ...     "encoder_dropout": 0.1, "decoder_dropout": 0.1, "nonlinearity": "ELU",
    ...     "predict_logvar": "pixelwise", "analytical_kl": True,
    ... })
    'LVAE of CAREamics: 3 levels of 4, 6, 8 latent channels, 32 filters, ELU, 3 views, 2 outputs \
with their log-variances, trained on patches of 64×64 pixels'
    """
    config = read_config(config)
    *depth, height, width = config.input_shape
    channels = config.output_channels
    outputs = f"{channels} output{'s' if channels > 1 else ''}"
    if config.predict_logvar:
        outputs += f" with {'their log-variances' if channels > 1 else 'its log-variance'}"
    patches = f"trained on patches of {height}×{width} pixels"
    if depth:
        patches += f" and {depth[0]} planes"
    if config.restores_a_plane:
        patches += ", of which it restores the middle one"
    return ", ".join(
        [
            f"LVAE of CAREamics: {len(config.z_dims)} levels of "
            f"{', '.join(map(str, config.z_dims))} latent channels",
            f"{config.encoder_n_filters} filters",
            config.nonlinearity,
            *([f"{config.multiscale_count} views"] if config.multiscale_count > 1 else []),
            outputs,
            patches,
        ]
    )


def compare_configs(given: LVAEConfig, own: Mapping[str, Any]) -> None:
    """Raise an error if a checkpoint says other things of itself than the config given."""
    plain = {
        name: list(value) if isinstance(value, tuple) else value for name, value in own.items()
    }
    differences = [
        f"{name} is {value!r} in the one and {_brief(plain[name])} in the other"
        for name, value in given.model_dump(mode="json").items()
        if name in plain and _differ(plain[name], value)
    ]
    if differences:
        raise InteropError(
            f"the config given contradicts the checkpoint's own: {'; '.join(differences)}"
        )


def _differ(found: Any, value: Any) -> bool:
    try:
        return bool(found != value)
    except (RuntimeError, ValueError, RecursionError):  # tensors and arrays do not compare so
        return True


def _brief(value: Any) -> str:
    """Write a value as it is, where it is no longer than what a config holds."""
    few = isinstance(value, list) and len(value) <= MOST_LEVELS
    if few and all(isinstance(one, int) and one <= LARGEST_PATCH for one in value):
        return repr(value)
    return shown(value)


def compare_shapes(
    config: LVAEConfig, found: Mapping[str, Shape], needed: Mapping[str, Shape]
) -> None:
    """Raise an error if weights by name and shape are missing, too many or of another shape."""
    problems: dict[tuple[str, ...], list[str]] = {}
    for name in sorted({*found, *needed}):
        if name not in found:
            kind, what = "missing", name
        elif name not in needed:
            kind, what = "extra", name
        elif found[name] != needed[name]:
            kind, what = "of another shape", f"{name} {found[name]} instead of {needed[name]}"
        else:
            continue
        key = kind, *_options_behind(name, config, found, needed)
        problems.setdefault(key, []).append(what)
    lines = []
    for (kind, *options), whats in problems.items():
        more = f" and {len(whats) - 3} more" if len(whats) > 3 else ""
        values = " and ".join(f"{option} is {getattr(config, option)!r}" for option in options)
        why = f"in the config, {values}" if options else "no option of the config explains that"
        lines.append(f"\n- {kind}: {', '.join(whats[:3])}{more}; {why}")
    if lines:
        raise InteropError(f"the weights and the config contradict each other:{''.join(lines)}")


def _options_behind(
    name: str, config: LVAEConfig, found: Mapping[str, Shape], needed: Mapping[str, Shape]
) -> tuple[str, ...]:
    """Name the options that would explain why an entry is not as needed."""

    def count(prefix: str) -> int:
        return len({key.split(".")[1] for key in found if key.startswith(f"{prefix}.")})

    encoding = name.startswith(("first_bottom_up", "lowres", "bottom_up", "_3D"))
    side = "encoder" if encoding else "decoder"
    if name not in found or name not in needed:
        if name.startswith("_3D"):
            return ("encoder_conv_strides", "decoder_conv_strides")
        if count("top_down_layers") != len(config.z_dims):
            return ("z_dims",)
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


def check_settings(config: LVAEConfig, settings: RestorerSettings) -> None:
    """Raise an error if a restorer's settings are of another network than the config.

    Raises
    ------
    InteropError
        Naming the setting.
    """
    channels = settings.channels if isinstance(settings, SplitterSettings) else 1
    found = settings.model_dump() | {"channels": channels}
    needed = {
        "levels": len(config.z_dims),
        "filters": config.encoder_n_filters,
        "latent_channels": max(config.z_dims),
        "context": config.multiscale_count,
        "dimensions": len(config.input_shape),
        "channels": config.output_channels,
    }
    if config.restores_a_plane:
        needed["tile_depth_margin"] = config.input_shape[0] // 2
    for name, value in needed.items():
        if found[name] != value:
            raise InteropError(
                f"the config asks for {name} {value}, the settings have {found[name]}"
            )
