"""The ladder variational autoencoder: tensors in, tensors and distributions out."""

from ladderscope.network.ladder import Decoded, Features, LadderVAE
from ladderscope.network.latent import DiagonalGaussian, Level
from ladderscope.network.variance_head import VarianceHead

__all__ = ["Decoded", "DiagonalGaussian", "Features", "LadderVAE", "Level", "VarianceHead"]
