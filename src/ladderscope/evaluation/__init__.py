"""How good a restoration is: against a clean image, or against the noise it was to remove."""

from ladderscope.evaluation.metrics import psnr, range_invariant_psnr, ssim
from ladderscope.evaluation.residuals import ResidualCheck, residual_check

__all__ = ["ResidualCheck", "psnr", "range_invariant_psnr", "residual_check", "ssim"]
