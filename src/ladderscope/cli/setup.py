"""From the command line's options and the YAML file to a restorer that is ready to be trained."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ladderscope.cli.options import Training
from ladderscope.errors import LadderscopeError
from ladderscope.models import Denoiser, DenoiserSettings, Splitter, SplitterSettings
from ladderscope.models.spelled_noise import parse_noise
from ladderscope.untrusted import InputError, read_yaml, shown

logger = logging.getLogger("ladderscope")

Restorer = TypeVar("Restorer", Denoiser, Splitter)

BUDGET = ("minutes", "steps", "epochs")
_BESIDE_SETTINGS: dict[str, tuple[type, ...]] = {
    "preset": (str,),
    "noise": (str, list),
    "seed": (int,),
    "axes": (str,),
}


def read_config(
    path: Path, settings: type[DenoiserSettings] | type[SplitterSettings] = DenoiserSettings
) -> dict[str, Any]:
    """Read a run's YAML file.

    Parameters
    ----------
    path
        A mapping: settings of the model, ``preset``, ``noise``, ``seed`` and ``axes``.
    settings
        Which settings the model has.

    Raises
    ------
    LadderscopeError
        It cannot be read, is no mapping, or has a key of another name or a value of a wrong type.
    """
    try:
        entries = read_yaml(path)
    except InputError as error:
        raise LadderscopeError(f"{path}: {error}") from error
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise LadderscopeError(f'{path}: write one setting per line, such as "minutes: 5"')
    known = [*_BESIDE_SETTINGS, *settings.model_fields]
    for name, value in entries.items():
        if name not in known:
            raise LadderscopeError(
                f"{path}: there is no setting {shown(name)}; the settings are: {', '.join(known)}"
            )
        types = _BESIDE_SETTINGS.get(name)
        if types and (not isinstance(value, types) or isinstance(value, bool)):
            raise LadderscopeError(f"{path}: {name}: {shown(value)} cannot be used")
    return entries


def merged(config: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Let flags that were given win over the file; a budget replaces the file's, whichever it is.

    Examples
    --------
    >>> merged({"minutes": 5, "seed": 1}, {"steps": 100, "minutes": None, "seed": None})
    {'seed': 1, 'steps': 100}
    """
    given = {name: value for name, value in flags.items() if value not in (None, [])}
    kept = dict(config)
    if any(name in given for name in BUDGET):
        kept = {name: value for name, value in kept.items() if name not in BUDGET}
    return kept | given


def make_restorer(
    kind: type[Restorer], training: Training, **own: Any
) -> tuple[Restorer, str | None]:
    """Make an untrained restorer of options and their YAML file, and say the axes of its images.

    Parameters
    ----------
    kind
        What to make.
    training
        The options of every training.
    own
        Settings that only this kind has; None for those not given.

    Raises
    ------
    LadderscopeError
        Something in the options or the file cannot be.
    """
    flags = vars(training) | own
    config = flags.pop("config")
    where = {name: flags.pop(name) for name in ("device", "devices", "nodes")}
    chosen = merged(read_config(config, kind.settings_kind) if config else {}, flags)
    axes = chosen.pop("axes", None)
    noise = parse_noise(chosen.pop("noise", "auto"))
    preset, seed = chosen.pop("preset", None), chosen.pop("seed", 0)
    start = chosen.pop("start_from", None)
    if start is not None and preset is not None:
        raise LadderscopeError(
            f"--start-from {start} trains on with the settings of that model: leave out --preset"
        )
    restorer = (
        kind(preset=preset or "small", noise=noise, seed=seed, **where, **chosen)
        if start is None
        else kind.starting_from(start, noise, seed, **where, **chosen)
    )
    if not restorer.is_first_process:
        logger.setLevel(logging.ERROR)  # the first one tells the rest
    return restorer, axes


def parse_channels(texts: Sequence[str]) -> dict[str, str]:
    """Read the channels of a splitter, as name and files, in their order.

    Raises
    ------
    LadderscopeError
        One is written otherwise, a name is given twice, or there is one channel only.

    Examples
    --------
    >>> parse_channels(["nuclei=dna/*.tif", "actin=actin/*.tif"])
    {'nuclei': 'dna/*.tif', 'actin': 'actin/*.tif'}
    """
    channels: dict[str, str] = {}
    for text in texts:
        name, _, files = (part.strip() for part in text.partition("="))
        if not (name and files):
            raise LadderscopeError(
                f"--channel {text}: write a name and its files, such as --channel "
                '"nuclei=dna/*.tif"'
            )
        if name in channels:
            raise LadderscopeError(
                f"--channel {text}: there are two channels named {name}; give each channel its own "
                "name, and all its files as one pattern or folder"
            )
        channels[name] = files
    if len(channels) < 2:
        raise LadderscopeError(
            "only one channel is given: splitting needs two or more, each with its own --channel "
            "NAME=FILES"
        )
    return channels
