"""The ``.ladder`` file: one zip of tensors, text and a thumbnail. It cannot hold code."""

import json
import math
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from ladderscope.data import Intensities, Mixing
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Calibration
from ladderscope.evaluation.checks import Appearance
from ladderscope.files import whole_file
from ladderscope.images import Statistics
from ladderscope.models import entry_types, schema
from ladderscope.models.architecture import Architecture, weights_of
from ladderscope.models.config import DenoiserSettings, SplitterSettings
from ladderscope.models.weights import check_finite, read_weights
from ladderscope.noise import NoiseModel
from ladderscope.noise_estimation import NoiseFit
from ladderscope.noise_estimation.choice import NoiseChoice
from ladderscope.training import Outcome, Record
from ladderscope.untrusted import InputError, Zip, file_size, shortened, shown

WEIGHTS, CONFIG, NOISE, HISTORY = "model.safetensors", "config.json", "noise.json", "history.json"
THUMBNAIL = "thumbnail.png"
_MOST_MEMBERS = 16
_MOST_BYTES = {CONFIG: 16_000_000, NOISE: 32_000_000, HISTORY: 8_000_000, THUMBNAIL: 16_000_000}
_PNG = struct.Struct(">8sI4sII")  # signature, then length and name of the first part, and sides
_MOST_PIXELS = 2**24


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
        The range of their intensities in training; None if unknown.
    recorded : bool
        Whether they were recorded; otherwise they are sums of the channels.
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
    architecture : Architecture
        What the network is built from.
    weights : dict of str to Tensor
        Of the network.
    statistics : tuple of Statistics
        One per channel, for normalisation.
    noise_models : tuple of NoiseModel
        One per channel; none if the objective needs none.
    noise_choices : tuple of NoiseChoice or None
        One per channel: how the noise model was measured and chosen, or None if it was given.
    outcome : Outcome
        How training went.
    axes : str
        Axes of the training images.
    channel_names : tuple of str, optional
        One per channel.
    seed : int
        Random seed of the training.
    notices : tuple of str
        What was reported while fitting.
    thumbnail : bytes, optional
        A PNG of a detail before and after.
    version : str
        The version of Ladderscope that made it.
    created : str
        When training ended, as ISO 8601 in UTC.
    mixture : Mixture, optional
        Of a splitter.
    trained_by : str
        ``"Ladderscope"``, or ``"CAREamics"`` for an imported model.
    pixel_size : (float, float), optional
        Height and width of a pixel of the training images, in micrometres, if all have the same.
    slice_spacing : float, optional
        For a model of three dimensions, the distance of their slices likewise.
    frames : int, optional
        Of how many frames each training image is the average. None if of one, or if unknown, as
        in files of earlier versions.
    appearances : tuple of Appearance
        What checks compare images with: one per channel, or that of the mixed images of a
        splitter; none in files of earlier versions.
    """

    settings: DenoiserSettings | SplitterSettings
    architecture: Architecture
    weights: dict[str, torch.Tensor]
    statistics: tuple[Statistics, ...]
    noise_models: tuple[NoiseModel, ...]
    noise_choices: tuple[NoiseChoice | None, ...]
    outcome: Outcome
    axes: str
    channel_names: tuple[str, ...] | None
    seed: int
    notices: tuple[str, ...]
    thumbnail: bytes | None
    version: str
    created: str
    mixture: Mixture | None = None
    trained_by: schema.TrainedBy = "Ladderscope"
    pixel_size: tuple[float, float] | None = None
    slice_spacing: float | None = None
    frames: int | None = None
    appearances: tuple[Appearance, ...] = ()
    calibration: tuple[Calibration, ...] = ()

    @property
    def noise_fits(self) -> tuple[NoiseFit | None, ...]:
        """The fit that each noise model comes from, or None if it was given."""
        return tuple(None if one is None else one.fit for one in self.noise_choices)

    @property
    def imported(self) -> bool:
        """Whether other software trained the network."""
        return self.trained_by != "Ladderscope"

    @property
    def kind(self) -> str:
        """What the model does: ``"denoiser"`` or ``"splitter"``."""
        return "denoiser" if isinstance(self.settings, DenoiserSettings) else "splitter"


def write_model(path: Path, model: Model, *, overwrite: bool = True) -> None:
    """Write a model file, whole or not at all.

    What exceeds the limits of a file is made to fit: long texts are cut off, every second, third
    … validation is kept, and a large thumbnail is left out.

    Raises
    ------
    ModelFileError
        The model could not be opened again: the reason.
    OutputError
        The file exists and may not be overwritten, or cannot be written.
    """
    outcome = asdict(model.outcome)
    history = outcome.pop("history")
    config = {
        "format": schema.FORMAT,
        "format_version": schema.FORMAT_VERSION,
        "ladderscope_version": model.version,
        "created": model.created,
        "kind": model.kind,
        "settings": model.settings.model_dump(),
        "architecture": model.architecture.model_dump(exclude_none=True),
        "trained_by": model.trained_by,
        "statistics": [asdict(channel) for channel in model.statistics],
        "axes": model.axes,
        "channel_names": model.channel_names
        and [shortened(str(name), entry_types.LONGEST_NAME) for name in model.channel_names],
        "seed": model.seed,
        "notices": _notices(model.notices),
        "training": outcome,
        "mixture": None if model.mixture is None else asdict(model.mixture),
        "pixel_size": model.pixel_size,
        "slice_spacing": model.slice_spacing,
        "frames": model.frames,
        "appearances": [asdict(one) for one in model.appearances],
        "calibration": [asdict(channel) for channel in model.calibration],
    }
    noise = [
        {"model": channel.to_dict(), **_measured(choice)}
        for channel, choice in zip(model.noise_models, model.noise_choices, strict=True)
    ]
    entries: dict[str, bytes] = {
        CONFIG: _to_json(config),
        NOISE: _to_json(noise),
        HISTORY: _to_json(_thinned(history)),
    }
    thumbnail = model.thumbnail
    if thumbnail is not None and _is_small_png(thumbnail):
        entries[THUMBNAIL] = thumbnail
    weights = {name: _single(value).cpu().contiguous() for name, value in model.weights.items()}
    try:
        _model(entries, weights)
        check_finite(weights, "weights")
    except LadderscopeError as error:
        raise ModelFileError(
            f"{path}: not written, as the model could not be opened again: {error}"
        ) from error
    entries[WEIGHTS] = safetensors.torch.save(weights)
    with (
        whole_file(path, overwrite=overwrite) as unfinished,
        zipfile.ZipFile(unfinished, "w") as archive,
    ):
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def read_model(path: Path) -> Model:
    """Open a model file, and check each part before the next is unpacked.

    Raises
    ------
    ModelFileError
        The file is missing, damaged, foreign, or of a newer format: which member and entry of it
        is wrong, what was found, and what is needed.
    """
    try:
        file_size(path)
    except InputError as error:
        raise ModelFileError(f"{path}: {error}. Give a .ladder file") from error
    try:
        with Zip(path, _MOST_MEMBERS) as archive:
            config = schema.config_of(_member(archive, CONFIG))
            unknown = archive.sizes.keys() - {CONFIG, NOISE, HISTORY, WEIGHTS, THUMBNAIL}
            if unknown:
                raise InputError(f"holds {shown(min(unknown))}, which is not part of a model file")
            names = [NOISE, HISTORY, *({THUMBNAIL} & archive.sizes.keys())]
            if WEIGHTS not in archive.sizes:
                raise InputError(f"{WEIGHTS} is missing")
            entries = {name: _member(archive, name) for name in names}
            weights = read_weights(archive, WEIGHTS, weights_of(config.built_from()))
            return _model(entries, weights, config)
    except schema.NewerFormatError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except LadderscopeError as error:
        raise ModelFileError(
            f"{path}: not a model file that can be opened: {shortened(str(error), 1000)}. If it "
            "opened before, it has been damaged since: copy it again"
        ) from error


def _member(archive: Zip, name: str) -> bytes:
    if name not in archive.sizes:
        raise InputError(f"{name} is missing")
    return archive.read(name, _MOST_BYTES[name])


def _model(
    entries: dict[str, bytes],
    weights: dict[str, torch.Tensor],
    config: schema.DenoiserEntry | schema.SplitterEntry | None = None,
) -> Model:
    """Make a model of its weights and of the text in its file, which is checked."""
    config = schema.config_of(entries[CONFIG]) if config is None else config
    noise_models, noise_choices = schema.noise_of(entries[NOISE], config)
    records = schema.history_of(entries[HISTORY], config.settings)
    thumbnail = entries.get(THUMBNAIL)
    if thumbnail is not None and not _is_small_png(thumbnail):
        raise InputError(f"{THUMBNAIL}: not a PNG of at most {_MOST_PIXELS:,} pixels")
    return Model(
        settings=config.settings,
        architecture=config.built_from(),
        weights=weights,
        statistics=tuple(_statistics(channel) for channel in config.statistics),
        noise_models=noise_models,
        noise_choices=noise_choices,
        outcome=Outcome(
            tuple(Record(**record) for record in records), **config.training.model_dump()
        ),
        axes=config.axes,
        channel_names=config.channel_names or None,
        seed=config.seed,
        notices=config.notices,
        thumbnail=thumbnail,
        version=config.ladderscope_version,
        created=config.created,
        mixture=None if config.mixture is None else _mixture(config.mixture),
        trained_by=config.made_by(),
        pixel_size=config.pixel_size,
        slice_spacing=config.slice_spacing,
        frames=config.frames,
        appearances=tuple(Appearance(**one.model_dump()) for one in config.appearances),
        calibration=tuple(Calibration(**dict(channel)) for channel in config.calibration),
    )


def _statistics(entry: schema.StatisticsEntry) -> Statistics:
    return Statistics(entry.mean, entry.std, entry.darkest, entry.brightest)


def _mixture(entry: schema.MixtureEntry) -> Mixture:
    return Mixture(
        _statistics(entry.statistics),
        Mixing(**entry.mixing.model_dump()),
        None if entry.intensities is None else Intensities(*entry.intensities),
        entry.recorded,
    )


def _is_small_png(content: bytes) -> bool:
    if not _PNG.size <= len(content) <= _MOST_BYTES[THUMBNAIL]:
        return False
    signature, _, part, width, height = _PNG.unpack_from(content)
    named: bool = (signature, part) == (b"\x89PNG\r\n\x1a\n", b"IHDR")
    return named and 0 < int(width) * int(height) <= _MOST_PIXELS


def _measured(choice: NoiseChoice | None) -> dict[str, Any]:
    """Describe how a noise model was measured and chosen."""
    if choice is None:
        return {"fit": None}
    fit = choice.fit.to_dict()
    return {
        "fit": fit | {"notices": _notices(fit["notices"])},
        "asked": choice.asked,
        "reasons": _notices(choice.reasons),
        "warnings": _notices(choice.warnings),
    }


def _notices(texts: Sequence[str]) -> list[str]:
    return [
        shortened(text, entry_types.LONGEST_NOTICE) for text in texts[: entry_types.MOST_NOTICES]
    ]


def _thinned(history: Sequence[Any]) -> Sequence[Any]:
    """Keep as many validations as a file may hold, evenly spaced and the last among them."""
    apart = -(-len(history) // schema.MOST_VALIDATIONS)
    return history[::-1][:: max(1, apart)][::-1]


def _single(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value


def _to_json(value: Any) -> bytes:
    """Write standard JSON: NaN and infinities, which it does not have, become null."""
    return json.dumps(_plain(value), indent=1, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
