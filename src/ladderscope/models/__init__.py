"""What users hold: restorers that are constructed, fitted, asked and saved."""

from ladderscope.models.building import tile_borders
from ladderscope.models.choosing import Choice, Fit, choose
from ladderscope.models.config import DenoiserSettings, RestorerSettings, SplitterSettings
from ladderscope.models.denoiser import Denoiser
from ladderscope.models.file import ModelFileError
from ladderscope.models.load import load
from ladderscope.models.noise_fit import fit_noise_model, measure_noise
from ladderscope.models.presets import PRESETS
from ladderscope.models.restoration import Restoration
from ladderscope.models.splitter import Splitter

__all__ = [
    "PRESETS",
    "Choice",
    "Denoiser",
    "DenoiserSettings",
    "Fit",
    "ModelFileError",
    "Restoration",
    "RestorerSettings",
    "Splitter",
    "SplitterSettings",
    "choose",
    "fit_noise_model",
    "load",
    "measure_noise",
    "tile_borders",
]
