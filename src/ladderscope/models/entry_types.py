"""Types of the entries of a model file, with their limits."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from ladderscope.harmless import harmless

MOST_NOTICES, LONGEST_NOTICE, LONGEST_NAME = 500, 4000, 256
_MOST_BINS = 10_000
_LARGEST, _LONGEST = 1e30, 10**12  # still a normal float32; steps or seconds
STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)

Number = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
Positive = Annotated[float, Field(ge=1e-15, le=1e15)]  # its square is a normal float32 too
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=_LONGEST)]
Seconds = Annotated[float, Field(ge=0, le=_LONGEST)]
Term = Annotated[float, Field(allow_inf_nan=False)] | None  # null where it was not finite
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(harmless)]
Notice = Annotated[str, Field(max_length=LONGEST_NOTICE), AfterValidator(harmless)]
Notices = Annotated[tuple[Notice, ...], Field(max_length=MOST_NOTICES)]
Bins = Annotated[tuple[Number, ...], Field(max_length=_MOST_BINS)]
Interval = tuple[Number, Number]
