"""Training patches, drawn from fields of view as a function of the seed."""

from ladderscope.data.fields import (
    Field,
    HeldOut,
    PatchShape,
    Position,
    cut,
    fields_of,
    hold_out,
    planes_of,
    side_for,
)
from ladderscope.data.foreground import Foreground, find_foreground
from ladderscope.data.mixing import (
    Channels,
    Intensities,
    MixedBatch,
    MixedPatches,
    Mixing,
    measure_mixtures,
    validation_mixtures,
)
from ladderscope.data.sampling import PatchBatch, TrainingPatches, validation_batch

__all__ = [
    "Channels",
    "Field",
    "Foreground",
    "HeldOut",
    "Intensities",
    "MixedBatch",
    "MixedPatches",
    "Mixing",
    "PatchBatch",
    "PatchShape",
    "Position",
    "TrainingPatches",
    "cut",
    "fields_of",
    "find_foreground",
    "hold_out",
    "measure_mixtures",
    "planes_of",
    "side_for",
    "validation_batch",
    "validation_mixtures",
]
