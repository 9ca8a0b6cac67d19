"""A run on one page, for the microscopist who made it and for the one who asks later."""

from ladderscope.report.figures import comparison_picture, split_picture
from ladderscope.report.noise_figures import noise_model_figure
from ladderscope.report.page import Report, RestoredImage, restored_image, write_report
from ladderscope.report.words import channel_names, noise_in_words

__all__ = [
    "Report",
    "RestoredImage",
    "channel_names",
    "comparison_picture",
    "noise_in_words",
    "noise_model_figure",
    "restored_image",
    "split_picture",
    "write_report",
]
