"""Correlated noise against the multivariate normal distribution, its determinant and simulation."""

import numpy as np
import pytest
import torch

from ladderscope import Denoiser, load
from ladderscope.noise import (
    Coloured,
    Gaussian,
    NoiseError,
    PhotonCounting,
    PoissonGaussian,
    load_noise_model,
    noise_model_from_dict,
)


def blur(width, reach=4):
    """The autocorrelation of white noise after a Gaussian filter."""
    profile = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (4 * width**2))
    return np.outer(profile, profile)


DECAY = 0.6 ** abs(np.arange(-9, 10.0))
CORRELATIONS = {
    "a row": np.array([[0.05, 1, 0.05]]),
    "blurred": blur(0.6),
    "exponential": np.outer(DECAY, DECAY),
    "planes too": np.array([0.3, 1, 0.3])[:, None, None] * blur(0.6, 2),
}
each = pytest.mark.parametrize("correlation", CORRELATIONS.values(), ids=CORRELATIONS)


def covariance(correlation, sides):
    """The covariance matrix of all pixels of an image, for unit variance."""
    at = np.indices(sides).reshape(len(sides), -1)
    shifts = at[:, :, None] - at[:, None, :]
    inside, places = np.ones(shifts.shape[1:], dtype=bool), []
    for shift, side in zip(shifts, correlation.shape, strict=True):
        inside &= abs(shift) <= side // 2
        places.append(np.clip(shift + side // 2, 0, side - 1))
    return torch.from_numpy(np.where(inside, correlation[tuple(places)], 0.0))


def trusted(correlation, sides):
    """The covariance matrix that the likelihood uses: no power is below 4 % of the greatest."""
    grid = np.zeros([1 if side == 1 else 64 for side in correlation.shape])
    grid[tuple(map(slice, correlation.shape))] = correlation
    power = abs(np.fft.fftn(grid)).clip(0.01)
    power = (power / power.mean()).clip(0.04 * power.max() / power.mean())
    whole = np.fft.fftshift(np.fft.ifftn(power).real)
    reach = [min(side // 2, 15) for side in whole.shape]
    middle = (side // 2 for side in whole.shape)
    return covariance(
        whole[tuple(slice(m - r, m + r + 1) for m, r in zip(middle, reach, strict=True))], sides
    )


@each
def test_the_likelihood_is_the_multivariate_normal_one(correlation):
    sides = (24, 24) if correlation.ndim == 2 else (6, 12, 12)
    noise = Coloured(Gaussian(3.0), correlation)
    matrix = 9 * trusted(correlation, sides)
    generator = torch.Generator().manual_seed(0)
    draws = noise.sample(torch.full((16, *sides), 50.0, dtype=torch.float64), generator)
    exact = torch.distributions.MultivariateNormal(
        torch.full((len(matrix),), 50.0, dtype=torch.float64), matrix
    ).log_prob(draws.flatten(1))
    found = noise.log_likelihood(draws, torch.tensor(50.0))
    # Per pixel; the borders cost a little, and pixels taken as independent far more.
    torch.testing.assert_close(found.flatten(1).mean(1), exact / len(matrix), atol=0.04, rtol=0)


@pytest.mark.parametrize("width", [0.4, 0.6])
def test_the_determinant_is_that_of_the_covariance(width):
    matrix = trusted(blur(width), (40, 40)).numpy()
    exact = -0.5 * np.linalg.slogdet(matrix).logabsdet / len(matrix)
    found = Coloured(Gaussian(1.0), blur(width))._cautious.log_determinant
    assert found == pytest.approx(exact, rel=0.05)


@each
def test_draws_have_the_moments_and_the_correlation_and_whiten_to_white(correlation):
    sides = (128, 128) if correlation.ndim == 2 else (32, 32, 32)
    noise = Coloured(PoissonGaussian(2.0, 9.0), correlation)
    draws = noise.sample(torch.full((16, *sides), 20.0), torch.Generator().manual_seed(1))
    standard = (draws - 20) / 7
    assert float(standard.var()) == pytest.approx(1, abs=0.05)
    row = correlation[tuple(side // 2 for side in correlation.shape[:-1])]
    expected = row[len(row) // 2 + 1]
    assert float((standard[..., 1:] * standard[..., :-1]).mean()) == pytest.approx(
        float(expected), abs=0.05
    )
    white = noise.whitened(standard)
    for border in (white[..., 0], white[..., -2], white[..., :2, :], white):
        assert float(border.var()) == pytest.approx(1, abs=0.06)
    assert abs(float((white[..., 1:] * white[..., :-1]).mean())) < 0.03


def test_uncorrelated_noise_has_the_likelihood_of_its_law():
    law = PoissonGaussian(2.0, 9.0)
    observation, signal = torch.rand(2, 3, 1, 9, 9) * 50
    torch.testing.assert_close(
        Coloured(law, [[1.0]]).log_likelihood(observation, signal),
        law.log_likelihood(observation, signal),
    )


@pytest.mark.parametrize("width", [0.6, 3.0])  # the spectrum of the second touches zero
@pytest.mark.parametrize("signal", [-1e4, 100.0, 1e6])
@pytest.mark.parametrize("law", [PoissonGaussian(2.0, -150.0), PhotonCounting(5.0, 90.0, 2.0, 3.0)])
def test_value_and_gradient_are_finite(law, signal, width):
    signals = torch.full((2, 1, 5, 12), signal, requires_grad=True)
    likelihood = Coloured(law, blur(width)).log_likelihood(torch.full((12,), 100.0), signals)
    likelihood.sum().backward()
    assert likelihood.shape == signals.shape
    assert likelihood.isfinite().all() and signals.grad.isfinite().all()


def test_it_differentiates_compiles_and_ignores_autocast():
    noise = Coloured(PoissonGaussian(2.0, 9.0), blur(0.6, 2))
    signal = 50 + 20 * torch.rand(2, 5, 6, dtype=torch.float64)
    observation = noise.sample(signal, torch.Generator().manual_seed(0))
    inputs = observation.requires_grad_(), signal.requires_grad_()
    assert torch.autograd.gradcheck(noise.log_likelihood, inputs)
    single = observation.detach().float(), signal.detach().float()
    expected = noise.log_likelihood(*single)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(noise.log_likelihood(*single), expected)
    compiled = torch.compile(noise.log_likelihood, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*single), expected)


def test_the_truth_is_likelier_than_white_noise_or_another_correlation():
    signal = torch.full((256, 256), 50.0)
    models = [Coloured(Gaussian(3.0), blur(width)) for width in (0.3, 0.5, 0.7)]
    draw = models[1].sample(signal, torch.Generator().manual_seed(0))
    likelihoods = [float(m.log_likelihood(draw, signal).mean()) for m in [*models, Gaussian(3.0)]]
    assert max(likelihoods) == likelihoods[1]


def test_it_comes_back_from_a_file_and_a_model(tmp_path):
    noise = Coloured(PhotonCounting(16.0, 3.5, 0.6, 4.0), blur(0.5, 2))
    assert noise_model_from_dict(noise.to_dict()) == noise
    noise.save(tmp_path / "noise.json")
    assert load_noise_model(tmp_path / "noise.json") == noise
    assert noise.pixelwise == noise.law == noise.law.pixelwise
    image = noise.sample(torch.full((64, 64), 60.0), torch.Generator().manual_seed(0)).numpy()
    denoiser = Denoiser("tiny", noise=noise, steps=3)
    denoiser.fit(image, progress=False)
    assert load(denoiser.save(tmp_path / "a.ladder")).model.noise_models == (noise,)


@pytest.mark.parametrize(
    ("correlation", "fact"),
    [
        (np.ones(1), "2 or 3 axes"),
        ([[0.1, 1.0]], "odd sides"),
        (np.ones((1, 33)), "31"),
        ([[0.1, 0.9, 0.1]], "0.9"),
        ([[1.1, 1.0, 1.1]], "1.1"),
        ([[0.1, 1.0, 0.3]], "0.2"),
        ([[np.nan, 1.0, np.nan]], "finite"),
    ],
)
def test_impossible_autocorrelations_are_refused(correlation, fact):
    with pytest.raises(NoiseError, match=fact):
        Coloured(Gaussian(3.0), correlation)


def test_a_law_within_a_law_and_too_few_axes_are_refused():
    noise = Coloured(Gaussian(3.0), blur(0.5))
    with pytest.raises(NoiseError, match="single pixels"):
        Coloured(noise, blur(0.5))
    stored = noise.to_dict()
    for law in (None, stored, {"kind": "other"}):
        with pytest.raises(NoiseError):
            noise_model_from_dict(stored | {"law": law})
    for refused in (noise.sample, noise.whitened):
        with pytest.raises(NoiseError, match="2 axes"):
            refused(torch.zeros(9))


def test_no_images_have_no_likelihood_and_a_plane_of_a_stack_is_whitened():
    noise = Coloured(Gaussian(3.0), np.array([0.3, 1, 0.3])[:, None, None] * blur(0.6, 2))
    nothing = torch.zeros(0, 1, 64, 64)
    assert noise.log_likelihood(nothing, nothing).shape == nothing.shape
    planes = noise.sample(torch.zeros(3, 128, 128), torch.Generator().manual_seed(0)) / 3
    white = noise.whitened(planes[1])
    assert white.shape == (128, 128)
    assert abs(float((white[:, 1:] * white[:, :-1]).mean())) < 0.1
