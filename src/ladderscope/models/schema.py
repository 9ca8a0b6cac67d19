"""The entries of a model file: their types, their limits, and which must agree."""

import math
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from ladderscope.harmless import harmless
from ladderscope.images.axes import AXES
from ladderscope.models.architecture import Architecture, architecture_of, check_agreement
from ladderscope.models.calibration_entry import CalibrationEntry
from ladderscope.models.config import (
    MOST_LEVELS,
    DenoiserSettings,
    RestorerSettings,
    SplitterSettings,
)
from ladderscope.models.earlier import LVAEConfig
from ladderscope.models.entry_types import (
    STRICT,
    Count,
    Interval,
    Name,
    Notices,
    Number,
    Positive,
    Seconds,
    Term,
)
from ladderscope.models.noise_entry import NoiseEntry, choice_of, noise_model_of
from ladderscope.noise import NoiseError, NoiseModel
from ladderscope.noise_estimation.choice import NoiseChoice
from ladderscope.untrusted import InputError, parse_json, problems_of, shown
from ladderscope.untrusted.parsing import MOST_VALUES

FORMAT = "ladderscope model"
FORMAT_VERSION = 3
MOST_CHANNELS = 10_000  # that are restored one by one
MOST_VALIDATIONS = 5000
MOST_FRAMES = 10**9  # that are averaged
_MOST_VALUES = 200_000

Model = TypeVar("Model", bound=BaseModel)


def _date(text: str) -> str:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or not 2000 <= found.year <= 9000:
        raise ValueError("must be a date after 2000, with its time zone")
    return text


def _axes(text: str) -> str:
    letters = {*text}
    if not {"Y", "X"} <= letters <= AXES.keys() or len(letters) < len(text):
        raise ValueError(f"must be letters of {''.join(AXES)}, each once, Y and X among them")
    return text


TrainedBy = Literal["Ladderscope", "CAREamics"]


class NewerFormatError(InputError):
    """A model file of a newer format, which needs a newer version."""


class StatisticsEntry(BaseModel):
    """Statistics of a channel, or of the mixed images."""

    model_config = STRICT

    mean: Number
    std: Positive
    darkest: Number | None = None
    brightest: Number | None = None

    @model_validator(mode="after")
    def _mean_lies_between(self) -> Self:
        if self.darkest is not None and self.darkest > self.mean + self.std:
            raise ValueError(f"darkest is {self.darkest}, above the mean {self.mean}")
        if self.brightest is not None and self.brightest < self.mean - self.std:
            raise ValueError(f"brightest is {self.brightest}, below the mean {self.mean}")
        return self


class AppearanceEntry(BaseModel):
    """What checks compare the images of a channel with."""

    model_config = STRICT

    quantiles: Annotated[tuple[Number, ...], Field(min_length=7, max_length=7)]
    detail: Annotated[tuple[Number, ...], Field(max_length=6)]


class MixingEntry(BaseModel):
    """How channels add up to a mixed image."""

    model_config = STRICT

    offsets: tuple[Number, ...]
    weights: tuple[Number, ...]
    offset: Number
    ratios: tuple[Positive, Positive]


class MixtureEntry(BaseModel):
    """The mixed images of a splitter."""

    model_config = STRICT

    statistics: StatisticsEntry
    mixing: MixingEntry
    intensities: Interval | None = None
    recorded: bool = False


class TrainingEntry(BaseModel):
    """How training went."""

    model_config = STRICT

    steps: Count
    skipped: Count
    seconds: Seconds
    interrupted: bool
    best_step: Count
    compiled: bool
    diverged: bool = False
    active_channels: Annotated[tuple[Count, ...], Field(max_length=MOST_LEVELS)] | None = None


class RecordEntry(BaseModel):
    """One validation."""

    model_config = STRICT

    step: Count
    seconds: Seconds
    loss: Term
    reconstruction: Term
    kl: Term
    validation_loss: Term
    validation_reconstruction: Term
    validation_kl: Term
    level_kl: tuple[Term, ...]


class ConfigEntry(BaseModel):
    """The entries that denoisers and splitters have in common."""

    model_config = STRICT

    format: Literal["ladderscope model"]
    format_version: Literal[1, 2, 3]
    ladderscope_version: Annotated[str, Field(max_length=64), AfterValidator(harmless)]
    created: Annotated[str, Field(max_length=64), AfterValidator(_date)]
    statistics: Annotated[tuple[StatisticsEntry, ...], Field(max_length=MOST_CHANNELS)]
    axes: Annotated[str, Field(max_length=len(AXES)), AfterValidator(_axes)]
    channel_names: tuple[Name, ...] | None
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    notices: Notices
    training: TrainingEntry
    settings: DenoiserSettings | SplitterSettings
    architecture: Architecture | None = None
    trained_by: TrainedBy = "Ladderscope"
    careamics: LVAEConfig | None = None  # in formats 1 and 2, in place of the two before
    pixel_size: tuple[Positive, Positive] | None = None
    slice_spacing: Positive | None = None
    mixture: MixtureEntry | None = None
    appearances: Annotated[tuple[AppearanceEntry, ...], Field(max_length=MOST_CHANNELS)] = ()
    calibration: Annotated[tuple[CalibrationEntry, ...], Field(max_length=MOST_CHANNELS)] = ()

    @model_validator(mode="after")
    def _a_name_for_each_channel(self) -> Self:
        names = self.channel_names
        if not self.statistics:
            raise ValueError("no statistics: at least one channel is needed")
        if names and len(names) != len(self.statistics):
            raise ValueError(f"{len(names)} channel_names for {len(self.statistics)} statistics")
        active = self.training.active_channels
        sighted = self.settings.levels - self.settings.blind_levels
        if active is not None and len(active) != sighted:
            raise ValueError(f"{len(active)} active_channels for {sighted} levels")
        shown = len(self.statistics) if self.mixture is None else 1
        if self.appearances and len(self.appearances) != shown:
            raise ValueError(f"{len(self.appearances)} appearances where {shown} are needed")
        if self.calibration and len(self.calibration) != len(self.statistics):
            raise ValueError(
                f"{len(self.calibration)} calibrations for {len(self.statistics)} statistics"
            )
        return self

    @model_validator(mode="after")
    def _network_as_its_format_has_it(self) -> Self:
        if self.format_version < 3 and (self.architecture or self.trained_by != "Ladderscope"):
            raise ValueError("architecture and trained_by need format_version 3")
        if self.format_version >= 3 and (self.architecture is None or self.careamics):
            raise ValueError("format_version 3 needs an architecture, and has no careamics")
        return self

    @model_validator(mode="after")
    def _network_does_what_the_settings_say(self) -> Self:
        check_agreement(self.built_from(), self.settings)
        return self

    def built_from(self) -> Architecture:
        """Give what the network is built from, in whatever format it is stored."""
        if self.careamics is not None:
            return self.careamics.architecture
        return architecture_of(self.settings) if self.architecture is None else self.architecture

    def made_by(self) -> TrainedBy:
        """Say which software trained the network, in whatever format that is stored."""
        return self.trained_by if self.careamics is None else "CAREamics"


class DenoiserEntry(ConfigEntry):
    """The `config.json` of a denoiser."""

    kind: Literal["denoiser"]
    settings: DenoiserSettings
    mixture: None = None
    frames: Annotated[int, Field(ge=2, le=MOST_FRAMES)] | None = None

    @model_validator(mode="after")
    def _frames_along_an_axis(self) -> Self:
        if self.frames is not None and self.settings.repeats is None:
            raise ValueError(f"frames is {self.frames}, but settings.repeats names no axis")
        return self


class SplitterEntry(ConfigEntry):
    """The `config.json` of a splitter."""

    kind: Literal["splitter"]
    settings: SplitterSettings
    mixture: MixtureEntry
    frames: None = None

    @model_validator(mode="after")
    def _as_many_of_each(self) -> Self:
        found = {
            "statistics": len(self.statistics),
            "mixture.mixing.offsets": len(self.mixture.mixing.offsets),
            "mixture.mixing.weights": len(self.mixture.mixing.weights),
        }
        for name, count in found.items():
            if count != self.settings.channels:
                raise ValueError(f"{count} {name} for {self.settings.channels} channels")
        return self


_KINDS: Mapping[str, type[DenoiserEntry] | type[SplitterEntry]] = {
    "denoiser": DenoiserEntry,
    "splitter": SplitterEntry,
}
_HISTORY: TypeAdapter[tuple[RecordEntry, ...]] = TypeAdapter(
    Annotated[tuple[RecordEntry, ...], Field(max_length=MOST_VALIDATIONS)]
)
_NOISE: TypeAdapter[tuple[NoiseEntry, ...]] = TypeAdapter(
    Annotated[tuple[NoiseEntry, ...], Field(max_length=MOST_CHANNELS)]
)


def config_of(content: bytes) -> DenoiserEntry | SplitterEntry:
    """Read `config.json`.

    Raises
    ------
    InputError
        It is foreign, of a newer format, or damaged: the entry, what was found, what is needed.

    Examples
    --------
    >>> config_of(b'{"format": "ladderscope model", "format_version": 1, "kind": "dancer"}')
    Traceback (most recent call last):
    ...
    ladderscope.untrusted.words.InputError: its kind is 'dancer', not denoiser or splitter
    """
    found = _parsed("config.json", content, _MOST_VALUES)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError("a zip file, but not a Ladderscope model")
    version = found.get("format_version")
    if type(version) is not int:
        raise InputError(
            f"config.json: format_version: found {shown(version)}: must be a whole number"
        )
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{_written_by(found)} in format {shown(version)}; this version reads up to format "
            f"{FORMAT_VERSION}. Update Ladderscope"
        )
    kind = found.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"its kind is {shown(kind)}, not {' or '.join(_KINDS)}")
    try:
        config = _KINDS[kind].model_validate_json(content, strict=True)
    except ValidationError as error:
        advice = ""
        if any(problem["type"] == "extra_forbidden" for problem in error.errors()):
            advice = (
                f". The file was {_written_by(found)}, and this is "
                f"{metadata.version('ladderscope')}: update Ladderscope if that is newer"
            )
        raise InputError(f"config.json: {problems_of(error)}{advice}") from error
    return config


def history_of(content: bytes, settings: RestorerSettings) -> tuple[dict[str, Any], ...]:
    """Read the lines of `history.json`, with NaN where a number was not finite.

    Raises
    ------
    InputError
        A line is invalid.
    """
    _parsed("history.json", content, _MOST_VALUES)
    try:
        records = _HISTORY.validate_json(content, strict=True)
    except ValidationError as error:
        raise InputError(f"history.json: {problems_of(error)}") from error
    sighted = settings.levels - settings.blind_levels
    for number, record in enumerate(records):
        if len(record.level_kl) != sighted:
            raise InputError(
                f"history.json: {number}.level_kl: {len(record.level_kl)} numbers for {sighted} "
                "levels that see the image"
            )
    return tuple(
        {name: _number(value) for name, value in record.model_dump().items()} for record in records
    )


def noise_of(
    content: bytes, config: DenoiserEntry | SplitterEntry
) -> tuple[tuple[NoiseModel, ...], tuple[NoiseChoice | None, ...]]:
    """Read the noise models of `noise.json`, and how they were chosen.

    Raises
    ------
    InputError
        An entry or a noise model is invalid, or there is not one per channel.
    """
    _parsed("noise.json", content, MOST_VALUES)
    try:
        entries = _NOISE.validate_json(content, strict=True)
    except ValidationError as error:
        raise InputError(f"noise.json: {problems_of(error)}") from error
    channels = len(config.statistics)
    trained_here = config.made_by() == "Ladderscope"
    needed = {channels} if config.kind == "denoiser" and trained_here else {0, channels}
    if len(entries) not in needed:
        raise InputError(f"noise.json: {len(entries)} noise models for {channels} channels")
    try:
        models = tuple(noise_model_of(entry.model) for entry in entries)
        return models, tuple(choice_of(entry) for entry in entries)
    except NoiseError as error:
        raise InputError(f"noise.json: {error}") from error


def _parsed(name: str, content: bytes, most_values: int) -> Any:
    try:
        return parse_json(content, most_values)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _written_by(config: Mapping[str, Any]) -> str:
    version = config.get("ladderscope_version")
    return f"written by Ladderscope {shown(version)[1:-1] if isinstance(version, str) else '?'}"


def _number(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_number(entry) for entry in value)
    return math.nan if value is None else value
