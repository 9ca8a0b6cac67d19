"""From the command line's options and the YAML file to a denoiser that is ready to be trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ladderscope.errors import LadderscopeError
from ladderscope.noise import Gaussian, NoiseModel, PoissonGaussian, load_noise_model
from ladderscope.restorers import Denoiser, DenoiserSettings

BUDGET = ("minutes", "steps", "epochs")
_BESIDE_SETTINGS: dict[str, tuple[type, ...]] = {
    "preset": (str,),
    "noise": (str, list),
    "seed": (int,),
    "axes": (str,),
}


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's YAML file.

    Parameters
    ----------
    path
        A mapping: settings of the denoiser, ``preset``, ``noise``, ``seed`` and ``axes``.

    Raises
    ------
    LadderscopeError
        It cannot be read, is no mapping, or has a key of another name or a value of a wrong type.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LadderscopeError(f"{path}: is not YAML ({error})") from error
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise LadderscopeError(f'{path}: must hold lines such as "minutes: 5", a setting each')
    known = [*_BESIDE_SETTINGS, *DenoiserSettings.model_fields]
    for name, value in entries.items():
        if name not in known:
            raise LadderscopeError(
                f"{path}: there is no setting {name!r}; the settings are: {', '.join(known)}"
            )
        types = _BESIDE_SETTINGS.get(name)
        if types and (not isinstance(value, types) or isinstance(value, bool)):
            raise LadderscopeError(f"{path}: {name}: {value!r} cannot be used")
    return entries


def merged(config: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Let flags that were given win over the file; a budget replaces the file's, whichever it is.

    Examples
    --------
    >>> merged({"minutes": 5, "seed": 1}, {"steps": 100, "minutes": None, "seed": None})
    {'seed': 1, 'steps': 100}
    """
    given = {name: value for name, value in flags.items() if value is not None}
    kept = dict(config)
    if any(name in given for name in BUDGET):
        kept = {name: value for name, value in kept.items() if name not in BUDGET}
    return kept | given


def make_denoiser(
    config: Path | None, device: str | None, **flags: Any
) -> tuple[Denoiser, str | None]:
    """Make an untrained denoiser of a YAML file and of flags, and say the axes of its images.

    Raises
    ------
    LadderscopeError
        Something in the options or the file cannot be.
    """
    chosen = merged(read_config(config) if config else {}, flags)
    axes = chosen.pop("axes", None)
    noise = parse_noise(chosen.pop("noise", "auto"))
    preset, seed = chosen.pop("preset", "small"), chosen.pop("seed", 0)
    return Denoiser(preset=preset, noise=noise, seed=seed, device=device, **chosen), axes


def parse_noise(text: str | Sequence[str]) -> str | NoiseModel | list[str | NoiseModel]:
    """Read a noise model as it is written on the command line, or one a channel.

    A file may hold several models, one a channel.

    Raises
    ------
    LadderscopeError
        It is written otherwise, its numbers cannot be, or there is no such file of noise models.

    Examples
    --------
    >>> parse_noise("gaussian:3")
    Gaussian(sigma=3.0)
    >>> parse_noise(["auto"])
    'auto'
    """
    texts = [text] if isinstance(text, str) else text
    entries = [entry for one in texts for entry in _noise_entries(str(one).strip())]
    return entries[0] if len(entries) == 1 else entries


def _noise_entries(text: str) -> list[str | NoiseModel]:
    if text.lower().endswith((".json", ".npz")):
        stored = load_noise_model(text)
        return [stored] if isinstance(stored, NoiseModel) else [*stored]
    return [_one_noise(text)]


def _one_noise(text: str) -> str | NoiseModel:
    kind, _, listed = text.partition(":")
    try:
        numbers = [float(number) for number in listed.split(",")] if listed else []
    except ValueError:
        numbers = []
    match kind, numbers:
        case "auto", [] if not listed:
            return "auto"
        case "gaussian", [sigma]:
            return Gaussian(sigma)
        case "poisson-gaussian", [gain, offset, read]:
            return PoissonGaussian.from_camera(gain, offset, read)
    raise LadderscopeError(
        f"noise {text!r}: write auto, gaussian:SIGMA such as gaussian:3.5, "
        "poisson-gaussian:GAIN,OFFSET,READ such as poisson-gaussian:2.1,100,3, or the name of a "
        "file of noise models, .json or .npz"
    )
