"""The compound Poisson law against convolutions, laws with names, and simulation."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope import Denoiser
from ladderscope.noise import (
    NoiseError,
    PhotonCounting,
    PoissonGaussian,
    noise_model_from_dict,
    photon_density,
)
from ladderscope.noise.photon_density import photon_log_density
from ladderscope.noise.spelling import noise_model_from_text

SHAPES = (None, 1.0, 3.0, 8.0)
WITHIN = {None: 1e-4, 1.0: 0.04, 3.0: 0.005, 8.0: 0.002}  # nats


def convolved(photons, rate, read_noise, shape):
    """The law by adding up photon numbers and convolving pulses with read noise on a fine grid."""
    most = int(rate + 12 * math.sqrt(rate) + 30)
    step = min(read_noise, 0.3) / 20
    heights = np.arange(0.5 * step, most + 30, step)
    counts = np.arange(most)
    chances = scipy.stats.poisson.pmf(counts, rate)
    if shape is None:
        return np.array(
            [np.sum(chances * scipy.stats.norm.pdf(one, counts, read_noise)) for one in photons]
        )
    # Of an interval, by its probability: densities of few pulses may be infinite at zero.
    edges = np.concatenate([[0.0], heights + 0.5 * step])
    sums = sum(
        chance * np.diff(scipy.stats.gamma.cdf(edges, count * shape, scale=1 / shape))
        for count, chance in zip(counts[1:], chances[1:], strict=True)
    )
    return np.array(
        [
            chances[0] * scipy.stats.norm.pdf(one, 0, read_noise)
            + np.sum(sums * scipy.stats.norm.pdf(one, heights, read_noise))
            for one in photons
        ]
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("read_noise", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("rate", [0.02, 0.7, 6.0, 60.0])
def test_the_law_is_the_convolution(shape, read_noise, rate):
    deviation = math.sqrt(rate * (1 if shape is None else 1 + 1 / shape) + read_noise**2)
    photons = np.linspace(-3 * read_noise, rate + 5 * deviation, 24)
    expected = np.log(convolved(photons, rate, read_noise, shape))
    noise = PhotonCounting(gain=4.0, offset=10.0, read_noise=4 * read_noise, shape=shape)
    found = noise.log_likelihood(
        torch.tensor(10 + 4 * photons, dtype=torch.float32), torch.tensor(10 + 4 * rate)
    )
    np.testing.assert_allclose(found + math.log(4), expected, atol=WITHIN[shape], rtol=1e-4)


@pytest.mark.parametrize("read_noise", [0.3, 2.0, 30.0])
@pytest.mark.parametrize("rate", [1e-3, 0.4, 5.0, 12.0, 300.0])
def test_a_camera_is_the_sum_over_all_photon_numbers_however_unlikely_the_pair(rate, read_noise):
    photons = np.array([-90.0, -4.0, 0.3, 2.0, 7.0, 20.0, 62.6, 218.0, 900.0])
    counts = np.arange(3000)[:, None]
    terms = scipy.stats.poisson.logpmf(counts, rate) + scipy.stats.norm.logpdf(
        photons, counts, read_noise
    )
    largest = terms.max(axis=0)
    weights = np.exp(terms - largest)
    expected = largest + np.log(weights.sum(axis=0))
    slope = (weights * counts).sum(axis=0) / weights.sum(axis=0) / rate - 1
    rates = torch.full(photons.shape, rate, dtype=torch.float64, requires_grad=True)
    found = photon_log_density(torch.from_numpy(photons), rates, read_noise, None)
    found.sum().backward()
    np.testing.assert_allclose(found.detach(), expected, atol=3e-4)
    np.testing.assert_allclose(rates.grad, slope, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("signal", [60.0, 100.0, 103.0, 150.0])  # the offset is 100
def test_the_density_integrates_to_one_and_has_the_moments(shape, signal):
    noise = PhotonCounting(gain=5.0, offset=100.0, read_noise=2.0, shape=shape)
    values = torch.arange(min(signal, 100.0) - 40, signal + 500, 0.1, dtype=torch.float64)
    chance = 0.1 * noise.log_likelihood(values, torch.tensor(signal, dtype=torch.float64)).exp()
    mean, variance = noise.moments(torch.tensor(signal, dtype=torch.float64))
    assert float(chance.sum()) == pytest.approx(1, abs=0.01)
    assert float((chance * values).sum() / chance.sum()) == pytest.approx(float(mean), abs=0.1)
    found = (chance * (values - mean).square()).sum() / chance.sum()
    assert float(found) == pytest.approx(float(variance), rel=0.03)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("signal", [80.0, 100.5, 140.0])
def test_draws_have_the_moments_and_the_distribution_of_the_law(shape, signal):
    noise = PhotonCounting(gain=5.0, offset=100.0, read_noise=2.0, shape=shape)
    generator = torch.Generator().manual_seed(3)
    draws = noise.sample(torch.full((100_000,), signal), generator).double()
    mean, variance = (float(part) for part in noise.moments(torch.tensor(signal)))
    assert float(draws.mean()) == pytest.approx(mean, abs=5 * math.sqrt(variance / draws.numel()))
    assert float(draws.var()) == pytest.approx(variance, rel=0.06)
    grid = torch.arange(signal - 40, signal + 400, 0.05, dtype=torch.float64)
    chance = 0.05 * noise.log_likelihood(grid, torch.tensor(signal, dtype=torch.float64)).exp()
    below = np.searchsorted(np.sort(draws.numpy()), grid[::100].numpy()) / draws.numel()
    np.testing.assert_allclose(below, chance.cumsum(0)[::100], atol=0.015)


def test_without_read_noise_counts_are_poisson():
    noise = PhotonCounting(gain=1.0, offset=0.0, read_noise=0.05)
    counts = torch.arange(12.0)
    found = noise.log_likelihood(counts, torch.tensor(3.3)) - scipy.stats.norm.logpdf(0, 0, 0.05)
    np.testing.assert_allclose(found, scipy.stats.poisson.logpmf(counts, 3.3), atol=1e-4)


def test_the_variance_is_that_of_tweedies_law():
    """φ·μᵖ, with p = (α + 2)/(α + 1) and φ from rate and shape (Jørgensen 1987)."""
    shape, gain, rate = 3.0, 5.0, 2.0
    power, mean = (shape + 2) / (shape + 1), rate * gain
    dispersion = mean ** (2 - power) / (rate * (2 - power))
    noise = PhotonCounting(gain=gain, offset=0.0, read_noise=0.005, shape=shape)
    variance = noise.moments(torch.tensor(mean))[1]
    assert float(variance) == pytest.approx(dispersion * mean**power, rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_where_photons_are_many_it_is_poisson_gaussian(shape):
    gain = 2.0
    noise = PhotonCounting(gain, offset=100.0, read_noise=3.0, shape=shape)
    slope = gain * (1 if shape is None else 1 + 1 / shape)
    line = PoissonGaussian(slope, 9 - slope * 100.0)
    signal = torch.tensor(100 + gain * 20_000.0)
    deviation = float(line.moments(signal)[1].sqrt())
    observations = signal + deviation * torch.linspace(-2, 2, 9)
    np.testing.assert_allclose(
        noise.log_likelihood(observations, signal),
        line.log_likelihood(observations, signal),
        atol=0.03,
    )


@settings(max_examples=60, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from(SHAPES), st.floats(0.002, 500.0))
def test_value_and_gradient_are_finite_anywhere(observation, signal, shape, read_noise):
    noise = PhotonCounting(gain=1.0, offset=10.0, read_noise=read_noise, shape=shape)
    at = torch.tensor(signal, dtype=torch.float32, requires_grad=True)
    value = noise.log_likelihood(torch.tensor(observation, dtype=torch.float32), at)
    value.backward()
    assert math.isfinite(float(value.detach()))
    assert math.isfinite(float(at.grad))


def test_rate_noise_and_shape_have_gradients():
    photons = torch.tensor([-0.1, 0.4, 1.2, 7.0], dtype=torch.float64)
    rate = torch.tensor([0.3, 0.5, 1.5, 9.0], dtype=torch.float64, requires_grad=True)
    read_noise, shape = (
        torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.2, 3.0)
    )
    assert torch.autograd.gradcheck(
        lambda *parameters: photon_log_density(photons, *parameters), (rate, read_noise, shape)
    )


@pytest.mark.parametrize("shape", [None, 4.0])
def test_many_pixels_are_worked_on_part_by_part_with_the_same_result(shape, monkeypatch):
    noise = PhotonCounting(gain=16.0, offset=4.0, read_noise=0.5, shape=shape)
    observation, found = torch.linspace(0, 90, 700).reshape(7, 100), []
    for at_once in (64, 1000):
        monkeypatch.setattr(photon_density, "_AT_ONCE", at_once)
        signal = torch.linspace(2, 60, 100).requires_grad_()
        value = noise.log_likelihood(observation, signal)
        value.sum().backward()
        found.append((value.detach(), signal.grad))
    torch.testing.assert_close(*found)
    assert noise.log_likelihood(torch.zeros(0, 3), torch.zeros(3)).shape == (0, 3)


def test_the_way_back_leads_up_from_below_the_offset():
    noise = PhotonCounting(gain=16.0, offset=4.0, read_noise=0.5, shape=4.0)
    signal = torch.tensor([-3.0, 3.0], requires_grad=True)
    noise.log_likelihood(torch.tensor([4.0, 20.0]), signal).sum().backward()
    assert (signal.grad > 0).all()


def test_it_compiles_to_the_same():
    noise = PhotonCounting(gain=16.0, offset=4.0, read_noise=0.5, shape=4.0)
    observation, signal = torch.linspace(0, 90, 40), torch.linspace(2, 60, 40)
    compiled = torch.compile(noise.log_likelihood, backend="aot_eager")
    torch.testing.assert_close(
        compiled(observation, signal), noise.log_likelihood(observation, signal)
    )


@pytest.mark.parametrize("shape", [None, 4.0])
def test_a_stored_model_comes_back(shape, tmp_path):
    noise = PhotonCounting(gain=16.0, offset=4.0, read_noise=0.5, shape=shape)
    assert noise_model_from_dict(noise.to_dict()) == noise
    noise.save(tmp_path / "noise.json")
    assert PhotonCounting.load(tmp_path / "noise.json") == noise


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"gain": -2.0}, "gain"),
        ({"gain": math.nan}, "gain"),
        ({"offset": math.inf}, "offset"),
        ({"read_noise": 0.0}, "read_noise"),
        ({"read_noise": -1.0}, "read_noise"),
        ({"shape": -1.0}, "shape"),
        ({"shape": math.nan}, "shape"),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(parameters, named):
    with pytest.raises(NoiseError, match=named):
        PhotonCounting(**{"gain": 2.0, "offset": 1.0, "read_noise": 0.5, **parameters})


def test_a_denoiser_learns_with_it():
    noise = PhotonCounting(gain=16.0, offset=4.0, read_noise=0.5, shape=4.0)
    rows = torch.arange(96.0)
    signal = 20 + 15 * torch.sin(rows[:, None] / 9) * torch.cos(rows / 7)
    noisy = noise.sample(signal, torch.Generator().manual_seed(0)).numpy()
    denoiser = Denoiser("tiny", noise=noise, device="cpu").fit(noisy, steps=30, progress=False)
    error = np.mean((denoiser.predict(noisy, samples=0).mean - signal.numpy()) ** 2)
    assert error < 0.2 * np.mean((noisy - signal.numpy()) ** 2)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("photon-counting:16,3.5,0.6,4", (16.0, 3.5, 0.6, 4.0)),
        ("emccd:20,100,4", (20.0, 100.0, 4.0, 1.0)),
        ("camera:2.1,100,3", (2.1, 100.0, 3.0, None)),
    ],
)
def test_each_spelling_gives_gain_offset_read_noise_and_shape(text, parameters):
    noise = noise_model_from_text(text)
    assert noise == PhotonCounting(*parameters)
    assert PhotonCounting(*parameters).to_dict()["shape"] == parameters[-1]


@pytest.mark.parametrize("text", ["photon-counting:16,3.5,0.6", "emccd:20,100,4,1", "camera:2.1"])
def test_a_spelling_with_other_numbers_is_none(text):
    assert noise_model_from_text(text) is None


def test_an_emccd_has_twice_the_variance_of_a_camera():
    signal = torch.tensor(150.0)
    emccd, camera = PhotonCounting.emccd(20.0, 100.0, 4.0), PhotonCounting(20.0, 100.0, 4.0)
    variances = [float(noise.moments(signal)[1]) - 16 for noise in (emccd, camera)]
    assert variances == pytest.approx([2000, 1000])


def test_a_summary_names_the_numbers_and_a_camera_has_no_shape():
    said = PhotonCounting(16.0, 3.5, 0.6, shape=4.0).summary()
    assert all(number in said for number in ("gain 16", "offset 3.5", "read noise 0.6", "shape 4"))
    assert "shape" not in PhotonCounting(16.0, 3.5, 0.6).summary()
