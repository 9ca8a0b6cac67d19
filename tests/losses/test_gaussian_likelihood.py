"""The decoder likelihood: torch's normal density, its bound, precision and gradients."""

import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.losses import gaussian_log_likelihood

normalised = st.floats(-20, 20)
log_variances = st.floats(-9, 9)


def number(value):
    return torch.tensor(value, dtype=torch.float64)


def random_tensors(*shape, count=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype) for _ in range(count)]


@given(normalised, normalised, log_variances)
def test_it_is_the_normal_density(target, mean, log_variance):
    expected = torch.distributions.Normal(number(mean), math.exp(0.5 * log_variance)).log_prob(
        number(target)
    )
    predicted = gaussian_log_likelihood(number(target), number(mean), number(log_variance))
    fixed = gaussian_log_likelihood(number(target), number(mean), log_variance)
    torch.testing.assert_close(predicted, expected)
    torch.testing.assert_close(fixed, expected)


def test_by_default_the_variance_is_one_and_the_constant_is_there():
    target, mean = random_tensors(2, 3, 4, 4, count=2)
    torch.testing.assert_close(
        gaussian_log_likelihood(target, mean),
        -0.5 * (target - mean).square() - 0.5 * math.log(2 * math.pi),
    )


def test_a_predicted_log_variance_is_bounded_from_below_and_has_no_gradient_there():
    log_variance = torch.tensor([-12.0, -9.0, -3.0], requires_grad=True)
    found = gaussian_log_likelihood(torch.ones(3), torch.ones(3), log_variance)
    half_log_2pi = 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(found, torch.tensor([5.0, 4.5, 1.5]) - half_log_2pi)
    found.sum().backward()
    assert log_variance.grad.tolist() == [0, -0.5, -0.5]


def test_the_bound_is_an_argument():
    zero, log_variance = torch.zeros(()), torch.tensor(-30.0)
    bounds = [
        gaussian_log_likelihood(zero, zero, log_variance, min_log_variance=bound)
        for bound in (-5.0, -20, -math.inf)
    ]
    half_log_2pi = 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(torch.stack(bounds), torch.tensor([2.5, 10, 15]) - half_log_2pi)


def test_a_fixed_log_variance_is_taken_as_it_is():
    zero = torch.zeros(())
    found = gaussian_log_likelihood(zero, zero, -30)
    torch.testing.assert_close(found, torch.tensor(15 - 0.5 * math.log(2 * math.pi)))


@pytest.mark.parametrize("log_variance", [80.0, 0.0, -10.0])
def test_a_target_a_thousand_sigma_away_has_a_finite_value_and_gradient(log_variance):
    mean = torch.zeros((), requires_grad=True)
    predicted = torch.tensor(log_variance, requires_grad=True)
    target = torch.tensor(1000 * math.exp(0.5 * log_variance))
    found = gaussian_log_likelihood(target, mean, predicted)
    found.backward()
    assert found.isfinite() and mean.grad.isfinite() and predicted.grad.isfinite()


def test_a_variance_that_float32_cannot_hold_still_has_a_likelihood():
    # exp(100) overflows float32; 1/σ does not.
    distance = 1e-20
    found = gaussian_log_likelihood(
        torch.tensor(distance), torch.zeros(()), torch.tensor(-100.0), min_log_variance=-math.inf
    )
    expected = 0.5 * (100 - (distance * math.exp(50)) ** 2 - math.log(2 * math.pi))
    torch.testing.assert_close(found, torch.tensor(expected))


def test_one_log_variance_for_all_pixels_is_broadcast():
    target, mean, log_variance = random_tensors(2, 3, 4, 4)
    one_a_channel = log_variance[:1, :, :1, :1]
    found = gaussian_log_likelihood(target, mean, one_a_channel)
    expected = gaussian_log_likelihood(target, mean, one_a_channel.expand(2, 3, 4, 4))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_gradcheck_in_all_arguments():
    arguments = [each.requires_grad_() for each in random_tensors(2, 3)]
    assert torch.autograd.gradcheck(gaussian_log_likelihood, arguments)


@pytest.mark.parametrize(
    ("given_as", "computed_in"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_precision_is_float32_at_least(given_as, computed_in):
    halves = random_tensors(50, dtype=given_as)
    widened = [each.to(computed_in) for each in halves]
    for count in (2, 3):
        found = gaussian_log_likelihood(*halves[:count])
        assert found.dtype == computed_in
        torch.testing.assert_close(found, gaussian_log_likelihood(*widened[:count]), rtol=0, atol=0)


def test_autocast_does_not_lower_the_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean = torch.eye(4) @ torch.ones(4, 4)
        found = gaussian_log_likelihood(torch.zeros(4, 4), mean, mean)
    assert mean.dtype == torch.bfloat16
    assert found.dtype == torch.float32


def test_compiled_into_one_graph_it_equals_eager_in_value_and_gradient():
    torch.compiler.reset()
    compiled = torch.compile(gaussian_log_likelihood, fullgraph=True, backend="aot_eager")
    for count, extra in ((3, ()), (2, ()), (2, (-1.0,)), (2, (-2.0,))):
        eager_input = [each.requires_grad_() for each in random_tensors(2, 3, count=count)]
        compiled_input = [each.detach().clone().requires_grad_() for each in eager_input]
        expected = gaussian_log_likelihood(*eager_input, *extra)
        found = compiled(*compiled_input, *extra)
        torch.testing.assert_close(found, expected)
        expected.sum().backward()
        found.sum().backward()
        for eager, other in zip(eager_input, compiled_input, strict=True):
            torch.testing.assert_close(other.grad, eager.grad)


def test_vmap_equals_a_batch():
    arguments = random_tensors(3, 2, 4)
    torch.testing.assert_close(
        torch.vmap(gaussian_log_likelihood)(*arguments), gaussian_log_likelihood(*arguments)
    )


@pytest.mark.parametrize("log_variance", [math.nan, math.inf, -math.inf])
def test_a_fixed_log_variance_that_is_no_number_is_refused(log_variance):
    with pytest.raises(ValueError, match=f"log_variance must be finite, found {log_variance}"):
        gaussian_log_likelihood(torch.zeros(2), torch.zeros(2), log_variance)


@pytest.mark.parametrize("bound", [math.nan, math.inf])
def test_a_bound_that_leaves_no_log_variance_is_refused(bound):
    with pytest.raises(ValueError, match=rf"min_log_variance .* below \+∞, found {bound}"):
        gaussian_log_likelihood(torch.zeros(2), torch.zeros(2), min_log_variance=bound)


def test_shapes_that_do_not_broadcast_are_refused():
    with pytest.raises(RuntimeError, match="must match"):
        inspect.unwrap(gaussian_log_likelihood)(torch.zeros(2), torch.zeros(3))
