"""The noise of a channel in a model file: the noise model, its fit, and why it was chosen."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, Field, model_validator

from ladderscope.models.entry_types import STRICT, Bins, Interval, Name, Notices, Number, Share
from ladderscope.noise import NoiseModel, noise_model_from_dict
from ladderscope.noise_estimation import NoiseFit
from ladderscope.noise_estimation.choice import NoiseChoice
from ladderscope.untrusted import InputError, shown

_BINS = ("signals", "variances", "counts")
_MOST_INTERVALS = 16


class FitEntry(BaseModel):
    """The fit that a noise model comes from."""

    model_config = STRICT

    model: dict[str, Any]
    intervals: Annotated[dict[Name, Interval], Field(max_length=_MOST_INTERVALS)] = {}
    gain_interval: Interval | None = None  # in earlier versions, in place of `intervals`
    intercept_interval: Interval | None = None
    bin_signals: Bins
    bin_variances: Bins
    bin_counts: Bins
    signal_range: Interval
    offset_guess: Number | None = None
    clipped_share: Share
    offset: Number | None = None
    read_noise: Number | None = None
    advantage: Number | None = None
    advantage_error: Number | None = None
    notices: Notices = ()

    @model_validator(mode="after")
    def _bins_of_one_length(self) -> Self:
        if len({len(self.bin_signals), len(self.bin_variances), len(self.bin_counts)}) > 1:
            raise ValueError("bin_signals, bin_variances and bin_counts must have the same length")
        return self


class NoiseEntry(BaseModel):
    """The noise of a channel."""

    model_config = STRICT

    model: dict[str, Any]
    fit: FitEntry | None
    asked: Name = NoiseChoice.asked
    reasons: Notices = ()
    warnings: Notices = ()


def choice_of(entry: NoiseEntry) -> NoiseChoice | None:
    """Return how a noise model was chosen; None if it was given."""
    if entry.fit is None:
        return None
    return NoiseChoice(fit_of(entry.fit), entry.asked, entry.reasons, entry.warnings)


def fit_of(entry: FitEntry) -> NoiseFit:
    """Make the fit that an entry describes."""
    bins = {f"bin_{part}": np.array(getattr(entry, f"bin_{part}"), np.float64) for part in _BINS}
    entries = dict(entry) | bins
    earlier = {part: entries.pop(f"{part}_interval") for part in ("gain", "intercept")}
    intervals = {part: interval for part, interval in earlier.items() if interval is not None}
    model = noise_model_of(entry.model)
    return NoiseFit(**{**entries, "model": model, "intervals": intervals | entry.intervals})


def noise_model_of(entries: Mapping[str, Any]) -> NoiseModel:
    """Make the noise model that entries describe; refuse entries that it does not have."""
    model = noise_model_from_dict(entries)
    unknown = entries.keys() - model.to_dict().keys()
    if unknown:
        raise InputError(f"noise.json: a {model.kind} has no {shown(min(unknown))}")
    return model
