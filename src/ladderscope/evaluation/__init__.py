"""How good a restoration is: against a clean image, or against the noise it should remove."""

from ladderscope.evaluation.bounds import Coverage
from ladderscope.evaluation.calibration import Calibration
from ladderscope.evaluation.differing import most_different
from ladderscope.evaluation.kl import KLReport, LevelReport, kl_report
from ladderscope.evaluation.metrics import psnr, range_invariant_psnr
from ladderscope.evaluation.micro import micro_scores, microssim_installed
from ladderscope.evaluation.ranking import spread_ranks_errors
from ladderscope.evaluation.reliability import (
    SpreadBins,
    coverage,
    expected_calibration_error,
    gaussian_crps,
    interval_factor,
    normalised_calibration_error,
    reliability_curve,
    sample_crps,
    spread_bins,
)
from ladderscope.evaluation.residuals import ResidualCheck, residual_check
from ladderscope.evaluation.scores import ChannelScores, evaluate
from ladderscope.evaluation.seams import Borders, Seams, seams
from ladderscope.evaluation.similarity import ms_ssim, ssim
from ladderscope.evaluation.spread import SpreadBin, SpreadScores, spread_scores
from ladderscope.evaluation.with_truth import calibrate
from ladderscope.evaluation.without_truth import calibrate_without_truth

__all__ = [
    "Borders",
    "Calibration",
    "ChannelScores",
    "Coverage",
    "KLReport",
    "LevelReport",
    "ResidualCheck",
    "Seams",
    "SpreadBin",
    "SpreadBins",
    "SpreadScores",
    "calibrate",
    "calibrate_without_truth",
    "coverage",
    "evaluate",
    "expected_calibration_error",
    "gaussian_crps",
    "interval_factor",
    "kl_report",
    "micro_scores",
    "microssim_installed",
    "most_different",
    "ms_ssim",
    "normalised_calibration_error",
    "psnr",
    "range_invariant_psnr",
    "reliability_curve",
    "residual_check",
    "sample_crps",
    "seams",
    "spread_bins",
    "spread_ranks_errors",
    "spread_scores",
    "ssim",
]
