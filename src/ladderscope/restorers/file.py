"""The ``.ladder`` file: one zip of tensors, text and a thumbnail. Nothing in it can be code."""

import json
import math
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from ladderscope.errors import LadderscopeError
from ladderscope.files import whole_file
from ladderscope.images import Statistics
from ladderscope.noise import NoiseFit, NoiseModel, noise_model_from_dict
from ladderscope.patches import Intensities, Mixing
from ladderscope.restorers.config import DenoiserSettings, SplitterSettings
from ladderscope.training import Outcome, Record

FORMAT = "ladderscope model"
FORMAT_VERSION = 1
WEIGHTS, CONFIG, NOISE, HISTORY = "model.safetensors", "config.json", "noise.json", "history.json"
THUMBNAIL = "thumbnail.png"
_SETTINGS: dict[str, type[DenoiserSettings] | type[SplitterSettings]] = {
    "denoiser": DenoiserSettings,
    "splitter": SplitterSettings,
}


class ModelFileError(LadderscopeError):
    """A file that cannot be opened as a model: what is wrong with it, and what to do."""


@dataclass(frozen=True)
class Mixture:
    """The mixed images of a splitter.

    Attributes
    ----------
    statistics : Statistics
        What they are normalised with.
    mixing : Mixing
        How the channels add up to them.
    intensities : Intensities or None
        Between which those of training lie; None where it is not known.
    recorded : bool
        Whether they were recorded; otherwise they were made of the channels.
    """

    statistics: Statistics
    mixing: Mixing
    intensities: Intensities | None = None
    recorded: bool = False


@dataclass(frozen=True, eq=False)
class Model:
    """Everything that a fitted restorer is, and that its file holds.

    Attributes
    ----------
    settings : DenoiserSettings or SplitterSettings
        As given, but for the size of patches, which is as used.
    weights : dict of str to Tensor
        Of the network.
    statistics : tuple of Statistics
        One a channel: what it is normalised with.
    noise_models : tuple of NoiseModel
        One a channel; none where the objective needs none.
    noise_fits : tuple
        One a channel: the calibration that the noise model comes from, or None if it was given.
    outcome : Outcome
        How training went.
    axes : str
        Axes of the training images.
    channel_names : tuple of str, optional
        One a channel.
    seed : int
        What training was seeded with.
    notices : tuple of str
        What the user was told while fitting.
    thumbnail : bytes, optional
        A PNG of a detail before and after.
    version : str
        The version of Ladderscope that made it.
    created : str
        When training ended, as ISO 8601 in UTC.
    mixture : Mixture, optional
        Of a splitter.
    careamics : dict, optional
        For a network that CAREamics trained, how it builds it.
    pixel_size : (float, float), optional
        Height and width of a pixel of the training images, in micrometres, if all have the same.
    slice_spacing : float, optional
        For a model of three dimensions, the distance of their slices likewise.
    """

    settings: DenoiserSettings | SplitterSettings
    weights: dict[str, torch.Tensor]
    statistics: tuple[Statistics, ...]
    noise_models: tuple[NoiseModel, ...]
    noise_fits: tuple[NoiseFit | None, ...]
    outcome: Outcome
    axes: str
    channel_names: tuple[str, ...] | None
    seed: int
    notices: tuple[str, ...]
    thumbnail: bytes | None
    version: str
    created: str
    mixture: Mixture | None = None
    careamics: dict[str, Any] | None = None
    pixel_size: tuple[float, float] | None = None
    slice_spacing: float | None = None

    @property
    def kind(self) -> str:
        """What the model does: ``"denoiser"`` or ``"splitter"``."""
        return "denoiser" if isinstance(self.settings, DenoiserSettings) else "splitter"


def write_model(path: Path, model: Model, *, overwrite: bool = True) -> None:
    """Write a model file, whole or not at all.

    Raises
    ------
    OutputError
        The file exists and may not be overwritten, or cannot be written.
    """
    outcome = asdict(model.outcome)
    history = outcome.pop("history")
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ladderscope_version": model.version,
        "created": model.created,
        "kind": model.kind,
        "settings": model.settings.model_dump(),
        "statistics": [asdict(channel) for channel in model.statistics],
        "axes": model.axes,
        "channel_names": model.channel_names,
        "seed": model.seed,
        "notices": model.notices,
        "training": outcome,
        "mixture": None if model.mixture is None else asdict(model.mixture),
        "careamics": model.careamics,
        "pixel_size": model.pixel_size,
        "slice_spacing": model.slice_spacing,
    }
    noise = [
        {"model": channel.to_dict(), "fit": fit.to_dict() if fit else None}
        for channel, fit in zip(model.noise_models, model.noise_fits, strict=True)
    ]
    weights = {name: value.cpu().contiguous() for name, value in model.weights.items()}
    entries: dict[str, bytes] = {
        CONFIG: _to_json(config),
        NOISE: _to_json(noise),
        HISTORY: _to_json(history),
        WEIGHTS: safetensors.torch.save(weights),
    }
    if model.thumbnail is not None:
        entries[THUMBNAIL] = model.thumbnail
    with (
        whole_file(path, overwrite=overwrite) as unfinished,
        zipfile.ZipFile(unfinished, "w") as archive,
    ):
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def read_model(path: Path) -> Model:
    """Open a model file and check it through.

    Raises
    ------
    ModelFileError
        The file is missing, damaged, foreign, or of a newer format.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file; give a model that Ladderscope saved")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    except Exception as error:  # where the zip is damaged, each of its codecs raises its own
        raise ModelFileError(
            f"{path}: not a model file, or a damaged one ({error}). A .ladder file is a zip that "
            "Ladderscope wrote; copy it again, or train anew"
        ) from error
    config = _entry(path, entries, CONFIG)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFileError(f"{path}: a zip file, but not one that Ladderscope wrote")
    version = config.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path}: written by Ladderscope {config.get('ladderscope_version')} in format "
            f"{version}; this version reads up to format {FORMAT_VERSION}. Update Ladderscope"
        )
    if config.get("kind") not in _SETTINGS:
        raise ModelFileError(
            f"{path}: holds a {config.get('kind')!r}, not a {' or a '.join(_SETTINGS)}"
        )
    try:
        noise = _entry(path, entries, NOISE)
        history = tuple(
            Record(**{name: _number(value) for name, value in line.items()})
            for line in _entry(path, entries, HISTORY)
        )
        names = config["channel_names"]
        return Model(
            settings=_SETTINGS[config["kind"]](**config["settings"]),
            weights=safetensors.torch.load(entries[WEIGHTS]),
            statistics=tuple(Statistics(**channel) for channel in config["statistics"]),
            noise_models=tuple(noise_model_from_dict(channel["model"]) for channel in noise),
            noise_fits=tuple(
                NoiseFit.from_dict(channel["fit"]) if channel["fit"] else None for channel in noise
            ),
            outcome=Outcome(history=history, **config["training"]),
            axes=config["axes"],
            channel_names=tuple(names) if names else None,
            seed=config["seed"],
            notices=tuple(config["notices"]),
            thumbnail=entries.get(THUMBNAIL),
            version=config["ladderscope_version"],
            created=config["created"],
            mixture=_mixture(config.get("mixture")),
            careamics=_careamics(config.get("careamics")),
            pixel_size=_pixel_size(config.get("pixel_size")),
            slice_spacing=_length(config.get("slice_spacing")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, safetensors.SafetensorError) as error:
        raise ModelFileError(f"{path}: a damaged model file ({error!r}); train anew") from error


def _mixture(entries: Any) -> Mixture | None:
    if entries is None:
        return None
    mixing: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in entries["mixing"].items()
    }
    intensities = entries.get("intensities")
    return Mixture(
        Statistics(**entries["statistics"]),
        Mixing(**mixing),
        None if intensities is None else Intensities(*intensities),
        entries.get("recorded", False),
    )


def _pixel_size(entry: Any) -> tuple[float, float] | None:
    height, width = (None, None) if entry is None else map(_length, entry)
    return None if height is None or width is None else (height, width)


def _length(entry: Any) -> float | None:
    if entry is not None and not 0 < entry < math.inf:
        raise ValueError(f"{entry!r} is no length")
    return None if entry is None else float(entry)


def _careamics(entry: Any) -> dict[str, Any] | None:
    if not isinstance(entry, dict | None):
        raise TypeError(f"careamics is {entry!r}, not a mapping")
    return entry


def _entry(path: Path, entries: dict[str, bytes], name: str) -> Any:
    if name not in entries:
        raise ModelFileError(
            f"{path}: not a model of Ladderscope, or a damaged one: no {name} in it"
        )
    try:
        return json.loads(entries[name])
    except ValueError as error:
        raise ModelFileError(f"{path}: damaged: its {name} cannot be read ({error})") from error


def _to_json(value: Any) -> bytes:
    """Write JSON that any reader takes: NaN, which it has no word for, becomes null."""
    return json.dumps(_plain(value), indent=1, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_number(entry) for entry in value)
    return math.nan if value is None else value
