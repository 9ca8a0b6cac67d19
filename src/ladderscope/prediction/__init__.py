"""Prediction tile by tile: one bottom-up pass per tile, for any number of posterior samples."""

from ladderscope.prediction.latent_noise import antithetic_noise, latent_noise
from ladderscope.prediction.sampler import Restored, decodings, draw, draw_part, restore
from ladderscope.prediction.shown import Shown, limits, show
from ladderscope.prediction.spread import Law, of_posterior, of_prediction
from ladderscope.prediction.tiles import Geometry, Tile, tiles

__all__ = [
    "Geometry",
    "Law",
    "Restored",
    "Shown",
    "Tile",
    "antithetic_noise",
    "decodings",
    "draw",
    "draw_part",
    "latent_noise",
    "limits",
    "of_posterior",
    "of_prediction",
    "restore",
    "show",
    "tiles",
]
