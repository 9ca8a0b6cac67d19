"""A run on one page, for whoever made it and for whoever asks later."""

from ladderscope.report.figures import comparison_picture, split_picture
from ladderscope.report.lights import lights_of, shown_checks
from ladderscope.report.noise_figures import noise_model_figure
from ladderscope.report.page import Report, write_report
from ladderscope.report.reliability import reliability_figure
from ladderscope.report.restored import RestoredImage, restored_image, without_original
from ladderscope.report.words import channel_names, noise_in_words, noise_warnings

__all__ = [
    "Report",
    "RestoredImage",
    "channel_names",
    "comparison_picture",
    "lights_of",
    "noise_in_words",
    "noise_model_figure",
    "noise_warnings",
    "reliability_figure",
    "restored_image",
    "shown_checks",
    "split_picture",
    "without_original",
    "write_report",
]
