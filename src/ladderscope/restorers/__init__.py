"""What users hold: restorers that are constructed, fitted, asked and saved."""

from ladderscope.restorers.config import PRESETS, DenoiserSettings, SplitterSettings
from ladderscope.restorers.denoiser import Denoiser
from ladderscope.restorers.file import ModelFileError
from ladderscope.restorers.load import load
from ladderscope.restorers.noise_fit import fit_noise_model, measure_noise
from ladderscope.restorers.restoration import Restoration
from ladderscope.restorers.splitter import Splitter

__all__ = [
    "PRESETS",
    "Denoiser",
    "DenoiserSettings",
    "ModelFileError",
    "Restoration",
    "Splitter",
    "SplitterSettings",
    "fit_noise_model",
    "load",
    "measure_noise",
]
