"""Training patches: drawn from fields of view, the same ones whenever the seed is the same."""

from ladderscope.patches.fields import (
    Field,
    HeldOut,
    PatchShape,
    Place,
    cut,
    fields_of,
    hold_out,
    planes_of,
    side_for,
)
from ladderscope.patches.foreground import Foreground, find_foreground
from ladderscope.patches.mixing import (
    Channels,
    Intensities,
    MixedBatch,
    MixedPatches,
    Mixing,
    measure_mixtures,
    validation_mixtures,
)
from ladderscope.patches.sampling import PatchBatch, TrainingPatches, validation_batch
from ladderscope.patches.wider_views import views_around

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
    "Place",
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
    "views_around",
]
