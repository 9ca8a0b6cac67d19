"""The noise of an average of frames, against averages of draws."""

import numpy as np
import pytest
import torch

from ladderscope.noise import (
    Coloured,
    Gaussian,
    GaussianMixture,
    NoiseError,
    PhotonCounting,
    PoissonGaussian,
)
from ladderscope.noise.averages import averaged

LAWS = [
    Gaussian(3.0),
    PoissonGaussian(2.0, 9.0),
    PhotonCounting(2.0, 10.0, 1.0),
    PhotonCounting(8.0, 10.0, 2.0, shape=3.0),
]


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("signal", [11.0, 60.0])
def test_averages_of_draws_have_the_moments_and_the_distribution(law, signal):
    frames = 3
    draws = law.sample(torch.full((frames, 60_000), signal), torch.Generator().manual_seed(0))
    averages = draws.double().mean(dim=0)
    found = averaged(law, frames)
    mean, variance = (float(one) for one in found.moments(torch.tensor(signal)))
    assert float(averages.mean()) == pytest.approx(mean, abs=5 * (variance / 60_000) ** 0.5)
    assert float(averages.var()) == pytest.approx(variance, rel=0.04)
    step = 0.01 * variance**0.5
    grid = mean + torch.arange(-800, 1600, dtype=torch.float64) * step
    density = found.log_likelihood(grid, torch.tensor(signal, dtype=torch.float64)).exp()
    below = np.searchsorted(np.sort(averages.numpy()), grid[::50].numpy()) / averages.numel()
    np.testing.assert_allclose(below, (step * density).cumsum(0)[::50], atol=0.02)


def test_correlated_noise_keeps_its_autocorrelation():
    noise = Coloured(Gaussian(4.0), [[0.5, 1.0, 0.5]])
    assert averaged(noise, 4) == Coloured(Gaussian(2.0), [[0.5, 1.0, 0.5]])


def test_the_least_variance_is_averaged_too():
    dark = torch.tensor(-1000.0)
    law = PoissonGaussian(2.0, 9.0)
    assert float(averaged(law, 5).moments(dark)[1]) == pytest.approx(
        float(law.moments(dark)[1]) / 5
    )


def test_a_mixture_is_refused_by_name():
    mixture = GaussianMixture([[0.0], [0.0], [0.0]], 0.0, 1.0, min_sigma=0.5)
    with pytest.raises(NoiseError, match="mixture"):
        averaged(mixture, 2)
