"""How good a restoration is: against a clean image, or against the noise it should remove."""

from ladderscope.evaluation.metrics import ms_ssim, psnr, range_invariant_psnr, ssim
from ladderscope.evaluation.micro import micro_scores, microssim_installed
from ladderscope.evaluation.ranking import spread_ranks_errors
from ladderscope.evaluation.residuals import ResidualCheck, residual_check
from ladderscope.evaluation.scores import ChannelScores, evaluate

__all__ = [
    "ChannelScores",
    "ResidualCheck",
    "evaluate",
    "micro_scores",
    "microssim_installed",
    "ms_ssim",
    "psnr",
    "range_invariant_psnr",
    "residual_check",
    "spread_ranks_errors",
    "ssim",
]
