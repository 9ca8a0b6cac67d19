"""The calibration of a channel in a model file."""

from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, Field, model_validator

from ladderscope.evaluation.calibration import LEVELS, Source
from ladderscope.models.entry_types import STRICT, Count, Number, Positive, Share

_MOST_KNOTS = 100
_PER_LEVEL = Field(min_length=len(LEVELS), max_length=len(LEVELS))


class CalibrationEntry(BaseModel):
    """How the standard deviation of a channel is calibrated: see `Calibration`."""

    model_config = STRICT

    predicted: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=_MOST_KNOTS)]
    calibrated: tuple[Positive, ...]
    intensities: Annotated[tuple[Number, ...], Field(max_length=_MOST_KNOTS)]
    factors: tuple[Positive, ...]
    multipliers: Annotated[tuple[Positive, ...], _PER_LEVEL] | tuple[()]
    source: Source
    pixels: Count
    samples: Count
    before: Annotated[tuple[Share, ...], _PER_LEVEL]
    after: Annotated[tuple[Share, ...], _PER_LEVEL]
    scale: Positive
    offset: Number

    @model_validator(mode="after")
    def _knots_of_a_function(self) -> Self:
        for name, other in (("predicted", "calibrated"), ("intensities", "factors")):
            knots, values = getattr(self, name), getattr(self, other)
            if len(knots) != len(values):
                raise ValueError(f"{len(knots)} {name} for {len(values)} {other}")
            if np.any(np.diff(knots) <= 0):
                raise ValueError(f"{name} must increase")
        for name in ("calibrated", "multipliers"):
            if np.any(np.diff(getattr(self, name)) < 0):
                raise ValueError(f"{name} must not fall")
        return self
