"""Presets: named settings that work well, as data. A new preset is a new entry of `PRESETS`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ladderscope.errors import LadderscopeError
from ladderscope.models.config import MOST_LEVELS, Settings, SplitterSettings, checked

_NOTHING: Mapping[str, Any] = MappingProxyType({})
# A volume has many more pixels than a plane.
_IN_3D: Mapping[str, int] = MappingProxyType({"patch": 48, "batch": 4, "tile_core": 128})


class Preset(NamedTuple):
    """Settings that differ from the defaults.

    Attributes
    ----------
    settings : mapping
        Of every restorer.
    of_splitters : mapping
        Of splitters, in place of those.
    of_methods : mapping of mappings
        Of splitters with one method, in place of those.
    levels_follow_context : bool
        Whether a splitter gets as many levels as its lateral context needs.
    at_most_in_3d : mapping
        The largest values in three dimensions.
    """

    settings: Mapping[str, Any]
    of_splitters: Mapping[str, Any] = _NOTHING
    of_methods: Mapping[str, Mapping[str, Any]] = _NOTHING
    levels_follow_context: bool = False
    at_most_in_3d: Mapping[str, int] = _IN_3D


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "tiny": Preset(
            {
                "depth": 2,
                "levels": 2,
                "filters": 8,
                "latent_channels": 4,
                "patch": 32,
                "batch": 4,
                "warmup_steps": 5,
                "steps": 40,
                "tile_core": 128,
                "tile_margin": 16,
            }
        ),
        "small": Preset(
            {"minutes": 5},
            # The coarse maps of a small patch are nearly all border. What a splitter learns there
            # is wrong in the middle of a whole image.
            of_splitters={"levels": 2},
            # The whole KL holds back much of what clean recordings show plainly.
            of_methods={"musplit": {"kl_weight": 0.1}},
            levels_follow_context=True,
        ),
        "paper": Preset(
            {
                "levels": 6,
                "filters": 64,
                "latent_channels": 32,
                "blocks": 5,
                "first_kernel": 5,
                "batch_norm": True,
                "dropout": 0.2,
                "optimizer": "adamax",
                "learning_rate": 3e-4,
                "warmup_steps": 0,
                "rate": "plateau",
                "epochs": 200,
                "tile_margin": 64,
            }
        ),
    }
)


def settings_for(
    kind: type[Settings], preset: str, overrides: Mapping[str, Any] = _NOTHING
) -> Settings:
    """Take a preset's settings, with some of them replaced.

    Parameters
    ----------
    kind
        Whose settings: `DenoiserSettings` or `SplitterSettings`.
    preset
        One of `PRESETS`.
    overrides
        Settings that differ. Patches become a multiple of what the levels need.

    Raises
    ------
    LadderscopeError
        No preset or no setting has that name, or a value is out of range.

    Examples
    --------
    >>> from ladderscope.models import DenoiserSettings
    >>> settings_for(DenoiserSettings, "small", {"steps": 200}).minutes is None
    True
    >>> settings_for(DenoiserSettings, "small", {"dimensions": 3}).batch
    4
    >>> settings_for(SplitterSettings, "small", {"context": 4}).levels
    3
    """
    if preset not in PRESETS:
        raise LadderscopeError(f"there is no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    found, splits = PRESETS[preset], issubclass(kind, SplitterSettings)
    chosen = checked(kind, found.settings, {}).model_dump()
    context = overrides.get("context", 1)
    if splits:
        chosen |= found.of_splitters
        chosen |= found.of_methods.get(str(overrides.get("method")), {})
    # Values out of range are left to the check at the end, here and below.
    needs_more = context in range(chosen["levels"] + 2, MOST_LEVELS + 2)
    if splits and found.levels_follow_context and needs_more:
        chosen["levels"] = context - 1
    if overrides.get("dimensions") == 3:
        chosen |= {name: min(chosen[name], most) for name, most in found.at_most_in_3d.items()}
    levels = overrides.get("levels", chosen["levels"])
    if levels in range(1, MOST_LEVELS + 1):
        multiple = 2 ** (levels + (context != 1))
        chosen["patch"] = -(-chosen["patch"] // multiple) * multiple
    return checked(kind, chosen, overrides)
