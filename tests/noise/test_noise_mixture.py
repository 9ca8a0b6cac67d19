"""The Gaussian mixture: its formulas to the letter, and the numbers of the software it is from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from ladderscope.noise.entries import NoiseError
from ladderscope.noise.mixture import GaussianMixture

GOLDEN = Path(__file__).parents[1] / "parity" / "golden"
WEIGHT = np.array(
    [
        [-12.0, 5.0, 1.0],
        [9.0, -3.0, 0.5],
        [1.0, 2.0, -2.0],
        [3.0, 5.0, 0.5],
        [4.0, 4.0, -1.0],
        [5.5, 6.0, 2.0],
        [0.2, -0.3, 0.1],
        [-0.5, 0.4, 0.3],
        [0.1, 0.6, -0.2],
    ]
)
MIXTURE = GaussianMixture(WEIGHT, min_signal=100.0, max_signal=1000.0, min_sigma=25.0)


def by_the_book(
    signal: torch.Tensor, weight: NDArray[np.float64], low: float, high: float, min_sigma: float
) -> torch.distributions.MixtureSameFamily:
    """The mixture's formulas written out, as a distribution of torch."""
    u = (signal.double() - low) / (high - low)
    powers = torch.stack([u**i for i in range(weight.shape[1])], dim=-1)
    means, variances, logits = (torch.from_numpy(rows) for rows in np.split(weight, 3))
    mean = (powers[..., None, :] * means).sum(-1)
    variance = (powers[..., None, :] * variances.exp()).sum(-1).clamp(min=min_sigma)
    weights = (powers[..., None, :] * logits).sum(-1).softmax(-1)
    mean = mean - (weights * mean).sum(-1, keepdim=True) + signal.double()[..., None]
    return torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(probs=weights),
        torch.distributions.Normal(mean, variance.sqrt()),
    )


@given(
    weight=st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
        lambda shape: arrays(np.float64, (3 * shape[0], shape[1]), elements=st.floats(-6, 6))
    ),
    relative=arrays(np.float64, 5, elements=st.floats(-0.5, 1.5)),
    z=arrays(np.float64, 5, elements=st.floats(-6, 6)),
)
def test_likelihood_and_moments_are_those_of_the_mixture_by_the_book(
    weight: NDArray[np.float64], relative: NDArray[np.float64], z: NDArray[np.float64]
) -> None:
    signal = torch.from_numpy(50 + 200 * relative)
    expected = by_the_book(signal, weight, 50.0, 250.0, 0.7)
    observation = signal + torch.from_numpy(z) * expected.stddev
    model = GaussianMixture(weight, 50.0, 250.0, 0.7)
    torch.testing.assert_close(
        model.log_likelihood(observation, signal),
        expected.log_prob(observation),
        rtol=1e-9,
        atol=1e-9,
    )
    mean, variance = model.moments(signal)
    torch.testing.assert_close(mean, expected.mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(variance, expected.variance, rtol=1e-9, atol=0)


@pytest.mark.parametrize("offset", [0.0, 60_000.0])
def test_single_precision_agrees_to_five_digits_on_bright_signals_too(offset: float) -> None:
    model = GaussianMixture(WEIGHT, 100 + offset, 1000 + offset, 25.0)
    signal = torch.linspace(100, 1000, 500) + offset
    observation = model.sample(signal, torch.Generator().manual_seed(0))
    expected = by_the_book(signal, WEIGHT, 100 + offset, 1000 + offset, 25.0)
    torch.testing.assert_close(
        model.log_likelihood(observation, signal).double(),
        expected.log_prob(observation.double()),
        rtol=1e-5,
        atol=0,
    )


def test_min_sigma_is_the_least_variance() -> None:
    rows = np.array([[0.0], [np.log(3.0)], [0.0]])
    for min_sigma, expected in [(1.0, 3.0), (16.0, 16.0)]:
        _, variance = GaussianMixture(rows, 0.0, 1.0, min_sigma).moments(torch.zeros(1))
        torch.testing.assert_close(variance, torch.tensor([expected]))


def test_signals_beyond_the_range_are_not_clipped() -> None:
    rows = np.log([[1.0, 1.0], [2.0, 5.0], [1.0, 1.0]])
    model = GaussianMixture(rows, 100.0, 200.0, 0.25)
    _, variance = model.moments(torch.tensor([400.0, 200.0, 100.0, 80.0, -1000.0]))
    torch.testing.assert_close(variance, torch.tensor([17.0, 7.0, 2.0, 1.0, 0.25]))


def test_a_thousand_sigma_away_it_is_still_the_mixture_by_the_book() -> None:
    signal = torch.tensor([150.0, 900.0], requires_grad=True)
    deviation = MIXTURE.moments(signal.detach())[1].sqrt()
    for sign in (-1, 1):
        observation = (signal.detach() + sign * 1000 * deviation).requires_grad_()
        value = MIXTURE.log_likelihood(observation, signal)
        towards_observation, towards_signal = torch.autograd.grad(
            value.sum(), (observation, signal)
        )
        assert value.isfinite().all() and (value < -1e4).all()
        assert towards_signal.isfinite().all() and (sign * towards_observation < 0).all()
        expected = by_the_book(signal.detach(), WEIGHT, 100.0, 1000.0, 25.0)
        torch.testing.assert_close(
            value.detach().double(),
            expected.log_prob(observation.detach().double()),
            rtol=1e-5,
            atol=0,
        )


@pytest.mark.parametrize("signal", [20.0, 130.0, 970.0])
def test_samples_follow_the_density(signal: float) -> None:
    drawn = MIXTURE.sample(torch.full((20_000,), signal), torch.Generator().manual_seed(4))
    expected = by_the_book(torch.tensor(signal), WEIGHT, 100.0, 1000.0, 25.0)
    test = stats.kstest(drawn.double().numpy(), lambda y: expected.cdf(torch.from_numpy(y)).numpy())
    assert test.pvalue > 0.01


def test_weight_may_be_lists_or_an_array_and_is_kept_as_tuples() -> None:
    as_tuples = tuple(map(tuple, WEIGHT.tolist()))
    models = {GaussianMixture(w, 0.0, 1.0, 1.0) for w in (WEIGHT, WEIGHT.tolist(), as_tuples)}
    assert len(models) == 1
    assert models.pop().weight == as_tuples


@pytest.mark.parametrize(
    ("weight", "low", "high", "min_sigma", "message"),
    [
        (np.zeros((4, 2)), 0.0, 1.0, 1.0, r"3·K rows .* \(4, 2\)"),
        (np.zeros(3), 0.0, 1.0, 1.0, r"\(3,\)"),
        (np.zeros((0, 2)), 0.0, 1.0, 1.0, r"\(0, 2\)"),
        (np.zeros((3, 0)), 0.0, 1.0, 1.0, r"\(3, 0\)"),
        (np.full((3, 1), np.nan), 0.0, 1.0, 1.0, "finite"),
        (np.array([["a"], ["b"], ["c"]]), 0.0, 1.0, 1.0, "finite"),
        (np.array([[0.0], [100.0], [0.0]]), 0.0, 1.0, 1.0, r"exp\(\)"),
        (np.array([[0.0], [1e4], [0.0]]), 0.0, 1.0, 1.0, r"exp\(\)"),
        (np.zeros((3, 1)), 1.0, 1.0, 1.0, "from 1.0 to 1.0"),
        (np.zeros((3, 1)), 2.0, 1.0, 1.0, "from 2.0 to 1.0"),
        (np.zeros((3, 1)), np.nan, 1.0, 1.0, "from nan"),
        (np.zeros((3, 1)), 0.0, np.inf, 1.0, "to inf"),
        (np.zeros((3, 1)), 0.0, 1.0, 0.0, "min_sigma"),
        (np.zeros((3, 1)), 0.0, 1.0, -1.0, "min_sigma"),
        (np.zeros((3, 1)), 0.0, 1.0, np.nan, "min_sigma"),
    ],
)
def test_impossible_mixtures_are_refused(
    weight: NDArray[np.generic], low: float, high: float, min_sigma: float, message: str
) -> None:
    with pytest.raises(NoiseError, match=message):
        GaussianMixture(weight, low, high, min_sigma)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.npz")), ids=lambda file: file.stem)
def test_careamics_reconstruction_losses_are_reproduced(file: Path, mode: str) -> None:
    golden = np.load(file)
    target = torch.from_numpy(golden["target"])
    channels = target.shape[1]
    mean, std = (torch.from_numpy(golden[key]) for key in ("data_mean", "data_std"))
    signal = torch.from_numpy(golden[f"{mode}/out"])[:, :channels] * std + mean
    observation = target * std + mean
    log_likelihoods = [
        GaussianMixture(
            golden[f"noise_model/{channel}/trained_weight"],
            *(
                golden[f"noise_model/{channel}/{key}"].item()
                for key in ("min_signal", "max_signal", "min_sigma")
            ),
        ).log_likelihood(observation[:, channel], signal[:, channel])
        for channel in range(channels)
    ]
    loss = -float(torch.stack(log_likelihoods).mean())
    for method in ("hdn_noise_model", "denoisplit", "denoisplit_restricted"):
        theirs = golden[f"{mode}/loss/{method}/reconstruction_loss"]
        assert loss == pytest.approx(float(theirs), rel=1e-5), method
    gaussian = float(golden[f"{mode}/loss/musplit/reconstruction_loss"])
    theirs = golden[f"{mode}/loss/microsplit/reconstruction_loss"]
    assert 0.9 * loss + 0.1 * gaussian == pytest.approx(float(theirs), rel=1e-5)


def test_every_golden_file_is_there() -> None:
    assert len(list(GOLDEN.glob("*.npz"))) == 8
