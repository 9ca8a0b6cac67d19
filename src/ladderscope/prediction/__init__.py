"""Prediction tile by tile: one bottom-up pass per tile, for any number of posterior samples."""

from ladderscope.prediction.latent_noise import antithetic_noise, latent_noise
from ladderscope.prediction.sampler import (
    RestoredTile,
    Sampling,
    decodings,
    draw_tile,
    restore_tile,
)
from ladderscope.prediction.seen import Part, seen_by, tile_at, tiles_of
from ladderscope.prediction.shown import Shown, limits, show
from ladderscope.prediction.speed import for_work
from ladderscope.prediction.spread import Law, of_posterior, of_prediction
from ladderscope.prediction.tiles import Geometry, Tile, tiles
from ladderscope.prediction.whole import Restored, draw, restore

__all__ = [
    "Geometry",
    "Law",
    "Part",
    "Restored",
    "RestoredTile",
    "Sampling",
    "Shown",
    "Tile",
    "antithetic_noise",
    "decodings",
    "draw",
    "draw_tile",
    "for_work",
    "latent_noise",
    "limits",
    "of_posterior",
    "of_prediction",
    "restore",
    "restore_tile",
    "seen_by",
    "show",
    "tile_at",
    "tiles",
    "tiles_of",
]
