"""Noise models as likelihoods: what they promise to whoever trains with them."""

import json
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope.noise import (
    Gaussian,
    NoiseError,
    NoiseModel,
    PoissonGaussian,
    noise_model_from_dict,
)
from ladderscope.noise.histogram import Histogram
from ladderscope.noise.mixture import GaussianMixture

GAUSSIANS: list[NoiseModel] = [
    Gaussian(0.5),
    Gaussian(30.0),
    PoissonGaussian(2.0, 9.0),
    PoissonGaussian(0.1, -8.0),
    PoissonGaussian(0.0, 4.0),
    PoissonGaussian.from_camera(2.0, offset=100.0, read_noise=3.0),
]
SHAPELY: list[NoiseModel] = [
    GaussianMixture(
        weight=((-9.0, -2.0), (8.0, 1.0), (3.0, 4.0), (5.0, 0.3), (0.1, 0.5), (0.0, -0.2)),
        min_signal=80.0,
        max_signal=1000.0,
        min_sigma=4.0,
    ),
    Histogram(
        signals=(0.0, 60.0, 120.0, 3000.0),
        deviations=(3.0, 8.0, 11.0, 55.0),
        densities=np.exp(-0.5 * np.linspace([-4.0, -3.8, -3.6, -4.2], 4.0, 21).T ** 2),
        reach=4.0,
    ),
]
MODELS = GAUSSIANS + SHAPELY
each_gaussian = pytest.mark.parametrize("model", GAUSSIANS, ids=repr)
each_model = pytest.mark.parametrize("model", MODELS, ids=repr)
camera_units = st.floats(-500, 70_000, width=32)


@each_gaussian
@settings(deadline=None)
@given(observation=camera_units, signal=camera_units)
def test_likelihood_is_the_normal_density_of_the_moments(
    model: NoiseModel, observation: float, signal: float
) -> None:
    observed, true = (torch.tensor(v, dtype=torch.float64) for v in (observation, signal))
    mean, variance = model.moments(true)
    expected = torch.distributions.Normal(mean, variance.sqrt()).log_prob(observed)
    torch.testing.assert_close(model.log_likelihood(observed, true), expected, rtol=1e-5, atol=1e-5)


def test_variance_is_a_floored_line() -> None:
    _, variance = PoissonGaussian(2.0, 9.0, floor=1.0).moments(
        torch.tensor([-50.0, -4.5, 0.0, 10.0])
    )
    torch.testing.assert_close(variance, torch.tensor([1.0, 1.0, 9.0, 29.0]))


@each_model
def test_gradient_is_right(model: NoiseModel) -> None:
    generator = torch.Generator().manual_seed(0)
    signal = 100 * torch.rand(12, dtype=torch.float64, generator=generator) + 85
    observation = model.sample(signal, generator)
    inputs = (observation.requires_grad_(), signal.requires_grad_())
    assert torch.autograd.gradcheck(model.log_likelihood, inputs)


@each_model
@settings(deadline=None)
@given(signal=camera_units, sign=st.sampled_from([-1.0, 1.0]))
def test_a_thousand_sigma_away_value_and_gradient_are_finite(
    model: NoiseModel, signal: float, sign: float
) -> None:
    true = torch.tensor(signal, requires_grad=True)
    _, variance = model.moments(true.detach())
    observation = true.detach() + sign * 1000 * variance.sqrt()
    value = model.log_likelihood(observation, true)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert true.grad is not None and true.grad.isfinite() and true.grad != 0


@each_gaussian
@pytest.mark.parametrize("signal", [-1e6, -1.0, 0.0])
def test_negative_signals_are_pulled_back(model: NoiseModel, signal: float) -> None:
    true = torch.tensor(signal, requires_grad=True)
    model.log_likelihood(torch.tensor(150.0), true).backward()
    assert true.grad is not None and true.grad.isfinite() and true.grad > 0


@each_model
def test_samples_have_the_moments(model: NoiseModel) -> None:
    signal = torch.tensor([0.0, 90.0, 150.0], dtype=torch.float64).expand(200_000, 3)
    drawn = model.sample(signal, torch.Generator().manual_seed(1))
    mean, variance = model.moments(signal[0])
    torch.testing.assert_close(drawn.var(0), variance, rtol=0.02, atol=0)
    assert ((drawn.mean(0) - mean).abs() < 5 * (variance / len(drawn)).sqrt()).all()


@each_model
def test_samples_depend_on_the_generator_alone(model: NoiseModel) -> None:
    signal = torch.zeros(5)
    first, second = (model.sample(signal, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)


@each_model
def test_arguments_broadcast(model: NoiseModel) -> None:
    observation, signal = torch.ones(2, 1, 4), torch.ones(3, 1)
    assert model.log_likelihood(observation, signal).shape == (2, 3, 4)


@each_model
def test_arguments_of_two_precisions_are_computed_in_the_finer(model: NoiseModel) -> None:
    observation = torch.tensor([130.0, 90.0], dtype=torch.float64)
    signal = torch.tensor([100.0, 101.0])
    expected = model.log_likelihood(observation, signal.double())
    for one, other in [(observation, signal), (observation.float(), signal.double())]:
        value = model.log_likelihood(one, other)
        assert value.dtype == torch.float64
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=0)


@each_model
def test_half_precision_and_integers_are_computed_in_float32(model: NoiseModel) -> None:
    observation = torch.tensor([1000, 1003], dtype=torch.int32)
    signal = torch.tensor([1000.0, 1000.0])
    expected = model.log_likelihood(observation.float(), signal)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = model.log_likelihood(observation, signal.bfloat16())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)


@each_model
def test_it_compiles_as_one_graph(model: NoiseModel) -> None:
    observation, signal = torch.full((4,), 110.0), torch.arange(98.0, 102.0)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def compiled(observation: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
        return model.log_likelihood(observation, signal)

    torch.testing.assert_close(
        compiled(observation, signal), model.log_likelihood(observation, signal)
    )


@each_model
def test_json_and_back(model: NoiseModel) -> None:
    assert noise_model_from_dict(json.loads(json.dumps(model.to_dict()))) == model
    assert isinstance(model, NoiseModel)


@each_model
def test_parameters_follow_the_arguments_to_their_device(model: NoiseModel) -> None:
    observation, signal = torch.ones(4, device="meta"), torch.ones(4, device="meta")
    for value in (model.log_likelihood(observation, signal), *model.moments(signal)):
        assert value.device.type == "meta"


@each_model
def test_it_travels_to_other_processes(model: NoiseModel) -> None:
    assert pickle.loads(pickle.dumps(model)) == model


def test_a_camera_becomes_gain_and_intercept() -> None:
    model = PoissonGaussian.from_camera(2.0, offset=100.0, read_noise=3.0)
    _, variance = model.moments(torch.tensor([100.0, 110.0]))
    torch.testing.assert_close(variance, torch.tensor([9.0, 29.0]))


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_impossible_sigma_is_refused(sigma: float) -> None:
    with pytest.raises(NoiseError, match="sigma"):
        Gaussian(sigma)


@pytest.mark.parametrize(
    ("gain", "intercept", "floor"),
    [
        (-1.0, 5.0, None),
        (math.nan, 5.0, None),
        (1.0, math.inf, None),
        (0.0, 0.0, None),
        (0.0, -3.0, 1.0),
        (1.0, 0.0, 0.0),
        (1.0, 0.0, -2.0),
        (1.0, 0.0, math.nan),
    ],
)
def test_impossible_lines_are_refused(gain: float, intercept: float, floor: float | None) -> None:
    with pytest.raises(NoiseError):
        PoissonGaussian(gain, intercept, floor)


def test_units_beyond_single_precision_are_named() -> None:
    with pytest.raises(NoiseError, match=r"from 1e-15 to 1e15 grey levels, not 1e\+20"):
        Gaussian(1e20)
    with pytest.raises(NoiseError, match=r"from 1e-30 to 1e30 .*, not 1e\+35; .*rescale"):
        PoissonGaussian(1e18, 1e36, 1e35)


@pytest.mark.parametrize(
    ("gain", "offset", "read_noise"),
    [(0.0, 0.0, 0.0), (1.0, 0.0, -1.0), (1.0, math.nan, 1.0), (math.nan, 0.0, 1.0)],
)
def test_impossible_cameras_are_refused(gain: float, offset: float, read_noise: float) -> None:
    with pytest.raises(NoiseError):
        PoissonGaussian.from_camera(gain, offset, read_noise)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "unknown kind"),
        ({"kind": "shot"}, "unknown kind of noise model 'shot'"),
        ({"kind": ["gaussian"]}, "unknown kind"),
        ({"kind": "gaussian"}, "lacks 'sigma'"),
        ({"kind": "gaussian", "sigma": math.nan}, "finite"),
        ({"kind": "gaussian", "sigma": "3"}, "finite number"),
        ({"kind": "poisson_gaussian", "gain": 1.0}, "lacks 'intercept'"),
        ({"kind": "poisson_gaussian", "gain": 1.0, "intercept": math.inf}, "finite"),
        ({"kind": "poisson_gaussian", "gain": 1.0, "intercept": 1.0, "floor": "x"}, "floor"),
        ({"kind": "mixture"}, "lacks 'weight'"),
        ({"kind": "mixture", "weight": [[0.0], [0.0], [None]]}, "'weight'.* finite"),
        ({"kind": "mixture", "weight": [[0.0], [0.0], ["1"]]}, "'weight'.* finite"),
        ({"kind": "mixture", "weight": [[0.0], [0.0], [1.0, 2.0]]}, "'weight'.* rows"),
        ({"kind": "mixture", "weight": [[0.0]] * 3, "min_signal": 0.0}, "lacks 'max_signal'"),
        ({"kind": "histogram", "signals": [0.0]}, "lacks 'deviations'"),
        ({"kind": "histogram", "signals": [math.nan]}, "'signals'.* finite"),
    ],
)
def test_damaged_descriptions_are_named(entries: dict[str, object], message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        noise_model_from_dict(entries)
