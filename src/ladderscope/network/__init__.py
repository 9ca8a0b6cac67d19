"""The ladder variational autoencoder: tensors in, tensors and distributions out."""

from ladderscope.network.ladder import Decoded, Features, LadderVAE
from ladderscope.network.latent import DiagonalGaussian, Level
from ladderscope.network.variance_head import SINGLE_PASS, WITH_SAMPLES, VarianceHead

__all__ = [
    "SINGLE_PASS",
    "WITH_SAMPLES",
    "Decoded",
    "DiagonalGaussian",
    "Features",
    "LadderVAE",
    "Level",
    "VarianceHead",
]
