"""The arguments of CAREamics' ladder VAE in the names of its newest versions, and unknown ones."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ladderscope.interop.checkpoint import InteropError
from ladderscope.models.earlier import LVAEConfig
from ladderscope.untrusted import shortened, shown

_FILTERS = ("encoder_n_filters", "decoder_n_filters")
BLOCKS = ("encoder_blocks_per_layer", "decoder_blocks_per_layer")
_KNOWN = (*LVAEConfig.model_fields, "n_filters")


def is_newest(config: Mapping[str, Any]) -> bool:
    """Tell whether a config is in the names of CAREamics' versions after 0.3.5.

    These have one number of filters, a number of blocks per layer, and a log-variance that is
    predicted or not. How the KL is computed is no argument any more.
    """
    named = not config.keys().isdisjoint({"n_filters", *BLOCKS})
    return named or isinstance(config.get("predict_logvar"), bool)


def renamed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments in the names of CAREamics 0.3.5, whatever names they have.

    Raises
    ------
    InteropError
        Two of them contradict each other.

    Examples
    --------
    >>> renamed({"n_filters": 64, "predict_logvar": True})
    {'predict_logvar': 'pixelwise', 'encoder_n_filters': 64, 'decoder_n_filters': 64}
    """
    found = dict(config)
    if isinstance(found.get("predict_logvar"), bool):
        found["predict_logvar"] = "pixelwise" if found["predict_logvar"] else None
    if "n_filters" in found:
        filters = found.pop("n_filters")
        for name in _FILTERS:
            if found.setdefault(name, filters) != filters:
                raise InteropError(
                    f"n_filters is {shown(filters)}, but {name} is {shown(found[name])}: give one "
                    "of them"
                )
    return found


def check_names(config: Mapping[str, Any]) -> None:
    """Refuse an argument that CAREamics' ladder VAE does not have.

    Raises
    ------
    InteropError
        Naming the nearest argument that it has.
    """
    for name in config:
        if name not in _KNOWN:
            near = get_close_matches(name, _KNOWN, n=1)
            hint = f"did you mean {near[0]}?" if near else f"its arguments are {', '.join(_KNOWN)}"
            raise InteropError(
                f"not the config of a LadderVAE of CAREamics: {shortened(name)}: found "
                f"{shown(config[name])}, but there is no such argument; {hint}"
            )
