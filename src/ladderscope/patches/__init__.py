"""Training patches: drawn from planes of images, the same ones whenever the seed is the same."""

from ladderscope.patches.sampling import (
    HeldOut,
    PatchBatch,
    Plane,
    TrainingPatches,
    hold_out,
    patch_size_for,
    validation_batch,
)

__all__ = [
    "HeldOut",
    "PatchBatch",
    "Plane",
    "TrainingPatches",
    "hold_out",
    "patch_size_for",
    "validation_batch",
]
